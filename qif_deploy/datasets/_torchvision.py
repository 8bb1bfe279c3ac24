"""The one entry of torchvision (>= 0.18) for data sets: it lists folders of pictures; pillow, which it brings, decodes them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("JPEG", "PNG")
"""ImageNet has no others. Each reader of pillow more is one more for a damaged file to break; EPS even starts Ghostscript."""

Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge of a part of a picture, in pixels."""


def picture_files(folder: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """Return the classes, the sorted names of the subfolders, and all pictures with their class index.

    Raises:
        InputError: no folder, no subfolders, or one without pictures.
        MissingDependencyError: torchvision is not installed.
    """
    try:
        from torchvision.datasets import ImageFolder
    except ImportError:
        raise MissingDependencyError("reading pictures needs torchvision; install it with: pip install 'qif-deploy[data]'") from None
    try:
        found = ImageFolder(str(folder))
    except (FileNotFoundError, NotADirectoryError) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"picture folder {str(folder)!r}: {said}; give one subfolder of pictures per class") from None
    return list(found.classes), [(Path(file), int(label)) for file, label in found.samples]


def decode(file: Path) -> Picture:
    """Return a picture as RGB, whole; grey and CMYK files, which ImageNet has, are converted.

    More than 89 million pixels, where pillow warns of a decompression bomb, are refused.

    Raises:
        InputError: the file is missing, no picture or cut off.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as opened:
                picture: Image.Image = opened.convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"picture {str(file)!r} is in no format that pillow knows; unpack the archive again") from None
    except Exception as error:  # its forty readers raise nearly every built-in type: SyntaxError on a broken PNG, struct.error and more
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"picture {str(file)!r} cannot be read: {reason}; unpack the archive again") from None
    return picture


def cut(picture: Picture, box: Box, *, side: int) -> NDArray[np.uint8]:
    """Return ``box`` of an RGB picture resized in one step, bilinear with antialiasing, ``(3, side, side)``."""
    from PIL.Image import Resampling

    resized = picture.resize((side, side), Resampling.BILINEAR, box=box)
    return np.ascontiguousarray(np.asarray(resized, np.uint8).transpose(2, 0, 1))
