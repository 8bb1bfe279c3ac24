"""Real samples in batches, so that a comparison over a data set needs the memory of one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qif_deploy.api.loading import encoder_of, open_for, read_inputs, shown
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.inputs import prepare_inputs

Batch = tuple[dict[str, InputCodes], NDArray[np.int64] | None]

NEURON_STEPS_AT_ONCE = 1 << 20
"""States of one network that a batch holds: 8 MB per array of float64, of which a comparison holds some twenty."""

LARGEST_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RealStream:
    """``samples`` samples from ``source``, read batch by batch as they are asked for; iterating anew reads them anew."""

    samples: int
    source: str
    batch: int
    read: Callable[[range], Batch]

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, self.samples, self.batch):
            yield self.read(range(start, min(start + self.batch, self.samples)))


def batch_for(graph: QuantizedGraph, steps: int) -> int:
    """Return how many samples make a batch of ``NEURON_STEPS_AT_ONCE`` states."""
    neurons = sum(prod(graph.shapes[name]) for name in graph.populations)
    return max(1, min(LARGEST_BATCH, NEURON_STEPS_AT_ONCE // max(1, neurons * steps)))


def real_stream(
    graph: QuantizedGraph, *, data: str | None, samples: int | None, data_root: Path | None = None, batch: int | None = None
) -> RealStream:
    """Open the test part of a data set, or a ``.npy``/``.npz`` of codes, for a network.

    Args:
        graph: the network; its provenance names the data set when ``data`` is None, and the encoder.
        data: data set by name, or path of a file of codes.
        samples: how many, from the start; None for all.
        data_root: folder that holds the folders of data sets that no package carries.
        batch: samples at once; None for what ``batch_for`` says.

    Raises:
        InputError: no data set is known, its samples do not fit the network, or fewer than one sample is asked for.
    """
    if samples is not None and samples < 1:
        raise InputError(f"samples {samples} is below 1; ask for at least one")
    if data is not None and Path(data).suffix in (".npy", ".npz"):
        return _file_stream(graph, Path(data), samples, batch)
    name = graph.provenance.get("dataset") if data is None else data
    if name is None:
        raise InputError("the network names no data set; give real input with --data X.npy or --data NAME")
    if len(graph.inputs) != 1:
        raise InputError(f"data set {name!r} feeds one input, the network has {list(graph.inputs)}; give --data X.npz")
    dataset = open_for(name, steps=graph.steps, root=data_root)
    encoder, steps = encoder_of(graph), 1 if graph.steps is None else graph.steps
    total = len(dataset.test) if samples is None else min(samples, len(dataset.test))

    def read(chosen: range) -> Batch:
        codes = shown(dataset, dataset.test, chosen, encoder=encoder, steps=steps)
        return prepare_inputs(graph, {graph.inputs[0]: codes}, steps=graph.steps), dataset.test.labels[chosen.start : chosen.stop]

    size = batch_for(graph, steps) if batch is None else batch
    return RealStream(samples=total, source=f"{name}, test part", batch=size, read=read)


def _file_stream(graph: QuantizedGraph, path: Path, samples: int | None, batch: int | None) -> RealStream:
    codes = read_inputs(graph, path, steps=None, encode=False)
    steps, total = next(iter(codes.values())).shape[:2]

    def read(chosen: range) -> Batch:
        return {name: x[:, chosen.start : chosen.stop] for name, x in codes.items()}, None

    return RealStream(
        samples=total if samples is None else min(samples, total),
        source=str(path),
        batch=batch_for(graph, steps) if batch is None else batch,
        read=read,
    )


__all__ = ["Batch", "RealStream", "batch_for", "real_stream"]
