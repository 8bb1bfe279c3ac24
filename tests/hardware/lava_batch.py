"""Cells of the product on Lava, one after another in this one interpreter, since its start is most of the time of a short run.

    python -m tests.hardware.lava_batch EXECUTOR FORMS [CELL ...]

EXECUTOR is process or in_process. FORMS is both (a cell with convolutions runs with Lava's Sparse and again with its Conv) or
alternating (the one or the other, in turns). No cell: all of them. Prints one line of JSON for each run and ends with 1 when
one of them is not exact. Imports Lava: never from a test.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from qif_deploy.ir.nodes import Conv2dCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.build import build_network
from qif_hardware.lava.discovery import discovery_once
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.guarded_run import run_guarded
from qif_hardware.lava.in_process import run_in_process
from qif_hardware.lava.job_files import JobFiles
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.synapse_lowering import Convolution
from tests.hardware.lava_networks import Combination, combinations
from tests.networks import random_inputs

SAMPLES = 32


def run_cell(cell: Combination, executor: Executor, convolution: Convolution) -> bool:
    """Run one cell, print what came out, return whether it was exact."""
    started = time.monotonic()
    graph = cell.build()
    inputs = prepare_inputs(graph, random_inputs(graph, samples=SAMPLES, steps=cell.steps), steps=cell.steps)
    plan = lower(graph, steps=cell.steps, convolution=convolution)
    with tempfile.TemporaryDirectory() as directory:
        files = JobFiles(directory=Path(directory))
        files.write(plan, inputs, SAMPLES)
        run = {Executor.PROCESS: run_guarded, Executor.IN_PROCESS: run_in_process}[executor]
        run(build_network(plan, files, SAMPLES))
        comparison = compare_traces(run_reference(graph, inputs), files.read(plan, inputs))
    seconds = round(time.monotonic() - started, 2)
    print(json.dumps({"cell": str(cell), "convolution": convolution.value, **comparison.as_json(), "seconds": seconds}), flush=True)
    return comparison.exact is True


def main(executor: Executor, forms: str, names: list[str]) -> int:
    exact = []
    with discovery_once():  # for all runs together
        for number, cell in enumerate(c for c in combinations() if not names or str(c) in names):
            for convolution in forms_of(cell, forms, number):
                exact.append(run_cell(cell, executor, convolution))
    print(json.dumps({"runs": len(exact), "exact": sum(exact)}), flush=True)
    return 0 if all(exact) else 1


def forms_of(cell: Combination, forms: str, number: int) -> list[Convolution]:
    """Which processes carry the convolutions of this cell."""
    both = [Convolution.SPARSE, Convolution.CONV]
    if forms == "alternating":
        return [both[number % 2]]
    return both if any(isinstance(node, Conv2dCodes) for node in cell.build().nodes.values()) else both[:1]


if __name__ == "__main__":
    sys.exit(main(Executor(sys.argv[1]), sys.argv[2], sys.argv[3:]))
