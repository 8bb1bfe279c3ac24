"""One time step of the whole network in operators: from input codes and states to recordings and next states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.shapes import channelwise
from qif_export.onnx.builder import Dtype, GraphBuilder
from qif_export.onnx.float_operands import FloatOperands
from qif_export.onnx.integer_operands import IntegerOperands
from qif_export.onnx.neuron_function import NeuronStep
from qif_export.onnx.operands import SignalValue
from qif_export.onnx.options import OnnxOptions, Profile
from qif_export.onnx.widths import Width

QUANTITIES = ("i", "u", "s")
"""What is recorded of a population at every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtypes:
    """Dtypes of what enters and leaves the network."""

    input: Dtype
    state: Dtype
    readout: Dtype
    recorded: Mapping[str, Dtype]

    @classmethod
    def of(cls, profile: Profile, width: Width) -> Dtypes:
        """The exact profile speaks the dtypes of the vectors, the others floats."""
        if profile is Profile.EXACT:
            recorded: dict[str, Dtype] = {"i": np.int32, "u": np.int32, "s": np.uint8}
            return cls(input=np.int32, state=width.dtype, readout=width.readout, recorded=recorded)
        recorded = {"i": width.dtype, "u": width.dtype, "s": np.float32}
        return cls(input=np.float32, state=width.dtype, readout=width.readout, recorded=recorded)


@dataclass(slots=True, kw_only=True)
class StepValues:
    """Names of what a step computes: next states by population, recordings by population and quantity, the readout's next state."""

    states: dict[str, str] = field(default_factory=dict)
    recordings: dict[str, dict[str, str]] = field(default_factory=dict)
    readout: str = ""


def neuron_step(graph: QuantizedGraph, options: OnnxOptions, width: Width) -> NeuronStep:
    """Return the neuron of the profile for ``graph``."""
    return NeuronStep(profile=options.profile, dtype=width.dtype, number_format=graph.number_format, inline=options.inline)


def add_step(
    builder: GraphBuilder, graph: QuantizedGraph, options: OnnxOptions, width: Width, names: Mapping[str, str], states: Mapping[str, str]
) -> StepValues:
    """Add one step to ``builder``.

    Args:
        builder: takes operators and constants.
        graph: the network.
        options: profile, and whether functions are called.
        width: dtypes of the arithmetic.
        names: input -> name of its value ``(B, ...)``.
        states: population or readout -> name of its state ``(B, ...)``.
    """
    neuron = neuron_step(graph, options, width)
    operands = _operands(builder, graph, options.profile, width)
    found = StepValues()
    signals: dict[str, SignalValue] = {}
    currents: dict[str, str] = {}
    for name in graph.order:
        node = graph.nodes[name]
        feeding = graph.sources(name)
        match node:
            case CodeInput():
                signals[name] = operands.signal(name, names[name])
            case SumPool2d():
                signals[name] = operands.pool(name, node, signals[feeding[0]])
            case Flatten():
                signals[name] = operands.flatten(name, signals[feeding[0]])
            case DenseCodes() | Conv2dCodes():
                currents[name] = operands.synapse(name, node, signals[feeding[0]])
            case Population():
                ndim = len(graph.shapes[name])
                i = _join(builder, name, [currents[b] for b in feeding], channelwise(node.constants.bias, ndim), width.dtype)
                out = neuron.add(builder, name, node.constants, (states[name], i), ndim)
                signals[name] = SignalValue(out["s"], 0)
                found.states[name] = out["r_next"]
                found.recordings[name] = {"i": i, "u": out["u"], "s": out["s"]}
            case ReadoutCodes():
                i = _join(builder, name, [currents[b] for b in feeding], node.bias, width.dtype)
                found.readout = _reduced(builder, name, node, i, states[name], width)
    return found


def _operands(builder: GraphBuilder, graph: QuantizedGraph, profile: Profile, width: Width) -> IntegerOperands | FloatOperands:
    if profile is Profile.EXACT:
        return IntegerOperands(builder=builder, graph=graph, dtype=width.dtype)
    return FloatOperands(builder=builder, graph=graph, dtype=width.dtype, quantized=profile is Profile.QDQ)


def _join(builder: GraphBuilder, name: str, branches: list[str], bias: Any, dtype: Dtype) -> str:
    """Return the sum of all branches and the bias."""
    total = branches[0]
    for number, branch in enumerate(branches[1:]):
        total = builder.operator("Add", [total, branch], f"{name}/join{number}")
    return builder.operator("Add", [total, builder.constant(f"{name}/bias", bias.astype(dtype))], f"{name}/i")


def _reduced(builder: GraphBuilder, name: str, node: ReadoutCodes, i: str, state: str, width: Width) -> str:
    wide = i if width.readout is width.dtype else builder.cast(i, width.readout, f"{name}/i_wide")
    match node.reduce:
        case Reduce.SUM:
            return builder.operator("Add", [state, wide], f"{name}/total")
        case Reduce.LAST:
            # A value of its own also where nothing was computed, since an output of the step has to be one.
            return builder.operator("Identity", [wide], f"{name}/total")


__all__ = ["QUANTITIES", "Dtypes", "StepValues", "add_step", "neuron_step"]
