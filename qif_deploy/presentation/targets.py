"""Profiles and their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from qif_deploy.presentation.layout import new_table, stacked

if TYPE_CHECKING:
    from qif_deploy.api.results import TargetsOutcome


def targets_table(outcome: TargetsOutcome, *, verbose: bool) -> RenderableType:
    """Targets and price lists; with ``verbose`` every number with its source."""
    parts: list[RenderableType] = [_target_table(outcome), _price_table(outcome)]
    if verbose:
        parts.append(_source_table(outcome))
    return stacked(parts)


def _target_table(outcome: TargetsOutcome) -> Table:
    columns = ("target", "weight", "coef", "state", "product", "rounding", "cores")
    table = new_table(columns, "targets: widths in bits, cores of a chip", numbers=columns[1:5])
    for target in outcome.targets:
        widths = {number["name"].removesuffix("_bits"): str(number["value"]) for number in target["numbers"]}
        chip = target["chip"]
        cores = "" if chip is None else f"{chip['cores_per_chip']}, {'/'.join(map(str, chip['systems']))} chips"
        table.add_row(target["name"], *(widths[column] for column in columns[1:5]), target["rounding"], cores)
    return table


def _price_table(outcome: TargetsOutcome) -> Table:
    table = new_table(("profile", "what it is"), "what they are, and price lists for energy")
    for target in outcome.targets:
        table.add_row(target["name"], target["description"])
    for prices in outcome.energy:
        table.add_row(f"{prices['name']} (prices)", f"{prices['description']} {len(prices['constants'])} constants.")
    return table


def _source_table(outcome: TargetsOutcome) -> Table:
    table = new_table(("profile", "number", "value", "grade", "source"), "sources", numbers=("value",))
    for profile in (*outcome.targets, *outcome.energy):
        chip = profile.get("chip")
        for n in (*profile.get("numbers", profile.get("constants", ())), *(() if chip is None else chip["numbers"])):
            table.add_row(profile["name"], n["name"], f"{n['value']} {n['unit']}", n["grade"], n["source"])
    return table
