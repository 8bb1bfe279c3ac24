"""How far an approximate file is from the integer network, on inputs that were run."""

from __future__ import annotations

from typing import Any

import numpy as np

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import channelwise
from qif_deploy.simulate.trace import Trace
from qif_export.onnx.model import READOUT
from qif_export.onnx.session import Arrays


def measure(graph: QuantizedGraph, expected: Trace, found: Arrays) -> dict[str, Any]:
    """Return what differs.

    ``populations``: per recorded population the share of equal spikes, the spikes that differ per spike, and the largest difference of
    ``u`` before the first spike that differs anywhere, in thresholds (in codes where there is none): later ones follow other paths.
    ``readout``: the share of equal answers, and the largest difference of a sum in codes.
    """
    populations = {name: _population(graph, name, expected, found) for name in expected.populations}
    readout = found[READOUT].astype(np.float64)
    same = readout.argmax(axis=1) == expected.readout.argmax(axis=1)
    largest = float(np.abs(readout - expected.readout).max())
    return {"populations": populations, "readout": {"answers_equal": float(same.mean()), "largest_difference": largest}}


def _population(graph: QuantizedGraph, name: str, expected: Trace, found: Arrays) -> dict[str, Any]:
    trace = expected.populations[name]
    spikes = found[f"{name}/s"].astype(np.uint8)
    flipped, total = int((spikes != trace.s).sum()), int(trace.s.sum(dtype=np.int64))
    theta = graph.population(name).constants.theta
    unit: Any = 1.0 if theta is None else np.maximum(1, np.abs(channelwise(theta, trace.u.ndim - 2)))
    # Up to and with the step of the first flip nothing upstream of it can have differed in a spike of this population.
    steps = np.flatnonzero((spikes != trace.s).reshape(len(spikes), -1).any(axis=1))
    until = len(spikes) if not len(steps) else int(steps[0]) + 1
    difference = np.abs(found[f"{name}/u"][:until].astype(np.float64) - trace.u[:until]) / unit
    return {
        "spike_agreement": 1.0 - flipped / max(1, trace.s.size),
        "flips_per_spike": flipped / max(1, total),
        "u_difference": float(difference.max(initial=0.0)),
    }


__all__ = ["measure"]
