"""Timing of rival ways: interleaved rounds in one process, the best of each, so that a busy neighbour hits all alike."""

from __future__ import annotations

import enum
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

Way = Callable[[], Any]


class Clock(enum.Enum):
    """WALL, or the CPU seconds of this process: the latter are worth something on a machine that others use, and with one thread only."""

    WALL = "wall"
    CPU = "cpu"

    def now(self) -> float:
        """Return seconds."""
        return time.perf_counter() if self is Clock.WALL else time.process_time()


@dataclass(slots=True)
class Chosen:
    """What the command line chose, for all rows."""

    clock: Clock = Clock.WALL


CHOSEN = Chosen()


def best_seconds(ways: Mapping[str, Way], *, rounds: int, clock: Clock | None = None) -> dict[str, float]:
    """Run every way once per round, after one round to warm up; return the smallest seconds of each.

    ``clock`` stands in for the chosen one.
    """
    clock = CHOSEN.clock if clock is None else clock
    found: dict[str, float] = {}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            start = clock.now()
            way()
            seconds = clock.now() - start
            found[name] = min(seconds, found.get(name, seconds))
    return found


def machine() -> str:
    """Processor, threads, and the versions that figures depend on."""
    names = ("torch", "numpy", "numba", "onnxruntime", "lava-nc", "spikingjelly", "snntorch")
    versions = ", ".join(f"{name} {installed(name)}" for name in names if installed(name) is not None)
    return f"{processor()}, {torch.get_num_threads()} threads, {CHOSEN.clock.value} seconds; Python {platform.python_version()}, {versions}"


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def installed(package: str) -> str | None:
    """Version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
