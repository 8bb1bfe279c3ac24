"""Every case on every backend: all arrays equal to the reference, or an UnsupportedError that ``unsupported.toml`` announces."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.api.backends import Backend, Execution, execute
from qif_deploy.errors import UnsupportedError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import PopulationTrace, Trace
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.run import run_lava
from tests.conformance.cases import CASES, Inputs
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.numerics import oracle
from tests.strategies import oracle_constants

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

UNSUPPORTED = tomllib.loads((Path(__file__).parent / "unsupported.toml").read_text())["unsupported"]
LIMITS = {(entry["case"], entry["backend"]) for entry in UNSUPPORTED}
NORMAL_RUNTIME = "samples_back_to_back"
"""The case that runs on Lava's normal runtime, one OS process per model; the others take its in-process executor."""


@functools.cache
def reference_of(case: str) -> tuple[QuantizedGraph, Trace]:
    graph = CASES[case].build()
    return graph, run_reference(graph, prepare_inputs(graph, CASES[case].inputs(graph), steps=None))


def one_by_one(graph: QuantizedGraph, inputs: Inputs) -> Trace:
    """The reference with every sample in a run of its own."""
    samples = range(next(iter(inputs.values())).shape[1])
    runs = [run_reference(graph, {name: codes[:, n : n + 1] for name, codes in inputs.items()}) for n in samples]

    def joined(name: str, what: str) -> np.ndarray:
        return np.concatenate([getattr(run.populations[name], what) for run in runs], axis=1)

    populations = {name: PopulationTrace(i=joined(name, "i"), u=joined(name, "u"), s=joined(name, "s")) for name in graph.populations}
    return Trace(inputs=inputs, populations=populations, readout=np.concatenate([run.readout for run in runs]))


def run_on(backend: Backend, case: str) -> Trace:
    """A newly built network on the inputs of the reference."""
    graph, inputs = CASES[case].build(), dict(reference_of(case)[1].inputs)
    if backend is Backend.REFERENCE:
        return one_by_one(graph, inputs)
    if backend is Backend.LAVA:
        executor = Executor.PROCESS if case == NORMAL_RUNTIME else Executor.IN_PROCESS
        return run_lava(graph, inputs, executor=executor, time_limit_s=60)
    return execute(backend, graph, inputs, how=Execution())


@pytest.fixture(scope="module")
def lava_run(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Trace]]:
    """Lava's start is most of its time, so two of the cases that were asked for run at once."""
    chosen = [item.callspec.params for item in request.session.items if getattr(item, "callspec", None) is not None]
    cases = dict.fromkeys(params["case"] for params in chosen if params.get("backend") is Backend.LAVA)
    pool = ThreadPoolExecutor(2)
    running = {case: pool.submit(run_on, Backend.LAVA, case) for case in cases}
    yield lambda case: running[case].result()
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", [pytest.param(b, id=b.value, marks=NEEDS_LAVA if b is Backend.LAVA else ()) for b in Backend])
def test_backend_equals_the_reference_in_every_array(backend: Backend, case: str, request: pytest.FixtureRequest) -> None:
    graph, reference = reference_of(case)
    run = request.getfixturevalue("lava_run") if backend is Backend.LAVA else functools.partial(run_on, backend)
    if (case, backend.value) in LIMITS:
        with pytest.raises(UnsupportedError):
            run(case)
        return
    comparison = compare_traces(reference, run(case))
    assert comparison.first_mismatch is None
    assert comparison.arrays == 3 * len(graph.populations) + 1


@pytest.mark.parametrize("case", CASES)
def test_what_the_case_is_named_after_occurs(case: str) -> None:
    graph, reference = reference_of(case)
    assert CASES[case].occurs(graph, reference)


@pytest.mark.parametrize("case", CASES)
def test_the_reference_steps_as_the_oracle(case: str) -> None:
    """At most 40 neurons per population, spread over samples, channels and places."""
    graph, reference = reference_of(case)
    for name, trace in reference.populations.items():
        neurons = np.array(list(np.ndindex(trace.i.shape[1:])))
        for index in neurons[:: max(1, len(neurons) // 40)]:
            at = (slice(None), *index)
            steps = oracle.run([int(i) for i in trace.i[at]], oracle_constants(graph.population(name).constants, int(index[1])))
            assert [(u, s) for u, s, _ in steps] == list(zip(trace.u[at].tolist(), trace.s[at].tolist(), strict=True))


def test_samples_back_to_back_would_show_a_leak() -> None:
    """The same sample after an empty and after a full one: carried states differ, results must not."""
    _, reference = reference_of(NORMAL_RUNTIME)
    assert (reference.populations["q1"].u[-1, 0] != reference.populations["q1"].u[-1, 1]).any()
    for _, codes in reference.computed():
        first, third = (codes[0], codes[2]) if codes.ndim == 2 else (codes[:, 0], codes[:, 2])
        np.testing.assert_array_equal(first, third)


def test_every_limit_names_a_case_a_backend_and_a_reason() -> None:
    for entry in UNSUPPORTED:
        assert set(entry) == {"case", "backend", "reason", "issue"}
        assert entry["case"] in CASES
        assert entry["backend"] in {backend.value for backend in Backend} - {"reference"}
        assert all(entry.values())
    assert len(LIMITS) == len(UNSUPPORTED)
