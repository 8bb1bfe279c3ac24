"""NIR written and read back is the same network, in the same bytes everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import BackendError, InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, ReadoutCodes
from qif_deploy.simulate.reference import run_reference
from qif_export.export_report import Carried, sha256_of
from qif_export.nir import write as nir_write
from qif_export.nir._nir import nir
from qif_export.nir.nodes import quadratic_view
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir
from tests.export.fresh_python import run_fresh
from tests.export.strategies import networks
from tests.networks import chain, number_format, random_inputs, residual

ANY_STEPS = st.one_of(st.none(), st.integers(1, 1000))


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=networks(weight_bits=st.integers(2, 16), steps=ANY_STEPS))
def test_round_trip_is_identity(graph, tmp_path):
    path = tmp_path / "net.nir"
    report = write_nir(graph, path)
    again = read_nir(path)
    assert again == graph
    assert again.content_hash == graph.content_hash
    assert report.sha256 == sha256_of(path)


def test_writing_again_changes_no_byte(tmp_path):
    before = write_nir(residual(), tmp_path / "a.nir")
    assert write_nir(read_nir(tmp_path / "a.nir"), tmp_path / "b.nir").sha256 == before.sha256


def test_nodes_written_one_by_one_are_the_same_bytes_as_the_whole_document(tmp_path):
    written = write_nir(residual(), tmp_path / "net.nir")
    with (tmp_path / "whole.nir").open("w+b") as stream:  # a stream, as ours is: HDF5 lays a file out otherwise where it writes by itself
        nir.write(stream, nir_write.to_nir(residual()))
    assert sha256_of(tmp_path / "whole.nir") == written.sha256


def test_round_trip_runs_the_same(tmp_path):
    graph = residual()
    write_nir(graph, tmp_path / "net.nir")
    inputs = random_inputs(graph)
    expected, found = run_reference(graph, inputs), run_reference(read_nir(tmp_path / "net.nir"), inputs)
    assert [name for name, _ in expected.computed()] == [name for name, _ in found.computed()]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(expected.computed(), found.computed(), strict=True))
    assert all(n > 0 for n in expected.spikes().values())


def test_network_without_population(tmp_path):
    nodes = {
        "x": CodeInput(shape=(3,), low=-7, high=2**31 - 1, scale=0.1),
        "fc": DenseCodes(weight=np.array([[0, -32767, 32767]], np.int32), shift=30),
        "y": ReadoutCodes(bias=np.array([2**40]), delta=1e-300),
    }
    graph = QuantizedGraph(nodes=nodes, edges=(("x", "fc"), ("fc", "y")), number_format=number_format(weight_bits=16), steps=None)
    write_nir(graph, tmp_path / "net.nir")
    assert read_nir(tmp_path / "net.nir") == graph


def test_bytes_do_not_depend_on_order_or_process(tmp_path):
    graph = residual()
    shuffled = QuantizedGraph(
        nodes=dict(reversed(graph.nodes.items())), edges=graph.edges[::-1], number_format=graph.number_format, steps=graph.steps
    )
    digests = {write_nir(graph, tmp_path / "a.nir").sha256, write_nir(shuffled, tmp_path / "b.nir").sha256}
    script = (
        "import sys; from pathlib import Path; from tests.networks import residual; from qif_export.nir.write import write_nir\n"
        "print(write_nir(residual(), Path(sys.argv[1])).sha256); print('torch' in sys.modules, 'qif_hardware' in sys.modules)"
    )
    for seed in ("1", "2"):
        out = run_fresh(script, str(tmp_path / "c.nir"), hash_seed=seed)
        digests.add(out[0])
        assert out[1] == "False False"
    assert len(digests) == 1


def test_report_names_what_was_dropped(tmp_path):
    report = write_nir(chain(), tmp_path / "net.nir")
    assert not report.lossless
    assert [o.field for o in report.outcomes if o.carried is not Carried.EXACT] == ["order of listing"]
    assert report.as_json()["path"] == str(tmp_path / "net.nir")


def test_float_view_inverts_to_the_codes():
    k = chain().population("q2").constants
    view = quadratic_view(k)
    assert np.array_equal(np.ldexp(view["a2"], k.s1 + k.s2), k.c2m)
    assert np.array_equal(np.ldexp(view["a1"] + 1, k.s1), k.c1m)
    assert np.array_equal(view["a0"], k.bias)


def test_a_file_that_reads_back_differently_never_appears(tmp_path, monkeypatch):
    monkeypatch.setattr(nir_write, "read_nir", lambda path: residual())
    with pytest.raises(BackendError, match="another network"):
        write_nir(chain(), tmp_path / "net.nir")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        write_nir(chain(), tmp_path / "missing" / "net.nir")


def test_atomic_path_keeps_the_old_file_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "net.nir"
    before = write_nir(chain(), path).sha256
    monkeypatch.setattr(nir_write, "read_nir", lambda path: residual())
    with pytest.raises(BackendError):
        write_nir(chain(seed=3), path)
    assert sha256_of(path) == before


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("nir", "qif_export.nir.read", "nir"),
        ("h5py", "qif_export.nir.write", "nir"),
        ("onnx", "qif_export.onnx.write", "onnx"),
        ("onnxruntime", "qif_export.onnx.run", "onnx"),
    ],
)
def test_missing_package_says_how_to_install_it(package, module, extra):
    script = (
        f"import sys; sys.modules[{package!r}] = None\nfrom qif_deploy.errors import MissingDependencyError\n"
        f"try:\n    import {module}\nexcept MissingDependencyError as error:\n    print(error)"
    )
    assert f"pip install 'qif-deploy[{extra}]'" in run_fresh(script)[0]
