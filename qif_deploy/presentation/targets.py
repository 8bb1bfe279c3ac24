"""Profiles and their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from qif_deploy.presentation.layout import new_table

if TYPE_CHECKING:
    from qif_deploy.api.results import TargetsOutcome


def targets_table(outcome: TargetsOutcome, *, verbose: bool) -> RenderableType:
    """Profiles; with ``verbose`` every number with its source."""
    found = outcome.as_json()
    table = new_table(("profile", "kind", "numbers", "description"), "profiles")
    for target in found["targets"]:
        widths = " ".join(f"{n['name'].removesuffix('_bits')}:{n['value']}" for n in target["numbers"])
        table.add_row(target["name"], "number format", f"{widths} {target['rounding']}", target["description"])
        if target["chip"] is not None:
            chip = target["chip"]
            systems = "/".join(str(n) for n in chip["systems"])
            table.add_row(
                target["name"], "cores", f"{chip['cores_per_chip']} per chip, {systems} chips; {len(chip['numbers'])} numbers", ""
            )
    for prices in found["energy"]:
        table.add_row(prices["name"], "energy", f"{len(prices['constants'])} constants", prices["description"])
    if not verbose:
        return table
    sources = new_table(("profile", "number", "value", "grade", "source"), "sources")
    for profile in (*found["targets"], *found["energy"]):
        chip = profile.get("chip")
        for n in (*profile.get("numbers", profile.get("constants", ())), *(() if chip is None else chip["numbers"])):
            sources.add_row(profile["name"], n["name"], f"{n['value']} {n['unit']}", n["grade"], n["source"])
    return Group(table, sources)
