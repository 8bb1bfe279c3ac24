"""Float networks through NIR: the same nodes, values and edges, in the same bytes, complete without metadata."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from qif_deploy.errors import BackendError, InputError, UnsupportedError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, BatchNorm, Conv2d, Dense, Flatten, Input, Readout
from qif_deploy.neuron.params import QIFParams
from qif_deploy.simulate.float_sim import run_float
from qif_export.nir import float_write
from qif_export.nir._nir import nir
from qif_export.nir.float_facts import FloatFacts, float_sha256
from qif_export.nir.float_write import float_to_nir, write_float_nir
from qif_export.nir.importing.importer import read_float_nir
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir
from tests.export.float_graphs import float_graphs, float_inputs
from tests.networks import chain

SETTINGS = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
FACTS = FloatFacts(steps=4, dataset="digits", encoder="direct", provenance={"tool": "qif-deploy"})


def small(c2: float = 0.25, **params) -> Graph:
    nodes = {
        "x": Input(shape=(3,), low=-2, high=7, scale=0.1),
        "fc": Dense(weight=np.array([[0.5, -1, 2], [1, 1, 1]]), bias=np.array([0.1, 0.2])),
        "q": QIF(params=QIFParams.of(c2=c2, c1=0.1, c0=0.05, **params)),
        "fc2": Dense(weight=np.ones((2, 2), np.float32)),
        "y": Readout(),
    }
    return Graph(nodes=nodes, edges=(("x", "fc"), ("fc", "q"), ("q", "fc2"), ("fc2", "y")))


def without_metadata(path) -> None:
    with h5py.File(path, "a") as file:
        del file["node/metadata"]


@SETTINGS
@given(graph=float_graphs())
def test_round_trip_is_identity(graph, tmp_path):
    path = tmp_path / "graph.nir"
    first = write_float_nir(graph, path, FACTS)
    found = read_float_nir(path)
    assert float_sha256(found.graph) == float_sha256(graph)
    assert replace(found.facts, content_hash=None) == FACTS
    assert found.convention is None
    before, after = run_float(graph, float_inputs(graph)), run_float(found.graph, float_inputs(graph))
    assert np.array_equal(before.readout, after.readout)
    assert all(np.array_equal(before.populations[name].u, p.u) for name, p in after.populations.items())
    assert write_float_nir(found.graph, path, FACTS).sha256 == first.sha256


@SETTINGS
@given(graph=float_graphs())
def test_nothing_essential_is_in_the_metadata(graph, tmp_path):
    write_float_nir(graph, tmp_path / "graph.nir", FACTS)
    without_metadata(tmp_path / "graph.nir")
    found = read_float_nir(tmp_path / "graph.nir")
    assert float_sha256(found.graph) == float_sha256(graph)
    assert found.facts == FloatFacts()


def test_the_equation_is_in_the_fields_and_alone_enough(tmp_path):
    """A tool that knows the equation and not our discrete coefficients writes a file that reads as its Euler step."""
    path = tmp_path / "graph.nir"
    write_float_nir(small(theta=1.5), path)
    with h5py.File(path, "a") as file:
        node = file["node/nodes/q"]
        assert [node[key][0] for key in ("a2", "a1", "a0", "r", "v_threshold")] == [0.25, 0.1 - 1, 0.05, 1.0, 1.5]
        for key in ("c2", "c1", "c0", "r0", "reset_by", "spike", "reset_mode", "dt"):
            del node[key]
    without_metadata(path)
    found = read_float_nir(path).graph.nodes["q"].params
    np.testing.assert_allclose([found.c2[0], found.c1[0], found.c0[0]], [0.25, 0.1, 0.05], atol=1e-15)  # 1 + (0.1 - 1) rounds
    assert found.theta[0] == 1.5
    assert not found.spike_on_equal  # the format's own comparison


def test_another_time_step_is_the_euler_step_of_the_equation(tmp_path):
    path = tmp_path / "graph.nir"
    write_float_nir(small(), path)
    without_metadata(path)
    with h5py.File(path, "a") as file:
        node = file["node/nodes/q"]
        for key in ("c2", "c1", "c0", "dt"):
            del node[key]
        node["dt"] = 0.5
    graph = read_float_nir(path).graph
    p = graph.nodes["q"].params
    np.testing.assert_allclose([p.c2[0], p.c1[0], p.c0[0]], [0.125, 1 - 0.45, 0.025])
    assert np.array_equal(graph.nodes["fc"].weight, small().nodes["fc"].weight * 0.5)  # r dt goes into the synapse
    assert np.array_equal(graph.nodes["fc"].bias, small().nodes["fc"].bias * 0.5)


def test_batch_norm_has_to_be_folded_first(tmp_path):
    one = np.ones(2)
    nodes = dict(small().nodes) | {"bn": BatchNorm(gain=one, shift=one, mean=one, var=one, eps=0.0)}
    graph = Graph(nodes=nodes, edges=(("x", "fc"), ("fc", "bn"), ("bn", "q"), ("q", "fc2"), ("fc2", "y")))
    with pytest.raises(UnsupportedError, match=r"'bn'.*fold"):
        write_float_nir(graph, tmp_path / "graph.nir")
    assert list(tmp_path.iterdir()) == []


def test_a_bias_of_zeros_is_written_as_none(tmp_path):
    def with_bias(bias):
        nodes = {
            "x": Input(shape=(1, 2, 2)),
            "c": Conv2d(weight=np.ones((2, 1, 2, 2)), bias=bias),
            "q": QIF(params=QIFParams.lif(decay=0.5)),
            "k": Conv2d(weight=np.ones((2, 2, 1, 1))),
            "q2": QIF(params=QIFParams.lif(decay=0.5)),
        }
        nodes |= {"flat": Flatten(), "d": Dense(weight=np.ones((2, 2))), "y": Readout()}
        names = list(nodes)
        return Graph(nodes=nodes, edges=tuple(pairwise(names)))

    assert float_sha256(with_bias(None)) == float_sha256(with_bias(np.zeros(2))) != float_sha256(with_bias(np.ones(2)))
    write_float_nir(with_bias(np.zeros(2)), tmp_path / "graph.nir")
    assert read_float_nir(tmp_path / "graph.nir").graph == with_bias(None)


def test_a_file_that_reads_back_differently_never_appears(tmp_path, monkeypatch):
    write_float_nir(small(c2=0.5), tmp_path / "other.nir")
    other = read_float_nir(tmp_path / "other.nir")
    monkeypatch.setattr(float_write, "read_float_nir", lambda path: other)
    with pytest.raises(BackendError, match="another network"):
        write_float_nir(small(), tmp_path / "graph.nir")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.nir"]


def test_the_whole_document_is_the_same_bytes(tmp_path):
    report = write_float_nir(small(), tmp_path / "a.nir", FACTS)
    whole = BytesIO()  # as the streamed one is made, in memory: libhdf5 lays a file on the disk out differently
    nir.write(whole, float_to_nir(small(), FACTS))
    assert (tmp_path / "a.nir").read_bytes() == whole.getvalue()
    assert not report.lossless


# ---------------------------------------------------------------- refusals


def test_the_two_kinds_are_not_taken_for_each_other(tmp_path):
    write_float_nir(small(), tmp_path / "float.nir")
    write_nir(chain(), tmp_path / "net.nir")
    with pytest.raises(InputError, match=r"float network without integer codes; run `qif-deploy quantize`"):
        read_nir(tmp_path / "float.nir")
    with pytest.raises(InputError, match="it is an integer network already"):
        read_float_nir(tmp_path / "net.nir")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schema", 3, "upgrade"),
        ("schema", 1, "convert the model again"),
        ("schema", True, "schema True"),
        ("stage", "integer", "stage 'integer'"),
        ("steps", 0, "wrong types"),
        ("steps", "4", "wrong types"),
        ("dataset", 3, "wrong types"),
        ("provenance", {"a": 1}, "wrong types"),
        ("content_hash", "00", "another hash"),
    ],
)
def test_facts(tmp_path, key, value, words):
    path = tmp_path / "graph.nir"
    write_float_nir(small(), path, FACTS)
    with h5py.File(path, "a") as file:
        text = json.loads(file["node/metadata/qif"][()])
        del file["node/metadata/qif"]
        file["node/metadata"]["qif"] = json.dumps(text | {key: value})
    with pytest.raises(InputError, match=words):
        read_float_nir(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_metadata_that_is_no_object(tmp_path, text):
    path = tmp_path / "graph.nir"
    write_float_nir(small(), path)
    with h5py.File(path, "a") as file:
        del file["node/metadata/qif"]
        file["node/metadata"]["qif"] = text
    with pytest.raises(InputError, match="not a JSON object"):
        read_float_nir(path)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("c1", np.array([0.3]), "contradict"),
        ("a2", np.array([np.nan]), "finite"),
        ("v_threshold", np.array([0.5, 0.5, 0.5]), "v_threshold"),
        ("v_threshold", np.array([-1.0]), "theta"),
        ("spike", ">>", "spike"),
        ("reset_mode", "soft", "reset_mode"),
        ("leak", 1.0, "'leak'"),
        ("weight", 1.0, "'weight'"),
    ],
)
def test_a_population_that_makes_no_sense(tmp_path, field, value, words):
    path = tmp_path / "graph.nir"
    write_float_nir(small(), path)
    without_metadata(path)
    with h5py.File(path, "a") as file:
        node = file["node/nodes/q"]
        if field in node:
            del node[field]
        node[field] = value
    with pytest.raises(InputError, match=words) as caught:
        read_float_nir(path)
    assert "'q'" in str(caught.value)
