"""Numbers in words: the same figure reads the same in every table and in the report."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """Return a fraction in per cent."""
    return "unknown" if share is None else f"{100 * share:.2f} %"


def joules(energy_j: float) -> str:
    """Return an energy in the unit that keeps its digits short."""
    for unit, scale in (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9)):
        if energy_j >= scale:
            return f"{energy_j / scale:.3g} {unit}"
    return f"{energy_j / 1e-12:.3g} pJ"
