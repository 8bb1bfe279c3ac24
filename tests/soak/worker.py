"""A process that runs cases: ``python -m tests.soak.worker SEED FAILURES LAVA_EVERY WAY ...``, started and watched by ``Watched``.

Reads one number of a case, or ``look``, from each line of its input; answers in lines of JSON. What libraries print goes to the
standard error, so that nothing of theirs is taken for an answer.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from qif_deploy.errors import BackendError
from qif_deploy.simulate.reference import run_reference
from tests.soak.attempt import attempt
from tests.soak.cases import Case, case_of
from tests.soak.outcome import Outcome, Verdict
from tests.soak.usage import usage
from tests.soak.way import Way
from tests.soak.ways import wanted

Say = Callable[[dict[str, Any]], None]


def main(arguments: list[str]) -> None:
    seed, failures, lava_every = int(arguments[0]), Path(arguments[1]), int(arguments[2])
    ways = [Way(name) for name in arguments[3:]]
    say = _answers()
    done = 0
    with _models_found_once() if Way.LAVA_IN_PROCESS in ways else nullcontext():
        say({"ready": os.getpid()})
        for line in sys.stdin:
            if line.strip() == "look":
                say({"usage": usage(done).as_json()})
            else:
                run_case(case_of(seed, int(line)), ways, failures, say, lava_every=lava_every)
                done += 1
                say({"finished": int(line)})


def run_case(case: Case, ways: list[Way], failures: Path, say: Say, *, lava_every: int) -> None:
    """Run ``case`` by the reference and on every way; say before and after each what is going on."""
    say({"begins": "reference"})
    start = time.perf_counter()
    try:
        reference = run_reference(case.graph, case.inputs)
    except BackendError as error:
        say({"outcome": Outcome(number=case.number, way="reference", verdict=Verdict.REFUSED, reason=str(error)).as_json()})
        return
    arrays, spikes, seconds = len(list(reference.computed())), sum(reference.spikes().values()), time.perf_counter() - start
    told = Outcome(number=case.number, way="reference", verdict=Verdict.EQUAL, arrays=arrays, spikes=spikes, seconds=seconds)
    say({"outcome": told.as_json()})
    for way in ways:
        if wanted(way, case, lava_every=lava_every):
            say({"begins": way.value})
            say({"outcome": attempt(way, case, reference, failures).as_json()})


def _answers() -> Say:
    """Keep the real standard output for answers, and send everything else that is printed to the standard error."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        channel.write(json.dumps(answer) + "\n")
        channel.flush()

    return say


def _models_found_once() -> AbstractContextManager[None]:
    from qif_hardware.lava.discovery import discovery_once  # here: importing Lava changes the interpreter

    return discovery_once()


if __name__ == "__main__":
    warnings.simplefilter("default")
    main(sys.argv[1:])
