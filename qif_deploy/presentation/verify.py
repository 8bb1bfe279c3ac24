"""Backends against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table

if TYPE_CHECKING:
    from qif_deploy.api.backends import BackendCheck
    from qif_deploy.api.results import VerifyOutcome


def verify_table(outcome: VerifyOutcome) -> RenderableType:
    """Exact or not, per backend."""
    table = new_table(("backend", "against the reference", "seconds"), f"on {outcome.source}")
    for name, check in outcome.backends.items():
        table.add_row(name, verdict(check), f"{check.seconds:.2f}")
    return table


def verdict(check: BackendCheck) -> str:
    """Return in one line whether a backend equals the reference, and where it first does not."""
    if check.comparison is None:
        return f"failed: {check.failed}" if check.failed else f"not run: {check.skipped}"
    c = check.comparison
    if c.exact:
        return f"exact: {c.arrays} arrays, {c.samples} samples, {c.spikes:,} spikes"
    if c.first_mismatch is None:
        return str(c.reason)
    m = c.first_mismatch
    return f"DIFFERS in {m.array} at {m.index}: {m.found} instead of {m.expected} ({m.reason})"
