"""What a foreign file may not hold: every reason at once, and nothing is dropped in silence."""

from __future__ import annotations

from itertools import pairwise

import nir
import numpy as np
import pytest

from qif_deploy.errors import InputError, UnsupportedError
from qif_export.nir.importing.importer import ImportOptions, read_float_nir
from tests.export.foreign_nir import OPTIONS, chained, conv, spiking, wide, written
from tests.export.nir_oracle import DT


def refusal(path, options: ImportOptions = OPTIONS) -> str:
    with pytest.raises(InputError) as caught:
        read_float_nir(path, options)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def test_everything_that_has_no_place_is_listed_at_once(tmp_path):
    path, one = tmp_path / "x.nir", np.ones(5)
    nodes = {
        "cuba": nir.CubaLIF(tau_syn=one, tau_mem=one, r=one, v_leak=one, v_threshold=one, v_reset=one),
        "li": nir.CubaLI(tau_syn=one, tau_mem=one, r=one, v_leak=one),
        "late": nir.Delay(delay=one),
        "on_time": nir.Delay(delay=0 * one),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([1, 0])),
        "odd": conv(2, 4, (2, 2), padding="same"),
        "q": spiking("IF", 5),
    }
    names = ["in", *nodes, "out"]
    written(path, nodes, [*pairwise(names), ("q", "cuba")], size=(5,))
    line = refusal(path)
    for name in ("cuba", "li", "late", "pool", "odd"):
        assert f"{name!r}" in line
    assert "'on_time' (" not in line
    assert "cycle" in line


def test_types_that_no_version_of_nir_knows(tmp_path):
    import h5py

    path = tmp_path / "x.nir"
    chained(path, nir.Linear(wide(6, 5)), spiking("IF", 6), nir.Linear(wide(3, 6)), size=(5,))
    with h5py.File(path, "a") as file:
        for name in ("n0", "n1"):
            del file[f"node/nodes/{name}/type"]
            file[f"node/nodes/{name}/type"] = f"My{name}"
    line = refusal(path)
    assert "'n0' (Myn0)" in line
    assert "'n1' (Myn1)" in line


@pytest.mark.parametrize(
    ("parts", "size", "words"),
    [
        ((conv(2, 4), conv(4, 4), spiking("IF", 4, 6, 6)), (2, 6, 6), "next to another linear layer"),
        ((conv(2, 4), nir.Flatten({"input": np.array([4, 6, 6])}, 0, -1), nir.Linear(wide(3, 144))), (2, 6, 6), "through a flatten"),
        ((conv(2, 4), nir.LIF(*(wide(4, 6, 6, scale=0.01) + 1 for _ in range(4)), np.zeros((4, 6, 6)))), (2, 6, 6), "over its pixels"),
        ((nir.Linear(wide(8, 5)), spiking("IF", 7)), (5,), "has shape"),
        ((nir.Linear(wide(8, 4)), spiking("IF", 8)), (2, 6, 6), "Flatten"),
        ((conv(3, 4), spiking("IF", 4, 6, 6)), (2, 6, 6), "takes 3 channels"),
        ((conv(2, 4, (9, 9), padding=0), spiking("IF", 4, 6, 6)), (2, 6, 6), "leaves nothing"),
        ((nir.SumPool2d(np.array([9, 9]), np.array([1, 1]), np.array([0, 0])), spiking("IF", 2, 6, 6)), (2, 6, 6), "window"),
        ((nir.Flatten({"input": np.array([2, 6, 6])}, 0, 1), spiking("IF", 12, 6)), (2, 6, 6), "flatten from 0 to -1"),
        ((nir.Linear(wide(8, 5)), nir.I(np.ones(8)), nir.Linear(wide(3, 8))), (5,), "only an output can read"),
        ((conv(2, 4), spiking("IF", 4, 6, 6), conv(4, 3)), (2, 6, 6), "end in a linear layer"),
        ((nir.Scale(wide(5)), spiking("IF", 2, 6, 6)), (2, 6, 6), "factors of shape"),
        ((nir.Scale(wide(2, 6, 6)), conv(2, 4), spiking("IF", 4, 6, 6)), (2, 6, 6), "over its pixels"),
        ((nir.Linear(wide(8, 5)), spiking("IF", 8)), (2, 2, 2, 2), "takes"),
        ((spiking("IF", 5000),), (5000,), "join it without weights"),
    ],
)
def test_what_cannot_be_brought_into_the_form(tmp_path, parts, size, words):
    path = tmp_path / "x.nir"
    chained(path, *parts, size=size)
    assert words in refusal(path)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([("in", "fc"), ("fc", "q")], "'out' is fed by nothing"),
        ([("in", "fc"), ("fc", "q"), ("q", "nowhere")], "'nowhere'"),
        ([("in", "fc"), ("q", "out")], "fed by nothing"),
        ([("in", "fc"), ("fc", "q"), ("q", "out"), ("q", "out2")], "2 outputs"),
        ([("in", "fc"), ("fc", "q"), ("q", "fc"), ("q", "out")], "cycle"),
    ],
)
def test_wiring_that_makes_no_sense(tmp_path, edges, words):
    path = tmp_path / "x.nir"
    nodes = {"fc": nir.Linear(wide(6, 6)), "q": spiking("IF", 6)}
    if any(b == "out2" for _, b in edges):
        nodes["out2"] = nir.Output(np.array([6]))
    import h5py

    written(path, nodes, [("in", "fc"), ("fc", "q"), ("q", "out")], size=(6,))
    with h5py.File(path, "a") as file:
        del file["node/edges"]
        file["node"].create_dataset("edges", data=edges)
    assert words in refusal(path)


def test_a_repeated_edge_adds_twice(tmp_path):
    import h5py

    path = tmp_path / "x.nir"
    last = wide(3, 6)
    chained(path, nir.Linear(wide(6, 5)), spiking("IF", 6), nir.Linear(last), size=(5,))
    with h5py.File(path, "a") as file:
        edges = [(a.decode(), b.decode()) for a, b in file["node/edges"][()]]
        del file["node/edges"]
        file["node"].create_dataset("edges", data=[*edges, ("n1", "n2")])
    found = read_float_nir(path, OPTIONS).graph
    assert np.array_equal(found.nodes["n2"].weight, 2 * last)


def test_refused_with_all_that_follows(tmp_path):
    """A neuron that is refused does not hide what is wrong behind it."""
    path = tmp_path / "x.nir"
    bad = nir.LIF(np.full(6, DT / 2), np.ones(6), np.zeros(6), np.ones(6), np.zeros(6))
    chained(path, nir.Linear(wide(6, 5)), bad, nir.Linear(wide(6, 6)), bad, nir.Linear(wide(3, 6)), size=(5,))
    with pytest.raises(UnsupportedError) as caught:
        read_float_nir(path, OPTIONS)
    assert len(caught.value.findings) == 2
