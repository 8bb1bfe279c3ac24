"""Many changed files through one reader, in a process of its own with a limit on its memory: what came of them, and what was wrong.

Run by ``python -m tests.fuzz`` as ``python -m tests.fuzz.campaign READER FOLDER SEED INPUTS SECONDS``. The file in hand lies in FOLDER
while it is read, so that the parent still has it when this process has died of it.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.mutate import mutated
from tests.fuzz.oracle import Violation, judge, warm
from tests.fuzz.reader import Reader
from tests.fuzz.readers import READERS

MEMORY = 2 << 30
"""Bytes of address space above what the imports take: twice what a small file may ever expand to."""

MOST_KEPT = 400
"""Files kept as the start of further changes, each for an outcome that was new; beyond it a random one gives way."""

HAND, REPORT = "in_hand", "report.json"


@dataclass(slots=True)
class Campaign:
    """What was found so far."""

    reader: Reader
    folder: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: dict[str, str] = field(default_factory=dict)
    inputs: int = 0

    def one(self, data: bytes) -> bool:
        """Read one file; return whether its outcome is new. A violation is saved once per kind."""
        path = self.folder / f"{HAND}{self.reader.suffix}"
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        self.inputs += 1
        try:
            outcome = judge(self.reader, path)
        except Violation as violation:
            outcome = f"VIOLATION {violation}"
            if str(violation) not in self.violations:
                self.violations[str(violation)] = str(save_crash(self.folder, self.reader.name, data))
        self.outcomes[outcome] += 1
        return self.outcomes[outcome] == 1

    def as_json(self) -> dict[str, Any]:
        """What the parent adds up."""
        return {"reader": self.reader.name, "inputs": self.inputs, "outcomes": self.outcomes, "violations": self.violations}


def save_crash(folder: Path, reader: str, data: bytes) -> Path:
    """Keep a file that a reader failed on, under the reader's name and its own hash."""
    path = folder / f"{reader}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.write_bytes(data)
    return path


def prepared(reader: Reader, folder: Path) -> tuple[bytes, ...]:
    """Return the files to start from, each read once: what is imported late comes in before the memory is limited."""
    seeds, first = reader.seeds(), folder / f"{HAND}{reader.suffix}"
    for data in seeds:
        first.write_bytes(data)
        warm(reader, first)
    return seeds


def run(reader: Reader, folder: Path, seeds: tuple[bytes, ...], *, seed: int, inputs: int, seconds: float) -> Campaign:
    """Change valid files, and changed files whose outcome was new, until one of the limits is reached."""
    rng, campaign, kept = Random(f"{seed} {reader.name}"), Campaign(reader=reader, folder=folder), list(seeds)
    for data in seeds:
        campaign.one(data)
    end = time.monotonic() + seconds
    warnings.simplefilter("ignore")
    while campaign.inputs < inputs and time.monotonic() < end:
        data = mutated(rng.choice(kept), reader.structure, rng, other=rng.choice(kept))
        if campaign.one(data):
            kept.append(data)
            if len(kept) > MOST_KEPT:
                del kept[rng.randrange(len(kept))]
    return campaign


def limit_memory(extra: int) -> None:
    """Allow ``extra`` bytes of address space above what is taken now."""
    taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + extra, hard))


def main(arguments: list[str]) -> None:
    """Run one campaign and write its report."""
    names, folder, seed, inputs, seconds = arguments
    reports: list[dict[str, Any]] = []
    seeds = {name: prepared(READERS[name], Path(folder)) for name in names.split(",")}
    limit_memory(MEMORY)
    for name, files in seeds.items():
        campaign = run(READERS[name], Path(folder), files, seed=int(seed), inputs=int(inputs), seconds=float(seconds))
        reports.append(campaign.as_json())
        (Path(folder) / REPORT).write_text(json.dumps(reports), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
