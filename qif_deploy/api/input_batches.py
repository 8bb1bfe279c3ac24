"""Real inputs batch by batch: a data set is read as it is needed and never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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

AT_ONCE = 256
"""Samples of a batch; results do not depend on it."""


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

    def _part(self, start: int, end: int) -> Batch:
        if self.codes is not None:
            return {name: codes[:, start:end] for name, codes in self.codes.items()}
        assert self.dataset is not None
        steps = 1 if self.graph.steps is None else self.graph.steps
        codes = shown(self.dataset, self.dataset.test, range(start, end), encoder=encoder_of(self.graph), steps=steps)
        return prepare_inputs(self.graph, {self.graph.inputs[0]: codes}, steps=self.graph.steps)


def input_batches(
    graph: QuantizedGraph, *, data: str | None, input_file: Path | None, samples: int | None, data_root: Path | None = None
) -> InputBatches:
    """Open a file of codes or the test part of a data set; ``data`` may be the name of one or the path of a ``.npy``/``.npz``.

    Raises:
        InputError: no data set is known, both are given, or its samples do not fit the network.
    """
    input_file = chosen_file(data=data, input_file=input_file, samples=samples)
    if input_file is not None:
        codes = read_inputs(graph, input_file, steps=None, encode=False)
        held = next(iter(codes.values())).shape[1]
        return InputBatches(
            graph=graph, samples=held if samples is None else min(samples, held), labels=None, source=str(input_file), codes=codes
        )
    name, dataset = open_for_network(graph, data, root=data_root)
    count = len(dataset.test) if samples is None else min(samples, len(dataset.test))
    return InputBatches(graph=graph, samples=count, labels=dataset.test.labels[:count], source=f"{name}, test part", dataset=dataset)
