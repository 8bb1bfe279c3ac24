"""``run_lava``: a QuantizedGraph on Lava's process models, in a fresh interpreter, under a time limit."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import qif_deploy.errors
from qif_deploy.errors import BackendError, BackendTimeout
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.progress import Progress
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.float_sim import FloatTrace
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.trace import Trace
from qif_hardware.lava._lava import require_lava
from qif_hardware.lava.executor_kind import Arithmetic, Executor
from qif_hardware.lava.job_files import FOLDER_PREFIX, JobFiles
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.plan import LavaPlan
from qif_hardware.lava.plan_file import save_plan
from qif_hardware.lava.process_group import end_group, without_interrupts
from qif_hardware.lava.synapse_lowering import Convolution

POLL_S = 0.05
GRACE_S = 2.0
"""Time between SIGTERM and SIGKILL."""

MESSAGE_LENGTH = 500
"""Characters of a child's message that the one line keeps; its traceback is the cause of the error."""


def run_lava(
    graph: QuantizedGraph,
    inputs: Mapping[str, NDArray[np.generic]],
    *,
    executor: Executor = Executor.PROCESS,
    convolution: Convolution = Convolution.AUTO,
    time_limit_s: float = 120.0,
    progress: Progress | None = None,
) -> Trace:
    """Execute ``graph`` on Lava and return the whole trace, aligned to the steps of the reference.

    Args:
        graph: the network.
        inputs: name -> integer codes ``(time, batch, ...)``, or ``(batch, ...)`` to be held, as ``prepare_inputs`` takes them.
        executor: Lava's normal runtime, or the same models in one OS process.
        convolution: Lava's Conv or Sparse.
        time_limit_s: the run is ended after this, start of the interpreter and compilation included.
        progress: called now and then with the fraction of frames that have reached the readout.

    Raises:
        MissingDependencyError: lava-nc is not installed, or this is not Python 3.10.
        InputError: the inputs do not fit the network.
        UnsupportedError: Lava's processes cannot carry the network exactly.
        BackendTimeout: the time limit has passed.
        BackendError: a model failed; its traceback is the cause.
    """
    require_lava()
    codes = prepare_inputs(graph, inputs, steps=None)
    steps = next(iter(codes.values())).shape[0]
    return run_plan(
        lower(graph, steps=steps, convolution=convolution), codes, executor=executor, time_limit_s=time_limit_s, progress=progress
    )


def run_plan(
    plan: LavaPlan,
    inputs: Mapping[str, InputCodes],
    *,
    executor: Executor = Executor.PROCESS,
    time_limit_s: float = 120.0,
    progress: Progress | None = None,
) -> Trace:
    """Execute a lowered network on checked codes ``(time, batch, ...)``; otherwise as ``run_lava``."""
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as directory:
        files = JobFiles(directory=Path(directory))
        _run_job(plan, inputs, files, executor, time_limit_s=time_limit_s, progress=progress)
        return files.read(plan, inputs)


def run_lava_float(
    graph: QuantizedGraph,
    inputs: Mapping[str, NDArray[np.generic]],
    *,
    executor: Executor = Executor.PROCESS,
    time_limit_s: float = 120.0,
    progress: Progress | None = None,
) -> FloatTrace:
    """Execute ``graph`` on the float models: its own constants without rounding and saturation, in units of one code.

    Arguments and errors as for ``run_lava``.
    """
    require_lava()
    codes = prepare_inputs(graph, inputs, steps=None)
    plan = lower(graph, steps=next(iter(codes.values())).shape[0])
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as directory:
        files = JobFiles(directory=Path(directory), arithmetic=Arithmetic.FLOATING_PT)
        _run_job(plan, codes, files, executor, time_limit_s=time_limit_s, progress=progress)
        return files.read_float(plan)


def _run_job(
    plan: LavaPlan,
    inputs: Mapping[str, InputCodes],
    files: JobFiles,
    executor: Executor,
    *,
    time_limit_s: float,
    progress: Progress | None,
) -> None:
    samples = next(iter(inputs.values())).shape[1]
    save_plan(plan, files.directory)
    files.write(plan, inputs, samples)
    _run_worker(files, executor, frames=plan.steps * samples, time_limit_s=time_limit_s, progress=progress)


class _WorkerTraceback(Exception):
    """Carries the worker's traceback as the cause of the error that the caller sees."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _run_worker(files: JobFiles, executor: Executor, *, frames: int, time_limit_s: float, progress: Progress | None) -> None:
    """Start the worker in a session of its own, wait for it, and leave nothing of it behind, whatever happens."""
    deadline = time.monotonic() + time_limit_s
    with files.log.open("wb") as log:
        arguments = [str(files.directory), executor.value, files.arithmetic.value, str(os.getpid())]
        worker = subprocess.Popen(  # noqa: S603  # our own module under our own interpreter
            [sys.executable, "-W", "default", "-m", "qif_hardware.lava.worker", *arguments],
            cwd=files.directory,  # `-m` puts it on the path: a folder that cannot hold a stray `lava`
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while worker.poll() is None:
            if time.monotonic() > deadline:
                raise BackendTimeout(
                    f"Lava backend: {files.frames_done()} of {frames} frames (samples x steps) were done after the limit of "
                    f"{time_limit_s:g} s; raise the time limit or give fewer samples"
                )
            if progress is not None:
                progress(files.frames_done() / frames)
            time.sleep(POLL_S)
    finally:
        with without_interrupts():
            end_group(worker.pid, grace_s=GRACE_S)
            worker.wait()
    if worker.returncode != 0:
        raise _failure(files, worker.returncode) from _WorkerTraceback(_detail(files))
    if progress is not None:
        progress(1.0)


def _environment() -> dict[str, str]:
    """The parent's environment, with this very code first on the path and one thread for each of the many processes."""
    roots = {str(Path(file).resolve().parents[levels]) for file, levels in ((qif_deploy.errors.__file__, 1), (__file__, 2))}
    # Where it is installed it is found anyway, and site-packages before the standard library would let a backport win.
    roots -= {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([*sorted(roots), *([inherited] if inherited else [])])
    # Its working directory is the job's folder: multiprocessing then keeps its sockets there, where they are removed with
    # it, and their path stays short, as a socket's must, however deep the folder lies.
    own = {"PYTHONPATH": path, "TMPDIR": os.curdir, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return os.environ | own


def _failure(files: JobFiles, code: int) -> BackendError:
    left = files.read_failure()
    message = f"the worker ended with exit code {code}" if left is None else " ".join(left[0].split())[:MESSAGE_LENGTH]
    return BackendError(f"Lava backend: {message}; the run was ended")


def _detail(files: JobFiles) -> str:
    left = files.read_failure()
    return files.log.read_text(encoding="utf-8", errors="replace") if left is None else left[1]
