"""The engine's plan, its stream and its counters; what it computes is held by the conformance suite."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.errors import BackendError, InputError, MissingDependencyError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, ReadoutCodes
from qif_deploy.neuron.saturation import saturations
from qif_deploy.shapes import channelwise
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.engine import engine as engine_module
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.engine.engine import Engine
from qif_deploy.simulate.engine.int8_conv import byte_units
from qif_deploy.simulate.engine.plan import ByteUnits, Sums, plan_engine
from qif_deploy.simulate.engine.runner import Runner
from qif_deploy.simulate.engine.stepwise_pass import StepwisePass
from qif_deploy.simulate.engine.stream import Share, in_batches, run_stream
from qif_deploy.simulate.engine.workers import cut
from qif_deploy.simulate.op_counts import count_operations, tally
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from tests.conformance.builders import geometry, joined, neuron, overlapping_pool, wire
from tests.conformance.cases import CASES
from tests.networks import chain, number_format, random_inputs, residual

GRAPHS = {"chain": chain, "residual": residual, "geometry": geometry, "pool": overlapping_pool, "joined": lambda: joined(("a", "b", "c"))}


def saturations_of(graph: QuantizedGraph, trace: Trace, name: str) -> np.ndarray:
    """Per sample, from the trace: the state before each step follows from the step before."""
    population, k = trace.populations[name], graph.population(name).constants
    ndim = population.i.ndim - 2
    laid_out = k.laid_out(ndim)
    r = np.broadcast_to(channelwise(k.r0, ndim), population.i.shape[1:])
    total = np.zeros(trace.samples, np.int64)
    for t in range(trace.steps):
        i, u, s = (a[t].astype(np.int64) for a in (population.i, population.u, population.s))
        total += saturations(r, i, laid_out).reshape(trace.samples, -1).sum(axis=1)
        after = channelwise(k.reset, ndim) if k.reset_mode.value == "hard" else np.clip(u - channelwise(k.reset_by, ndim), -(2**23), 2**23)
        r = np.where(s == 1, after, u)
    return total


@settings(max_examples=12)
@given(st.data())
def test_a_stream_counts_what_a_trace_would(data: st.DataObject) -> None:
    graph = GRAPHS[data.draw(st.sampled_from(sorted(GRAPHS)))]()
    inputs = random_inputs(graph, samples=data.draw(st.integers(1, 9)), seed=data.draw(st.integers(0, 99)))
    trace = run_reference(graph, inputs)
    threads = data.draw(st.sampled_from([1, 2, 3]))
    found = run_stream(graph, in_batches(inputs, data.draw(st.integers(1, 9))), threads=threads, activity=True, keep_tallies=True)
    np.testing.assert_array_equal(found.readout, trace.readout)
    np.testing.assert_array_equal(found.classes, trace.readout.argmax(axis=1))
    assert found.spikes == trace.spikes()
    for layer, expected in zip(found.counts, count_operations(graph, trace), strict=True):
        for field in type(expected).__slots__:
            np.testing.assert_array_equal(getattr(layer, field), getattr(expected, field), err_msg=f"{layer.name}.{field}")
    assert all(not counts.any() for counts in found.saturated.values())  # these networks are proven to fit
    expected = tally(graph, trace)
    assert found.tallies is not None
    assert (found.tallies.samples, found.tallies.steps) == (expected.samples, expected.steps)
    for name, rates in found.tallies.rates.items():
        np.testing.assert_array_equal(rates, expected.rates[name])
    for name, population in trace.populations.items():
        np.testing.assert_array_equal(found.activity[name], population.s.sum(axis=(0, 1), dtype=np.int64))


@pytest.mark.parametrize("case", ["saturation_above", "saturation_below_unproven", "lower_clamp", "subtract_chain"])
@pytest.mark.parametrize("stepwise", [False, True])
def test_saturations_are_those_of_the_states(case: str, stepwise: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if stepwise:
        without_numba(monkeypatch)
    graph = CASES[case].build()
    inputs = CASES[case].inputs(graph)
    trace, found = run_reference(graph, inputs), run_stream(graph, [inputs])
    for name, counts in found.saturated.items():
        np.testing.assert_array_equal(counts, saturations_of(graph, trace, name))
    assert any(counts.any() for counts in found.saturated.values()) == case.startswith("saturation")


def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_compiled_here", lambda _device: False)


@pytest.mark.parametrize("case", ["residual_shifts", "overlapping_pool", "beyond_int32", "three_branches", "non_spiking"])
def test_without_numba_the_step_itself_gives_the_same(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_numba(monkeypatch)
    graph = CASES[case].build()
    inputs = CASES[case].inputs(graph)
    assert all(isinstance(run, StepwisePass) for run in Engine(graph, torch.device("cpu")).passes.values())
    trace = run_reference(graph, inputs)
    assert compare_traces(trace, run_batched(graph, inputs)).first_mismatch is None
    for layer, expected in zip(run_stream(graph, [inputs]).counts, count_operations(graph, trace), strict=True):
        np.testing.assert_array_equal(layer.driven, expected.driven)


def test_a_missing_numba_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "qif_deploy.simulate.engine._numba", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not engine_module._compiled_here(torch.device("cpu"))
    with pytest.raises(MissingDependencyError, match=r"needs numba; install it with: pip install 'qif-deploy\[engine\]'"):
        import qif_deploy.simulate.engine._numba  # noqa: F401


@pytest.mark.parametrize("build", [chain, geometry, residual])
def test_tiles_chunks_and_threads_change_nothing(build: object, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = build()  # type: ignore[operator]
    inputs = random_inputs(graph, samples=11)
    reference = run_reference(graph, inputs)
    monkeypatch.setattr(engine_module, "SIGNAL_BYTES", 2000)
    monkeypatch.setattr(engine_module, "SUM_BYTES", 3000)
    seen: list[float] = []
    assert compare_traces(reference, run_batched(graph, inputs, chunk=3, progress=seen.append)).first_mismatch is None
    assert seen == sorted(seen)
    assert (seen[-1], len(seen) > 3) == (1.0, True)
    single = {name: codes[:, :1] for name, codes in inputs.items()}
    assert compare_traces(run_reference(graph, single), run_batched(graph, single)).first_mismatch is None


def test_a_held_frame_is_computed_once_and_gives_the_same() -> None:
    graph = chain(signed_input=True)
    frames = random_inputs(graph, samples=6, steps=1)["image"]
    held = np.broadcast_to(frames, (4, *frames.shape[1:]))
    engine = Engine(graph, torch.device("cpu"))
    sizes = []
    sums = engine.synapses["conv1"].sums
    engine.synapses["conv1"] = replace(engine.synapses["conv1"], sums=lambda x: sizes.append(len(x)) or sums(x))  # type: ignore[func-returns-value]
    reference = run_reference(graph, {"image": held})
    with Runner(engine, threads=1) as runner:
        for codes in (held, held.copy()):
            (outcome,) = runner.run({"image": codes})
            np.testing.assert_array_equal(outcome.readout, reference.readout)
    assert sizes == [6, 6]
    assert compare_traces(reference, run_batched(graph, {"image": held})).first_mismatch is None


@given(st.integers(1, 400), st.integers(1, 300), st.integers(1, 9))
def test_tiles_cover_every_sample_once_and_keep_all_workers_busy(samples: int, largest: int, workers: int) -> None:
    tiles = cut(samples, largest, workers)
    assert [n for tile in tiles for n in range(tile.start, tile.stop)] == list(range(samples))
    sizes = [tile.stop - tile.start for tile in tiles]
    assert max(sizes) <= largest
    assert max(sizes) - min(sizes) <= 1
    assert len(tiles) == samples or len(tiles) % workers == 0 or samples == 1


def test_the_plan_takes_bytes_only_where_they_are_exact_and_says_why() -> None:
    graph = chain()
    whole = plan_engine(graph, ByteUnits.WHOLE)
    assert {plan.sums for plan in whole.synapses.values()} == {Sums.INT8}
    assert {plan.sums for plan in plan_engine(graph, ByteUnits.NONE).synapses.values()} == {Sums.FLOAT32}
    assert plan_engine(chain(signed_input=True), ByteUnits.WHOLE).synapses["conv1"].sums is Sums.FLOAT32
    assert plan_engine(residual(), ByteUnits.WHOLE).synapses["skip"].sums is Sums.DIRECT
    assert "int32, the range proof holds" in str(whole)
    assert "conv1: int8, bytes times bytes" in str(whole)


@pytest.mark.parametrize(
    ("high", "weight", "units", "expected", "reason"),
    [
        (255, 127, ByteUnits.WHOLE, Sums.INT8, "bytes times bytes"),
        (255, 127, ByteUnits.PAIRED, Sums.FLOAT32, "a pair of products may reach 64770, beyond 32767"),
        (129, 127, ByteUnits.PAIRED, Sums.INT8, "bytes times bytes"),
        (256, 127, ByteUnits.WHOLE, Sums.FLOAT32, "codes 0..256"),
        (255, 128, ByteUnits.WHOLE, Sums.FLOAT32, "weights up to 128"),
        (2**24, 1, ByteUnits.WHOLE, Sums.FLOAT64, "sums may reach 16777216"),
        (2**24 - 1, 1, ByteUnits.WHOLE, Sums.FLOAT32, "sums up to 16777215"),
    ],
)
def test_the_border_of_each_arithmetic(high: int, weight: int, units: ByteUnits, expected: Sums, reason: str) -> None:
    fmt = number_format(weight_bits=16, product_bits=62)
    plan = plan_engine(small(high, np.array([[weight]]), fmt), units)
    assert plan.synapses["w"].sums is expected
    assert reason in plan.synapses["w"].reason
    assert (plan.state_bits, "allows products of 62 bits" in plan.state_reason) == (64, True)


def small(high: int, weight: np.ndarray, fmt: object) -> QuantizedGraph:
    nodes = {
        "x": CodeInput(shape=(weight.shape[1],), low=0, high=high, scale=1.0),
        "w": DenseCodes(weight=weight, shift=0),
        "out": ReadoutCodes(bias=np.zeros(len(weight), np.int64), delta=1.0),
    }
    return QuantizedGraph(nodes=nodes, edges=(("x", "w"), ("w", "out")), number_format=fmt, steps=1)  # type: ignore[arg-type]


def test_a_state_without_a_proof_is_int64_and_sums_beyond_every_float_are_refused() -> None:
    unproven = wire(neuron(number_format(state_bits=8), c1m=1), low=-125, high=75, shift=2, steps=4, prove=False)
    plan = plan_engine(unproven, ByteUnits.WHOLE)
    assert (plan.state_bits, "the range proof does not hold: population 'q'" in plan.state_reason) == (64, True)
    wide = small(2**31 - 1, np.full((1, 2**8), 2**15 - 1), number_format(weight_bits=16, product_bits=62))
    with pytest.raises(BackendError, match="synapse 'w': its sums may reach"):
        plan_engine(wide, ByteUnits.WHOLE)


def test_without_vnni_pairs_saturate_and_the_trial_sees_it() -> None:
    """Below VNNI pairs of products saturate at int16; the trial at start has to see that, and the engine has to stay exact."""
    script = (
        "import numpy as np; from qif_deploy.simulate.engine.int8_conv import byte_units\n"
        "from qif_deploy.simulate.engine.batched import run_batched; from qif_deploy.simulate.reference import run_reference\n"
        "from tests.networks import chain, random_inputs; g = chain(); x = random_inputs(g, samples=3)\n"
        "same = np.array_equal(run_batched(g, x).readout, run_reference(g, x).readout); print(byte_units().value, same)"
    )
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("this processor has no AVX2, whose byte instructions are the subject")
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["paired", "True"]


def test_units_that_fail_their_trial_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from qif_deploy.simulate.engine import summation

    if byte_units() is ByteUnits.NONE:
        pytest.skip("no byte instructions are here that could be broken")
    wrong = lambda weight, _geometry: lambda x: torch.zeros(len(x), len(weight), *x.shape[2:])  # noqa: E731
    monkeypatch.setattr(summation, "byte_convolution", wrong)
    graph = chain()
    engine = Engine(graph, torch.device("cpu"))
    assert engine.synapses["conv2"].plan.sums is Sums.FLOAT32
    assert "wrong sums here" in engine.synapses["conv2"].plan.reason
    assert engine.synapses["fc1"].plan.sums is Sums.INT8
    inputs = random_inputs(graph, samples=3)
    assert compare_traces(run_reference(graph, inputs), run_batched(graph, inputs)).first_mismatch is None


def test_shares_of_a_stream_are_disjoint_and_complete() -> None:
    graph = chain()
    inputs = random_inputs(graph, samples=10)
    whole = run_stream(graph, in_batches(inputs, 3))
    parts = [run_stream(graph, in_batches(inputs, 3), share=Share(rank=rank, world=2)) for rank in range(2)]
    np.testing.assert_array_equal(
        np.concatenate([parts[0].readout[:3], parts[1].readout[:3], parts[0].readout[3:], parts[1].readout[3:]]), whole.readout
    )
    with pytest.raises(InputError, match="rank 2 of 2 processes"):
        Share(rank=2, world=2)


GATHER = """
import sys, numpy as np, torch.distributed as dist
from qif_deploy.simulate.engine.stream import Share, in_batches, run_stream
from tests.networks import chain, random_inputs
rank, path = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
graph = chain()
inputs = random_inputs(graph, samples=10)
found = run_stream(graph, in_batches(inputs, 3), share=Share(rank=rank, world=2), threads=1)
alone = run_stream(graph, in_batches(inputs, 3), threads=1)
assert np.array_equal(found.readout, alone.readout)
assert all(np.array_equal(a.synops, b.synops) for a, b in zip(found.counts, alone.counts, strict=True))
dist.destroy_process_group()
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without torch.distributed")
def test_processes_gather_the_whole_stream(tmp_path: object) -> None:
    commands = [[sys.executable, "-c", GATHER, str(rank), f"{tmp_path}/meet"] for rank in range(2)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for process in running:
        _, said = process.communicate(timeout=100)
        assert process.returncode == 0, said


def test_a_stream_says_what_is_wrong_with_it() -> None:
    graph = chain()

    def batches() -> Iterator[dict[str, np.ndarray]]:
        yield random_inputs(graph, samples=2)
        yield random_inputs(graph, samples=2, steps=3)

    with pytest.raises(InputError, match="batch 1 has 3 time steps, the batches before have 4"):
        run_stream(graph, batches())
    with pytest.raises(InputError, match="the stream holds no sample"):
        run_stream(graph, [])
    with pytest.raises(InputError, match="9 time steps exceeds the 4"):
        run_stream(graph, [random_inputs(graph, samples=2, steps=9)])
    with pytest.raises(InputError, match="device 'nowhere' is not usable here"):
        run_stream(graph, [random_inputs(graph, samples=2)], device="nowhere")


def test_progress_counts_the_samples() -> None:
    graph = chain()
    seen: list[int] = []
    run_stream(graph, in_batches(random_inputs(graph, samples=10), 4), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 10
