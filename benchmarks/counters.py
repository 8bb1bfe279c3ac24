"""What the counters of a run cost: the compiled kernel of the engine against the same source without the lines that count."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from engine_speed import answers, prepared
from networks import QIF, Model, pair
from numpy.typing import NDArray
from rows import Row
from timing import best_seconds

from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.engine import compiled_pass, neuron_kernel
from qif_deploy.simulate.engine.fused_constants import fused_constants
from qif_deploy.simulate.engine.neuron_kernel import population_pass
from qif_hardware.target import load_target

COUNTING = re.compile(
    r"^ *(count|drive|over|fired|moved|clipped) (=|\+=) .*$|^ *(driven|saturated)\[b\] \+= .*$|^ *rates\[b, p\] = fired$", re.M
)
SHAPE = (32, 4, 256, 128)
"""Samples, steps, positions, channels: a middle layer."""


def counters(model: Model, rounds: int) -> Iterator[Row]:
    """The kernel alone on one population, then whole runs of ``model``; spikes and readouts must be equal."""
    silent = _without_counters()
    samples, _, positions, channels = SHAPE
    rng = np.random.default_rng(0)
    sums = rng.integers(-300, 400, SHAPE).astype(np.float32)
    constants = fused_constants(_constants(channels), np.int32)
    spikes = {name: np.zeros(SHAPE, np.uint8) for name in ("with", "without")}

    def run(name: str, kernel: Any) -> None:
        counts = np.zeros((samples, positions), np.int64), np.zeros(samples, np.int64), None
        kernel(sums, None, None, None, (0, 0, 0), constants.table, constants.scalars, 0, positions, spikes[name], *counts, None, None)

    ways: dict[str, Any] = {"with": partial(run, "with", population_pass), "without": partial(run, "without", silent)}
    found = best_seconds(ways, rounds=10 * rounds)
    if not np.array_equal(spikes["with"], spikes["without"]) or not spikes["with"].any():
        raise SystemExit("the kernel without counters gives other spikes; nothing is reported")
    updates = float(np.prod(SHAPE)) / 1e9
    yield Row(
        what="counters: neuron kernel with them / without, nothing saturates",
        ratio=found["with"] / found["without"],
        detail=f"{updates / found['with']:.2f} against {updates / found['without']:.2f} 10^9 updates/s, one thread, {SHAPE}",
    )
    p = pair(model)
    codes, runner = p.codes(8), prepared(p)
    readouts: dict[str, NDArray[np.int64]] = {}

    def whole(name: str, kernel: Any) -> None:
        compiled_pass.population_pass = kernel  # type: ignore[attr-defined]
        readouts[name] = answers(runner, codes)

    found = best_seconds({"with": partial(whole, "with", population_pass), "without": partial(whole, "without", silent)}, rounds=5 * rounds)
    compiled_pass.population_pass = population_pass  # type: ignore[attr-defined]
    runner.workers.close()
    if not np.array_equal(readouts["with"], readouts["without"]):
        raise SystemExit("the run without counters gives other readouts; nothing is reported")
    yield Row(
        what=f"counters: whole run with them / without, {model.title}, batch 8",
        ratio=found["with"] / found["without"],
        detail=f"{8 / found['with']:.1f} against {8 / found['without']:.1f} samples/s",
    )


def _without_counters() -> Any:
    """Return the kernel compiled from its source without the lines that count."""
    silent = types.ModuleType("neuron_kernel_without_counters")
    source = COUNTING.sub(_nothing, Path(neuron_kernel.__file__).read_text())
    exec(compile(source, "<without counters>", "exec"), silent.__dict__)  # our own file
    return silent.population_pass


def _nothing(line: re.Match[str]) -> str:
    """Keep the first assignments, which give the names their types."""
    text = line.group(0)
    return text if text.rstrip().endswith(("none, none, none", "= 0")) else " " * (len(text) - len(text.lstrip())) + "pass"


def _constants(channels: int) -> FixedConstants:
    theta = np.full(channels, 600)
    return FixedConstants(
        c2m=np.rint(QIF.c2 / theta * 2.0**20).astype(np.int64), c1m=np.full(channels, 220), s2=np.full(channels, 12), s1=8,
        bias=np.full(channels, 20), theta=theta, reset=np.zeros(channels, np.int64), r0=np.zeros(channels, np.int64), reset_by=theta,
        u_min=None, reset_mode=ResetMode.HARD, number_format=load_target("loihi2").number_format,
    )  # fmt: skip
