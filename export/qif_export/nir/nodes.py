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
    """A population. Codes are int64 ``(C, 1, 1)`` on images and ``(C,)`` on vectors; ``s1`` and the widths are integers."""

    input_shape: ArrayOf  # int64 (axes,)
    dt: float
    a2: ArrayOf  # float64, as the codes
    a1: ArrayOf
    a0: ArrayOf
    r: ArrayOf
    c2m: ArrayOf
    c1m: ArrayOf
    s2: ArrayOf
    s1: int
    bias: ArrayOf
    theta: ArrayOf | None
    reset: ArrayOf
    r0: ArrayOf
    reset_by: ArrayOf
    u_min: ArrayOf | None
    weight_bits: int
    coef_bits: int
    state_bits: int
    product_bits: int
    rounding: str
    overflow: str
    spike: str
    reset_mode: str
    delta: ArrayOf  # float64, value of one code, for reporting only


@dataclass(eq=False, kw_only=True)
class QIFReadout(_OwnNode):
    """Reduces ``I + bias`` over time, without spikes: ``reduce`` is "sum" or "last". ``delta`` is the value of one code."""

    input_shape: ArrayOf  # int64 (axes,)
    bias: ArrayOf  # int64 (class,)
    reduce: str
    delta: float


def quadratic_view(k: FixedConstants) -> dict[str, ChannelFloats]:
    """Return ``a2, a1, a0, r`` of ``k``, float64 ``(channel,)``; powers of two only scale, so every value is exact."""
    return {
        "a2": np.ldexp(k.c2m.astype(np.float64), -(k.s1 + k.s2)),
        "a1": np.ldexp((k.c1m - (1 << k.s1)).astype(np.float64), -k.s1),
        "a0": k.bias.astype(np.float64),
        "r": np.ones(k.channels),
    }


__all__ = ["DT", "NO_SPIKE", "OVERFLOW", "QIF", "SPIKE", "QIFInput", "QIFReadout", "quadratic_view"]
