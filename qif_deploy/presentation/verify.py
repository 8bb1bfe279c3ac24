"""Backends against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table, stacked

if TYPE_CHECKING:
    from qif_deploy.api.backends import BackendCheck
    from qif_deploy.api.results import VerifyOutcome
    from qif_deploy.api.verify_files import FileCheck


def verify_table(outcome: VerifyOutcome, *, verbose: bool = False) -> RenderableType:
    """Exact or not, per backend; with ``verbose`` also the samples per second."""
    columns = ("backend", "against the reference", "seconds", *(("samples / s",) if verbose else ()))
    table = new_table(columns, f"on {outcome.source}", numbers=columns[2:])
    rows = [(name, verdict(check), check) for name, check in outcome.backends.items()]
    rows += [(_file_name(file, outcome.source), _file_verdict(file), file.run) for file in outcome.files]
    for name, said, check in rows:
        table.add_row(name, said, f"{check.seconds:.2f}", *((_speed(check),) if verbose else ()))
    held = "holds: everything that ran is exact" if outcome.holds else "does not hold"
    return stacked([table, held])


def _speed(check: BackendCheck) -> str:
    """Return the samples per second of a run, the time of making the backend ready included."""
    return "" if check.comparison is None or check.seconds <= 0 else f"{check.comparison.samples / check.seconds:,.0f}"


def _file_name(check: FileCheck, source: str) -> str:
    """Return the path, and what the file was compared on where that is not what the table says."""
    return str(check.path) if check.source == source else f"{check.path}, on {check.source}"


def _file_verdict(check: FileCheck) -> str:
    """Return what is stored wrongly, where something is, and what the run says."""
    stored = check.stored
    if stored is None:
        return verdict(check.run)
    values = "" if not stored.bits else f" at {stored.index}: {stored.found} instead of {stored.expected}, bits {list(stored.bits)}"
    told = "HOLDS ANOTHER VALUE" if stored.numeric else "another text"
    return f"{told} in {stored.entry}{values} ({stored.reason}); run: {verdict(check.run)}"


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
    bits = f", bits {list(m.bits)}" if m.bits else ""
    cause = f"; as if {', or '.join(check.as_if)}" if check.as_if else ""
    return f"DIFFERS in {m.array} at {m.index}: {m.found} instead of {m.expected}{bits} ({m.reason}){cause}"
