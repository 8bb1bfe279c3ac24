"""Hypothesis strategies: populations of every width, rounding and reset, extremes included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode


def codes(limit: int) -> st.SearchStrategy[int]:
    """Integers within plus and minus ``limit``; borders, zero and its neighbours come often."""
    edges = sorted({e for e in (-limit, 1 - limit, -2, -1, 0, 1, 2, limit - 1, limit) if -limit <= e <= limit})
    return st.one_of(st.sampled_from(edges), st.integers(-limit, limit), st.integers(-min(limit, 64), min(limit, 64)))


@st.composite
def formats(draw: st.DrawFn, *, min_state: int = 4, max_state: int = 24) -> NumberFormat:
    """Formats with a product that never fails by itself, so that saturation is the subject."""
    state_bits = draw(st.integers(min_state, max_state))
    return NumberFormat(
        name="drawn",
        weight_bits=draw(st.integers(2, 8)),
        coef_bits=draw(st.integers(2, 12)),
        state_bits=state_bits,
        product_bits=62,
        rounding=draw(st.sampled_from(RoundingMode)),
    )


@st.composite
def constants(draw: st.DrawFn, *, channels: int = 1, number_format: NumberFormat | None = None) -> FixedConstants:
    """Any legal constants: both coefficient signs, all shifts that matter, both resets, clamp or not, spiking or not."""
    f = draw(formats()) if number_format is None else number_format
    limit = f.state_limit
    reset_mode = draw(st.sampled_from(ResetMode))

    def many(strategy: st.SearchStrategy[int]) -> np.ndarray:
        return np.array([draw(strategy) for _ in range(channels)], np.int64)

    low = 1 if reset_mode is ResetMode.SUBTRACT else 1 - limit
    theta = many(st.one_of(st.integers(low, limit), st.integers(max(low, -8), min(limit, 40))))
    below = [st.one_of(st.integers(-limit, int(t) - 1), st.integers(max(-limit, int(t) - 9), int(t) - 1)) for t in theta]
    spiking = draw(st.integers(0, 9)) > 0
    return FixedConstants(
        c2m=many(codes(f.coef_limit)),
        c1m=many(codes(f.coef_limit)),
        s2=many(st.integers(0, f.coef_bits + 6)),
        s1=draw(st.integers(0, f.coef_bits)),
        bias=many(codes(limit)),
        theta=theta if spiking else None,
        reset=np.array([draw(b) for b in below], np.int64),
        r0=np.array([draw(b) for b in below], np.int64),
        reset_by=many(codes(limit)),
        u_min=np.array([draw(b) for b in below], np.int64) if draw(st.integers(0, 3)) == 0 else None,
        reset_mode=reset_mode,
        number_format=f,
    )


@st.composite
def leaks(draw: st.DrawFn, *, number_format: NumberFormat) -> FixedConstants:
    """A linear channel that forgets slowly or not at all: its range grows for many steps."""
    k = draw(constants(number_format=number_format))
    s1 = draw(st.integers(1, number_format.coef_bits))
    c1m = (1 << s1) - draw(st.integers(0, 3))
    zero = np.zeros(1, np.int64)
    return replace(k, c2m=zero, s2=zero, s1=s1, c1m=np.array([c1m]), theta=draw(st.sampled_from((k.theta, None))))


def oracle_constants(k: FixedConstants, channel: int) -> dict[str, Any]:
    """Constants of one channel as the oracle reads them: plain integers and words."""

    def one(value: Any) -> int | None:
        return None if value is None else int(value[channel])

    found: dict[str, Any] = {
        name: one(getattr(k, name)) for name in ("c2m", "c1m", "s2", "bias", "theta", "reset", "r0", "reset_by", "u_min")
    }
    return found | {
        "s1": k.s1,
        "state_bits": k.number_format.state_bits,
        "rounding": k.number_format.rounding.value,
        "reset_mode": k.reset_mode.value,
    }
