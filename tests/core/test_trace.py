"""Traces, their files, and what is compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.errors import InputError
from qif_deploy.fidelity.compare import compare_fidelity
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.inputs import encode, prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import PopulationTrace, Trace
from tests.core.test_quantize import QUADRATIC, float_chain, images
from tests.networks import LOIHI2, chain, random_inputs, residual


def trace_of(samples: int = 32) -> Trace:
    graph = chain()
    return run_reference(graph, random_inputs(graph, samples=samples))


def test_vectors_survive_their_file_with_the_dtypes_of_the_numerics_page(tmp_path: Path) -> None:
    trace = trace_of(3)
    trace.save(tmp_path / "vectors.npz")
    with np.load(tmp_path / "vectors.npz") as stored:
        dtypes = {key: stored[key].dtype.name for key in stored.files}
    assert dtypes == {"input/image": "int64"} | {
        f"q{n}/{k}": d for n in (1, 2, 3) for k, d in (("i", "int32"), ("u", "int32"), ("s", "uint8"))
    } | {"readout": "int64"}
    loaded = Trace.load(tmp_path / "vectors.npz")
    assert list(loaded.populations) == list(trace.populations)
    assert compare_traces(trace, loaded).first_mismatch is None
    assert list(tmp_path.iterdir()) == [tmp_path / "vectors.npz"]


def test_exact_needs_equality_samples_and_spikes() -> None:
    trace = trace_of()
    assert compare_traces(trace, trace_of()).exact is True
    few = trace_of(31)
    assert (compare_traces(few, few).exact, compare_traces(few, few).reason) == (None, "all arrays equal, but 31 samples are fewer than 32")
    silent_q2 = replace(trace.populations["q2"], s=np.zeros_like(trace.populations["q2"].s))
    silent = replace(trace, populations=dict(trace.populations) | {"q2": silent_q2})
    assert compare_traces(silent, silent).exact is None
    assert "no spike in ['q2']" in str(compare_traces(silent, silent).reason)


@pytest.mark.parametrize("key", ["q1/i", "q2/u", "q3/s", "readout"])
def test_one_changed_element_of_any_array_is_found(key: str) -> None:
    trace, other = trace_of(), trace_of()
    changed = {name: PopulationTrace(i=p.i.copy(), u=p.u.copy(), s=p.s.copy()) for name, p in other.populations.items()}
    readout = other.readout.copy()
    target = readout if key == "readout" else getattr(changed[key[:2]], key[3:])
    index = tuple(n - 1 for n in target.shape)
    target[index] ^= 1
    comparison = compare_traces(trace, Trace(inputs=other.inputs, populations=changed, readout=readout))
    assert comparison.exact is False
    assert comparison.first_mismatch is not None
    assert (comparison.first_mismatch.array, comparison.first_mismatch.index) == (key, index)
    assert comparison.as_json()["first_mismatch"]["found"] == comparison.first_mismatch.found


def test_missing_and_unexpected_arrays_are_mismatches() -> None:
    trace = trace_of()
    without = replace(trace, populations={n: p for n, p in trace.populations.items() if n != "q2"})
    for a, b, reason in ((trace, without, "missing"), (without, trace, "unexpected")):
        assert compare_traces(a, b).exact is False
        assert compare_traces(a, b).first_mismatch.reason == reason
    shorter = replace(trace, readout=trace.readout[1:])
    assert "shape (31, 10)" in compare_traces(trace, shorter).first_mismatch.reason


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((4, 2, 1, 8, 8), int)}, r"inputs \['x'\] given, the network has \['image'\]"),
        ({"": np.zeros((4, 2, 1, 8, 8))}, "dtype float64 is not integer; give codes 0..16, rint"),
        ({"": np.zeros((4, 2, 1, 8, 9), int)}, r"shape \(4, 2, 1, 8, 9\) does not fit; give \(time, batch, 1, 8, 8\)"),
        ({"": np.full((4, 2, 1, 8, 8), 17)}, "code 17 is outside 0..16"),
        ({"": np.full((4, 2, 1, 8, 8), -1)}, "code -1 is outside 0..16"),
        ({"": np.zeros((5, 2, 1, 8, 8), int)}, "5 time steps exceeds the 4"),
        ({"": np.zeros((0, 2, 1, 8, 8), int)}, "0 time steps is empty"),
        ({"": np.zeros((4, 0, 1, 8, 8), int)}, "holds no sample"),
    ],
)
def test_wrong_inputs_get_one_clear_line(arrays: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare_inputs(chain(), arrays, steps=None)


def test_a_frame_is_held_for_the_steps_of_the_proof_or_fewer() -> None:
    frames = np.random.default_rng(0).integers(0, 17, (3, 1, 8, 8))
    held = prepare_inputs(chain(), {"": frames}, steps=None)["image"]
    assert held.shape == (4, 3, 1, 8, 8)
    assert (held == frames).all()
    assert prepare_inputs(chain(), {"": frames}, steps=2)["image"].shape[0] == 2


def test_floats_are_encoded_to_the_nearest_code_and_never_clipped() -> None:
    codes = np.random.default_rng(0).integers(0, 17, (3, 1, 8, 8))
    np.testing.assert_array_equal(encode(chain(), {"": codes / 16 + 0.01})["image"], codes)
    with pytest.raises(InputError, match="code 32 is outside"):
        prepare_inputs(chain(), encode(chain(), {"": np.full((3, 1, 8, 8), 2.0)}), steps=None)
    with pytest.raises(InputError, match="are not of the network"):
        encode(residual(), {"other": codes})


def test_fidelity_of_a_network_with_itself_and_with_a_damaged_one() -> None:
    graph = float_chain(QUADRATIC)
    from qif_deploy.passes.quantize import quantize_graph

    quantized, _ = quantize_graph(graph, LOIHI2, steps=4)
    inputs = images(60)
    exact, integer = run_float(graph, inputs), run_reference(quantized, inputs)
    labels = exact.readout.argmax(axis=1)
    found = compare_fidelity(graph, quantized, [(inputs, labels)])
    assert found.accuracy_float == 1.0
    assert found.noise_floor is not None
    assert found.noise_floor < found.flips_per_spike
    by_hand = sum(int((exact.populations[n].s != integer.populations[n].s).sum()) for n in ("q1", "q2"))
    assert found.flips_per_spike == pytest.approx(by_hand / sum(exact.spikes().values()))
    divergence = found.first_divergence
    assert divergence is not None
    index = (divergence.step, divergence.sample, *divergence.neuron)
    assert exact.populations[divergence.population].s[index] != integer.populations[divergence.population].s[index]
    assert not (
        exact.populations[divergence.population].s[: divergence.step] != integer.populations[divergence.population].s[: divergence.step]
    ).any()

    q1 = quantized.population("q1")
    later = replace(q1, constants=replace(q1.constants, theta=q1.constants.theta * 2))
    damaged = replace(quantized, nodes=dict(quantized.nodes) | {"q1": later})
    worse = compare_fidelity(graph, damaged, [(inputs, None)])
    assert worse.layers[0].flips_per_spike > 4 * found.layers[0].flips_per_spike
    assert worse.accuracy_integer is None
