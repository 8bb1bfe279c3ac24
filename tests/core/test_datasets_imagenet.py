"""Folders of pictures, written here, as PNG and JPEG."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from qif_deploy.datasets.catalogue import open_dataset
from qif_deploy.datasets.imagenet import AREA, ASPECT, random_box
from qif_deploy.errors import InputError, MissingDependencyError
from tests.core.data_files import write_picture

pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'data')")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part, each in (("train", 3), ("val", 1)):
        for n, wnid in enumerate(("n01440764", "n01443537")):
            for k in range(each):
                write_picture(tmp_path / "imagenet" / part / wnid / f"{k}.{'png' if k % 2 else 'JPEG'}", seed=40 * n + k)
    return tmp_path


def test_pictures_become_codes_by_class(root: Path) -> None:
    data = open_dataset("imagenet", root=root)
    assert (data.classes, len(data.train), len(data.test)) == (2, 6, 2)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]  # in the order of the folders' names, which is the official one
    codes, label = data.train[5]
    assert (codes.shape, codes.dtype, label) == ((3, 224, 224), np.uint8, 1)
    assert np.array_equal(codes, data.train[5][0])


def test_the_cut_is_central_and_of_224_in_256(root: Path) -> None:
    side = 256
    marked = np.zeros((side, side + 64, 3), np.uint8)
    marked[16:-16, 48:-48] = 255  # exactly what is to be cut out
    Image.fromarray(marked).save(root / "imagenet" / "val" / "n01440764" / "0.png")
    codes, _ = open_dataset("imagenet", root=root).test[1]
    assert (codes == 255).all()
    marked[16, 48] = 0
    Image.fromarray(marked).save(root / "imagenet" / "val" / "n01440764" / "0.png")
    codes, _ = open_dataset("imagenet", root=root).test[1]
    assert codes[:, 0, 0].tolist() == [0, 0, 0]
    assert (codes == 255).sum() == codes.size - 3


def test_grey_pictures_get_three_channels(root: Path) -> None:
    write_picture(root / "imagenet" / "val" / "n01443537" / "0.JPEG", mode="L")
    codes, _ = open_dataset("imagenet", root=root).test[1]
    assert np.array_equal(codes[0], codes[2])


def test_random_views_are_functions_of_the_generator(root: Path) -> None:
    train = open_dataset("imagenet", root=root).validation(0.34, seed=0).train
    first, again, other = (train.draw(1, np.random.default_rng(seed))[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (3, 224, 224)


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 2**32))
def test_random_boxes_lie_inside(width: int, height: int, seed: int) -> None:
    left, upper, right, lower = random_box(width, height, np.random.default_rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height


def test_random_boxes_cover_the_allowed_areas() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(400, 400, rng) for _ in range(2000)])
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    share = w * h / 400**2
    # Rounding moves a side of at least 400 sqrt(0.08 * 3 / 4) = 98 pixels by half a pixel, so a share by 1.1 %.
    assert AREA[0] * 0.989 <= share.min() < 0.12
    assert 0.9 < share.max() <= 1
    assert ASPECT[0] * 0.989 <= (w / h).min() < (w / h).max() <= ASPECT[1] * 1.011


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "in no format that pillow knows"), (b"hello", "in no format"), (None, "[Tt]runcated")]
)
@pytest.mark.parametrize("name", ["0.JPEG", "1.png"])
def test_broken_pictures_are_named(root: Path, name: str, content: bytes | None, message: str) -> None:
    file = root / "imagenet" / "train" / "n01440764" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 4] if content is None else content)
    with pytest.raises(InputError, match=rf"picture '.*{name}' .*{message}.*; unpack the archive again") as caught:
        open_dataset("imagenet", root=root).train[int(name[0])]
    assert "\n" not in str(caught.value)


def test_wrong_folders_are_explained(root: Path) -> None:
    write_picture(root / "imagenet" / "train" / "n09999999" / "0.png")
    with pytest.raises(InputError, match=r"differ in classes, first \['n09999999'\]"):
        open_dataset("imagenet", root=root)
    (root / "imagenet" / "val" / "n00000001").mkdir()
    with pytest.raises(InputError, match=r"Found no valid file for the classes n00000001"):
        open_dataset("imagenet", root=root)


def test_missing_torchvision_says_how_to_install(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'qif-deploy\[data\]'"):
        open_dataset("imagenet", root=root)
