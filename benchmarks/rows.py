"""A row of the table: what was compared, the goal, what was found, and whether the goal is met."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``ratio`` is held against ``at_least`` or, for growth and memory, ``at_most``. None: not run, and ``detail`` says why."""

    what: str
    detail: str
    ratio: float | None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def verdict(self) -> str:
        """MET, MISSED, or NOT RUN; empty for a figure without a goal."""
        if self.ratio is None:
            return "NOT RUN"
        if self.at_least is None and self.at_most is None:
            return ""
        met = (self.at_least is None or self.ratio >= self.at_least) and (self.at_most is None or self.ratio <= self.at_most)
        return "MET" if met else "MISSED"

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"verdict": self.verdict}

    def as_markdown(self) -> str:
        """Return a line of the table."""
        goal = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}" if self.at_most is not None else ""
        ratio = "" if self.ratio is None else f"{self.ratio:.3g}"
        return f"| {self.what} | {goal} | {ratio} | {self.verdict} | {self.detail} |"


HEADER = "| what | goal | found | | details |\n| --- | --- | --- | --- | --- |"
