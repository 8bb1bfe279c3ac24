"""The fused kernels as one differentiable operation on torch tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qif_deploy._torch import torch
from qif_deploy.neuron.params import ResetMode
from qif_deploy.training.kernels.population import ROWS, population_backward, population_forward
from qif_deploy.training.spike import SurrogateShape, surrogate_peak

Tensor = torch.Tensor

CHUNK = 8
"""Steps between stored states: 7 + 6 + ... + 1 repeated reads of ``x`` stay in the first-level cache, for 0.5 bytes per step."""

BLOCK = 512
"""Neurons per program: 4 per thread at 4 warps, one load of 16 bytes; with 8 the compiled backward pass spills registers."""

WARPS = 4

LEARNED = ("c2", "c1", "c0", "theta", "reset_by")
"""Constants that the kernel returns gradients for, in the order of its sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedSetting:
    """What the kernels are compiled for.

    Args:
        reset: hard or subtract.
        on_equal: spike at ``u == theta``.
        detach_reset: cut the gradient through the reset.
        shape: the surrogate.
        chunk: steps between stored states, 1 or more.
    """

    reset: ResetMode
    on_equal: bool
    detach_reset: bool
    shape: SurrogateShape
    chunk: int = CHUNK


def fused_population(x: Tensor, constants: dict[str, Tensor | None], half_width: Tensor, setting: FusedSetting) -> Tensor:
    """Return the spikes of ``x (time, batch, channel, ...)`` in its dtype; bit-equal to a loop of the float step.

    Args:
        x: float32, float16 or bfloat16; the state is float32. A time axis of stride 0 (an input held over time) is read as such.
        constants: ``c2, c1, c0, theta, u_reset, r0, reset_by, u_min``, each ``(channel,)`` or ``(1,)``; ``u_min`` may be None.
        half_width: of the surrogate, ``(channel,)`` or ``(1,)``.
        setting: see there.
    """
    apply: Any = _FusedPopulation.apply  # torch leaves it untyped
    spikes: Tensor = apply(x, *(constants[name] for name in LEARNED), constants, half_width, setting, x.dtype)
    return spikes


def fused_spike_bytes(x: Tensor, constants: dict[str, Tensor | None], half_width: Tensor, setting: FusedSetting) -> Tensor:
    """Return the same spikes as uint8, a quarter of the bytes; without gradient, for counting and storing."""
    with torch.no_grad():
        apply: Any = _FusedPopulation.apply
        spikes: Tensor = apply(x, *(constants[name] for name in LEARNED), constants, half_width, setting, torch.uint8)
    return spikes


