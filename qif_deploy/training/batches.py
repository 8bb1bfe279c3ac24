"""Batches for the trainer: the same samples in the same order for any number of processes; each takes its share of every batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qif_deploy._torch import torch
from qif_deploy.datasets.dataset import Dataset, StreamedDataset, streamed
from qif_deploy.datasets.encoders import Encoder, encoded_sample
from qif_deploy.datasets.source import SampleSource
from qif_deploy.training.augment import shift_images
from qif_deploy.training.recipe import Recipe

Tensor = torch.Tensor
Batch = tuple[Tensor, Tensor]
"""Codes as a network takes them, ``(batch, ...)`` held or ``(time, batch, ...)``, and class indices ``(batch,)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which part of every batch is this process's: number ``rank`` of ``world``."""

    rank: int = 0
    world: int = 1


class TrainingBatches:
    """Shuffled batches; every pass draws anew from one generator. The last, smaller batch of a pass is left out.

    ``generator`` and ``passes`` are the whole state: with both restored, the next pass is the one that would have come.
    Subclasses say how a batch is fetched.
    """

    def __init__(self, samples: int, recipe: Recipe, seed: int) -> None:
        self.samples = samples
        self.batch_size = recipe.batch_size
        self.share = Share()
        self.generator = torch.Generator().manual_seed(seed)
        self.passes = 0

    def __len__(self) -> int:
        return self.samples // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(self.samples, generator=self.generator)[: len(self) * self.batch_size].reshape(len(self), -1)
        self.passes += 1
        mine = order[:, self.share.rank :: self.share.world]
        yield from self.fetch(mine)

    def fetch(self, order: Tensor) -> Iterator[Batch]:
        """Yield the batches of sample numbers ``(update, batch)`` for pass number ``passes - 1``."""
        raise NotImplementedError


class MemoryBatches(TrainingBatches):
    """Batches of arrays, moved as a whole; for data sets in memory with shifts only."""

    def __init__(self, dataset: Dataset, recipe: Recipe, seed: int) -> None:
        super().__init__(len(dataset.x_train), recipe, seed)
        self.x, self.y = torch.tensor(dataset.x_train), torch.tensor(dataset.y_train)
        self.framed = dataset.frames is not None
        self.shift_pixels = recipe.shift_pixels

    def fetch(self, order: Tensor) -> Iterator[Batch]:
        """Yield shifted copies."""
        moved = shift_images(self.x, self.shift_pixels, self.generator)
        for chosen in order:
            yield time_first(moved[chosen], framed=self.framed), self.y[chosen]


class StreamBatches(TrainingBatches):
    """Batches that torch's ``DataLoader`` reads, augments and encodes sample by sample, in worker processes where asked for."""

    def __init__(self, dataset: StreamedDataset, recipe: Recipe, seed: int, *, workers: int) -> None:
        super().__init__(len(dataset.train), recipe, seed)
        self.augmented = None
        source = dataset.train
        if recipe.augmentation is not None:
            from qif_deploy.training.data.augmented import AugmentedSource  # needs torchvision

            source = self.augmented = AugmentedSource(dataset, recipe.augmentation, seed=seed)
        self.reader = _Reader(source, recipe, dataset, seed=seed)
        self.workers = workers

    def fetch(self, order: Tensor) -> Iterator[Batch]:
        """Yield batches of this pass's changes."""
        self.reader.epoch = self.passes - 1
        if self.augmented is not None:
            self.augmented.set_epoch(self.passes - 1)
        yield from _loader(self.reader, order.tolist(), workers=self.workers)


def training_batches(dataset: Dataset | StreamedDataset, recipe: Recipe, seed: int, *, workers: int) -> TrainingBatches:
    """Return the batches of the training part."""
    if isinstance(dataset, Dataset):
        if recipe.augmentation is None and recipe.encoder is Encoder.DIRECT:
            return MemoryBatches(dataset, recipe, seed)
        dataset = streamed(dataset)
    return StreamBatches(dataset, recipe, seed, workers=workers)


def evaluation_batches(
    source: SampleSource,
    recipe: Recipe,
    dataset: Dataset | StreamedDataset,
    *,
    batch_size: int,
    share: Share | None = None,
    workers: int = 0,
) -> Iterator[Batch]:
    """Yield samples of ``source`` as they are, in order; a rate encoder draws the same spikes every time."""
    share = Share() if share is None else share
    mine = np.arange(share.rank, len(source), share.world)
    order = [mine[start : start + batch_size].tolist() for start in range(0, len(mine), batch_size)]
    yield from _loader(_Reader(source, recipe, dataset, seed=0), order, workers=workers)


def time_first(codes: Tensor, *, framed: bool) -> Tensor:
    """Return ``(batch, time, ...)`` as ``(time, batch, ...)``; held codes ``(batch, ...)`` as they are."""
    return codes.transpose(0, 1) if framed else codes


class _Reader:
    """What a ``DataLoader`` asks for samples: read, then encoded by a generator of (seed, epoch, index)."""

    def __init__(self, source: SampleSource, recipe: Recipe, dataset: Dataset | StreamedDataset, *, seed: int) -> None:
        self.source, self.recipe, self.high, self.seed = source, recipe, dataset.high, seed
        self.framed = dataset.frames is not None or recipe.encoder is Encoder.RATE
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8] | NDArray[np.int64], int]:
        codes, label = self.source[index]
        recipe = self.recipe
        found = encoded_sample(codes, recipe.encoder, steps=recipe.steps, high=self.high, seed=self.seed, epoch=self.epoch, index=index)
        return found, label


def _loader(reader: _Reader, order: list[list[int]], *, workers: int) -> Iterator[Batch]:
    """Read ``order`` batch by batch; a generator of its own keeps torch's global one untouched."""
    loader: torch.utils.data.DataLoader[Batch] = torch.utils.data.DataLoader(
        reader,  # type: ignore[arg-type]  # a map-style source by its methods
        batch_sampler=order,
        num_workers=workers,
        generator=torch.Generator(),
    )
    for codes, labels in loader:
        yield time_first(codes, framed=reader.framed), labels
