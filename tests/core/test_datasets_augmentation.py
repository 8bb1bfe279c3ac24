"""Augmentation: codes in, codes out, the same for the same seed, epoch and sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'data')")
torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from qif_deploy.datasets.catalogue import open_dataset  # noqa: E402 # behind the skips
from qif_deploy.datasets.dataset import StreamedDataset  # noqa: E402 # behind the skips
from qif_deploy.datasets.source import ArraySource  # noqa: E402
from qif_deploy.errors import InputError  # noqa: E402
from qif_deploy.training.data.augmentation import Augmentation, Augmenter, Policy  # noqa: E402
from qif_deploy.training.data.augmented import AugmentedSource  # noqa: E402
from tests.core.data_files import write_picture  # noqa: E402

EACH = {
    "none": Augmentation(),
    "crop": Augmentation(crop_padding=4),
    "flip": Augmentation(flip=True),
    "cifar10": Augmentation(policy=Policy.CIFAR10),
    "imagenet": Augmentation(policy=Policy.IMAGENET),
    "cutout": Augmentation(cutout_pixels=8),
    "roll": Augmentation(roll_pixels=5),
    "all": Augmentation(crop_padding=4, flip=True, policy=Policy.CIFAR10, cutout_pixels=8, roll_pixels=2),
}


def _pictures(seed: int = 0, n: int = 3) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).integers(1, 256, (n, 3, 32, 32), np.uint8))


def _changed(augmentation: Augmentation, codes: torch.Tensor, *, high: int = 255) -> Iterator[torch.Tensor]:
    augmenter = Augmenter(augmentation, shape=tuple(codes.shape[-3:]), low=0, high=high)
    for seed in range(40):
        yield augmenter(codes, seed=seed)


@pytest.mark.parametrize("name", EACH)
def test_codes_stay_codes_and_the_argument_stays(name: str) -> None:
    codes = _pictures()[0]
    before = codes.clone()
    found = list(_changed(EACH[name], codes))
    assert all(f.dtype == torch.uint8 and f.shape == codes.shape for f in found)
    assert torch.equal(codes, before)
    assert all(torch.equal(a, b) for a, b in zip(found, _changed(EACH[name], codes), strict=True))  # seeded
    assert len({f.numpy().tobytes() for f in found}) > 1 or name == "none"


def test_torchs_own_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(_changed(EACH["all"], _pictures()[0]))
    assert torch.equal(torch.rand(3), expected)


def test_crop_is_a_shift_with_zeros_entering() -> None:
    codes = _pictures()[0]
    padded = torch.nn.functional.pad(codes, (4, 4, 4, 4))
    possible = {padded[:, y : y + 32, x : x + 32].numpy().tobytes() for y in range(9) for x in range(9)}
    found = {f.numpy().tobytes() for f in _changed(EACH["crop"], codes)}
    assert found <= possible
    assert len(found) > 20


def test_flip_mirrors_half_of_the_samples() -> None:
    codes = _pictures()[0]
    found = [f.numpy().tobytes() for f in _changed(EACH["flip"], codes)]
    mirrored = found.count(codes.flip(-1).numpy().tobytes())
    assert mirrored + found.count(codes.numpy().tobytes()) == 40
    assert 8 <= mirrored <= 32  # 20 +- 4 standard deviations


def test_cutout_sets_one_square_to_zero() -> None:
    for found in _changed(EACH["cutout"], _pictures()[0]):
        gone = (found == 0).nonzero()  # no code of the picture is 0
        assert len(gone) == 3 * 8 * 8
        assert (gone[:, 1:].amax(0) - gone[:, 1:].amin(0)).tolist() == [7, 7]


def test_frames_of_events_change_alike_and_keep_their_events() -> None:
    frames = torch.tensor(np.random.default_rng(1).integers(0, 16, (4, 2, 34, 34), np.uint8))
    frames[1] = frames[0]
    for found in _changed(Augmentation(roll_pixels=5, flip=True), frames, high=15):
        assert torch.equal(found[0], found[1])
        assert torch.equal(found.flatten(2).sum(2), frames.flatten(2).sum(2))  # a roll loses nothing, polarities stay apart
        assert found.max() == frames.max()


@pytest.mark.parametrize(
    ("augmentation", "shape", "message"),
    [
        (EACH["cifar10"], (2, 34, 34), "policy 'cifar10' is for 3 channels of codes 0..255, these samples have 2 of 0..255"),
        (EACH["cutout"], (1, 8, 8), "cutout_pixels = 8 covers 8x8 pixels"),
    ],
)
def test_what_does_not_fit_is_refused(augmentation: Augmentation, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augmenter(augmentation, shape=shape, low=0, high=255)


def test_filling_needs_code_zero() -> None:
    with pytest.raises(InputError, match=r"fill with code 0, outside 1..9"):
        Augmenter(EACH["crop"], shape=(1, 8, 8), low=1, high=9)


@pytest.mark.parametrize("key", ["crop_padding", "cutout_pixels", "roll_pixels"])
def test_values_outside_the_limits_are_refused(key: str) -> None:
    with pytest.raises(InputError, match=rf"{key} = -1, allowed is 0"):
        Augmentation(**{key: -1})


def _stream() -> StreamedDataset:
    x, y = _pictures(n=12).numpy(), np.arange(12) % 3
    source = ArraySource(x, y)
    return StreamedDataset(name="pictures", shape=(3, 32, 32), low=0, high=255, scale=1 / 255, classes=3, train=source, test=source)


def test_sample_depends_on_seed_epoch_and_index_alone() -> None:
    data = _stream()
    one, two = (AugmentedSource(data, EACH["all"], seed=0) for _ in range(2))
    forward, backward = [one[i] for i in range(12)], [two[i] for i in reversed(range(12))][::-1]
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(forward, backward, strict=True))
    two.set_epoch(1)
    assert any(not np.array_equal(a[0], two[i][0]) for i, a in enumerate(forward))
    two.set_epoch(0)
    assert np.array_equal(forward[4][0], two[4][0])
    assert any(not np.array_equal(a[0], AugmentedSource(data, EACH["all"], seed=1)[i][0]) for i, a in enumerate(forward))
    assert np.array_equal(one.labels, data.train.labels)
    assert np.array_equal(data.train[0][0], _pictures(n=12)[0].numpy())  # the data set itself is left alone


def test_torchs_loader_takes_it_as_it_is() -> None:
    source = AugmentedSource(_stream(), EACH["all"], seed=0)
    batches = list(torch.utils.data.DataLoader(source, batch_size=5))
    assert [tuple(x.shape) for x, _ in batches] == [(5, 3, 32, 32), (5, 3, 32, 32), (2, 3, 32, 32)]
    assert torch.cat([y for _, y in batches]).tolist() == source.labels.tolist()
    assert batches[0][0].dtype == torch.uint8


@pytest.mark.slow
def test_worker_processes_change_nothing() -> None:
    source = AugmentedSource(_stream(), EACH["all"], seed=0)
    alone, shared = (torch.cat([x for x, _ in torch.utils.data.DataLoader(source, batch_size=4, num_workers=n)]) for n in (0, 2))
    assert torch.equal(alone, shared)


def test_random_views_come_from_the_whole_picture(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write_picture(tmp_path / "imagenet" / part / "n01440764" / "0.png")
    data = open_dataset("imagenet", root=tmp_path)
    augmentation = Augmentation(random_view=True)
    source = AugmentedSource(data, augmentation, seed=0)
    first = source[0][0]
    assert np.array_equal(first, source[0][0])
    assert not np.array_equal(first, data.train[0][0])
    assert np.array_equal(AugmentedSource(data, replace(augmentation, random_view=False), seed=0)[0][0], data.train[0][0])


def test_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed = -1"):
        AugmentedSource(_stream(), Augmentation(), seed=-1)
