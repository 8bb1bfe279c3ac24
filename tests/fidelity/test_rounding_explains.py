"""The propagated rounding bound: no membrane of an undamaged network leaves it, and so every flipped spike is explained."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.fidelity.bound import CAUSES, Bounds
from qif_deploy.fidelity.compare import Comparing, compare_fidelity
from qif_deploy.fidelity.report import Verdict
from qif_deploy.fidelity.teacher_forcing import cut
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, Dense, DenseCodes, Input, Population, Readout, Reduce
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.passes.scale_method import QuantizeOptions, ScaleMethod
from qif_deploy.simulate.calibrate import calibrate
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.reference import run_reference
from tests.fidelity.networks import MORE_FORMS, STEPS, Drawn, changed, float_chain, float_residual, images, pairs
from tests.networks import number_format

QUICK = Comparing(accuracy_by_layer=False, noise=(), membranes=False)


@settings(max_examples=24)
@given(pairs(), st.integers(0, 9))
def test_rounding_explains_every_membrane_and_every_flip(drawn: Drawn, seed: int) -> None:
    graph, quantized = drawn.pair()
    inputs = images(16, seed=seed)
    found = compare_fidelity(graph, quantized, [(inputs, None)], how=QUICK)
    exact, integer = run_float(graph, inputs), run_reference(quantized, inputs)
    assert found.findings == ()
    assert found.verdict is Verdict.ROUNDING
    for layer in found.layers:
        assert (layer.causes.unexplained, layer.causes.choice) == (0, 0)
        assert (layer.forced.causes.unexplained, layer.forced.beyond_bound) == (0, 0)
        by_hand = exact.populations[layer.name].s != integer.populations[layer.name].s
        assert layer.causes.total == by_hand.sum()
        assert sum(1 - share for share in layer.steps["spike_agreement"]) == pytest.approx(by_hand.mean() * STEPS)


@pytest.mark.parametrize("form", MORE_FORMS)
def test_the_bound_is_near_the_error(form: str) -> None:
    """A bound that explains everything would explain damage, too: where nothing flipped it is within a small factor of the error."""
    graph = float_chain(MORE_FORMS[form])
    quantized, _ = quantize_graph(graph, number_format(weight_bits=8), steps=STEPS)
    found = compare_fidelity(graph, quantized, [(images(60), None)], how=QUICK)
    first = found.layers[0].forced
    assert first.membrane_bound < 0.05
    assert first.membrane_bound < 4 * first.membrane_rmse


@settings(max_examples=6)
@given(pairs(), st.sampled_from(((5, 7, 12), (24,), (1,) * 24)))
def test_batches_of_any_size_give_one_report(drawn: Drawn, sizes: tuple[int, ...]) -> None:
    graph, quantized = drawn.pair()
    inputs, labels = images(24), np.arange(24) % 4
    how = Comparing(noise=(), membranes=False)
    whole = compare_fidelity(graph, quantized, [(inputs, labels)], how=how)
    edges = np.cumsum((0, *sizes))
    parts = [({"image": inputs["image"][:, a:b]}, labels[a:b]) for a, b in itertools.pairwise(edges)]
    streamed = compare_fidelity(graph, quantized, parts, how=how)
    assert streamed.accuracy == whole.accuracy
    assert streamed.solo == whole.solo
    # In other batches the float sums run in another order: what is a float may move in its last digits, what is counted may not.
    assert rounded(streamed.as_json()) == rounded(whole.as_json())


def rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


@settings(max_examples=6)
@given(pairs(), st.integers(0, 9))
def test_the_cut_network_on_its_own_spikes_is_the_network(drawn: Drawn, seed: int) -> None:
    _, quantized = drawn.pair()
    inputs = images(8, seed=seed)
    free = run_reference(quantized, inputs)
    parts = cut(quantized)
    fed = run_reference(parts.graph, parts.inputs(inputs, {name: p.s for name, p in free.populations.items()}))
    found = dict(fed.computed())
    assert set(found) == {name for name, _ in free.computed()}
    for name, expected in free.computed():
        assert np.array_equal(found[name], expected), name


def test_a_name_that_the_cut_would_take_stays_the_networks() -> None:
    graph = float_chain(MORE_FORMS["lif"])
    nodes = {{"pool": "q1.forced"}.get(name, name): node for name, node in graph.nodes.items()}
    edges = tuple(("q1.forced" if a == "pool" else a, "q1.forced" if b == "pool" else b) for a, b in graph.edges)
    quantized, _ = quantize_graph(Graph(nodes=nodes, edges=edges), number_format(), steps=STEPS)
    assert cut(quantized).fed["q1"] == "q1.forced_"


@pytest.mark.parametrize(("scales", "bits"), [(ScaleMethod.PERCENTILE, 8), (ScaleMethod.MSE, 4)])
def test_clipping_and_corrected_biases_are_told_as_choices(scales: ScaleMethod, bits: int) -> None:
    graph = float_residual(MORE_FORMS["fixed points"])
    options = QuantizeOptions(scales=scales, percentile=90.0, bias_correction=True)
    calibration = calibrate(graph, images(32, seed=1), source="drawn")
    quantized, _ = quantize_graph(graph, number_format(weight_bits=bits), steps=STEPS, options=options, calibration=calibration)
    told = dataclasses.replace(quantized, provenance={"bias_correction": "32 samples"})
    found = compare_fidelity(graph, told, [(images(60), None)], how=QUICK)
    assert found.verdict is Verdict.CHOICE
    assert {finding.kind.value for finding in found.findings} >= {"weights clipped"}
    assert sum(layer.forced.causes.choice for layer in found.layers) > 0
    assert found.causes.unexplained == 0
    untold = compare_fidelity(graph, quantized, [(images(60), None)], how=QUICK)
    assert untold.verdict is Verdict.DAMAGE
    assert {finding.kind.value for finding in untold.damage} == {"bias"}


def test_the_readout_that_takes_the_last_step_is_compared_too() -> None:
    graph = float_residual(MORE_FORMS["lif"], reduce=Reduce.LAST)
    quantized, _ = quantize_graph(graph, number_format(), steps=STEPS)
    labels = run_float(graph, images(40)).readout.argmax(axis=1)
    found = compare_fidelity(graph, quantized, [(images(40), labels)])
    assert found.accuracy_float == 1.0
    assert [row.name for row in found.solo] == ["q1", "q2", "out"]


def test_a_flip_has_the_narrowest_cause_that_reaches_its_threshold() -> None:
    shape = (1, 1, 1)
    bounds = Bounds(
        rounding=np.full(shape, 0.1), choice=np.full(shape, 0.2), history=np.full(shape, 0.4), threshold=np.full((1,), 0.05)
    )  # fmt: skip
    distances = {
        0.0: "rounding",
        0.149: "rounding",
        0.151: "choice",
        0.349: "choice",
        0.351: "history",
        0.749: "history",
        0.751: "unexplained",
    }
    where = tuple(np.zeros(len(distances), np.int64) for _ in shape)
    found = bounds.causes(np.array(list(distances)), where)
    assert [CAUSES[cause].value for cause in found] == list(distances.values())


def test_rounding_the_threshold_is_part_of_the_bound() -> None:
    """Neuron and weights are exact in codes, so that nothing moves a membrane; only the threshold lies between two codes."""
    nodes = {
        "x": Input(shape=(1,), low=0, high=63),
        "w": Dense(weight=np.array([[1.0]])),
        "q": QIF(params=QIFParams.of(c2=0.0, c1=0.5, theta=20.25)),
        "w2": Dense(weight=np.ones((1, 1))),
        "out": Readout(),
    }
    graph = Graph(nodes=nodes, edges=(("x", "w"), ("w", "q"), ("q", "w2"), ("w2", "out")))
    quantized, _ = quantize_graph(graph, number_format(weight_bits=8), steps=1)
    node = quantized.population("q")
    one = {"c2m": 0, "c1m": 64, "s2": 0, "bias": 0, "theta": 21, "reset": 0, "r0": 0, "reset_by": 21}
    constants = dataclasses.replace(node.constants, s1=7, **{name: np.array([code]) for name, code in one.items()})
    coarse = dataclasses.replace(
        quantized,
        nodes=dict(quantized.nodes)
        | {"q": Population(constants=constants, delta=np.ones(1)), "w": DenseCodes(weight=np.ones((1, 1), np.int32), shift=0)},
    )
    found = compare_fidelity(graph, coarse, [({"x": np.arange(64).reshape(1, 64, 1)}, None)], how=QUICK)
    assert found.verdict is Verdict.ROUNDING
    # Codes 0..63 meet no value between 20.25 and 21, so no spike differs; a threshold that rounding may not give flips code 21.
    assert found.causes.total == 0
    late = changed(coarse, "q", theta=np.array([22]))
    worse = compare_fidelity(graph, late, [({"x": np.arange(64).reshape(1, 64, 1)}, None)], how=QUICK)
    assert (worse.verdict, worse.causes.rounding, worse.causes.unexplained) == (Verdict.DAMAGE, 1, 0)
