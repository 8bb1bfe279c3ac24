"""The training part of a data set with its random changes; a sample depends on seed, epoch and index alone."""

from __future__ import annotations

import numpy as np

from qif_deploy._torch import torch
from qif_deploy.datasets.dataset import StreamedDataset
from qif_deploy.datasets.source import Labels, Sample, SampleSource
from qif_deploy.errors import InputError
from qif_deploy.training.data.augmentation import Augmentation, Augmenter


class AugmentedSource(SampleSource):
    """A source whose samples are changed anew every epoch, for torch's ``DataLoader``.

    Every sample has its own generator, of (seed, epoch, index). So the order, the number of worker processes and the split over
    machines change nothing, and a resumed run sees what the unbroken one saw. Worker processes get the epoch when they start:
    do not use ``persistent_workers=True``.

    Raises:
        InputError: the augmentation does not fit the samples.
    """

    def __init__(self, dataset: StreamedDataset, augmentation: Augmentation, *, seed: int) -> None:
        if seed < 0:
            raise InputError(f"augmentation: seed = {seed}, allowed is 0 or more")
        self._source, self._seed, self._epoch = dataset.train, seed, 0
        self._augmenter = Augmenter(augmentation, shape=dataset.shape, low=dataset.low, high=dataset.high)

    @property
    def labels(self) -> Labels:
        """Class indices of all samples."""
        return self._source.labels

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, 0 or more, whose changes the next samples get."""
        self._epoch = epoch

    def __getitem__(self, index: int) -> Sample:
        """Return the changed sample and its class index."""
        rng = np.random.default_rng([self._seed, self._epoch, index])
        codes, label = self._source.draw(index, rng) if self._augmenter.augmentation.random_view else self._source[index]
        changed = self._augmenter(torch.from_numpy(codes), seed=int(rng.integers(2**63)))
        return changed.numpy(), label
