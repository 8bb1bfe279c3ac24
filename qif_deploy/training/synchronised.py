"""Batch normalisation over the batches of all processes. torch's SyncBatchNorm refuses CPU tensors, so gloo needs its own.

With N values per channel over all processes, ``z = (x - mean) / sqrt(var + eps)`` and ``y = gain z + shift``:

    dL/dx = gain / sqrt(var + eps) * (g - sum(g) / N - z * sum(g z) / N)        g = dL/dy, sums over all processes

Source: S. Ioffe and C. Szegedy, "Batch Normalization", ICML 2015, section 3; the moments of the parts are joined by
T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
"""

from __future__ import annotations

import time
from typing import Any

from qif_deploy._torch import torch
from qif_deploy.errors import InputError

Tensor = torch.Tensor


def processes() -> int:
    """Return the number of processes of the default group, 1 where torch.distributed is not in use."""
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def leave_group() -> None:
    """End the default group, on every process after its last collective; nothing to do where there is none.

    ``destroy_process_group`` alone may never return: gloo's thread frees the tensor of the last collective, for which it needs
    Python's lock, while the destructor waits for that thread with the lock held. A barrier has no such tensor, and its wait and
    the pause leave the lock free.
    """
    if processes() > 1:
        torch.distributed.barrier()
        time.sleep(GRACE_S)
        torch.distributed.destroy_process_group()


GRACE_S = 0.1
"""Far more than the microseconds that gloo's thread needs; once per training."""


def synchronised_batch_norm(
    x: Tensor, running_mean: Tensor, running_var: Tensor, gain: Tensor, shift: Tensor, *, momentum: float, eps: float
) -> Tensor:
    """Normalise ``(sample, channel, ...)`` by the statistics of all processes; the running estimates move in place, by torch's rule.

    Every process of the default group must call it, in the same order; their sample numbers may differ. One all-reduce forward,
    one backward. The gradients of ``gain`` and ``shift`` are this process's share, to be reduced with those of the weights.

    Raises:
        InputError: a single value per channel over all processes.
    """
    count, mean, var = _joint_moments(x)
    if count < 2:
        raise InputError(f"batch normalisation: {count:.0f} value per channel over all processes has no variance; give a larger batch")
    with torch.no_grad():
        running_mean += momentum * (mean.to(running_mean.dtype) - running_mean)
        running_var += momentum * (var.to(running_var.dtype) * (count / (count - 1)) - running_var)
    apply: Any = _SynchronisedBatchNorm.apply  # torch 2.3 leaves it untyped
    normalised: Tensor = apply(x, gain, shift, mean, torch.rsqrt(var + eps), count)
    return normalised


def _joint_moments(x: Tensor) -> tuple[float, Tensor, Tensor]:
    """Return number, mean and biased variance ``(channel,)`` over all processes.

    Each process adds its own row to a table of zeros, which makes one all-reduce a gathering: sums of squares, which need no
    table, would cancel where the mean is far from 0.
    """
    channels = x.shape[1]
    wide = _widened(x.detach())
    table = wide.new_zeros(processes(), 2 * channels + 1)
    if wide.numel() > 0:  # an empty part has no moments and the weight 0
        var, mean = torch.var_mean(wide, dim=_reduced(x), correction=0)
        table[torch.distributed.get_rank()] = torch.cat([mean, var, wide.new_tensor([wide.numel() / channels])])
    torch.distributed.all_reduce(table)
    means, variances, counts = table[:, :channels], table[:, channels:-1], table[:, -1:]
    count = counts.sum()
    mean = (means * counts).sum(0) / count
    var = ((variances + (means - mean).square()) * counts).sum(0) / count
    return float(count), mean, var


class _SynchronisedBatchNorm(torch.autograd.Function):
    """The affine map forward, the formula above backward. torch demands static methods over an untyped context."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, mean: Tensor, inverse_deviation: Tensor, count: float) -> Tensor:
        ctx.save_for_backward(x, gain, mean, inverse_deviation)
        ctx.count = count
        z = (_widened(x) - _over(mean, x)) * _over(inverse_deviation, x)
        return (z * _over(gain, x) + _over(shift, x)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        x, gain, mean, inverse_deviation = ctx.saved_tensors
        g = _widened(grad_outputs[0])
        z = (_widened(x) - _over(mean, x)) * _over(inverse_deviation, x)
        shift_share, gain_share = g.sum(_reduced(x)), (g * z).sum(_reduced(x))
        sums = torch.stack([shift_share, gain_share])
        torch.distributed.all_reduce(sums)
        sums /= ctx.count
        dx = (g - _over(sums[0], x) - z * _over(sums[1], x)) * _over(inverse_deviation * gain, x)
        return dx.to(x.dtype), gain_share.to(gain.dtype), shift_share.to(gain.dtype), None, None, None


def _widened(x: Tensor) -> Tensor:
    """Return float32 for half precision, so that sums over a batch keep their digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _reduced(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


def _over(values: Tensor, x: Tensor) -> Tensor:
    """Lay ``(channel,)`` out over ``(sample, channel, ...)``."""
    return values.reshape(-1, *([1] * (x.ndim - 2)))
