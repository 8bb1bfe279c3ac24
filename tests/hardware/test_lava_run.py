"""Lava's own runtime and synapses against the reference, array by array."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.simulate.compare import Comparison, compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.run import run_lava, run_lava_float
from qif_hardware.lava.synapse_lowering import Convolution
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.networks import LOIHI2, chain, population, random_inputs, weights

pytestmark = NEEDS_LAVA
ROOT = Path(__file__).resolve().parents[2]


def compared(graph: QuantizedGraph, *, samples: int = 32, steps: int = 4, **how: Any) -> Comparison:
    inputs = prepare_inputs(graph, random_inputs(graph, samples=samples, steps=steps), steps=steps)
    return compare_traces(run_reference(graph, inputs), run_lava(graph, inputs, time_limit_s=60, **how))


def mixed_network() -> QuantizedGraph:
    """A join of unequal paths, a pool that leaves rows over before a padded convolution, large dilation, last readout.

    Biases beyond theta fire without any input: what a population does before its first arrival would show.
    """
    rng = np.random.default_rng(5)
    restless = population(rng, 4, theta=200)
    nodes = {
        "image": CodeInput(shape=(2, 7, 9), low=-9, high=5, scale=1.0),
        "conv1": Conv2dCodes(weight=weights(rng, 4, 2, 3, 2) // 4, shift=2, geometry=ConvGeometry(padding=(1, 1), dilation=(1, 2))),
        "q1": restless,
        "pool": SumPool2d(kernel=(2, 2), stride=(2, 2)),
        "conv2": Conv2dCodes(weight=weights(rng, 4, 2, 3, 3) // 2, shift=1, geometry=ConvGeometry(padding=(1, 1), groups=2)),
        "skip": Conv2dCodes(weight=weights(rng, 4, 2, 1, 1), shift=3, geometry=ConvGeometry(stride=(3, 3), padding=(1, 1))),
        "q2": population(rng, 4, theta=300),
        "flat": Flatten(),
        "fc": DenseCodes(weight=weights(rng, 3, 48), shift=0),
        "out": ReadoutCodes(bias=rng.integers(-9, 9, 3), delta=1.0, reduce=Reduce.LAST),
    }
    edges = [*pairwise(["image", "conv1", "q1", "pool", "conv2", "q2", "flat", "fc", "out"]), ("image", "skip"), ("skip", "q2")]
    return QuantizedGraph(nodes=nodes, edges=tuple(edges), number_format=LOIHI2, steps=None)


def test_delayed_and_blanked_paths_signed_codes_and_early_firing_are_exact():
    graph = mixed_network()
    first, second = lower(graph, steps=3, convolution=Convolution.CONV).populations
    assert first.constants.bias.max() > first.constants.theta.min(), "some neuron has to fire without input"
    assert [(b.wire.delay, b.wire.keep) for b in second.branches] == [(0, (8, 6)), (1, None)]
    for executor in Executor:
        comparison = compared(graph, steps=3, executor=executor, convolution=Convolution.CONV)
        assert comparison.exact is True, (executor, comparison)


def test_float_models_step_the_same_constants_without_rounding():
    """Sums equal what the float spikes give; every u is one float step on the u before; the two executors agree to the bit."""
    graph = chain()
    inputs = prepare_inputs(graph, random_inputs(graph, samples=8), steps=4)
    traces = [run_lava_float(graph, inputs, executor=executor, time_limit_s=60) for executor in Executor]
    reference = run_reference(graph, inputs)
    for name, trace in traces[0].populations.items():
        other, k = traces[1].populations[name], graph.population(name).constants
        assert np.array_equal(trace.u, other.u)
        assert trace.s.any()
        bias, c2m, c1m, s2, theta, reset, r0 = (
            getattr(k, field).reshape(-1, *([1] * (trace.u.ndim - 3))) for field in ("bias", "c2m", "c1m", "s2", "theta", "reset", "r0")
        )
        r = r0.astype(np.float64)
        for t in range(4):
            u = (r * (c2m / 2.0 ** (s2 + k.s1)) + c1m / 2.0**k.s1) * r + bias + trace.x[t]
            assert np.array_equal(trace.u[t], u)
            assert np.array_equal(trace.s[t], u >= theta)
            r = np.where(u >= theta, reset, u)
    first = next(iter(graph.populations))
    assert np.array_equal(
        traces[0].populations[first].x + graph.population(first).constants.bias[:, None, None], reference.populations[first].i
    )
    assert (traces[0].populations[first].u != reference.populations[first].u).any(), "the step rounds, the float models do not"
    assert np.array_equal(traces[0].readout, traces[1].readout)


def test_signed_codes_lower_clamp_and_one_held_sample():
    graph = chain(signed_input=True, u_min=-500)
    inputs = {"image": random_inputs(graph, samples=3)["image"][0]}  # (batch, ...): held for all steps
    comparison = compare_traces(run_reference(graph, prepare_inputs(graph, inputs, steps=4)), run_lava(graph, inputs))
    assert comparison.first_mismatch is None


def test_the_caller_is_left_as_it_was():
    def lava_modules() -> set[str]:
        return {name for name in sys.modules if name == "lava" or name.startswith("lava.")}

    before = multiprocessing.get_start_method(allow_none=True)
    modules = lava_modules()  # other tests of this process may have loaded lava-dl
    graph = chain()
    run_lava(graph, random_inputs(graph, samples=1), executor=Executor.IN_PROCESS)
    assert lava_modules() == modules
    assert multiprocessing.get_start_method(allow_none=True) == before


def test_works_after_torch_was_used_in_the_caller():
    torch = pytest.importorskip("torch")
    torch.ones(600, 600) @ torch.ones(600, 600)  # starts its thread pool
    seen: list[float] = []
    assert compared(chain(), samples=2, progress=seen.append).first_mismatch is None
    assert seen == sorted(seen), "progress grows"
    assert seen[-1] == 1.0


def test_a_script_without_main_guard_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.networks import chain, random_inputs\n"
        "from qif_hardware.lava.run import run_lava\n"
        "print('started')\n"
        "trace = run_lava(chain(), random_inputs(chain(), samples=1))\n"
        "print(trace.readout.shape)\n"
    )
    (tmp_path / "lava").mkdir()  # a folder of the user's that must not be taken for the package
    (tmp_path / "lava" / "__init__.py").write_text("raise RuntimeError('not the package')")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n(1, 10)\n", "")
