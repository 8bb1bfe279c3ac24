"""Which neurons to show, and their courses in both networks: few enough to draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qif_deploy.fidelity.bound import Bounds, PopulationRun
from qif_deploy.fidelity.report import MembraneTrace
from qif_deploy.fidelity.tally import Scale

Index = tuple[int, ...]


def chosen_neurons(run: PopulationRun, scale: Scale) -> Iterator[tuple[str, Index]]:
    """Yield why and ``(sample, channel, ...)``: the first flip, the largest error below threshold, the most spikes; each neuron once."""
    seen: set[Index] = set()
    differ = run.s_float != run.s_codes
    quiet = (run.s_float | run.s_codes) == 0
    error = np.where(quiet, np.abs(run.u * scale.delta - run.v) / scale.span, 0.0).max(axis=0)
    candidates = []
    if differ.any():
        candidates.append(("first flip", tuple(int(n) for n in np.argwhere(differ)[0][1:])))
    candidates.append(("largest error below threshold", _largest(error)))
    candidates.append(("most spikes", _largest(run.s_float.sum(axis=0, dtype=np.int64))))
    for why, index in candidates:
        if index not in seen:
            seen.add(index)
            yield why, index


def membrane_trace(name: str, run: PopulationRun, scale: Scale, bounds: Bounds, why: str, index: Index) -> MembraneTrace:
    """Return the course of one neuron."""
    at: Any = (slice(None), *index)  # Any: numpy's stub takes no tuple of a slice and numbers
    channel = (index[1], *([0] * (scale.delta.ndim - 1)))
    return MembraneTrace(
        population=name,
        sample=index[0],
        neuron=index[1:],
        why=why,
        theta=float(scale.theta[channel]),
        u_float=tuple(float(v) for v in run.v[at]),
        u_integer=tuple(float(u) for u in run.u[at] * float(scale.delta[channel])),
        bound=tuple(float(b) for b in bounds.total[at]),
        spikes_float=tuple(int(s) for s in run.s_float[at]),
        spikes_integer=tuple(int(s) for s in run.s_codes[at]),
    )


def _largest(values: np.ndarray) -> Index:  # type: ignore[type-arg]  # of either kind
    return tuple(int(n) for n in np.unravel_index(int(values.argmax()), values.shape))


__all__ = ["chosen_neurons", "membrane_trace"]
