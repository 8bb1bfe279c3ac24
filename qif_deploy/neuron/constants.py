"""Integer constants of a population: what is deployed. Symbols as in docs/numerics.md, section 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from qif_deploy.errors import FormatError, raise_findings
from qif_deploy.fixedpoint import MAX_SHIFT, NumberFormat, RoundingMode
from qif_deploy.neuron.params import ResetMode
from qif_deploy.rebuilding import Rebuilt
from qif_deploy.shapes import ChannelCodes, channelwise, frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConstants:
    """Constants laid out for the step: arrays (or tensors) that broadcast over the state, plain ints for the rest."""

    c2m: Any
    c1m: Any
    s2: Any
    s1: int
    theta: Any | None
    reset: Any
    reset_by: Any
    u_min: Any | None
    reset_mode: ResetMode
    state_limit: int
    rounding: RoundingMode


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FixedConstants(Rebuilt):
    """Codes of one population, int64 of shape ``(channel,)`` except ``s1``.

    ``theta`` is None for a population that does not spike (then ``s = 0`` and ``r' = u``); ``u_min`` is an optional
    lower clamp. ``reset_by`` counts under subtract only.

    Raises:
        FormatError: everything that does not fit its limit, all of it at once.
    """

    c2m: ChannelCodes
    c1m: ChannelCodes
    s2: ChannelCodes
    s1: int
    bias: ChannelCodes
    theta: ChannelCodes | None
    reset: ChannelCodes
    r0: ChannelCodes
    reset_by: ChannelCodes
    u_min: ChannelCodes | None
    reset_mode: ResetMode
    number_format: NumberFormat

    def __post_init__(self) -> None:
        shape = np.shape(self.c2m)
        for name in CODE_FIELDS:
            value = getattr(self, name)
            if value is None:
                continue
            value = np.asarray(value)
            if value.ndim != 1 or value.shape != shape or not np.issubdtype(value.dtype, np.integer):
                raise FormatError(
                    f"constant {name!r}: dtype {value.dtype}, shape {value.shape}; give integers of shape {shape}, one per channel"
                )
            object.__setattr__(self, name, frozen(value, np.int64))
        raise_findings(FormatError, list(self._findings()))

    def _findings(self) -> list[str]:
        f = self.number_format
        found = []
        limits = {"c2m": f.coef_limit, "c1m": f.coef_limit}
        limits |= dict.fromkeys(("bias", "theta", "reset", "r0", "u_min"), f.state_limit)
        if self.reset_mode is ResetMode.SUBTRACT:
            limits["reset_by"] = f.state_limit
        for name, limit in limits.items():
            value = getattr(self, name)
            if value is None:
                continue
            for c in np.flatnonzero((value > limit) | (value < -limit))[:1]:
                found.append(
                    f"channel {c}: {name} {value[c]} exceeds {limit} (format {f.name!r}); requantise with a wider format or a larger Delta"
                )
        for c in np.flatnonzero((self.s2 < 0) | (self.s2 > MAX_SHIFT))[:1]:
            found.append(f"channel {c}: s2 {self.s2[c]} is outside 0..{MAX_SHIFT}")
        if not isinstance(self.s1, int) or not 0 <= self.s1 <= MAX_SHIFT:
            found.append(f"s1 {self.s1!r} is outside 0..{MAX_SHIFT}")
        if self.theta is not None:
            for name in ("reset", "r0", "u_min"):
                if getattr(self, name) is None:
                    continue
                for c in np.flatnonzero(getattr(self, name) >= self.theta)[:1]:
                    found.append(
                        f"channel {c}: {name} {getattr(self, name)[c]} is not below theta {self.theta[c]}; such a neuron fires for ever"
                    )
            if self.reset_mode is ResetMode.SUBTRACT:
                for c in np.flatnonzero(self.theta < 1)[:1]:
                    found.append(f"channel {c}: theta {self.theta[c]} is below 1 under subtract; raise the threshold or use hard reset")
        return found

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.c2m.size)

    @property
    def spiking(self) -> bool:
        """Whether the population has a threshold."""
        return self.theta is not None

    def laid_out(self, ndim: int, convert: Callable[[Any], Any] = lambda codes: codes) -> StepConstants:
        """Return the constants shaped to broadcast over ``(channel, ...)`` with ``ndim`` axes, each through ``convert``."""

        def one(value: ChannelCodes | None) -> Any:
            return None if value is None else convert(channelwise(value, ndim))

        return StepConstants(
            c2m=one(self.c2m),
            c1m=one(self.c1m),
            s2=one(self.s2),
            s1=self.s1,
            theta=one(self.theta),
            reset=one(self.reset),
            reset_by=one(self.reset_by),
            u_min=one(self.u_min),
            reset_mode=self.reset_mode,
            state_limit=self.number_format.state_limit,
            rounding=self.number_format.rounding,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FixedConstants):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]  # value equality over arrays: not hashable, as ndarray itself


CODE_FIELDS = ("c2m", "c1m", "s2", "bias", "theta", "reset", "r0", "reset_by", "u_min")
"""Fields of FixedConstants that hold one code per channel."""


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b))
