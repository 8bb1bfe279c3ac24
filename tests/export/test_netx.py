"""netx files: written, read back, refused; what Lava makes of them is in tests/hardware/test_netx_run.py."""

from __future__ import annotations

import itertools

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.neuron.params import ResetMode
from qif_export.netx.read import read_netx
from qif_export.netx.seal import BLOCK, seal
from qif_export.netx.write import write_netx
from tests.networks import chain, residual


@pytest.mark.parametrize(("rounding", "reset_mode"), list(itertools.product(RoundingMode, ResetMode)))
def test_reads_back_to_the_same_network(tmp_path, rounding, reset_mode):
    graph = chain(rounding=rounding, reset_mode=reset_mode, signed_input=True, u_min=-50)
    report = write_netx(graph, tmp_path / "net.net")
    assert report.lossless
    again = read_netx(tmp_path / "net.net")
    assert again == graph
    assert again.content_hash == graph.content_hash


def test_layers_are_those_that_netx_names(tmp_path):
    graph = chain()
    write_netx(graph, tmp_path / "net.net")
    with h5py.File(tmp_path / "net.net") as file:
        layers = [file[f"layer/{number}"] for number in range(len(file["layer"]))]
        assert [layer["type"][0] for layer in layers] == [b"input", b"conv", b"pool", b"conv", b"pool", b"flatten", b"dense", b"dense"]
        assert layers[1]["weight"].shape == (4, 1, 3, 5)  # torch's layout, as lava-dl exports it
        assert layers[1]["shape"][()].tolist() == [4, 8, 8]
        assert layers[1]["neuron/type"][0] == b"QIF"
        assert layers[-1]["neuron/type"][0] == b"QIF_READOUT"
        assert np.array_equal(layers[1]["neuron/theta"][()], graph.population("q1").constants.theta)


def test_bytes_are_the_same_each_time(tmp_path):
    assert write_netx(chain(), tmp_path / "a.net").sha256 == write_netx(chain(), tmp_path / "b.net").sha256


def test_residual_networks_are_refused_with_the_reason(tmp_path):
    with pytest.raises(UnsupportedError) as caught:
        write_netx(residual(), tmp_path / "net.net")
    assert "node 'q2': branches ['conv2', 'skip'] join here, netx has no residual connections" in str(caught.value)
    assert "node 'q1': it feeds ['conv2', 'skip']" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("netx") / "net.net"
    write_netx(chain(), path)
    return path


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("layer/1/weight", "content hash"),
        ("layer/1/stride", "layer 1: field 'stride'"),
        ("layer/1/neuron/theta", "layer 1: field 'neuron/theta'"),
        ("layer/7/neuron/bias", "layer 7: field 'neuron/bias'"),
    ],
)
def test_changed_files(written, tmp_path, key, words):
    path = tmp_path / "x.net"
    path.write_bytes(written.read_bytes())
    with h5py.File(path, "r+") as file:
        file[key][...] = file[key][()] + 1
    with pytest.raises(InputError, match="hash does not fit"):
        read_netx(path)
    seal(path)
    with pytest.raises(InputError, match=words):
        read_netx(path)


def test_other_files(written, tmp_path):
    (tmp_path / "text.net").write_text("hello")
    (tmp_path / "cut.net").write_bytes(written.read_bytes()[:3000])
    with h5py.File(tmp_path / "other.net", "w") as file:
        file["layer/0/type"] = np.array([b"input"])
    for name, words in (("none", "does not exist"), ("text", "no netx file"), ("cut", "hash does not fit"), ("other", "no netx file")):
        with pytest.raises(InputError, match=words) as caught:
            read_netx(tmp_path / f"{name}.net")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["external", "soft", "outside"])
def test_links_and_values_outside_are_not_followed(written, tmp_path, kind):
    path = tmp_path / "linked.net"
    with h5py.File(path, "w", userblock_size=BLOCK) as file, h5py.File(written) as source:
        file.attrs["qif"] = source.attrs["qif"]
        if kind == "outside":
            file.create_dataset("layer", (4,), "u1", external=[("/etc/hostname", 0, 4)])
        else:
            file["layer"] = h5py.ExternalLink(str(written), "layer") if kind == "external" else h5py.SoftLink("/elsewhere")
    seal(path)
    with pytest.raises(InputError, match=r"is a link|lie outside"):
        read_netx(path)


def test_the_hash_is_in_front_of_what_any_hdf5_reader_sees(written):
    assert written.read_bytes().startswith(b"qif-netx 1 sha256 ")
    with h5py.File(written) as file:
        assert file.userblock_size == BLOCK


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bits(written, tmp_path, data):
    content = bytearray(written.read_bytes())
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    content[place // 8] ^= 1 << place % 8
    (tmp_path / "x.net").write_bytes(content)
    try:
        found = read_netx(tmp_path / "x.net")
    except InputError:
        return
    assert found == chain()
