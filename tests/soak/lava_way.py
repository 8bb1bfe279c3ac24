"""Lava's models stepped in this very process. Imports Lava, which changes the interpreter: only for the worker that is there for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from qif_deploy.simulate.trace import Trace
from qif_hardware.lava.build import build_network
from qif_hardware.lava.in_process import run_in_process
from qif_hardware.lava.job_files import FOLDER_PREFIX, JobFiles
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.synapse_lowering import Convolution
from tests.soak.cases import Case

FORMS = (Convolution.AUTO, Convolution.CONV, Convolution.SPARSE)


def run_in_this_process(case: Case) -> Trace:
    """Run ``case`` with its convolutions in the one or the other of Lava's processes."""
    plan = lower(case.graph, steps=case.steps, convolution=FORMS[case.number % len(FORMS)])
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as directory:
        files = JobFiles(directory=Path(directory))
        files.write(plan, case.inputs, case.samples)
        run_in_process(build_network(plan, files, case.samples))
        return files.read(plan, case.inputs)
