"""Sum pools over signals of the engine."""

from __future__ import annotations

import torch

from qif_deploy.analysis.signal_range import Signal
from qif_deploy.ir.nodes import SumPool2d

Tensor = torch.Tensor


def sum_pool(x: Tensor, pool: SumPool2d, counts: Signal, *, compiled: bool) -> Tensor:
    """Sum ``x (sample, time, height, width, channel)`` over windows; bytes where the ``counts`` of a window fit, else int64."""
    frames = x.flatten(0, 1)
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(frames.shape[1:3], pool.kernel, pool.stride, strict=True))
    dtype = torch.uint8 if counts.low >= 0 and counts.high <= 255 else torch.int64
    out = torch.empty((frames.shape[0], rows, columns, frames.shape[3]), dtype=dtype, device=x.device)
    if compiled:
        from qif_deploy.simulate.engine.signal_kernel import pool_pass

        pool_pass(frames.numpy(), out.numpy(), pool.kernel, pool.stride)
        return out.reshape(*x.shape[:2], *out.shape[1:])
    # A mean times its window would round; unfolded windows are added as integers.
    windows = frames.unfold(1, pool.kernel[0], pool.stride[0]).unfold(2, pool.kernel[1], pool.stride[1])
    out.copy_(windows.sum(dim=(4, 5), dtype=torch.int64))
    return out.reshape(*x.shape[:2], *out.shape[1:])
