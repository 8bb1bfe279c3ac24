"""Counts against brute force, prices against the arithmetic of a pocket calculator."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.ir.shape_inference import infer_shapes
from qif_deploy.pricing.estimate import estimate_energy
from qif_deploy.pricing.price_list import PRICES, load_price_list
from qif_deploy.simulate.op_counts import count_operations, fan_out_of
from qif_deploy.simulate.reference import run_reference
from tests.networks import LOIHI2, chain, population, random_inputs, residual


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_fan_out_is_the_number_of_synapses_that_a_spike_meets(data: st.DataObject) -> None:
    """With all weights 1, the sum that one lone spike causes is its fan-out."""

    def draw(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    groups = draw(1, 2)
    geometry = ConvGeometry(
        stride=(draw(1, 3), draw(1, 2)), padding=(draw(0, 2), draw(0, 1)), dilation=(draw(1, 2), draw(1, 2)), groups=groups
    )
    pool = (draw(1, 3), draw(1, 2))
    size = (draw(6, 9), draw(6, 9))
    nodes = {
        "x": CodeInput(shape=(2 * groups, *size), low=0, high=1, scale=1.0),
        "pool": SumPool2d(kernel=pool, stride=(draw(1, 3), draw(1, 2))),
        "conv": Conv2dCodes(weight=np.ones((2 * groups, 2, draw(1, 2), draw(1, 3)), np.int32), shift=0, geometry=geometry),
    }
    try:
        channels, height, width = _shape_after(nodes)
    except ValueError:
        return  # the drawn kernel does not fit
    nodes |= {
        "q": _without_bias(channels),
        "flat": Flatten(),
        "fc": DenseCodes(weight=np.ones((1, channels * height * width), np.int32), shift=0),
        "out": ReadoutCodes(bias=np.zeros(1, np.int64), delta=1.0),
    }
    names = list(nodes)
    graph = QuantizedGraph(nodes=nodes, edges=tuple(pairwise(names)), number_format=LOIHI2, steps=1)
    source, fan_out = fan_out_of(graph, "conv")
    assert source == "x"
    spikes = np.eye(fan_out.size, dtype=np.int64).reshape(1, fan_out.size, *fan_out.shape)
    reached = run_reference(graph, {"x": spikes}).populations["q"].i.reshape(fan_out.size, -1).sum(axis=1)
    np.testing.assert_array_equal(reached, fan_out.ravel())


def _without_bias(channels: int) -> Population:
    node = population(np.random.default_rng(0), channels)
    return replace(node, constants=replace(node.constants, bias=np.zeros(channels, np.int64)))


def _shape_after(nodes: dict) -> tuple[int, ...]:
    return infer_shapes(nodes, (("x", "pool"), ("pool", "conv")), ("x", "pool", "conv"))["conv"]


def test_counts_of_a_graded_input_are_dense_macs() -> None:
    graph = chain()
    layers = {y.name: y for y in count_operations(graph, run_reference(graph, random_inputs(graph, samples=3)))}
    # 8x8 outputs, 4 channels, a 3x5 kernel with padding: rows 3*8-2, columns 5*8-6 taps inside.
    assert set(layers["q1"].macs) == {(3 * 8 - 2) * (5 * 8 - 6) * 4 * 4}
    assert not layers["q1"].synops.any()
    assert not layers["q2"].macs.any()


def test_counts_follow_the_spikes() -> None:
    graph = residual()
    trace = run_reference(graph, random_inputs(graph, samples=5))
    layers = {y.name: y for y in count_operations(graph, trace)}
    spikes = trace.populations["q2"].s.sum(axis=(0, 2, 3, 4))
    np.testing.assert_array_equal(layers["out"].synops, spikes * 5)
    np.testing.assert_array_equal(layers["q2"].spikes, spikes)
    assert set(layers["q2"].updates) == {4 * 36 * 4}
    assert set(layers["q2"].multiplies) == {2 * 4 * 36 * 4}
    assert (layers["q2"].driven <= layers["q2"].updates).all()


def test_energy_is_count_times_price() -> None:
    graph = residual()
    layers = count_operations(graph, run_reference(graph, random_inputs(graph, samples=4)))
    estimate = estimate_energy(layers, load_price_list("loihi1"))
    q2 = next(y for y in estimate.layers if y.name == "q2")
    assert q2.energy_j["spike"]["typical"] == pytest.approx(np.mean(layers[1].spikes) * 69.3e-12)
    assert estimate.at_least["low"] < estimate.at_least["typical"] < estimate.at_least["high"]
    assert estimate.total is None
    assert set(estimate.unpriced) == {"static_power", "routing", "embedded_cpus", "input_output"}
    assert estimate.as_json()["total"] is None


def test_a_term_without_a_price_is_listed_not_invented(tmp_path) -> None:
    text = (PRICES / "loihi1.toml").read_text()
    start = text.index("[terms.spike]")
    cut = tmp_path / "mine.toml"
    cut.write_text(text[:start] + text[text.index("[terms.", start + 1) :])
    graph = residual()
    estimate = estimate_energy(count_operations(graph, run_reference(graph, random_inputs(graph, samples=2))), load_price_list(str(cut)))
    assert "spike" in estimate.unpriced
    assert estimate.total is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[terms.spike]", "[terms.spikes]", r"terms \['spikes'\] are unknown"),
        ('unit = "pJ"', 'unit = "eV"', "unit 'eV'"),
        ("value = 23.6", "value = 99.0", "is not ordered"),
        ('grade = "simulated"', 'grade = "guessed"', "grade 'guessed'"),
        ("[unpriced]", "[unpriced", "is not TOML"),
        ('meaning = "one spike emitted, within its tile"', "", "needs exactly meaning"),
        ('source = "', 'source = "" # "', "is not TOML|not a text|needs exactly"),
    ],
)
def test_a_bad_price_list_gets_one_clear_line(tmp_path, old: str, new: str, message: str) -> None:
    text = (PRICES / "loihi1.toml").read_text()
    assert old in text
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        load_price_list(str(bad))


def test_an_unknown_price_list_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="price list 'loihi9' is unknown; use one of loihi1"):
        load_price_list("loihi9")
