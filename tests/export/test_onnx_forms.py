"""Every profile, form and way of storing: what is exact equals the reference in every array, and every file reads back to its network."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, ReadoutCodes
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_export.onnx import verify as onnx_verify
from qif_export.onnx.options import Form, OnnxOptions, Profile
from qif_export.onnx.read import read_onnx
from qif_export.onnx.run import open_onnx, read_onnx_interface, run_onnx, run_session
from qif_export.onnx.store import DATA_SUFFIX
from qif_export.onnx.widths import choose_width
from qif_export.onnx.write import Probe, write_onnx
from tests.export.strategies import networks
from tests.export.wide_network import wide
from tests.networks import LOIHI2, chain, number_format, population, random_inputs, residual, weights

WHOLE = [Profile.EXACT, Profile.FLOAT]
GIVEN = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_equal(graph, path, options, *, steps=4, samples=32):
    report = write_onnx(graph, path, options)
    inputs = random_inputs(graph, samples=samples, steps=steps)
    comparison = compare_traces(run_reference(graph, inputs), run_onnx(path, inputs))
    assert comparison.first_mismatch is None, comparison
    assert comparison.spikes
    again = read_onnx(path)
    assert again == graph
    assert again.content_hash == graph.content_hash
    return report


@pytest.mark.parametrize(("profile", "form", "inline"), list(itertools.product(WHOLE, Form, [False, True])))
def test_every_exact_form_equals_the_reference_and_reads_back(tmp_path, profile, form, inline):
    report = assert_equal(residual(), tmp_path / "net.onnx", OnnxOptions(profile=profile, form=form, inline=inline))
    assert report.lossless
    assert report.as_json()["exact"] is True
    model = onnx.load(tmp_path / "net.onnx")
    assert bool(model.functions) != inline
    assert any(node.op_type == "Scan" for node in model.graph.node) == (form is Form.SEQUENCE)


@pytest.mark.parametrize(("rounding", "reset_mode", "inline"), list(itertools.product(RoundingMode, ResetMode, [False, True])))
def test_float_profile_rounds_as_the_number_format_says(tmp_path, rounding, reset_mode, inline):
    graph = wide(rounding, reset_mode)
    assert choose_width(graph, Profile.FLOAT).dtype is np.float64  # products pass 2^24
    assert_equal(graph, tmp_path / "net.onnx", OnnxOptions(profile=Profile.FLOAT, inline=inline), steps=12)


def small_codes(rounding: RoundingMode) -> QuantizedGraph:
    """Every product within 2^24, so that float32 holds it."""
    rng = np.random.default_rng(3)
    fmt = number_format(rounding, state_bits=12, coef_bits=10, product_bits=24)
    nodes = {
        "x": CodeInput(shape=(6,), low=-3, high=4, scale=1.0),
        "fc1": DenseCodes(weight=weights(rng, 5, 6), shift=1),
        "q1": population(rng, 5, fmt=fmt, theta=200, curvature=0.1),
        "fc2": DenseCodes(weight=weights(rng, 3, 5), shift=0),
        "out": ReadoutCodes(bias=np.array([3, -2, 1]), delta=1.0),
    }
    return QuantizedGraph(nodes=nodes, edges=tuple(itertools.pairwise(nodes)), number_format=fmt, steps=6)


@pytest.mark.parametrize("rounding", RoundingMode)
def test_float_profile_stays_in_float32_where_it_is_proven(tmp_path, rounding):
    graph = small_codes(rounding)
    width = choose_width(graph, Profile.FLOAT)
    assert (width.dtype, width.readout) == (np.float32, np.float32), width.reason
    assert_equal(graph, tmp_path / "net.onnx", OnnxOptions(profile=Profile.FLOAT), steps=6)


def test_float_profile_refuses_sums_beyond_float32(tmp_path):
    nodes = {
        "x": CodeInput(shape=(200,), low=0, high=1000, scale=1.0),
        "fc": DenseCodes(weight=np.full((1, 200), 127), shift=0),
        "out": ReadoutCodes(bias=np.array([0]), delta=1.0),
    }
    graph = QuantizedGraph(nodes=nodes, edges=(("x", "fc"), ("fc", "out")), number_format=LOIHI2, steps=1)
    with pytest.raises(UnsupportedError, match=r"25400000, beyond 16777216 of whole numbers in a float32 sum.*profile exact"):
        write_onnx(graph, tmp_path / "net.onnx", OnnxOptions(profile=Profile.FLOAT))


@GIVEN
@given(graph=networks(), form=st.sampled_from(Form), inline=st.booleans(), profile=st.sampled_from(Profile), seed=st.integers(0, 2**32 - 1))
def test_random_networks_in_every_form_read_back(graph, form, inline, profile, seed, tmp_path):
    path = tmp_path / "net.onnx"
    write_onnx(graph, path, OnnxOptions(profile=profile, form=form, inline=inline))
    again = read_onnx(path)
    assert again == graph
    assert again.content_hash == graph.content_hash
    inputs = random_inputs(graph, samples=2, steps=graph.steps, seed=seed)
    found = run_onnx(path, inputs)
    if profile is not Profile.QDQ:
        assert compare_traces(run_reference(graph, inputs), found).first_mismatch is None


def test_qdq_says_that_it_is_an_approximation_and_how_near(tmp_path):
    graph = chain()
    report = write_onnx(graph, tmp_path / "net.onnx", OnnxOptions(profile=Profile.QDQ)).as_json()
    assert report["exact"] is False
    assert [f["field"] for f in report["fields"] if f["carried"] != "exact"] == ["arithmetic"]
    measured = report["verified"][0]["measured"]
    interface = read_onnx_interface(tmp_path / "net.onnx")
    assert interface.measured == {"random": measured}
    for one in measured["populations"].values():
        assert one["spike_agreement"] > 0.9
        assert 0 < one["u_difference"] < 0.1  # thresholds: it differs, and little
    reference = run_reference(graph, random_inputs(graph, samples=32))
    arrays = run_session(open_onnx(tmp_path / "net.onnx"), reference.inputs)
    q1 = measured["populations"]["q1"]
    assert (arrays["q1/s"] == reference.populations["q1"].s).mean() == pytest.approx(q1["spike_agreement"], abs=0.05)
    model = onnx.load(tmp_path / "net.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert (metadata["qif.profile"], metadata["qif.exact"]) == ('"qdq"', "false")


def test_qdq_keeps_to_what_converters_take(tmp_path):
    write_onnx(residual(), tmp_path / "net.onnx", OnnxOptions(profile=Profile.QDQ, form=Form.STEP, inline=True))
    graph = onnx.load(tmp_path / "net.onnx").graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    dequantized = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert all(len(node.input) == 3 for node in dequantized)  # an explicit zero point
    stored = [node for node in dequantized if node.input[0] in constants]
    assert len(stored) == 4  # one per synapse
    for node in stored:
        assert constants[node.input[0]].dtype == np.int8
        assert np.log2(constants[node.input[1]]) % 1 == 0
    assert not {"Scan", "ConvInteger", "MatMulInteger", "QIFReal"} & {node.op_type for node in graph.node}


@pytest.mark.parametrize("form", Form)
def test_populations_are_recorded_on_request(tmp_path, form):
    graph = residual()
    inputs = random_inputs(graph, samples=3)
    reference = run_reference(graph, inputs)
    for record in ((), ("q2",)):
        path = tmp_path / f"{len(record)}.onnx"
        write_onnx(graph, path, OnnxOptions(record=record, form=form))
        names = {output.name for output in onnx.load(path).graph.output}
        assert {name for name in names if not name.endswith("r_next")} == {"readout", *(f"{p}/{what}" for p in record for what in "ius")}
        found = run_onnx(path, inputs)
        assert tuple(found.populations) == record
        assert np.array_equal(found.readout, reference.readout)
        assert all(np.array_equal(found.populations[p].u, reference.populations[p].u) for p in record)
        assert read_onnx(path) == graph


def test_a_file_that_records_nothing_is_proven_in_every_state(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(onnx_verify, "_compared", lambda *given, honest=onnx_verify._compared: seen.append(honest(*given)) or seen[-1])
    write_onnx(residual(), tmp_path / "net.onnx", OnnxOptions(record=()))
    assert [one.arrays for one in seen] == [7, 1]


def test_unknown_population_and_words(tmp_path):
    with pytest.raises(InputError, match=r"\['q9'\] were asked for"):
        write_onnx(residual(), tmp_path / "net.onnx", OnnxOptions(record=("q9",)))
    for words in ({"profile": "exakt"}, {"form": "steps"}):
        with pytest.raises(InputError, match="is unknown; use one of"):
            OnnxOptions.of(**{"profile": "exact", "form": "sequence", "states": ("all",), "inline": False} | words)
    chosen = OnnxOptions.of(profile="qdq", form="step", states=("none",), inline=True)
    assert chosen == OnnxOptions(profile=Profile.QDQ, form=Form.STEP, record=(), inline=True)


@pytest.mark.parametrize(("profile", "form"), list(itertools.product(Profile, Form)))
def test_large_weights_lie_beside_the_file(tmp_path, profile, form):
    graph, path = chain(), tmp_path / "net.onnx"
    options = OnnxOptions(profile=profile, form=form, external_above=1000)
    report = write_onnx(graph, path, options).as_json()
    (data,) = tmp_path.glob(f"net.onnx.*{DATA_SUFFIX}")
    assert report["files"] == [str(path), str(data)]
    assert sorted(tmp_path.iterdir()) == [path, data]  # and nothing half-made
    stored = data.read_bytes()
    if profile is Profile.EXACT:
        assert (graph.nodes["fc1"].weight.T + 128).astype(np.uint8).tobytes() in stored
    assert read_onnx(path) == graph
    inputs = random_inputs(graph, samples=3)
    found = run_onnx(path, inputs)
    if profile is not Profile.QDQ:
        assert compare_traces(run_reference(graph, inputs), found).first_mismatch is None
    onnx.checker.check_model(str(path), full_check=True)


def test_failure_leaves_neither_file(tmp_path, monkeypatch):
    monkeypatch.setattr("qif_export.onnx.write.verify", lambda *given: (_ for _ in ()).throw(InputError("no")))
    with pytest.raises(InputError, match="no"):
        write_onnx(chain(), tmp_path / "net.onnx", OnnxOptions(external_above=1000))
    assert list(tmp_path.iterdir()) == []


def test_real_inputs_are_run_as_well(tmp_path):
    graph = residual()
    codes = random_inputs(graph, samples=40, seed=7)
    report = write_onnx(graph, tmp_path / "net.onnx", real=Probe(source="recorded events", codes=codes)).as_json()
    assert [(one["source"], one["samples"], one["steps"]) for one in report["verified"]] == [("random", 4, 4), ("recorded events", 32, 4)]
    assert all(one["against"] == "int64 reference" and one["arrays"] == 7 for one in report["verified"])


def test_large_networks_are_verified_with_the_engine_within_bounds(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    graph = chain()
    monkeypatch.setattr(onnx_verify, "REFERENCE_PRODUCTS", 0)
    monkeypatch.setattr(onnx_verify, "RECORDED_BYTES", 2 * 9 * (4 * 64 + 6 * 16 + 16) * 2 + 5)
    real = Probe(source="held", codes=random_inputs(graph, samples=8))
    verified = write_onnx(graph, tmp_path / "net.onnx", real=real).as_json()["verified"]
    assert [(one["against"], one["samples"], one["steps"]) for one in verified] == [("batched engine", 1, 4)] * 2
    monkeypatch.setattr(onnx_verify, "RECORDED_BYTES", 1)
    verified = write_onnx(graph, tmp_path / "net.onnx", real=real).as_json()["verified"]
    assert [(one["samples"], one["steps"]) for one in verified] == [(1, 2)] * 2