class _FusedPopulation(torch.autograd.Function):
    """One kernel forward, one backward. torch demands static methods over an untyped context."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *rest: Any) -> Tensor:
        constants, half_width, setting, dtype = rest[len(LEARNED) :]
        x = _steps_dense(x)
        table = _table(constants, half_width, setting.shape)
        first, chunks = _chunks(x.shape[0], setting.chunk)
        spikes = torch.empty_strided(x.shape, (x[0].numel(), *x.stride()[1:]), dtype=dtype, device=x.device)
        needed = any(ctx.needs_input_grad)
        starts = torch.empty((chunks if needed else 0, x[0].numel()), dtype=torch.float32, device=x.device)
        _launch(
            population_forward, x, (x, table, spikes, starts), _axes(x, table),
            FIRST=first, CHUNKS=chunks, K=setting.chunk, STORE=needed, **_compiled_for(constants, setting),
        )  # fmt: skip
        ctx.save_for_backward(x, table, starts)
        ctx.setting, ctx.constants_like = setting, constants
        return spikes

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator, unused-ignore]  # torch leaves it untyped
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:
        x, table, starts = ctx.saved_tensors
        setting, constants = ctx.setting, ctx.constants_like
        first, chunks = _chunks(x.shape[0], setting.chunk)
        grad = torch.empty_strided(x.shape, (x[0].numel(), *x.stride()[1:]), dtype=x.dtype, device=x.device)
        out = grad_outputs[0]
        if out.stride() != grad.stride():
            out = torch.empty_like(grad).copy_(out)
        learn = any(ctx.needs_input_grad[1 : 1 + len(LEARNED)])
        shape = (len(LEARNED) if learn else 0, *x.shape[1:])
        sums = torch.empty_strided(shape, grad.stride(), dtype=torch.float32, device=x.device)
        _launch(
            population_backward, x, (x, table, starts, out, grad, sums), _axes(x, table),
            FIRST=first, CHUNKS=chunks, K=setting.chunk, DETACH=setting.detach_reset, SHAPE=_CODES[setting.shape], LEARN=learn,
            **_compiled_for(constants, setting),
        )  # fmt: skip
        shares: list[Tensor | None] = [None] * len(LEARNED)
        if learn:
            over = [1, *range(3, sums.ndim)]
            per_channel = sums.sum(over, dtype=torch.float64)  # many neurons share one constant
            for n, name in enumerate(LEARNED):
                if ctx.needs_input_grad[1 + n]:
                    like = constants[name]
                    shares[n] = per_channel[n].sum_to_size(like.shape).to(like.dtype)
        return (grad if ctx.needs_input_grad[0] else None, *shares, None, None, None, None)


_CODES = {SurrogateShape.RECTANGULAR: 0, SurrogateShape.TRIANGULAR: 1, SurrogateShape.ARCTAN: 2}


def _chunks(steps: int, chunk: int) -> tuple[int, int]:
    """Length of the first chunk, 1..chunk, and number of full ones behind it."""
    first = (steps - 1) % chunk + 1
    return first, (steps - first) // chunk


def _steps_dense(x: Tensor) -> Tensor:
    """Return ``x`` with every step dense in memory, in any order of axes (so channels-last is kept), steps any stride apart."""
    one = x[0]
    strides = sorted((stride, size) for size, stride in zip(one.shape, one.stride(), strict=True) if size > 1)
    expected = 1
    for stride, size in strides:
        if stride != expected:
            return x.contiguous()
        expected *= size
    return x


def _table(constants: dict[str, Tensor | None], half_width: Tensor, shape: SurrogateShape) -> Tensor:
    """Return the constants as ``(row, channel)``, float32; rows as in ``ROWS``."""
    width = half_width.float()
    rows = {name: value.detach().float() for name, value in constants.items() if value is not None}
    rows |= {"half_width": width, "inverse_width": 1 / width, "peak": surrogate_peak(width, shape)}
    absent = torch.zeros_like(width)
    channels = max(row.numel() for row in rows.values())
    return torch.stack([rows.get(name, absent).expand(channels) for name in ROWS])


def _axes(x: Tensor, table: Tensor) -> tuple[int, int, int, int]:
    """Neurons with batch, stride of time, stride of the channel axis, channels; one channel needs no stride."""
    channels = table.shape[1]
    return x[0].numel(), x.stride(0), x.stride(2) if channels > 1 else 1, channels


def _compiled_for(constants: dict[str, Tensor | None], setting: FusedSetting) -> dict[str, Any]:
    return {"HARD": setting.reset is ResetMode.HARD, "CLAMPED": constants["u_min"] is not None, "ON_EQUAL": setting.on_equal}


def _launch(kernel: Any, x: Tensor, tensors: tuple[Tensor, ...], axes: tuple[int, int, int, int], **compiled: Any) -> None:
    neurons = x[0].numel()
    if neurons == 0:
        return
    grid = ((neurons + BLOCK - 1) // BLOCK,)
    # No fused multiply-add: it rounds once where the eager step rounds twice, and a spike can flip.
    with torch.cuda.device(x.device if x.is_cuda else -1):  # -1 leaves the current device; Triton launches on that one
        kernel[grid](*tensors, *axes, BLOCK=BLOCK, num_warps=WARPS, enable_fp_fusion=False, **compiled)
