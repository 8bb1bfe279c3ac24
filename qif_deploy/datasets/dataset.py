"""A labelled data set of integer codes, already split; and the door that finds one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.shapes import Shape, frozen

SampleCodes = Annotated[NDArray[np.int64], "(sample, channel, height, width)"]
Labels = Annotated[NDArray[np.int64], "(sample,)"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Samples as integer codes ``low..high``; a network sees ``code * scale``. Arrays are read-only int64.

    Raises:
        InputError: shapes, codes or labels that disagree with the declaration.
    """

    name: str
    shape: Shape
    low: int
    high: int
    scale: float
    classes: int
    x_train: SampleCodes
    y_train: Labels
    x_test: SampleCodes
    y_test: Labels

    def __post_init__(self) -> None:
        findings = []
        for part in ("train", "test"):
            x, y = np.asarray(getattr(self, f"x_{part}")), np.asarray(getattr(self, f"y_{part}"))
            where = f"data set {self.name!r}, {part} part"
            if not (np.issubdtype(x.dtype, np.integer) and np.issubdtype(y.dtype, np.integer)):
                findings.append(f"{where}: dtypes {x.dtype} and {y.dtype} are not both integer; give codes and class indices")
            elif x.shape[1:] != self.shape or y.shape != x.shape[:1] or not len(x):
                findings.append(f"{where}: samples {x.shape} and labels {y.shape} do not fit (sample, *{self.shape}) and (sample,)")
            elif x.min() < self.low or x.max() > self.high:
                findings.append(f"{where}: codes {x.min()}..{x.max()} leave the declared {self.low}..{self.high}; declare the true range")
            elif y.min() < 0 or y.max() >= self.classes:
                findings.append(f"{where}: labels {y.min()}..{y.max()} leave 0..{self.classes - 1}; declare the number of classes")
            else:
                object.__setattr__(self, f"x_{part}", frozen(x, np.int64))
                object.__setattr__(self, f"y_{part}", frozen(y, np.int64))
        raise_findings(InputError, findings)


def load_dataset(name: str, *, split_seed: int = 0) -> Dataset:
    """Return the data set ``name``; ``split_seed`` draws train and test parts, the same ones for the same seed.

    Raises:
        InputError: no such data set; lists the known ones.
        MissingDependencyError: the package that carries the data is not installed.
    """
    if name not in LOADERS:
        raise InputError(f"data set {name!r} is unknown; use one of {sorted(LOADERS)}")
    return LOADERS[name](split_seed)


def _digits(split_seed: int) -> Dataset:
    from qif_deploy.datasets.digits import load_digits

    return load_digits(split_seed=split_seed)


LOADERS: Mapping[str, Callable[[int], Dataset]] = MappingProxyType({"digits": _digits})
"""Name -> function of the split seed. A loader imports its module only when called, so that listing costs nothing."""
