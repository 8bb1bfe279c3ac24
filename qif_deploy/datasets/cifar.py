"""CIFAR-10 and CIFAR-100 from their binary version: 32x32 colour pixels, codes 0..255.

A record is one label byte (two for CIFAR-100: coarse, then fine) and 3,072 pixel bytes, red plane, green plane, blue plane.
The "python version", which torchvision reads, is a pickle and could run code, so it is not read at all.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009);
https://www.cs.toronto.edu/~kriz/cifar.html, sections "Binary version".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qif_deploy.datasets.dataset import Dataset
from qif_deploy.datasets.folder import FROM_FOLDER, read_records, subfolder
from qif_deploy.datasets.source import Labels
from qif_deploy.errors import InputError

SHAPE = (3, 32, 32)
PIXEL_BYTES = 3 * 32 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where what lies: files of both parts, label bytes before the pixels (the last one counts), classes, archive."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int
    classes: int
    archive: str


CIFAR10 = _Layout(
    name="cifar10",
    train=tuple(f"data_batch_{n}.bin" for n in range(1, 6)),
    test=("test_batch.bin",),
    label_bytes=1,
    classes=10,
    archive="cifar-10-binary.tar.gz",
)
CIFAR100 = _Layout(name="cifar100", train=("train.bin",), test=("test.bin",), label_bytes=2, classes=100, archive="cifar-100-binary.tar.gz")


def load_cifar10(root: Path) -> Dataset:
    """Return CIFAR-10 from ``root/cifar-10-batches-bin``.

    Raises:
        InputError: the folder or a file is missing, cut off, or holds labels that do not exist.
    """
    return _load(CIFAR10, root)


def load_cifar100(root: Path) -> Dataset:
    """Return CIFAR-100 with its 100 fine classes from ``root/cifar-100-binary``; errors as of ``load_cifar10``."""
    return _load(CIFAR100, root)


def _load(layout: _Layout, root: Path) -> Dataset:
    files = ", ".join((*layout.train, *layout.test))
    folder = subfolder(layout.name, root, FROM_FOLDER[layout.name], holds=f"{files} (archive {layout.archive})")
    x_train, y_train = _read(layout, folder, layout.train)
    x_test, y_test = _read(layout, folder, layout.test)
    return Dataset(
        name=layout.name,
        shape=SHAPE,
        low=0,
        high=255,
        scale=1 / 255,
        classes=layout.classes,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
    )


def _read(layout: _Layout, folder: Path, names: Sequence[str]) -> tuple[NDArray[np.uint8], Labels]:
    size = layout.label_bytes + PIXEL_BYTES
    parts = []
    for name in names:
        content = read_records(layout.name, folder / name, size=size)
        records = np.frombuffer(content, np.uint8).reshape(-1, size)
        worst = int(records[:, layout.label_bytes - 1].max())
        if worst >= layout.classes:
            raise InputError(
                f"data set {layout.name!r}: file {str(folder / name)!r} holds label {worst}, allowed is 0..{layout.classes - 1}; "
                f"unpack {layout.archive} again"
            )
        parts.append(records)
    joined = np.concatenate(parts)
    return joined[:, layout.label_bytes :].reshape(-1, *SHAPE), joined[:, layout.label_bytes - 1].astype(np.int64)
