"""Lava on a Python that it does not support: off unless asked for, and then equal to the reference.

Where Lava is patched to run, on Python 3.12 with numpy 2 (``.ci/full``), this file shows it; elsewhere that it changes nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qif_deploy.errors import MissingDependencyError
from qif_hardware.lava import _lava, compat
from tests.hardware.lava_marks import NEEDS_LAVA

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("python", "switch", "accepted"), [((3, 12), None, False), ((3, 12), "1", True), ((3, 14), "1", False), ((3, 12), "yes", False)]
)
def test_a_newer_python_is_taken_only_where_the_environment_asks_for_it(monkeypatch, python, switch, accepted):
    monkeypatch.setattr(_lava.sys, "version_info", (*python, 0))
    monkeypatch.setattr(_lava.importlib.metadata, "version", lambda name: "0.10.0")
    monkeypatch.delenv(compat.SWITCH, raising=False)
    if switch is not None:
        monkeypatch.setenv(compat.SWITCH, switch)
    if accepted:
        assert _lava.require_lava() == "0.10.0"
        return
    with pytest.raises(
        MissingDependencyError, match=r"lava-nc needs 3\.10; use Python 3\.10 and pip install .*QIF_DEPLOY_LAVA_COMPAT in docs/lava\.md"
    ):
        _lava.require_lava()


def test_the_install_line_of_a_newer_python_goes_past_lavas_own_limits(monkeypatch):
    def missing(name: str) -> str:
        raise _lava.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(_lava.sys, "version_info", (3, 12, 0))
    monkeypatch.setattr(_lava.importlib.metadata, "version", missing)
    monkeypatch.setenv(compat.SWITCH, "1")
    with pytest.raises(MissingDependencyError, match=r"'lava-nc' is not installed; pip install --no-deps --ignore-requires-python lava-nc"):
        _lava.require_lava()


SCRIPT = """
import dataclasses

import numpy as np

from qif_hardware.lava.compat import patch_lava

before = dataclasses.dataclass
patch_lava()
assert dataclasses.dataclass is before

from itertools import pairwise

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, ReadoutCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.run import run_lava
from qif_hardware.lava.synapse_lowering import Convolution
from tests.networks import LOIHI2, chain, population, random_inputs, weights

rng = np.random.default_rng(0)
nodes = {
    "image": CodeInput(shape=(1, 130, 3), low=0, high=1, scale=1.0),
    "conv": Conv2dCodes(weight=weights(rng, 2, 1, 3, 3), shift=3, geometry=ConvGeometry(stride=(4, 1), padding=(1, 1))),
    "q": population(rng, 2),
    "flat": Flatten(),
    "fc": DenseCodes(weight=weights(rng, 3, 2 * 33 * 3), shift=0),
    "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0),
}
wide = QuantizedGraph(nodes=nodes, edges=tuple(pairwise(nodes)), number_format=LOIHI2, steps=None)
for graph, convolution, executor in (
    (chain(), Convolution.AUTO, Executor.PROCESS),
    (chain(), Convolution.CONV, Executor.IN_PROCESS),
    (wide, Convolution.CONV, Executor.IN_PROCESS),
):
    inputs = random_inputs(graph, samples=32)
    comparison = compare_traces(run_reference(graph, inputs), run_lava(graph, inputs, executor=executor, convolution=convolution))
    print(comparison.exact)
"""


@pytest.mark.parametrize("lava", [pytest.param(None, marks=NEEDS_LAVA)])
def test_patched_lava_is_exact(lava, tmp_path):
    """Dense, Sparse, Conv on a map of 130 pixels, reshaping ports, both executors."""
    (tmp_path / "script.py").write_text(SCRIPT)
    env = os.environ | {compat.SWITCH: "1", "PYTHONPATH": str(ROOT)}
    script = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(script, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 3
