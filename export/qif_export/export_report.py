"""What a writer put into a file, and what the file's format could not carry."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError


class Carried(enum.Enum):
    """How a field of the network arrived in the file."""

    EXACT = "exact"
    WITHIN_BOUND = "within bound"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOutcome:
    """Outcome for one field; ``reason`` says how it is carried, and must say why where it is not exact.

    Raises:
        InputError: a field that is not carried exactly, without a reason.
    """

    field: str
    carried: Carried
    reason: str = ""

    def __post_init__(self) -> None:
        if self.carried is not Carried.EXACT and not self.reason:
            raise InputError(f"field {self.field!r}: {self.carried.value} without a reason; say what the format could not carry")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """A written and verified file: its path, the SHA-256 of its bytes, what became of every field, and ``details`` of its format."""

    path: Path
    sha256: str
    outcomes: tuple[FieldOutcome, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lossless(self) -> bool:
        """Whether every field is in the file exactly."""
        return all(outcome.carried is Carried.EXACT for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "fields": [{"field": o.field, "carried": o.carried.value, "reason": o.reason} for o in self.outcomes],
        } | dict(self.details)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


__all__ = ["Carried", "ExportReport", "FieldOutcome", "sha256_of"]
