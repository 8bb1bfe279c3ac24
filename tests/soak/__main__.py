"""Random networks through every backend for as long as is asked; everything has to be equal, nothing may hang or be left behind.

    python -m tests.soak --minutes 60 --seed 1 --json
    python -m tests.soak --seed 1 --only 3 --networks 400      # one network again and again: memory that grows here leaks

Prints a table, and with --json one line of JSON at the end. Ends with 0 when nothing was wrong, else with 1; so it does when it is
interrupted, with the counts so far.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from itertools import count, repeat
from pathlib import Path
from types import FrameType
from typing import Any

from tests.soak.counts import Counts
from tests.soak.outcome import Outcome, Verdict
from tests.soak.usage import Usage, left_behind, slope
from tests.soak.watched import Watched, worker_command
from tests.soak.way import Way

LOOK_EVERY, FIRST_LOOK = 50, 10
"""Networks between two looks at the processes, and before the first: by then what is made once is made."""

SILENCE_S = 300.0
"""Longest silence of a worker; a run on Lava has a limit of its own below it."""

MEMORY_KIB = 300.0
"""Growth of memory per network, over the second half, above which a soak of at least 1000 networks says that something leaks. Some
growth is due: each new shape of a layer makes oneDNN and torch keep kernels for it, and Lava keeps every process that it made.
"""

PACKAGES = ("numpy", "torch", "numba", "onnx", "onnxruntime", "nir", "lava-nc", "hypothesis")


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    counts, started, interrupted = Counts(), time.monotonic(), False
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qif_soak_")))
        workers = _workers(options, folder)
        for worker in workers.values():
            stack.callback(worker.end)
        numbers = count() if options.only is None else repeat(options.only, options.networks or 1)
        done = 0
        try:
            for number in numbers:
                if done == options.networks or time.monotonic() - started > 60 * options.minutes:
                    break
                _run(number, workers, counts, options)
                done += 1
                if done % LOOK_EVERY == FIRST_LOOK:
                    print(f"{done} networks, {len(counts.bad)} bad, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
                    for worker in workers.values():
                        worker.look()
            for worker in workers.values():
                worker.look()
        except KeyboardInterrupt:
            interrupted = True
        found = _report(options, counts, workers, done, time.monotonic() - started, interrupted=interrupted)
    _print(found)
    if options.json:
        print(json.dumps(found))
    return 0 if found["holds"] else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="end after this")
    parser.add_argument("--networks", type=int, default=None, help="end after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, default=None, help="one case, by its number; as often as --networks says")
    parser.add_argument("--backend", action="append", choices=[way.value for way in Way], help="may be repeated; all by default")
    parser.add_argument("--lava-every", type=int, default=40, help="one network in so many goes through Lava's normal runtime; 0 for none")
    parser.add_argument("--out", type=Path, default=Path("soak-failures"), help="folder for what went wrong")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _workers(options: argparse.Namespace, folder: Path) -> dict[str, Watched]:
    """One process for all ways but one; Lava's models have a process of their own, since Lava changes the interpreter."""
    chosen = [way.value for way in Way] if options.backend is None else options.backend
    lava_every = 1 if options.only is not None else options.lava_every
    parts = {"engines": [way for way in chosen if way != Way.LAVA_IN_PROCESS.value]}
    parts["lava_models"] = [way for way in chosen if way == Way.LAVA_IN_PROCESS.value]
    failures = options.out.resolve()
    return {
        name: Watched(worker_command(options.seed, failures, lava_every, ways), folder / name, limit_s=SILENCE_S)
        for name, ways in parts.items()
        if ways
    }


def _run(number: int, workers: dict[str, Watched], counts: Counts, options: argparse.Namespace) -> None:
    first = next(iter(workers))
    for name, worker in workers.items():
        for outcome in worker.run(number):
            if outcome.way != "reference" or name == first or outcome.verdict is not Verdict.EQUAL:
                counts.add(outcome)
            if outcome.verdict not in (Verdict.EQUAL, Verdict.REFUSED):
                print(f"network {number}, {outcome.way}: {outcome.verdict.value}: {outcome.reason}", file=sys.stderr, flush=True)
            if outcome.verdict in (Verdict.HUNG, Verdict.DIED):  # what the worker itself cannot keep
                _keep(outcome, options)


def _keep(outcome: Outcome, options: argparse.Namespace) -> None:
    from tests.soak.cases import case_of  # here: it takes seconds to import and is hardly needed
    from tests.soak.kept import keep

    keep(outcome, case_of(options.seed, outcome.number), options.out.resolve())


def _report(
    options: argparse.Namespace, counts: Counts, workers: dict[str, Watched], done: int, seconds: float, *, interrupted: bool
) -> dict[str, Any]:
    held, leaks = {}, []
    for name, worker in workers.items():
        for looks in worker.looks:
            leaks += [f"{name}: {line}" for line in left_behind(looks)]
            if done >= 1000 and slope(looks) > MEMORY_KIB:
                leaks.append(f"{name}: memory grew by {slope(looks)} KiB per network")
        held[name] = _held(worker.looks[-1] if worker.looks else [], worker.starts)
    return {
        "holds": not counts.bad and not leaks and done > 0,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "seed": options.seed,
        "networks": done,
        "seconds": round(seconds, 1),
        "interrupted": interrupted,
        "mismatches": counts.total(Verdict.DIFFERS),
        "broken": counts.total(Verdict.BROKE),
        "hangs": counts.total(Verdict.HUNG),
        "deaths": counts.total(Verdict.DIED),
        "leaks": leaks,
        "ways": {name: way.as_json() for name, way in counts.ways.items()},
        "processes": held,
        "bad": [outcome.as_json() for outcome in counts.bad[:20]],
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "machine": f"{platform.machine()}, {platform.system()}",
    }


def _held(looks: list[Usage], starts: int) -> dict[str, Any]:
    """What one process held after its first networks, at half, and at the end."""
    if not looks:
        return {"starts": starts}
    at = {"start": looks[0], "half": looks[len(looks) // 2], "end": looks[-1]}
    return {"starts": starts, **{name: look.as_json() for name, look in at.items()}, "memory_kib_per_network": slope(looks)}


def _print(found: dict[str, Any]) -> None:
    """The table for people, on the standard error."""
    columns = ("networks", "equal", "differs", "refused", "broke", "hung", "died", "arrays", "spikes", "without_spikes", "seconds")
    rows = [("way", *columns), *((name, *(str(way[column]) for column in columns)) for name, way in found["ways"].items())]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), file=sys.stderr)
    for name, way in found["ways"].items():
        for reason, times in way["refusals"].items():
            print(f"{name} refused {times}: {reason}", file=sys.stderr)
    for name, held in found["processes"].items():
        print(f"{name}: {held}", file=sys.stderr)
    for leak in found["leaks"]:
        print(f"left behind: {leak}", file=sys.stderr)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
