"""What users hold can be pickled, copied and sent to worker processes, and comes back as checked and as read-only as it was."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qif_deploy.errors import InputError
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from tests.networks import chain, random_inputs

WAYS = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "deepcopy": copy.deepcopy, "copy": copy.copy}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_network_comes_back_equal_and_read_only(way: Callable[[Any], Any]) -> None:
    graph = chain()
    again = way(graph)
    assert again == graph
    assert (again.content_hash, again.steps, again.order) == (graph.content_hash, graph.steps, graph.order)
    assert not again.nodes["conv1"].weight.flags.writeable
    assert not again.population("q1").constants.theta.flags.writeable
    with pytest.raises(TypeError):
        again.nodes["conv1"] = again.nodes["conv2"]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_trace_comes_back_equal(way: Callable[[Any], Any]) -> None:
    graph = chain()
    trace = run_reference(graph, random_inputs(graph, samples=2))
    again = way(trace)
    assert compare_traces(trace, again).first_mismatch is None
    assert all(np.array_equal(codes, again.inputs[name]) for name, codes in trace.inputs.items())


def test_a_pickled_network_with_an_illegal_value_is_refused() -> None:
    kind, arguments = chain().population("q1").constants.__reduce__()
    fields = dict(arguments[1])
    fields["theta"] = fields["theta"] * 0 + 2**30
    with pytest.raises(InputError, match="theta"):
        kind(arguments[0], fields)


def test_vectors_are_read_from_a_path_that_is_a_text(tmp_path: Path) -> None:
    graph = chain()
    trace = run_reference(graph, random_inputs(graph, samples=2))
    trace.save(str(tmp_path / "vectors.npz"))  # type: ignore[arg-type]  # as people write it
    assert compare_traces(trace, Trace.load(str(tmp_path / "vectors.npz"))).first_mismatch is None  # type: ignore[arg-type]


def test_a_file_of_another_kind_is_not_called_pickled(tmp_path: Path) -> None:
    (tmp_path / "net.nir").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError, match=r"is not a readable \.npy or \.npz \(it begins as neither\)"):
        Trace.load(tmp_path / "net.nir")
