"""Populations that are Lava's own LIF: equal in every state where the conditions hold, refused by name where one does not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.errors import UnsupportedError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, Population, ReadoutCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_hardware.lava.lif_twin import lif_twin
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.networks import LOIHI2, number_format

ROOT = Path(__file__).resolve().parents[2]
ONES = np.ones(3, np.int64)
LIF = FixedConstants(
    c2m=0 * ONES, c1m=900 * ONES, s2=0 * ONES, s1=10, bias=np.array([-8190, 0, 64]), theta=641 * ONES, reset=0 * ONES, r0=0 * ONES,
    reset_by=0 * ONES, u_min=None, reset_mode=ResetMode.HARD, number_format=LOIHI2,
)  # fmt: skip


def network(constants: FixedConstants = LIF, *, shift: int = 6, high: int = 1) -> QuantizedGraph:
    nodes = {"x": CodeInput(shape=(4,), low=0, high=high, scale=1.0), "fc": DenseCodes(weight=np.full((3, 4), 100), shift=shift)}
    nodes |= {"q": Population(constants=constants, delta=np.ones(3)), "last": DenseCodes(weight=np.ones((2, 3), np.int32), shift=0)}
    nodes["out"] = ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0)
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(nodes)), number_format=constants.number_format, steps=None)


@pytest.mark.parametrize("lava", [pytest.param(None, marks=NEEDS_LAVA)])
def test_lavas_own_lif_agrees_in_every_state_of_every_step(lava):
    script = [sys.executable, "-m", "tests.hardware.lif_twin_check"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == 12
    for equal, spikes, negative in results:
        assert equal
        assert spikes > 10
        assert negative > 50


def test_the_parameters_are_those_of_lavas_registers():
    twin = lif_twin(network(), "q")
    assert (twin.du, twin.dv, twin.vth, twin.bias_exp, twin.weight_exp) == (4095, 4096 - 900 * 4, 10, 1, (-1,))
    assert twin.bias_mant.tolist() == [-4095, 0, 32]
    assert lif_twin(network(shift=9), "q").weight_exp == (2,)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"c2m": np.array([0, 1, 0])}, "c2m is not 0"),
        ({"c1m": np.array([900, 901, 900])}, "c1m 900 with s1 10 is no decay shared"),
        ({"c1m": 1025 * ONES}, "c1m 1025 with s1 10"),
        ({"s1": 13}, "c1m 900 with s1 13"),
        ({"theta": 642 * ONES}, "theta is not vth"),
        ({"theta": np.array([641, 641, 705])}, "theta is not vth"),
        ({"theta": 64 * 2**17 * ONES - 64}, "theta is not vth"),
        ({"theta": None}, "theta is not vth"),
        ({"reset_mode": ResetMode.SUBTRACT}, "does not start and reset at 0"),
        ({"reset": -ONES}, "does not start and reset at 0"),
        ({"r0": ONES}, "does not start and reset at 0"),
        ({"u_min": -ONES}, "does not start and reset at 0"),
        ({"number_format": number_format(RoundingMode.FLOOR)}, "does not round toward zero"),
        ({"number_format": number_format(state_bits=20)}, "does not round toward zero in 24 bits"),
        ({"bias": np.array([4097, 0, 0])}, "a bias is not a mantissa"),
        ({"bias": (4096 << 7) * ONES}, "a bias is not a mantissa"),
    ],
)
def test_what_lavas_lif_cannot_be_is_refused(changes, reason):
    with pytest.raises(UnsupportedError, match=f"population 'q' is no Lava LIF: .*{reason}"):
        lif_twin(network(replace(LIF, **changes)), "q")


def test_small_shifts_and_currents_that_would_wrap_are_refused():
    with pytest.raises(UnsupportedError, match="sums of synapse 'fc' are shifted by 5, not by 6 at least"):
        lif_twin(network(shift=5), "q")
    with pytest.raises(UnsupportedError, match=r"its input may reach \d+, which Lava's LIF wraps at 2\^23"):
        lif_twin(network(high=400), "q")
    assert lif_twin(network(high=327), "q").vth == 10
