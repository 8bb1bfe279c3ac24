"""Random shifts of training images, on codes."""

from __future__ import annotations

from qif_deploy._torch import torch

Tensor = torch.Tensor


def shift_images(codes: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Move every image by its own ``(dy, dx)``, uniform in ``-pixels..pixels``; what enters is code 0.

    Args:
        codes: ``(sample, channel, height, width)``, any dtype; left as it is.
        pixels: largest shift, 0 for none.
        generator: draws the shifts.

    Returns:
        The moved images, same axes and dtype.
    """
    if pixels == 0:
        return codes
    n, _, height, width = codes.shape
    padded = torch.nn.functional.pad(codes, (pixels, pixels, pixels, pixels))
    dy, dx = torch.randint(0, 2 * pixels + 1, (2, n), generator=generator)
    rows = dy[:, None, None] + torch.arange(height)[:, None]
    columns = dx[:, None, None] + torch.arange(width)
    return padded[torch.arange(n)[:, None, None], :, rows, columns].permute(0, 3, 1, 2)
