"""Files against the network that they should hold: one changed bit of one weight is found and named, wherever it is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qif_deploy
from qif_deploy import load_network
from qif_deploy.api.loading import dataset_inputs
from qif_deploy.api.verify_files import OWN_INPUTS, FileCheck, Shown, check_file
from qif_deploy.simulate.compare import Mismatch
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from qif_export.stored_difference import first_difference
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import SAMPLES, Artefacts

h5py = pytest.importorskip("h5py")
onnx = pytest.importorskip("onnx")
SYNAPSES = ("conv1", "conv2")
where = st.tuples(st.sampled_from(SYNAPSES), st.floats(0, 1, exclude_max=True))


@pytest.fixture(scope="module")
def check(tiny: Artefacts) -> Callable[[Path], FileCheck]:
    graph = load_network(tiny.network)
    codes = dataset_inputs(graph, None, samples=40).codes
    shown = Shown(codes=codes, reference=run_reference(graph, codes), source="digits, test part")
    return lambda path: check_file(path, graph, shown)


def test_a_network_is_one_from_either_of_its_files(tiny: Artefacts, tmp_path: Path) -> None:
    """And the target that is taken where none is named is that of the command line."""
    assert load_network(tiny.network) == load_network(tiny.onnx)
    assert qif_deploy.quantize(tiny.model, out=tmp_path / "net.nir").network == load_network(tiny.network)


def test_what_was_exported_holds(tiny: Artefacts, tmp_path: Path, check: Callable[[Path], FileCheck]) -> None:
    cli("run", tiny.network, "--backend", "batched", "--input", tiny.codes, "--out", tmp_path / "vectors.npz", "-q")
    for path in (tiny.onnx, tiny.network, tmp_path / "vectors.npz"):
        found = check(path)
        assert (found.exact, found.stored) == (True, None), path


@pytest.mark.parametrize(("profile", "form"), [("exact", "step"), ("float", "sequence"), ("float", "step")])
def test_an_exact_export_of_any_kind_holds(
    tiny: Artefacts, tmp_path: Path, check: Callable[[Path], FileCheck], profile: str, form: str
) -> None:
    path = tmp_path / "net.onnx"
    assert cli("export", tiny.network, "--to", "onnx", "--profile", profile, "--form", form, "--out", path, "-q").code == 0
    found = check(path)
    assert (found.exact, found.stored) == (True, None), found


def test_an_approximation_holds_the_network_and_computes_another(
    tiny: Artefacts, tmp_path: Path, check: Callable[[Path], FileCheck]
) -> None:
    assert cli("export", tiny.network, "--to", "onnx", "--profile", "qdq", "--out", tmp_path / "net.onnx", "-q").code == 0
    found = check(tmp_path / "net.onnx")
    assert (found.exact, found.stored) == (False, None)
    assert found.run.comparison is not None
    assert found.run.comparison.first_mismatch is not None


@pytest.mark.parametrize("states", [["none"], ["qif2"]])
def test_states_that_a_file_leaves_out_are_no_difference_and_no_evidence(
    tiny: Artefacts, tmp_path: Path, check: Callable[[Path], FileCheck], states: list[str]
) -> None:
    path = tmp_path / "net.onnx"
    chosen = [word for name in states for word in ("--states", name)]
    assert cli("export", tiny.network, "--to", "onnx", *chosen, "--out", path, "-q").code == 0
    found = check(path)
    assert (found.exact, found.stored) == (None, None)
    assert found.run.comparison is not None
    assert found.run.comparison.first_mismatch is None
    assert "it has no states of ['qif1'" in str(found.run.comparison.reason)


@settings(max_examples=12)
@given(where, st.integers(0, 31))
def test_one_bit_of_a_weight_in_a_nir_file(tiny: Artefacts, check: Callable[[Path], FileCheck], at: tuple[str, float], bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(tiny.network, folder))
        with h5py.File(path, "r+") as file:
            stored = file[f"node/nodes/{at[0]}/weight"]
            weight = stored[()]
            raw = weight.reshape(-1).view(np.uint32)
            index = int(at[1] * raw.size)
            raw[index] ^= np.uint32(1 << bit)
            stored[...] = weight
        found = check(path)
    assert found.exact is False
    assert found.stored is not None
    assert (found.stored.entry, found.stored.bits, found.stored.count) == (f"node/nodes/{at[0]}/weight", (bit,), 1)
    assert found.stored.index == tuple(np.unravel_index(index, weight.shape))
    assert found.run.failed is not None  # what reads the file refuses it, too


@settings(max_examples=12)
@given(where, st.integers(0, 7))
def test_one_bit_of_a_weight_in_an_onnx_file(tiny: Artefacts, check: Callable[[Path], FileCheck], at: tuple[str, float], bit: int) -> None:
    model = onnx.load(str(tiny.onnx))
    (scan,) = (node for node in model.graph.node if node.op_type == "Scan")
    (body,) = (attribute.g for attribute in scan.attribute if attribute.name == "body")
    (tensor,) = (t for t in body.initializer if t.name.endswith(f"{at[0]}/weight"))
    raw = bytearray(tensor.raw_data)
    index = int(at[1] * len(raw))
    raw[index] ^= 1 << bit
    tensor.raw_data = bytes(raw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        path.write_bytes(model.SerializeToString())
        found = check(path)
    assert found.exact is False
    assert found.stored is not None
    assert found.stored.entry.endswith(f"tensor {tensor.name}")
    assert (found.stored.bits, found.stored.count) == ((bit,), 1)
    assert found.stored.index == tuple(np.unravel_index(index, tuple(tensor.dims)))
    assert found.stored.expected == found.stored.found ^ (1 << bit)  # type: ignore[operator]  # both are integers
    assert found.run.failed is not None  # its digest does not fit, so that nothing runs it


def test_verify_names_a_changed_weight_and_exits_1(tiny: Artefacts, tmp_path: Path) -> None:
    path = tmp_path / "changed.nir"
    shutil.copy(tiny.network, path)
    with h5py.File(path, "r+") as file:
        file["node/nodes/conv2/weight"][1, 0, 2, 1] *= -1
    result = cli("verify", tiny.network, "--file", path, "--file", tiny.onnx, "--samples", 40, "--out", tmp_path / "v.json", "--json")
    assert (result.code, result.json["holds"], result.json["backends"]) == (1, False, {})
    assert result.json["files"][str(tiny.onnx)]["exact"] is True
    stored = result.json["files"][str(path)]["stored"]
    assert (stored["entry"], stored["index"], stored["bits"]) == ("node/nodes/conv2/weight", [1, 0, 2, 1], [31])
    assert stored["expected"] == -stored["found"] != 0
    assert "another hash" in result.json["files"][str(path)]["failed"]
    assert "HOLDS ANOTHER VALUE" in "".join(result.err.split("\n")) or "HOLDS" in result.err


def test_vectors_of_another_implementation_are_compared(tiny: Artefacts, tmp_path: Path, check: Callable[[Path], FileCheck]) -> None:
    cli("run", tiny.network, "--backend", "reference", "--input", tiny.codes, "--out", tmp_path / "v.npz", "-q")
    trace = Trace.load(tmp_path / "v.npz")
    trace.populations["qif2"].u[2, 7, 1, 0, 1] += 4
    trace.save(tmp_path / "changed.npz")
    found = check(tmp_path / "changed.npz")
    assert found.run.comparison is not None
    mismatch = found.run.comparison.first_mismatch
    assert mismatch is not None
    said = mismatch.as_json()
    assert (said["population"], said["quantity"], said["step"], said["sample"], said["neuron"]) == ("qif2", "u", 2, 7, [1, 0, 1])
    assert said["found"] == said["expected"] + 4


def test_vectors_need_no_other_input(tiny: Artefacts, tmp_path: Path) -> None:
    """They bring their own, also where the network names no data set; what would not be looked at is refused."""
    graph, network, vectors = load_network(tiny.network), tmp_path / "anonymous.nir", tmp_path / "vectors.npz"
    qif_deploy.export(replace(graph, provenance={}), to="nir", out=network)
    cli("run", network, "--input", tiny.codes, "--out", vectors, "-q")
    assert_one_line(cli("verify", network), "names no data set")
    result = cli("verify", network, "--file", vectors, "--json")
    assert (result.code, result.json["input"], result.json["backends"]) == (0, OWN_INPUTS, {})
    assert result.json["files"][str(vectors)]["samples"] == SAMPLES
    assert_one_line(cli("verify", network, "--file", vectors, "--input", tiny.codes), "codes.npy' has no use here", "leave it out")


def test_each_file_says_what_it_was_compared_on(tiny: Artefacts, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.npz"
    cli("run", tiny.network, "--input", tiny.codes, "--out", vectors, "-q")
    words = ("verify", tiny.network, "--file", vectors, "--file", tiny.onnx, "--samples", 40, "--out", tmp_path / "v.json")
    found = cli(*words, "--json").json
    assert found["input"] == "digits, test part"
    assert {path: file["input"] for path, file in found["files"].items()} == {
        str(vectors): OWN_INPUTS, str(tiny.onnx): "digits, test part"
    }  # fmt: skip
    assert OWN_INPUTS in " ".join(cli(*words).out.split())


def test_the_reference_is_not_compared_with_itself(tiny: Artefacts, tmp_path: Path) -> None:
    assert_one_line(cli("verify", tiny.network, "--backend", "reference"), "backend 'reference' is unknown; use one of batched, onnx,")
    one = qif_deploy.verify(tiny.network, backends="nir", files=tiny.network, samples=40, out=tmp_path / "v.json")
    assert list(one.backends) == ["nir"]
    assert [file.path for file in one.files] == [tiny.network]


def test_files_that_cannot_be_verified_are_refused_in_one_line(tiny: Artefacts, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tiny.model):
        result = cli("verify", tiny.network, "--file", path, "--out", tmp_path / "v.json")
        assert result.code == 2
        assert_one_line(result)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(tiny.onnx.read_bytes()[:1000])
    result = cli("verify", tiny.network, "--file", broken, "--samples", 32, "--out", tmp_path / "v.json", "--json")
    assert (result.code, result.json["files"][str(broken)]["exact"]) == (1, False)


@pytest.mark.parametrize(
    ("expected", "found", "bits"), [(0, 1, (0,)), (5, 7, (1,)), (-1, 0, tuple(range(32))), (0, 2**40, (40,)), (3, 3, ())]
)
def test_bits_are_those_of_twos_complement(expected: int, found: int, bits: tuple[int, ...]) -> None:
    assert Mismatch(array="q/u", index=(0, 0), expected=expected, found=found, reason="").bits == bits


def test_stored_entries_are_compared_to_the_bit() -> None:
    zero = {"a": np.array([0.0, 1.0])}
    difference = first_difference(zero, {"a": np.array([-0.0, 1.0])})
    assert difference is not None
    assert (difference.index, difference.bits) == ((0,), (63,))
    assert first_difference({"a": np.array(np.nan)}, {"a": np.array(np.nan)}) is None
    missing, more = first_difference(zero, {}), first_difference({}, zero)
    assert missing is not None
    assert more is not None
    assert (missing.reason, more.reason) == ("missing", "unexpected")
    text = first_difference({"a": "one", "b": np.array([1])}, {"a": "two", "b": np.array([1])})
    assert text is not None
    assert not text.numeric
    both = first_difference({"a": "one", "b": np.array([1])}, {"a": "two", "b": np.array([3])})
    assert both is not None
    assert (both.entry, both.bits) == ("b", (1,))
    shape = first_difference({"b": np.array([1])}, {"b": np.array([1, 2])})
    assert shape is not None
    assert "shape (2,)" in shape.reason
