"""Target: what a chip's integers and cores hold. Profiles are TOML in ``targets/`` or a user's file; every number has a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import FORMAT_WIDTHS, NumberFormat, RoundingMode
from qif_deploy.sourced import SourcedNumber, packaged_or_path, read_toml, sourced_number
from qif_hardware.chip import Chip, read_chip

PROFILES = Path(__file__).parent / "targets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A named number format with the provenance of each width; ``chip`` where the profile also describes cores."""

    name: str
    description: str
    number_format: NumberFormat
    numbers: tuple[SourcedNumber, ...]
    rounding_source: str
    chip: Chip | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values; ``chip`` is null for a profile that is a number format only."""
        return {
            "name": self.name,
            "description": self.description,
            "number_format": self.number_format.name,
            "rounding": self.number_format.rounding.value,
            "rounding_source": self.rounding_source,
            "numbers": [number.as_json() for number in self.numbers],
            "chip": None
            if self.chip is None
            else {
                "cores_per_chip": self.chip.cores_per_chip,
                "systems": list(self.chip.systems),
                "limits": dict(self.chip.limits),
                "numbers": [number.as_json() for number in self.chip.numbers],
            },
        }

    def cores(self) -> Chip:
        """Return the chip.

        Raises:
            InputError: the profile is a number format only; names those that are more.
        """
        if self.chip is None:
            known = ", ".join(target.name for target in list_targets() if target.chip is not None)
            raise InputError(
                f"target {self.name!r} is a number format and says nothing of cores; use one of {known}, or a file with [chip]"
            )
        return self.chip


def load_target(name: str | Path) -> Target:
    """Load a packaged profile by name, or a user's profile by path.

    ``number_format`` is a table of widths, or the name of a packaged profile whose number format the target shares; ``[chip]`` may be
    left out.

    Raises:
        InputError: unknown name, or a profile that misses or misspells something.
    """
    path = packaged_or_path(name, PROFILES, what="target")
    table = read_toml(path)
    where = f"target profile {path.name!r}"
    shared = isinstance(table.get("number_format"), str)
    expected = {"name", "description", "number_format"} | (set() if shared else {"rounding"})
    if set(table) - {"chip"} != expected:
        raise InputError(f"{where}: keys {sorted(table)!r:.200} are not {sorted(expected)}; see the packaged profiles for the form")
    title = str(table["name"])
    chip = read_chip(title, table["chip"], where=where) if "chip" in table else None
    if shared:
        known = sorted(p.stem for p in PROFILES.glob("*.toml") if not isinstance(read_toml(p)["number_format"], str))
        if table["number_format"] not in known:
            raise InputError(
                f"{where}: number format {table['number_format']!r:.80} is unknown; use one of {', '.join(known)}, or a table of widths"
            )
        base = load_target(table["number_format"])
        number_format, numbers, source = base.number_format, base.numbers, base.rounding_source
    else:
        number_format, numbers, source = _own_format(title, table, where)
    return Target(
        name=title, description=str(table["description"]), number_format=number_format, numbers=numbers, rounding_source=source, chip=chip
    )


def _own_format(name: str, table: dict[str, Any], where: str) -> tuple[NumberFormat, tuple[SourcedNumber, ...], str]:
    widths = table["number_format"]
    if not isinstance(widths, dict) or set(widths) != set(FORMAT_WIDTHS):
        raise InputError(f"{where}: [number_format] needs exactly {', '.join(FORMAT_WIDTHS)}")
    rounding = table["rounding"]
    modes = [mode.value for mode in RoundingMode]
    if not isinstance(rounding, dict) or set(rounding) != {"mode", "source"} or rounding["mode"] not in modes:
        raise InputError(f"{where}: [rounding] needs a source and a mode out of {', '.join(modes)}")
    numbers = tuple(sourced_number(width, widths[width], where=where) for width in FORMAT_WIDTHS)
    for number in numbers:
        if number.value != int(number.value):
            raise InputError(f"{where}: {number.name} {number.value} is not a whole number of bits")
    number_format = NumberFormat(
        name=name, rounding=RoundingMode(rounding["mode"]), **{number.name: int(number.value) for number in numbers}
    )
    return number_format, numbers, str(rounding["source"])


def list_targets() -> tuple[Target, ...]:
    """Return all packaged profiles, by name."""
    return tuple(load_target(path.stem) for path in sorted(PROFILES.glob("*.toml")))
