"""What a process holds: memory, open files, threads, children, temporary files, shared memory. Linux, from /proc."""

from __future__ import annotations

import gc
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from qif_hardware.lava.process_group import living_members, shared_segments

_segments: set[str] = set()
"""Every segment of shared memory that a child of this process was seen with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One look at a process; ``cases`` is how many it had done."""

    cases: int
    rss_mib: float
    open_files: int
    threads: int
    children: int
    temporary_files: int
    shared_memory: int

    def as_json(self) -> dict[str, float]:
        """Return the fields."""
        return asdict(self)


def usage(cases: int) -> Usage:
    """Look at this process; its temporary folder is its own."""
    gc.collect()
    own = Path("/proc/self")
    return Usage(
        cases=cases,
        rss_mib=round(int((own / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
        open_files=sum(entry.exists() for entry in (own / "fd").iterdir()),
        threads=len(list((own / "task").iterdir())),
        children=len(_children()),
        temporary_files=sum(1 for _ in Path(tempfile.gettempdir()).rglob("*")),
        shared_memory=sum((Path("/dev/shm") / name).exists() for name in _segments),
    )


def remember_segments() -> None:
    """Note the shared memory that this process's children hold now, so that what is left of it later is seen."""
    for child in _children():
        _segments.update(shared_segments(living_members(child)))


def _children() -> list[int]:
    return [int(child) for task in Path("/proc/self").glob("task/*/children") for child in task.read_text().split()]


def slope(looks: list[Usage]) -> float:
    """Return the growth of memory in KiB per case, the line of least squares through the second half of ``looks``."""
    later = looks[len(looks) // 2 :]
    if len(later) < 2:
        return 0.0
    mean_x, mean_y = (sum(values) / len(later) for values in ([u.cases for u in later], [u.rss_mib for u in later]))
    spread = sum((u.cases - mean_x) ** 2 for u in later)
    return round(1024 * sum((u.cases - mean_x) * (u.rss_mib - mean_y) for u in later) / spread, 2) if spread else 0.0


def left_behind(looks: list[Usage]) -> list[str]:
    """Return a line for everything that is more at the end than after the first look; memory has a slope instead."""
    if len(looks) < 2:
        return []
    names = ("open_files", "threads", "children", "temporary_files", "shared_memory")
    return [
        f"{name} grew from {getattr(looks[0], name)} to {getattr(looks[-1], name)}"
        for name in names
        if getattr(looks[-1], name) > getattr(looks[0], name)
    ]
