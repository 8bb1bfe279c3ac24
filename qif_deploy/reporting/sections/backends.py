"""Every backend against the reference, bit by bit."""

from __future__ import annotations

from qif_deploy.reporting.blocks import Block, Paragraph, Section, Status, Table, absent
from qif_deploy.reporting.record import Record
from qif_deploy.reporting.run_files import VERIFY, RunFiles

KEY, TITLE = "backends", "Backends"


def backends_section(run: RunFiles) -> Section:
    """Return what each backend, and each file that was verified, showed."""
    verify = run.results.get(VERIFY)
    if verify is None:
        return absent(KEY, TITLE, missing=VERIFY, command=run.command("verify"))
    checks = verify.named("backends") | (verify.named("files") if verify.holds("files") else {})
    exact = [name for name, check in checks.items() if check.truth("exact") is True]
    broken = [name for name, check in checks.items() if check.truth("exact") is False]
    open_ones = [name for name in checks if name not in exact and name not in broken]
    text = (
        f"Input: {verify.text('input')}. Exact means: input, state before reset and spikes of every neuron in every step of every sample "
        "are the same integers as in the reference, and there were samples and spikes enough to say so."
    )
    blocks: list[Block] = [Paragraph(text=text), _table(checks)]
    if broken:
        status, verdict = Status.FAILS, f"not exact: {', '.join(broken)}"
    elif not exact:
        status, verdict = Status.LOOK, "no backend ran with enough evidence"
    elif open_ones:
        status, verdict = Status.LOOK, f"exact: {', '.join(exact)}; not shown: {', '.join(open_ones)}"
    else:
        status, verdict = Status.HOLDS, f"exact: {', '.join(exact)}"
    return Section(key=KEY, title=TITLE, status=status, verdict=verdict, blocks=tuple(blocks))


def _table(checks: dict[str, Record]) -> Table:
    rows = []
    for name, check in checks.items():
        counts = tuple(f"{check.whole(key):,}" if check.holds(key) else "" for key in ("samples", "arrays", "spikes"))
        seconds = check.maybe_number("seconds")
        rows.append((name, _verdict(check), *counts, "" if seconds is None else f"{seconds:.2f}"))
    columns = ("backend", "against the reference", "samples", "arrays", "spikes", "seconds")
    return Table(caption="Compared with the NumPy reference", columns=columns, rows=tuple(rows), numeric=frozenset({2, 3, 4, 5}))


def _verdict(check: Record) -> str:
    """Return in words what a check says, and where the first difference is."""
    for key, word in (("skipped", "not run"), ("failed", "failed")):
        if check.holds(key):
            return f"{word}: {check.text(key)}"
    stored = check.maybe_record("stored") if check.holds("stored") else None
    told = "" if stored is None else f"the file holds another value in {stored.text('entry')}; "
    if check.truth("exact") is True:
        return "exact"
    mismatch = check.maybe_record("first_mismatch")
    if mismatch is None:
        return told + (check.maybe_text("reason") or "not exact")
    at = [f"{key} {mismatch.values[key]}" for key in ("step", "sample", "neuron") if mismatch.holds(key)]
    where = f"{mismatch.text('array')}" + (f" at {', '.join(at)}" if at else "")
    return f"{told}differs first in {where}: {mismatch.values.get('found')} instead of {mismatch.values.get('expected')}"
