"""Random changes of training samples, on codes: what enters and what leaves are codes of the declared range."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.shapes import Shape
from qif_deploy.training.data._torchvision import v2

Tensor = torch.Tensor


class Policy(enum.Enum):
    """Learned colour and geometry changes of pictures.

    Source: E. D. Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", CVPR 2019; torchvision's tables.
    """

    NONE = "none"
    CIFAR10 = "cifar10"
    IMAGENET = "imagenet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Which changes, applied in this order; every default leaves the sample as it is. All frames of a sample change alike.

    Args:
        random_view: take the random part of the whole picture that the data set offers (ImageNet), not the central one.
        crop_padding: pad by that many pixels of code 0, then cut out the old size at random, 0..64.
        flip: mirror left and right in half of the cases.
        policy: AutoAugment, for three channels of codes 0..255.
        cutout_pixels: side of a square that is set to code 0, 0 for none; it lies wholly inside the picture, where the
            square of T. DeVries and G. W. Taylor, arXiv 1708.04552, may stand out over the edge.
        roll_pixels: shift by up to that many pixels in both axes, what leaves enters opposite, 0..64; usual for event frames.

    Raises:
        InputError: values outside their limits.
    """

    random_view: bool = False
    crop_padding: int = 0
    flip: bool = False
    policy: Policy = Policy.NONE
    cutout_pixels: int = 0
    roll_pixels: int = 0

    def __post_init__(self) -> None:
        findings = [
            f"augmentation: {key} = {getattr(self, key)}, allowed is 0 (none)..{most}"
            for key, most in (("crop_padding", 64), ("roll_pixels", 64), ("cutout_pixels", 224))
            if not 0 <= getattr(self, key) <= most
        ]
        raise_findings(InputError, findings)


class Augmenter:
    """An augmentation for samples of one shape and range.

    Args:
        augmentation: which changes.
        shape: of one frame, (channel, height, width).
        low: smallest code; what is padded or cut out becomes code 0, so 0 must be in the range.
        high: largest code.

    Raises:
        InputError: the augmentation does not fit the samples.
    """

    def __init__(self, augmentation: Augmentation, *, shape: Shape, low: int, high: int) -> None:
        self.augmentation = augmentation
        channels, height, width = shape
        findings = []
        if not low <= 0 <= high and (augmentation.crop_padding or augmentation.cutout_pixels):
            findings.append(f"augmentation: crop_padding and cutout_pixels fill with code 0, outside {low}..{high}; leave both at 0")
        if augmentation.policy is not Policy.NONE and (channels, low, high) != (3, 0, 255):
            findings.append(
                f"augmentation: policy {augmentation.policy.value!r} is for 3 channels of codes 0..255, "
                f"these samples have {channels} of {low}..{high}; use 'none'"
            )
        if augmentation.cutout_pixels >= min(height, width):
            findings.append(f"augmentation: cutout_pixels = {augmentation.cutout_pixels} covers {height}x{width} pixels; give less")
        raise_findings(InputError, findings)
        steps = _transforms(augmentation, height, width)
        self._transform = v2.Compose(steps) if steps else None

    def __call__(self, codes: Tensor, *, seed: int) -> Tensor:
        """Return a changed copy of ``(channel, height, width)`` or ``(time, channel, height, width)``, same dtype.

        torchvision draws from torch's global generator; its state is put aside and comes back, so ``seed`` alone decides.
        """
        before = torch.default_generator.get_state()
        try:
            torch.default_generator.manual_seed(seed)
            changed: Tensor = codes.clone() if self._transform is None else self._transform(codes)
            if self.augmentation.roll_pixels:
                most = self.augmentation.roll_pixels
                down, right = torch.randint(-most, most + 1, (2,)).tolist()
                changed = changed.roll((down, right), dims=(-2, -1))
        finally:
            torch.default_generator.set_state(before)
        return changed


def _transforms(augmentation: Augmentation, height: int, width: int) -> list[torch.nn.Module]:
    found: list[torch.nn.Module] = []
    if augmentation.crop_padding:
        found.append(v2.RandomCrop((height, width), padding=augmentation.crop_padding))
    if augmentation.flip:
        found.append(v2.RandomHorizontalFlip())
    match augmentation.policy:
        case Policy.CIFAR10:
            found.append(v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10))
        case Policy.IMAGENET:
            found.append(v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET))
        case Policy.NONE:
            pass
        case _:
            assert_never(augmentation.policy)
    if augmentation.cutout_pixels:
        share = augmentation.cutout_pixels**2 / (height * width)
        found.append(v2.RandomErasing(p=1.0, scale=(share, share), ratio=(1.0, 1.0), value=0))
    return found
