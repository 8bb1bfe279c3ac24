"""The attach point for owners of Loihi 2: a model from another distribution is found; without the chip's package one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.hardware.lava_marks import NEEDS_LAVA

pytestmark = NEEDS_LAVA
ROOT = Path(__file__).resolve().parents[2]

MODEL = """
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.model import AbstractProcessModel  # stands in: that of neuro cores is not public
from lava.magma.core.resources import Loihi2NeuroCore
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from qif_hardware.lava.qif.process import QIF


@implements(proc=QIF, protocol=LoihiProtocol)
@requires(Loihi2NeuroCore)
class NcQIF(AbstractProcessModel):
    def run(self):
        raise NotImplementedError("on a chip only")
"""

SCRIPT = """
import json

import numpy as np
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs

from qif_deploy.errors import MissingDependencyError
from qif_hardware.lava.guarded_run import run_config
from qif_hardware.lava.executor_kind import Arithmetic
from qif_hardware.lava.qif.process import QIF, BranchScale
from qif_hardware.lava.sample_window import SampleWindow
from qif_hardware.lava.silicon import silicon_run_config
from tests.networks import chain

neuron = QIF(
    name="q", shape=(10, 8, 4), constants=chain().population("q1").constants, branches=[BranchScale(1, 0)],
    window=SampleWindow(depth=1, steps=1, samples=1),
)
models = ProcGroupDiGraphs._find_proc_models(neuron)
chosen = run_config(Arithmetic.FIXED_PT).select(neuron, models)
try:
    silicon_run_config({QIF: models[0]})
    refused = ""
except MissingDependencyError as error:
    refused = str(error)
print(json.dumps([sorted(f"{m.__module__}.{m.__name__}" for m in models), chosen.__name__, refused]))
"""


def test_a_model_of_another_distribution_is_found_and_the_cpu_still_takes_ours(tmp_path):
    beside = tmp_path / "site" / "qif_hardware" / "lava" / "qif"
    beside.mkdir(parents=True)
    (beside / "chip.py").write_text(MODEL)
    (tmp_path / "script.py").write_text(SCRIPT)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "site")])}
    done = subprocess.run([sys.executable, str(tmp_path / "script.py")], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, chosen, refused = json.loads(done.stdout)
    package = "qif_hardware.lava.qif"
    assert found == [f"{package}.chip.NcQIF", f"{package}.float_models.PyFloatQIF", f"{package}.models.PyQIF"]
    assert chosen == "PyQIF"
    assert refused.startswith("Loihi 2: Lava's extension for the chip (lava-loihi) is not installed")
