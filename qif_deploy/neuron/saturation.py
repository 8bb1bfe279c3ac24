"""How often the integer step saturates: an event that is counted, and that the range proof excludes where it says that all fits."""

from __future__ import annotations

from qif_deploy.fixedpoint import rshift, saturate
from qif_deploy.neuron.constants import StepConstants
from qif_deploy.shapes import SharedArray


def saturations(r: SharedArray, i: SharedArray, k: StepConstants) -> SharedArray:
    """Return how many of ``h`` and ``u`` saturate in the step from ``r``: 0, 1 or 2 per neuron, in the dtype of comparison's sum.

    The lower clamp is a part of the model and no saturation. Arguments as those of ``fixed_step``.
    """
    free_h = rshift(k.c2m * r, k.s2, rounding=k.rounding) + k.c1m
    h = saturate(free_h, k.state_limit)
    free_u = rshift(h * r, k.s1, rounding=k.rounding) + i
    return 1 * (free_h != h) + 1 * (free_u != saturate(free_u, k.state_limit))
