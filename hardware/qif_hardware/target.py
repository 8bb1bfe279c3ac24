"""Target: what a chip's integers hold. Profiles are TOML in ``targets/`` or a user's file; every number has a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.sourced import SourcedNumber, packaged_or_path, read_toml, sourced_number

PROFILES = Path(__file__).parent / "targets"
WIDTHS = ("weight_bits", "coef_bits", "state_bits", "product_bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A named number format with the provenance of each width."""

    name: str
    description: str
    number_format: NumberFormat
    numbers: tuple[SourcedNumber, ...]
    rounding_source: str

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "description": self.description,
            "rounding": self.number_format.rounding.value,
            "rounding_source": self.rounding_source,
            "numbers": [number.as_json() for number in self.numbers],
        }


def load_target(name: str) -> Target:
    """Load a packaged profile by name, or a user's profile by path.

    Raises:
        InputError: unknown name, or a profile that misses or misspells something.
    """
    path = packaged_or_path(name, PROFILES, what="target")
    table = read_toml(path)
    where = f"target profile {path.name!r}"
    expected = {"name", "description", "rounding", "number_format"}
    if set(table) != expected:
        raise InputError(f"{where}: keys {sorted(table)} are not {sorted(expected)}; see the packaged profiles for the form")
    widths = table["number_format"]
    if not isinstance(widths, dict) or set(widths) != set(WIDTHS):
        raise InputError(f"{where}: [number_format] needs exactly {', '.join(WIDTHS)}")
    rounding = table["rounding"]
    modes = [mode.value for mode in RoundingMode]
    if not isinstance(rounding, dict) or set(rounding) != {"mode", "source"} or rounding["mode"] not in modes:
        raise InputError(f"{where}: [rounding] needs a source and a mode out of {', '.join(modes)}")
    numbers = tuple(sourced_number(width, widths[width], where=where) for width in WIDTHS)
    for number in numbers:
        if number.value != int(number.value):
            raise InputError(f"{where}: {number.name} {number.value} is not a whole number of bits")
    number_format = NumberFormat(
        name=str(table["name"]), rounding=RoundingMode(rounding["mode"]), **{number.name: int(number.value) for number in numbers}
    )
    return Target(
        name=str(table["name"]),
        description=str(table["description"]),
        number_format=number_format,
        numbers=numbers,
        rounding_source=str(rounding["source"]),
    )


def list_targets() -> tuple[Target, ...]:
    """Return all packaged profiles, by name."""
    return tuple(load_target(path.stem) for path in sorted(PROFILES.glob("*.toml")))
