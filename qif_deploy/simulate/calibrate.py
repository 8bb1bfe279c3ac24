"""Run the float network on calibration data and keep what quantisation needs of it: what every weight is multiplied with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import AvgPool2d, Conv2d, Dense, Flatten, Input, Readout, Reduce, SumPool2d
from qif_deploy.passes.calibration import Calibration, SynapseInput, Taps
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.float_sim import FloatTrace, FloatType, run_float
from qif_deploy.simulate.synapses import sum_pool2d

Moments = tuple[NDArray[Any], NDArray[Any]]
"""Sums of a signal and of its square over time and samples, ``(channel, ...)``."""


def calibrate(
    graph: Graph, inputs: Mapping[str, InputCodes], *, source: str, batch: int = 64, dtype: FloatType = np.float64
) -> Calibration:
    """Return the statistics of every synapse's input in float runs over ``inputs``.

    Args:
        graph: the float network, with or without BatchNorm.
        inputs: codes ``(time, sample, ...)`` of the training part; what is tested on has no place here.
        source: name of the data, for reports.
        batch: samples that are run together.
        dtype: of the float runs.

    Raises:
        InputError: no sample, or inputs that do not fit the graph.
    """
    steps, samples = next(iter(inputs.values())).shape[:2]
    if samples < 1:
        raise InputError(f"calibration on {source!r}: no sample; give at least one")
    synapses = {name: node for name, node in graph.nodes.items() if isinstance(node, Dense | Conv2d)}
    sums: dict[str, Moments] = {}
    readouts = []
    for start in range(0, samples, batch):
        part = {name: codes[:, start : start + batch] for name, codes in inputs.items()}
        trace = run_float(graph, part, dtype=dtype)
        readouts.append(trace.readout)
        for name in synapses:
            signal = _signal(graph, graph.sources(name)[0], part, trace)
            first, second = signal.sum(axis=(0, 1)), np.square(signal).sum(axis=(0, 1))
            sums[name] = (sums[name][0] + first, sums[name][1] + second) if name in sums else (first, second)
    means = {name: (first / (steps * samples), second / (steps * samples)) for name, (first, second) in sums.items()}
    node = graph.nodes[graph.readout]
    assert isinstance(node, Readout)
    per_step = np.concatenate(readouts) / (steps if node.reduce is Reduce.SUM else 1)
    return Calibration(
        inputs={n: SynapseInput(mean=_taps(synapses[n], m), mean_square=_taps(synapses[n], q)) for n, (m, q) in means.items()},
        readout_spread=float(per_step.std()),
        samples=samples,
        source=source,
    )


def _signal(graph: Graph, name: str, inputs: Mapping[str, InputCodes], trace: FloatTrace) -> NDArray[np.float64]:
    """Return what node ``name`` emits, ``(time, batch, ...)``, in the units of the float network."""
    node = graph.nodes[name]
    if isinstance(node, Input):
        return inputs[name] * np.float64(node.scale)
    if isinstance(node, AvgPool2d | SumPool2d | Flatten):
        source = _signal(graph, graph.sources(name)[0], inputs, trace)
        lead = source.shape[:2]
        if isinstance(node, Flatten):
            return source.reshape(*lead, -1)
        pooled = sum_pool2d(source.reshape(-1, *source.shape[2:]), node.kernel, node.stride)
        window = node.kernel[0] * node.kernel[1] if isinstance(node, AvgPool2d) else 1
        found: NDArray[np.float64] = (pooled / window).reshape(*lead, *pooled.shape[1:])
        return found
    return trace.populations[name].s.astype(np.float64)


def _taps(synapse: Dense | Conv2d, image: NDArray[Any]) -> Taps:
    """Average an image of means over the output positions of each weight; zero padding counts as zeros."""
    match synapse:
        case Dense():
            return image.reshape(1, -1)
        case Conv2d():
            channels = np.stack(list(_channel_taps(synapse, image)))  # (channel, height * width of the kernel)
            return channels.reshape(synapse.geometry.groups, -1)
        case _:
            assert_never(synapse)


def _channel_taps(synapse: Conv2d, image: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    g, kernel = synapse.geometry, (int(synapse.weight.shape[2]), int(synapse.weight.shape[3]))
    (ph, pw), (sh, sw), (dh, dw) = g.padding, g.stride, g.dilation
    rows, columns = g.output_size((image.shape[1], image.shape[2]), kernel)
    for channel in np.pad(image, ((0, 0), (ph, ph), (pw, pw))):
        seen = [
            channel[y * dh : y * dh + sh * (rows - 1) + 1 : sh, x * dw : x * dw + sw * (columns - 1) + 1 : sw].mean()
            for y in range(kernel[0])
            for x in range(kernel[1])
        ]
        yield np.array(seen)
