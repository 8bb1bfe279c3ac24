"""Node types of our own: NIR has no product of two signals, so a QIF population cannot be composed of its primitives.

They are ordinary NIR nodes and are not registered with the nir package: an importer that does not know them must say so
instead of skipping the neurons. Everything that decides a result is a field; metadata is not relied on.

Equation of ``QIF``, per neuron, in units of one state code, time step ``dt = 1``:

    dv/dt = a2 v^2 + a1 v + a0 + r I        a2 = c2m 2^-(s1+s2), a1 = c1m 2^-s1 - 1, a0 = bias, r = 1

That is the view for tools that compute in floats; it inverts exactly. The truth are the codes, stepped as

    h  = sat( rshift(c2m * v, s2) + c1m )
    u  = sat( rshift(h * v, s1) + I + bias ), not below u_min where that is given
    s  = u >= theta                                (never, where theta is absent)
    v' = reset where s, else u                     (reset_mode "hard")
    v' = sat( u - reset_by * s )                   (reset_mode "subtract")

from ``v = r0``, with ``sat`` to plus and minus ``2^(state_bits-1) - 1`` and ``rshift`` a division by a power of two that
rounds as ``rounding`` says: toward_zero, floor, or nearest with halves away from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.shapes import ChannelFloats
from qif_export.nir._nir import NIRNode

OVERFLOW = "saturate"
SPIKE = ">="
STRICT = ">"
NO_SPIKE = "none"
DT = 1.0

ArrayOf = NDArray[Any]  # Any: the dtype differs by field and is stated at each


class _OwnNode(NIRNode):  # type: ignore[misc]  # nir ships no types
    """What the own nodes share: the signal keeps its shape, and absent fields stay out of the file."""

    input_shape: ArrayOf

    def __post_init__(self) -> None:
        self.input_type = {"input": self.input_shape}
        self.output_type = {"output": self.input_shape}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for the serialiser, which cannot write None."""
        return {key: value for key, value in super().to_dict().items() if value is not None}


@dataclass(eq=False, kw_only=True)
class QIFInput(_OwnNode):
    """Identity on integer codes ``low..high``; one code is worth ``scale``. Stands behind a standard Input node."""

    input_shape: ArrayOf  # int64 (axes,)
    low: int
    high: int
    scale: float


@dataclass(eq=False, kw_only=True)
class QIF(_OwnNode):
    """A population. Per channel means ``(C, 1, 1)`` on images and ``(C,)`` on vectors; ``(1,)`` is one value for all.

    The first block is the equation, in every file. A float network adds the second, an integer network the third; absent fields are
    None here and not in the file.
    """

    input_shape: ArrayOf  # int64 (axes,)
    dt: float
    a2: ArrayOf  # float64 per channel, as all of this block
    a1: ArrayOf
    a0: ArrayOf
    r: ArrayOf
    v_threshold: ArrayOf | None
    v_reset: ArrayOf
    spike: str
    reset_mode: str

    c2: ArrayOf | None = None  # float64 per channel
    c1: ArrayOf | None = None
    c0: ArrayOf | None = None

    c2m: ArrayOf | None = None  # int64 per channel
    c1m: ArrayOf | None = None
    s2: ArrayOf | None = None
    s1: int | None = None
    bias: ArrayOf | None = None
    theta: ArrayOf | None = None
    reset: ArrayOf | None = None
    weight_bits: int | None = None
    coef_bits: int | None = None
    state_bits: int | None = None
    product_bits: int | None = None
    rounding: str | None = None
    overflow: str | None = None
    delta: ArrayOf | None = None  # float64, value of one code, for reporting only

    r0: ArrayOf | None = None  # in both, float64 or int64 per channel
    reset_by: ArrayOf | None = None
    u_min: ArrayOf | None = None


@dataclass(eq=False, kw_only=True)
class QIFReadout(_OwnNode):
    """Reduces its current over time, without spikes: ``reduce`` is "sum" or "last".

    An integer network adds ``bias`` to the current in every step; ``delta`` is the value of one code.
    """

    input_shape: ArrayOf  # int64 (axes,)
    reduce: str
    bias: ArrayOf | None = None  # int64 (class,)
    delta: float | None = None


def quadratic_view(k: FixedConstants) -> dict[str, ChannelFloats]:
    """Return the equation of ``k``, float64 ``(channel,)``; powers of two only scale, so every value is exact."""
    return {
        "a2": np.ldexp(k.c2m.astype(np.float64), -(k.s1 + k.s2)),
        "a1": np.ldexp((k.c1m - (1 << k.s1)).astype(np.float64), -k.s1),
        "a0": k.bias.astype(np.float64),
        "r": np.ones(k.channels),
        "v_reset": k.reset.astype(np.float64),
    } | ({} if k.theta is None else {"v_threshold": k.theta.astype(np.float64)})


__all__ = ["DT", "NO_SPIKE", "OVERFLOW", "QIF", "SPIKE", "STRICT", "QIFInput", "QIFReadout", "quadratic_view"]
