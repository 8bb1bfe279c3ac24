"""Numbers from the world: value, unit, source, date and grade, read from TOML. No source, no number."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.reading.limits import MAX_TEXT_FILE
from qif_deploy.reading.plain_file import read_text
from qif_deploy.reading.toml_text import parse_toml
from qif_deploy.suggestion import missing_file, unknown_word


class Grade(enum.Enum):
    """How a number is known."""

    METERED = "metered"
    SILICON_FITTED = "silicon-fitted"
    SIMULATED = "simulated"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedNumber:
    """A number with everything needed to doubt it."""

    name: str
    value: float
    unit: str
    source: str
    date: str
    grade: Grade

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the interface contract."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "source": self.source,
            "date": self.date,
            "grade": self.grade.value,
        }


def sourced_number(name: str, table: object, *, where: str) -> SourcedNumber:
    """Read ``{value, unit, source, date, grade}``.

    Raises:
        InputError: a key is missing, unknown or of the wrong kind.
    """
    fields = ("value", "unit", "source", "date", "grade")
    if not isinstance(table, Mapping) or set(table) != set(fields):
        raise InputError(f"{where}: {name!r} needs exactly the keys {', '.join(fields)}; got {_seen(table)}")
    value = table["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{where}: value {value!r:.80} of {name!r} is not a number; give a finite one")
    empty = [key for key in ("unit", "source", "date") if not isinstance(table[key], str) or not table[key].strip()]
    if empty:
        raise InputError(f"{where}: {', '.join(empty)} of {name!r} is not a text; a number without it is not accepted")
    grades = [grade.value for grade in Grade]
    if table["grade"] not in grades:
        raise InputError(f"{where}: grade {table['grade']!r:.80} of {name!r} is unknown; use one of {', '.join(grades)}")
    return SourcedNumber(
        name=name, value=value, unit=table["unit"], source=table["source"], date=table["date"], grade=Grade(table["grade"])
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: missing, unreadable or malformed; names the place.
    """
    try:
        return parse_toml(read_text(path, most=MAX_TEXT_FILE))
    except FileNotFoundError:
        raise missing_file(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"file {str(path)!r} is not a readable text file ({_reason(error)}); give a TOML file") from None
    except ValueError as error:
        raise InputError(f"file {str(path)!r} is not TOML: {error}") from None


def _seen(table: object) -> str:
    return repr(sorted(table) if isinstance(table, Mapping) else table)[:200]


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def packaged_or_path(name: str | Path, folder: Path, *, what: str) -> Path:
    """Return the packaged ``folder/NAME.toml``, or ``name`` itself when it is a path to a TOML file.

    Raises:
        InputError: neither; lists the packaged names.
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        return Path(name)
    known = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in known:
        raise unknown_word(what, name, known, also=", or the path of a .toml file")
    return folder / f"{name}.toml"
