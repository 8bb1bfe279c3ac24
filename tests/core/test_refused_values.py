"""What the core refuses, each in the words that name it: values that no command line reaches, but a caller of Python can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.analysis.census import Census, take_census
from qif_deploy.analysis.interval import Interval
from qif_deploy.datasets.source import ArraySource
from qif_deploy.errors import FormatError, GraphError, InputError
from qif_deploy.fixedpoint import rint_codes
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, ReadoutCodes
from qif_deploy.passes.population_codes import curvature_codes
from qif_deploy.pricing.price_list import load_price_list
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from qif_deploy.sourced import sourced_number
from tests.networks import LOIHI2, chain, population, random_inputs


def two_inputs(*, steps: int | None = None) -> QuantizedGraph:
    nodes = {
        "left": CodeInput(shape=(2,), low=0, high=1, scale=1.0),
        "right": CodeInput(shape=(3,), low=0, high=1, scale=1.0),
        "fc_left": DenseCodes(weight=np.ones((2, 2), np.int32), shift=0),
        "fc_right": DenseCodes(weight=np.ones((2, 3), np.int32), shift=0),
        "out": ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0),
    }
    edges = (("left", "fc_left"), ("right", "fc_right"), ("fc_left", "out"), ("fc_right", "out"))
    return QuantizedGraph(nodes=nodes, edges=edges, number_format=LOIHI2, steps=steps)


def test_a_readout_is_the_end() -> None:
    graph = chain()
    nodes = dict(graph.nodes) | {"more": DenseCodes(weight=np.ones((2, 10), np.int32), shift=0)}
    nodes |= {"q4": population(np.random.default_rng(0), 2)}
    with pytest.raises(GraphError, match=r"'out' feeds \['more'\]; a readout is the end"):
        QuantizedGraph(nodes=nodes, edges=(*graph.edges, ("out", "more"), ("more", "q4")), number_format=LOIHI2, steps=None)


def test_a_code_beyond_the_exact_floats_is_refused_also_where_rationals_settle_it() -> None:
    """1e300 has left the middle of the exponents, so the quotient is taken in rationals."""
    with pytest.raises(FormatError, match=r"code 1e\+300 is beyond 2\*\*53"):
        rint_codes(np.array([1e300]), 1.0)


def test_a_population_that_never_fires_has_no_census() -> None:
    constants = chain().population("q1").constants
    silent = replace(constants, theta=None)
    reach = Interval(lo=np.full(4, -9), hi=np.full(4, 9))
    assert take_census(silent, reach) == Census(channels=4, self_firing=0, rebound=0, rebound_level=())


def test_inputs_of_unequal_length_and_held_inputs_without_a_number_of_steps() -> None:
    graph = two_inputs()
    with pytest.raises(InputError, match=r"inputs differ in \(time, batch\): .*'left': \(4, 2\).*'right': \(4, 3\)"):
        prepare_inputs(graph, {"left": np.zeros((4, 2, 2), int), "right": np.zeros((4, 3, 3), int)}, steps=None)
    with pytest.raises(InputError, match="input 'left': one frame per sample was given and the network fixes no number of steps"):
        prepare_inputs(graph, {"left": np.zeros((2, 2), int), "right": np.zeros((2, 3), int)}, steps=None)


def test_as_many_labels_as_samples() -> None:
    with pytest.raises(InputError, match="3 samples and 2 labels; give one label per sample"):
        ArraySource(np.zeros((3, 4), np.int64), np.zeros(2, np.int64))


def test_vectors_that_lack_an_array_or_hold_another_dtype(tmp_path: Path) -> None:
    graph = chain()
    path = tmp_path / "vectors.npz"
    run_reference(graph, random_inputs(graph, samples=1)).save(path)
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored}
    np.savez(path, **{key: value for key, value in arrays.items() if key != "q2/u"})
    with pytest.raises(InputError, match="array 'q2/u' is missing; write the file with `qif-deploy run`"):
        Trace.load(path)
    np.savez(path, **(arrays | {"q2/u": arrays["q2/u"].astype(np.int64)}))
    with pytest.raises(InputError, match=r"array 'q2/u' is int64, not int32; see docs/numerics\.md"):
        Trace.load(path)


@pytest.mark.parametrize(
    "table", [7, {"value": 1.0, "unit": "J"}, {"value": 1.0, "unit": "J", "source": "s", "date": "d", "grade": "assumed", "x": 1}]
)
def test_a_number_needs_all_that_tells_where_it_is_from(table: object) -> None:
    with pytest.raises(InputError, match="list 'mine': 'synop' needs exactly the keys value, unit, source, date, grade; got "):
        sourced_number("synop", table, where="list 'mine'")


def test_a_section_of_a_price_list_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ndescription = "d"\ncounting = "spikes"\nterms = 3\nunpriced = {}\n')
    with pytest.raises(InputError, match=r"price list 'mine\.toml': 'terms' is not a table; write it as \[terms\]"):
        load_price_list(str(path))


def test_a_curvature_that_no_mantissa_holds_and_one_that_vanishes() -> None:
    with pytest.raises(FormatError, match=r"channel 1: c2 1e\+09 with Delta 1 and s1 8 needs a mantissa above 4096"):
        curvature_codes(np.array([0.1, 1e9]), np.ones(2), 8, LOIHI2)
    found = curvature_codes(np.array([0.1, 1e-30]), np.ones(2), 8, LOIHI2)
    assert found.lost == (1,)
    assert found.c2m[0] > 0 == found.c2m[1]
