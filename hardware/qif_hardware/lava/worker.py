"""The worker: ``python -m qif_hardware.lava.worker DIRECTORY EXECUTOR ARITHMETIC PARENT`` runs the plan that lies in DIRECTORY.

A fresh interpreter, because Lava forces the ``fork`` start method on whoever imports it, hangs where torch has started
its threads before, and re-runs scripts without a main guard. Started and ended by ``run_lava``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np

from qif_hardware.lava._lava import require_lava
from qif_hardware.lava.compat import compat_wanted, patch_lava
from qif_hardware.lava.executor_kind import Arithmetic, Executor
from qif_hardware.lava.job_files import FOLDER_PREFIX, JobFiles
from qif_hardware.lava.plan_file import load_plan

PARENT_POLL_S = 0.5


def main(arguments: list[str]) -> int:
    """Run the plan; return 0, or 1 after leaving the failure's message in the folder."""
    directory, executor = Path(arguments[0]), Executor(arguments[1])
    files = JobFiles(directory=directory, arithmetic=Arithmetic(arguments[2]))
    threading.Thread(target=_follow_parent, args=(int(arguments[3]), directory), daemon=True).start()
    try:
        _run(files, executor)
    except BaseException as error:  # all: whatever it was, the parent has to learn of it
        text = getattr(error, "traceback", "") or traceback.format_exc()
        message = str(error) if hasattr(error, "traceback") else f"{type(error).__name__}: {error}"
        files.write_failure(message, text)
        return 1
    return 0


def _run(files: JobFiles, executor: Executor) -> None:
    require_lava()
    plan = load_plan(files.directory)
    samples = int(np.load(files.readout, mmap_mode="r").shape[0])
    if compat_wanted():
        patch_lava()
    # Here, not at the head: importing Lava has effects on the whole interpreter and needs the check above.
    from qif_hardware.lava.build import build_network
    from qif_hardware.lava.guarded_run import run_guarded
    from qif_hardware.lava.in_process import run_in_process

    network = build_network(plan, files, samples)
    match executor:
        case Executor.PROCESS:
            run_guarded(network, files.arithmetic)
        case Executor.IN_PROCESS:
            run_in_process(network, files.arithmetic)


def _follow_parent(parent: int, directory: Path) -> None:
    """Once the parent is gone, remove its folder and end the whole process group: nobody else would."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    if directory.name.startswith(FOLDER_PREFIX):
        shutil.rmtree(directory, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGTERM)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: after a failure Lava's clean-up at interpreter exit hangs. The parent ends what is left.
    os._exit(code)
