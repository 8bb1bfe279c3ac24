"""Counts of a soak: per way what was tried and what came of it, and what the processes held."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.soak.outcome import BAD, Outcome, Verdict

NAME, NUMBER = re.compile(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]"), re.compile(r"-?\d+(\.\d+)?")


@dataclass
class WayCounts:
    """What came of one way; grows."""

    networks: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    arrays: int = 0
    spikes: int = 0
    silent: int = 0
    seconds: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.networks += 1
        self.verdicts[outcome.verdict] += 1
        self.seconds += outcome.seconds
        if outcome.verdict is Verdict.EQUAL:
            self.arrays += outcome.arrays
            self.spikes += outcome.spikes
            self.silent += outcome.spikes == 0
        if outcome.verdict is Verdict.REFUSED:
            for finding in outcome.reason.split("; population")[0].split("; synapse")[:1]:
                self.refusals[named(finding)] += 1

    @property
    def bad(self) -> int:
        """Outcomes that should not be."""
        return sum(self.verdicts[verdict] for verdict in BAD)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        found = {verdict.value: self.verdicts[verdict] for verdict in Verdict}
        counted = {"arrays": self.arrays, "spikes": self.spikes, "without_spikes": self.silent, "seconds": round(self.seconds, 1)}
        return {"networks": self.networks, **found, **counted, "refusals": dict(self.refusals.most_common())}


@dataclass
class Counts:
    """What came of all ways; grows."""

    ways: dict[str, WayCounts] = field(default_factory=dict)
    bad: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.ways.setdefault(outcome.way, WayCounts()).add(outcome)
        if outcome.verdict in BAD:
            self.bad.append(outcome)

    def total(self, verdict: Verdict) -> int:
        """Return how often ``verdict`` was given."""
        return sum(way.verdicts[verdict] for way in self.ways.values())


def named(reason: str) -> str:
    """Return a reason without the names and numbers of one network, so that equal ones are counted together."""
    return NUMBER.sub("N", NAME.sub("NAME", reason.splitlines()[0]))[:160]
