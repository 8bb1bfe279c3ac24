"""How far an approximate file is from the integer network, on inputs that were run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import channelwise
from qif_deploy.simulate.trace import PopulationTrace, Trace
from qif_export.onnx.model import READOUT


def measure(graph: QuantizedGraph, expected: Trace, found: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return what differs.

    Per population: ``spike_agreement`` is the share of equal spikes, ``flips_per_spike`` the spikes that differ per spike,
    ``u_difference`` the largest difference of ``u`` in thresholds (in codes where there is none), of neurons whose input and spikes have
    been equal so far: what the neuron's own arithmetic makes of it. Of the readout: the share of equal answers, and the largest
    difference in codes.
    """
    readout = found[READOUT].astype(np.float64)
    same = readout.argmax(axis=1) == expected.readout.argmax(axis=1)
    return {
        "populations": {name: _population(graph, name, expected.populations[name], found) for name in expected.populations},
        "readout": {"answers_equal": float(same.mean()), "largest_difference": float(np.abs(readout - expected.readout).max())},
    }


def _population(graph: QuantizedGraph, name: str, trace: PopulationTrace, found: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    same_spike = found[f"{name}/s"].astype(np.uint8) == trace.s
    flipped, total = int((~same_spike).sum()), int(trace.s.sum(dtype=np.int64))
    theta = graph.population(name).constants.theta
    unit: Any = 1.0 if theta is None else np.maximum(1, np.abs(channelwise(theta, trace.u.ndim - 2)))
    same_so_far = np.logical_and.accumulate(found[f"{name}/i"] == trace.i, axis=0)
    same_so_far[1:] &= np.logical_and.accumulate(same_spike, axis=0)[:-1]
    difference = np.abs(found[f"{name}/u"].astype(np.float64) - trace.u) / unit
    return {
        "spike_agreement": 1.0 - flipped / max(1, trace.s.size),
        "flips_per_spike": flipped / max(1, total),
        "u_difference": float(difference.max(where=same_so_far, initial=0.0)),
    }


__all__ = ["measure"]
