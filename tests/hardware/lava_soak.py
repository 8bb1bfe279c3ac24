"""Runs of Lava's normal runtime in a row in one interpreter: what they leave behind.

    python -m tests.hardware.lava_soak 50

Every third run is one that fails. Looks at this process's children and file descriptors, at its runs' folders and shared memory.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from qif_deploy.errors import BackendError
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.job_files import FOLDER_PREFIX
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.process_group import living_members, shared_segments
from qif_hardware.lava.run import run_plan
from tests.networks import chain, random_inputs


def leftovers(segments: set[str]) -> dict[str, set[str]]:
    """What there is now: open descriptors and children of this process, folders of runs, and those of ``segments`` that exist."""
    mine = Path("/proc/self")
    return {
        "file descriptors": {entry.name for entry in (mine / "fd").iterdir() if entry.exists()},
        "children": {child for task in mine.glob("task/*/children") for child in task.read_text().split()},
        "shared memory": {name for name in segments if (Path("/dev/shm") / name).exists()},
        "folders": {entry.name for entry in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*")},
    }


def soak(runs: int) -> list[str]:
    """Make ``runs`` runs; return one line for everything that was not there after the first and is after the last."""
    graph = chain()
    inputs = prepare_inputs(graph, random_inputs(graph, samples=1), steps=4)
    reference, plan = run_reference(graph, inputs), lower(graph, steps=4)
    segments: set[str] = set()

    def look(_fraction: float) -> None:
        for child in leftovers(set())["children"]:
            segments.update(shared_segments(living_members(int(child))))

    before: dict[str, set[str]] = {}
    for number in range(runs):
        if number % 3 == 2:
            try:
                run_plan(plan, {"image": inputs["image"][..., 1:]}, time_limit_s=60, progress=look)
            except BackendError:
                pass
            else:
                return [f"run {number}: a source of the wrong shape raised nothing"]
        elif compare_traces(reference, run_plan(plan, inputs, time_limit_s=60, progress=look)).first_mismatch is not None:
            return [f"run {number} differs from the reference"]
        before = before or leftovers(set())
    if not segments:
        return ["no shared memory was seen in any run"]
    after = leftovers(segments)
    return [f"{what}: {sorted(after[what] - before[what])}" for what in after if after[what] - before[what]]


if __name__ == "__main__":
    found = soak(int(sys.argv[1]))
    print("\n".join(found) or f"{sys.argv[1]} runs left nothing behind")
    sys.exit(bool(found))
