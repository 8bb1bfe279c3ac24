"""One node of a float NIR file into a part, every field checked; what has no place in a network of ours says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.nodes import AvgPool2d, Conv2d, ConvGeometry, Dense, Input, Pair, Readout, Reduce, SumPool2d
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.shapes import Shape
from qif_export.nir import nodes as own
from qif_export.nir.importing.parts import (
    FlattenAxes,
    Floats,
    InputPort,
    Integrator,
    Neuron,
    NeuronKind,
    OutputPort,
    Part,
    Quadratic,
    ScaleBy,
)
from qif_export.nir.importing.signals import per_channel
from qif_export.nir.node_fields import NodeFields

WITHOUT_PLACE = {
    "CubaLIF": "its synaptic current is a second state, a population here has one; train with the neuron that has none "
    "(snn.Leaky, LIFBoxCell, LIFNeuronTorch, LIFNode)",
    "CubaLI": "its synaptic current is a second state, a population here has one; end the network in LI, I or a linear layer",
    "Delay": "connections here are without delay; train without delays, or set all of them to 0",
}
"""Standard types that cannot be carried, with the reason and what to do."""

READ = ("Input", "Output", "Affine", "Linear", "Conv1d", "Conv2d", "Scale", "SumPool2d", "AvgPool2d", "Flatten")
NEURONS = ("IF", "LIF", "Threshold", "I", "LI", "QIF", "QIFInput", "QIFReadout")


def parse_node(fields: NodeFields) -> Part:
    """Return what the node is.

    Raises:
        UnsupportedError: a type that has no place in a network of ours, with what to do.
        InputError: a field is missing, of the wrong type or shape.
    """
    try:
        return _parsed(fields)
    except KeyError as error:
        raise InputError(f"node {fields.name!r}: field {error} is missing; export the network again") from None


def _parsed(fields: NodeFields) -> Part:
    match fields.text("type"):
        case "Input":
            return InputPort(shape=fields.extents("shape") if "shape" in fields.values else ())
        case "Output":
            return OutputPort()
        case "Affine" | "Linear":
            return _dense(fields)
        case "Conv1d":
            return _conv1d(fields)
        case "Conv2d":
            return _conv2d(fields)
        case "Scale":
            return ScaleBy(factor=fields.reals("scale").astype(np.float64))
        case "SumPool2d" | "AvgPool2d":
            return _pool(fields)
        case "Flatten":
            return FlattenAxes(start=fields.integer("start_dim"), end=fields.integer("end_dim"))
        case "IF" | "LIF" | "Threshold":
            return _neuron(fields, NeuronKind(fields.text("type")))
        case "I" | "LI":
            leaky = fields.text("type") == "LI"
            return Integrator(
                r=_positive(fields, "r"),
                tau=_positive(fields, "tau") if leaky else None,
                v_leak=fields.reals("v_leak").astype(np.float64) if leaky else None,
            )
        case "Delay":
            if not fields.reals("delay").any():
                return ScaleBy(factor=np.ones(1))
            raise UnsupportedError(f"node {fields.name!r} (Delay): {WITHOUT_PLACE['Delay']}")
        case "QIF":
            return _quadratic(fields)
        case "QIFInput":
            return Input(
                shape=fields.extents("input_shape"), low=fields.integer("low"), high=fields.integer("high"), scale=fields.number("scale")
            )
        case "QIFReadout":
            return Readout(reduce=Reduce(fields.text("reduce", [mode.value for mode in Reduce])))
        case kind:
            why = WITHOUT_PLACE.get(kind, f"it is no type that this version reads ({', '.join((*READ, *NEURONS))}); replace it")
            raise UnsupportedError(f"node {fields.name!r} ({kind}): {why}")


def _dense(fields: NodeFields) -> Dense:
    weight = fields.reals("weight")
    if weight.ndim != 2:
        raise InputError(f"node {fields.name!r}: its weight has shape {weight.shape}, not (out, in); use one matrix")
    bias = fields.reals("bias").astype(np.float64) if fields.text("type") == "Affine" else None
    return Dense(weight=weight, bias=None if bias is None else bias.reshape(-1))


def _conv1d(fields: NodeFields) -> Conv2d:
    weight = fields.reals("weight")
    if weight.ndim != 3:
        raise InputError(f"node {fields.name!r}: its weight has shape {weight.shape}, not (out, in, length); export the network again")
    kernel = (1, int(weight.shape[2]))
    dilation = (1, _numbers(fields, "dilation", 1)[0])
    stride = (1, _numbers(fields, "stride", 1)[0])
    padding = _padding(fields, kernel, dilation, stride, axes=1)
    return _conv(
        fields, weight[:, :, np.newaxis, :], ConvGeometry(stride=stride, padding=padding, dilation=dilation, groups=_groups(fields))
    )


def _conv2d(fields: NodeFields) -> Conv2d:
    weight = fields.reals("weight")
    if weight.ndim != 4:
        raise InputError(
            f"node {fields.name!r}: its weight has shape {weight.shape}, not (out, in, height, width); export the network again"
        )
    kernel = (int(weight.shape[2]), int(weight.shape[3]))
    dilation, stride = _pair(fields, "dilation"), _pair(fields, "stride")
    padding = _padding(fields, kernel, dilation, stride, axes=2)
    return _conv(fields, weight, ConvGeometry(stride=stride, padding=padding, dilation=dilation, groups=_groups(fields)))


def _conv(fields: NodeFields, weight: NDArray[Any], geometry: ConvGeometry) -> Conv2d:
    bias = fields.reals("bias").astype(np.float64).reshape(-1)
    # The format has no convolution without bias, so zeros stand for none.
    return Conv2d(weight=weight, bias=bias if bias.any() else None, geometry=geometry)


def _groups(fields: NodeFields) -> int:
    return _numbers(fields, "groups", 1)[0]


def _padding(fields: NodeFields, kernel: Pair, dilation: Pair, stride: Pair, *, axes: int) -> Pair:
    value = fields.values["padding"]
    if not isinstance(value, str):
        return _pair(fields, "padding") if axes == 2 else (0, _numbers(fields, "padding", 1)[0])
    whole = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if value == "valid":
        return 0, 0
    if value != "same" or any(n % 2 for n in whole) or stride != (1, 1):
        raise UnsupportedError(
            f"node {fields.name!r}: padding {value[:20]!r} with kernel {kernel} and stride {stride} is not the same on both sides; "
            "pad by numbers"
        )
    return whole[0] // 2, whole[1] // 2


def _pool(fields: NodeFields) -> SumPool2d | AvgPool2d:
    if any(_pair(fields, "padding")):
        raise UnsupportedError(
            f"node {fields.name!r}: pooling with padding {_pair(fields, 'padding')} has windows that reach over the edge; "
            "pad in the convolution before it, or use a size that the window divides"
        )
    kind = SumPool2d if fields.text("type") == "SumPool2d" else AvgPool2d
    return kind(kernel=_pair(fields, "kernel_size"), stride=_pair(fields, "stride"))


def _pair(fields: NodeFields, key: str) -> Pair:
    value = _numbers(fields, key, None)
    if len(value) == 1:
        return value[0], value[0]
    if len(value) != 2:
        raise InputError(f"node {fields.name!r}: field {key!r} has {len(value)} values, not two; export the network again")
    return value[0], value[1]


def _numbers(fields: NodeFields, key: str, count: int | None) -> Shape:
    value = np.asarray(fields.values[key]).reshape(-1)
    if value.dtype.kind not in "iu" or not value.size or (count is not None and value.size != count):
        raise InputError(f"node {fields.name!r}: field {key!r} is {_brief(value)}, not whole numbers; export the network again")
    return tuple(int(n) for n in value)


def _neuron(fields: NodeFields, kind: NeuronKind) -> Neuron:
    theta_key = "threshold" if kind is NeuronKind.THRESHOLD else "v_threshold"
    theta = fields.reals(theta_key)
    given: dict[str, Floats] = {}
    if kind is not NeuronKind.THRESHOLD:
        given["r"] = _positive(fields, "r")
        if "v_reset" in fields.values:
            given["v_reset"] = fields.reals("v_reset").astype(np.float64)
    if kind is NeuronKind.LIF:
        given |= {"tau": _positive(fields, "tau"), "v_leak": fields.reals("v_leak").astype(np.float64)}
    _require_alike(fields, {theta_key: theta} | given)
    return Neuron(kind=kind, v_threshold=theta.astype(np.float64), single_precision=theta.dtype == np.float32, **given)


def _require_alike(fields: NodeFields, given: Mapping[str, NDArray[Any]]) -> None:
    """Refuse parameters of which one has a value per channel and another a value for each of another number of channels."""
    try:
        np.broadcast_shapes(*(value.shape for value in given.values()))
    except ValueError:
        told = ", ".join(f"{key} {value.shape}" for key, value in given.items())
        raise InputError(f"node {fields.name!r}: its parameters have shapes that do not fit: {told}; export the network again") from None


def _positive(fields: NodeFields, key: str) -> Floats:
    """Time constants and resistances; infinite is legal, and is how a neuron without leak is written."""
    value = np.asarray(fields.values[key])
    if value.dtype.kind not in "iuf" or not value.size or not (value > 0).all():
        raise InputError(f"node {fields.name!r}: field {key!r} is {_brief(value)}, not positive numbers; export the network again")
    return value.astype(np.float64)


def _brief(value: NDArray[Any]) -> str:
    return " ".join(str(value).split())[:60]


def _quadratic(fields: NodeFields) -> Quadratic:
    """Read our own node. ``c2, c1, c0`` are exact; where a tool wrote only the equation, forward Euler and NIR's strict comparison."""
    continuous = ["a2", "a1", "a0", "r", "v_threshold", "v_reset"]
    fields.expect(continuous, ["input_shape", "dt", "c2", "c1", "c0", "r0", "reset_by", "u_min", "spike", "reset_mode", "metadata"])
    shape = fields.extents("input_shape") if "input_shape" in fields.values else fields.reals("v_threshold").shape
    held = {
        key: _per_channel(fields, key, shape) for key in (*continuous, "c2", "c1", "c0", "r0", "reset_by", "u_min") if key in fields.values
    }
    dt = fields.number("dt") if "dt" in fields.values else own.DT
    euler = {"c2": held["a2"] * dt, "c1": 1 + held["a1"] * dt, "c0": held["a0"] * dt}
    stated = [key for key in euler if key in held]
    if stated and (len(stated) < 3 or not all(np.allclose(held[key], euler[key], rtol=1e-12, atol=1e-12) for key in euler)):
        raise InputError(
            f"node {fields.name!r}: fields c2, c1, c0 contradict a2, a1, a0 with dt {dt}; it was changed, export the network again"
        )
    coefficients = {key: held.get(key, euler[key]) for key in euler}
    params = QIFParams.of(
        **coefficients,
        theta=held["v_threshold"],
        u_reset=held["v_reset"],
        r0=held.get("r0"),
        reset_by=held.get("reset_by"),
        u_min=held.get("u_min"),
        reset=ResetMode(fields.text("reset_mode", [mode.value for mode in ResetMode])) if "reset_mode" in fields.values else ResetMode.HARD,
        spike_on_equal="spike" in fields.values and fields.text("spike", [own.SPIKE, own.STRICT]) == own.SPIKE,
    )
    return Quadratic(params=params, gain=held["r"] * dt)


def _per_channel(fields: NodeFields, key: str, shape: Shape) -> Floats:
    """Return one value per channel, or one for all; a whole population's worth has to be the same within each channel."""
    value = fields.reals(key).astype(np.float64)
    laid_out = (shape[0], *([1] * (len(shape) - 1))) if shape else ()
    if value.shape in ((), (1,), laid_out):
        return value.reshape(-1)
    if value.shape != shape:
        raise InputError(f"node {fields.name!r}: field {key!r} has shape {value.shape}, not {laid_out} or (1,); give one value per channel")
    return per_channel(fields.name, value, shape, key)


__all__ = ["WITHOUT_PLACE", "parse_node"]
