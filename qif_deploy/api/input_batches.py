"""Real inputs batch by batch: a data set is read as it is needed and never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qif_deploy.api.loading import encoder_of, open_for_network, read_inputs, shown
from qif_deploy.api.real_inputs import chosen_file
from qif_deploy.datasets.dataset import StreamedDataset
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.inputs import prepare_inputs

Batch = Mapping[str, InputCodes]
Labelled = tuple[Batch, NDArray[np.int64] | None]

AT_ONCE = 256
"""Samples of a batch that is counted; results do not depend on it."""

NEURON_STEPS_AT_ONCE = 1 << 20
"""States of one network that a batch holds which is compared: 8 MB per array of float64, of which a comparison holds some twenty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputBatches:
    """Inputs of ``samples`` samples; every iteration reads them anew. ``labels`` are None where unknown.

    One of ``dataset`` and ``codes`` is there: what is read sample by sample, or what is in memory already.
    """

    graph: QuantizedGraph
    samples: int
    labels: NDArray[np.int64] | None
    source: str
    dataset: StreamedDataset | None = None
    codes: Batch | None = None

    def batches(self, *, size: int = AT_ONCE, samples: int | None = None) -> Iterator[Batch]:
        """Yield codes ``(time, sample, ...)`` of at most ``size`` samples, of the first ``samples`` where given."""
        end = self.samples if samples is None else min(samples, self.samples)
        for start in range(0, end, size):
            yield self._part(start, min(end, start + size))

    def labelled(self, *, size: int | None = None) -> Iterator[Labelled]:
        """Yield batches with their labels, of ``size`` samples or of what ``batch_for`` says."""
        size = self.compared_at_once if size is None else size
        for start, codes in zip(range(0, self.samples, size), self.batches(size=size), strict=True):
            yield codes, None if self.labels is None else self.labels[start : start + size]

    @property
    def compared_at_once(self) -> int:
        """Samples of a batch whose states are held."""
        steps = self.graph.steps if self.codes is None else next(iter(self.codes.values())).shape[0]
        return batch_for(self.graph, 1 if steps is None else steps)

    def _part(self, start: int, end: int) -> Batch:
        if self.codes is not None:
            return {name: codes[:, start:end] for name, codes in self.codes.items()}
        assert self.dataset is not None
        steps = 1 if self.graph.steps is None else self.graph.steps
        codes = shown(self.dataset, self.dataset.test, range(start, end), encoder=encoder_of(self.graph), steps=steps)
        return prepare_inputs(self.graph, {self.graph.inputs[0]: codes}, steps=self.graph.steps)


def batch_for(graph: QuantizedGraph, steps: int) -> int:
    """Return how many samples make a batch of ``NEURON_STEPS_AT_ONCE`` states."""
    neurons = sum(prod(graph.shapes[name]) for name in graph.populations)
    return max(1, min(AT_ONCE, NEURON_STEPS_AT_ONCE // max(1, neurons * steps)))


def input_batches(
    graph: QuantizedGraph, *, data: str | None, input_file: Path | None = None, samples: int | None, data_root: Path | None = None
) -> InputBatches:
    """Open a file of codes or the test part of a data set; ``data`` may be the name of one or the path of a ``.npy``/``.npz``.

    Raises:
        InputError: no data set is known, both are given, or its samples do not fit the network.
    """
    input_file = chosen_file(data=data, input_file=input_file, samples=samples, data_root=data_root)
    if input_file is not None:
        codes = read_inputs(graph, input_file, steps=None, encode=False)
        held = next(iter(codes.values())).shape[1]
        return InputBatches(
            graph=graph, samples=held if samples is None else min(samples, held), labels=None, source=str(input_file), codes=codes
        )
    name, dataset = open_for_network(graph, data, root=data_root)
    count = len(dataset.test) if samples is None else min(samples, len(dataset.test))
    return InputBatches(graph=graph, samples=count, labels=dataset.test.labels[:count], source=f"{name}, test part", dataset=dataset)
