"""ImageNet-1k, or any two folders of pictures by class: 224x224 colour pixels, codes 0..255.

Source: O. Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 115 (2015). The pictures are found by
torchvision's ``ImageFolder``; its class ``ImageNet`` would unpickle a file of the user's folder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qif_deploy.datasets._torchvision import Box, cut, decode, picture_files
from qif_deploy.datasets.dataset import StreamedDataset
from qif_deploy.datasets.folder import FROM_FOLDER, subfolder
from qif_deploy.datasets.source import Labels, Sample, SampleSource
from qif_deploy.errors import InputError
from qif_deploy.shapes import frozen

SIDE = 224
RESIZED = 256
"""The shorter side before the central 224x224 pixels are cut out, as the field tests."""
AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
"""Share of the picture and aspect ratio of a random view: C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015."""
ATTEMPTS = 10


class PictureSource(SampleSource):
    """Pictures by file: the central cut when indexed, a random view of the whole picture when drawn."""

    def __init__(self, files: Sequence[tuple[Path, int]]) -> None:
        self._files = tuple(file for file, _ in files)
        self._labels = frozen([label for _, label in files], np.int64)

    @property
    def labels(self) -> Labels:
        """Class indices of all pictures."""
        return self._labels

    def __getitem__(self, index: int) -> Sample:
        """Return the central 224x224 pixels, the shorter side being 256, and the class index."""
        picture = decode(self._files[index])
        return cut(picture, _centre(*picture.size), side=SIDE), int(self._labels[index])

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Return a random part of the whole picture, 8 to 100 % of its area, resized to 224x224, and the class index."""
        picture = decode(self._files[index])
        return cut(picture, random_box(*picture.size, rng), side=SIDE), int(self._labels[index])


def open_imagenet(root: Path) -> StreamedDataset:
    """Return ImageNet from ``root/imagenet/train/<class>/*`` and ``root/imagenet/val/<class>/*``.

    Raises:
        InputError: a folder is missing or empty, or the parts have other classes.
        MissingDependencyError: torchvision is not installed.
    """
    folder = subfolder("imagenet", root, FROM_FOLDER["imagenet"], holds="train/<class>/*.JPEG and val/<class>/*.JPEG")
    parts = [subfolder("imagenet", folder, part, holds="one folder of pictures per class") for part in ("train", "val")]
    (classes, train), (other, test) = (picture_files(part) for part in parts)
    if classes != other:
        only = sorted(set(classes) ^ set(other))[:3]
        raise InputError(f"data set 'imagenet': train and val below {str(folder)!r} differ in classes, first {only}; unpack both by class")
    return StreamedDataset(
        name="imagenet",
        shape=(3, SIDE, SIDE),
        low=0,
        high=255,
        scale=1 / 255,
        classes=len(classes),
        train=PictureSource(train),
        test=PictureSource(test),
    )


def random_box(width: int, height: int, rng: np.random.Generator) -> Box:
    """Draw left, upper, right, lower of a random part; after ten misses the largest central part of an allowed aspect ratio."""
    for _ in range(ATTEMPTS):
        area = width * height * rng.uniform(*AREA)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, upper = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            return left, upper, left + w, upper + h
    w, h = min(width, round(height * ASPECT[1])), min(height, round(width / ASPECT[0]))
    left, upper = (width - w) // 2, (height - h) // 2
    return left, upper, left + w, upper + h


def _centre(width: int, height: int) -> Box:
    side = min(width, height) * SIDE / RESIZED
    left, upper = (width - side) / 2, (height - side) / 2
    return left, upper, left + side, upper + side
