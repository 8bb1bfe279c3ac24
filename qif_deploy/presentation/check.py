"""Ranges and findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from qif_deploy.presentation.layout import new_table, stacked

if TYPE_CHECKING:
    from qif_deploy.analysis.check_network import CheckReport


QUANTITY_COLUMNS = {"acc": "acc", "i": "i", "c2m_r": "c2m r", "h": "h", "h_r": "h r", "u": "u", "r": "r", "sum": "sum"}
MARKS = {"fits": "", "harmless": " (h)", "fails": " !"}


def check_table(report: CheckReport, *, verbose: bool) -> RenderableType:
    """The bits that every quantity needs and the findings; with ``verbose`` also every interval."""
    table = new_table(("severity", "rule", "object", "value", "limit"), f"verdict: {report.verdict}")
    remedies: dict[str, str] = {}
    for finding in report.findings:
        row = finding.as_json()
        cells = (row["severity"], row["rule"], row["object"], row["value"], row["limit"])
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
        remedies.setdefault(f"{finding.rule}: {finding.remedy}", "")
    if not report.findings:
        table.add_row("ok", "no finding", "", "", "")
    parts: list[RenderableType] = [_range_table(report), *_range_notes(report), *_room_tables(report)] if report.ranges else []
    if verbose and report.ranges:
        parts.append(_interval_table(report))
    return stacked([*parts, table, *remedies])


def _range_table(report: CheckReport) -> Table:
    """One row per node: bits per quantity and the worst verdict."""
    covered = "any number of steps" if report.steps is None else f"up to {report.steps} steps"
    columns = ("node", *QUANTITY_COLUMNS.values(), "verdict")
    table = new_table(columns, f"proven for {covered}: signed bits of the widest channel", numbers=columns[1:-1])
    for name, rows in report.ranges.items():
        cells = [str(rows[q][2]) + MARKS[rows[q][3]] if q in rows else "" for q in QUANTITY_COLUMNS]
        worst = next((v for v in ("fails", "harmless") if v in {row[3] for row in rows.values()}), "fits")
        table.add_row(name, *cells, worst)
    return table


def _room_tables(report: CheckReport) -> list[RenderableType]:
    """What kept the channels from a finer Delta, and the bits by which the proof reaches beyond the data; each where it is known."""
    found: list[RenderableType] = []
    bounds = {name: row["bound_by"] for name, row in report.resolution.items() if row.get("bound_by")}
    if bounds:
        table = new_table(("population", "channels by what bound their Delta"), "what keeps the grid from being finer")
        for name, bound in bounds.items():
            table.add_row(name, ", ".join(f"{limit}: {count}" for limit, count in bound.items()))
        found.append(table)
    if report.gap_bits:
        quantities = [q for q in QUANTITY_COLUMNS if any(q in row for row in report.gap_bits.values())]
        headers = tuple(QUANTITY_COLUMNS[q] for q in quantities)
        table = new_table(("node", *headers), "bits between proof and data", numbers=headers)
        for name, row in report.gap_bits.items():
            table.add_row(name, *(f"{row[q]:.1f}" if q in row else "" for q in quantities))
        found += [table, f"log2 of the proven over the reached magnitude, on {report.observed_on}"]
    return found


def _range_notes(report: CheckReport) -> list[str]:
    """What the limits are and what the marks mean, as far as they occur."""
    notes, f = [], report.number_format
    if f is not None:
        notes.append(f"limits of {f.name}: {f.product_bits} bits for acc, i, c2m r, h r; {f.state_bits} bits for h, u, r; 64 bits for sum")
    verdicts = {row[3] for rows in report.ranges.values() for row in rows.values()}
    if "harmless" in verdicts:
        notes.append("(h) harmless: u may saturate, which changes no spike")
    if "fails" in verdicts:
        notes.append("! fails: may leave its limit, so the network is not proven")
    return notes


def _interval_table(report: CheckReport) -> Table:
    """Every interval, with what the data reached of it."""
    columns = ["node", "quantity", "lowest", "highest", "bits", "verdict"] + (
        ["lowest reached", "highest reached"] if report.observed else []
    )
    table = new_table(tuple(columns), "intervals over all channels", numbers=(*columns[2:5], *columns[6:]))
    for name, rows in report.ranges.items():
        for quantity, (low, high, bits, verdict) in rows.items():
            reached = report.observed.get(name, {}).get(quantity, ("", "")) if report.observed else ()
            table.add_row(name, quantity, *map(str, (low, high, bits, verdict, *reached)))
    return table
