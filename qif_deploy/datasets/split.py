"""Stratified splits: the same share of every class, drawn from one generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qif_deploy.datasets.source import Labels
from qif_deploy.errors import InputError


def stratified(labels: Labels, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose ``share`` of every class, rounded to whole samples; ``(sample,)``, true for chosen.

    Raises:
        InputError: ``share`` is not between 0 and 1, or chooses none or all of the samples.
    """
    if not 0 < share < 1:
        raise InputError(f"split: share = {share!r} of the samples, allowed is above 0 and below 1; 0.1 is usual")
    chosen = np.zeros(labels.shape, np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        chosen[members[: round(share * members.size)]] = True
    if chosen.all() or not chosen.any():
        raise InputError(f"split: share = {share} of {labels.size} samples leaves one part empty; give more samples or another share")
    return chosen
