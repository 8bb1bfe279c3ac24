"""Quantisation after training: reach of the codes, what is clipped, bias correction, widths. Against rationals and brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.analysis.check_network import check_network
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, Conv2d, ConvGeometry, Dense, Flatten, Input, Readout
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes import choose_scales
from qif_deploy.passes.branches import branches_of
from qif_deploy.passes.mixed_width import choose_widths, weight_bytes
from qif_deploy.passes.population_codes import branch_shift
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.passes.scale_method import QuantizeOptions, ScaleMethod, reach_of, weight_limit
from qif_deploy.simulate.calibrate import calibrate
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.synapses import conv2d
from tests.core.test_quantize import FORMS, QUADRATIC, float_chain, images
from tests.networks import LOIHI2, number_format

PERCENTILE = QuantizeOptions(scales=ScaleMethod.PERCENTILE, percentile=90.0)
MSE = QuantizeOptions(scales=ScaleMethod.MSE)
seeds = st.integers(0, 2**31)


def rows_of(seed: int, channels: int = 5, fan_in: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(3, (channels, fan_in)) * rng.uniform(0.01, 10, (channels, 1))
    rows[0] = 0
    rows[1, 1:] = 0  # a single weight
    return rows


def squared_error(rows: np.ndarray, reach: np.ndarray, limit: int) -> np.ndarray:
    unit = np.where(reach > 0, reach, 1.0)[:, None] / limit
    return np.square(np.clip(np.rint(rows / unit), -limit, limit) * unit - rows).sum(axis=1)


@given(seeds, st.integers(2, 8))
def test_reaches_are_ordered_and_the_search_never_loses(seed: int, bits: int) -> None:
    rows, limit = rows_of(seed), weight_limit(bits)
    largest, percentile, least = (reach_of(rows, limit, options) for options in (QuantizeOptions(), PERCENTILE, MSE))
    np.testing.assert_array_equal(largest, np.abs(rows).max(axis=1))
    for reach in (percentile, least):
        assert (reach <= largest).all()
        np.testing.assert_array_equal(reach == 0, largest == 0)  # a channel is dead by its weights, never by its scale
    assert percentile[1] == largest[1]
    assert (squared_error(rows, least, limit) <= squared_error(rows, largest, limit) * (1 + 1e-12)).all()


def test_the_search_clips_an_outlier_where_bits_are_few() -> None:
    rows = np.full((1, 400), 0.1) * np.random.default_rng(0).choice([-1, 1], 400)
    rows[0, 0] = 0.4
    assert reach_of(rows, weight_limit(2), MSE)[0] < 0.25
    assert reach_of(rows, weight_limit(8), MSE)[0] > 0.35


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([QuantizeOptions(), PERCENTILE, MSE]), st.integers(2, 8))
def test_codes_are_limited_rationals_and_the_report_counts_what_was_clipped(seed: int, options: QuantizeOptions, bits: int) -> None:
    graph = float_chain(QUADRATIC, seed, pool=3)
    quantized, report = quantize_graph(graph, number_format(weight_bits=bits), steps=3, options=options)
    limit = weight_limit(bits)
    for target, synapse, value in (("q1", "conv", Fraction(1, 16)), ("q2", "fc1", Fraction(1, 9))):
        told, node, rows = report.synapses[synapse], quantized.nodes[synapse], graph.nodes[synapse].weight.reshape(6, -1)
        codes = node.weight.reshape(6, -1)
        for c in range(6):
            unit = Fraction(float(quantized.population(target).delta[c])) * 2**node.shift / value
            exact = [round(Fraction(float(w)) / unit) for w in rows[c]]
            assert codes[c].tolist() == [max(-limit, min(limit, code)) for code in exact]
            lost = [abs(float(w)) - float(limit * unit) for w, code in zip(rows[c], exact, strict=True) if abs(code) > limit]
            assert told.clipped[c] == len(lost)
            assert told.clip_error[c] == pytest.approx(max(lost, default=0.0))
        assert told.largest_code.tolist() == np.abs(codes).max(axis=1).tolist()
        assert told.weight_bits == bits
    if options.scales is ScaleMethod.MAX:
        assert not any(s.clipped.any() for s in report.synapses.values())


def convolutions(seed: int, geometry: ConvGeometry, kernel: tuple[int, int], params: QIFParams = QUADRATIC) -> Graph:
    rng = np.random.default_rng(seed)
    nodes = {
        "image": Input(shape=(2, 7, 6), low=-3, high=9, scale=0.1),
        "conv": Conv2d(weight=rng.normal(0.1, 0.4, (4, 2 // geometry.groups, *kernel)), bias=rng.normal(0.1, 0.2, 4), geometry=geometry),
        "q": QIF(params=params),
        "flat": Flatten(),
        "fc": Dense(weight=np.ones((3, 4 * np.prod(geometry.output_size((7, 6), kernel))))),
        "out": Readout(),
    }
    return Graph(nodes=nodes, edges=tuple(pairwise(nodes)))


GEOMETRIES = (
    (ConvGeometry(), (3, 3)),
    (ConvGeometry(padding=(2, 1), stride=(2, 1)), (3, 5)),
    (ConvGeometry(padding=(1, 2), stride=(1, 2), dilation=(2, 1), groups=2), (2, 3)),
)


@pytest.mark.parametrize(("geometry", "kernel"), GEOMETRIES)
def test_calibration_knows_the_mean_current_of_any_weights(geometry: ConvGeometry, kernel: tuple[int, int]) -> None:
    graph = convolutions(0, geometry, kernel)
    codes = {"image": np.random.default_rng(1).integers(-3, 10, (3, 11, 2, 7, 6))}
    found = calibrate(graph, codes, source="noise", batch=4)
    currents = run_float(graph, codes).populations["q"].x
    synapse = graph.nodes["conv"]
    mean, _ = found.inputs["conv"].through(synapse.weight.reshape(4, -1), slice(0, 100), 4)
    np.testing.assert_allclose(mean + synapse.bias, currents.mean(axis=(0, 1, 3, 4)), atol=1e-12)  # sums of a few hundred terms of order 1
    one = np.zeros((4, synapse.weight[0].size))
    one[:, 1] = 1.0  # through a single weight the mean square is that of one tap, exactly
    through_one = conv2d(codes["image"].reshape(-1, 2, 7, 6) * 0.1, one.reshape(synapse.weight.shape), geometry)
    np.testing.assert_allclose(found.inputs["conv"].through(one, slice(0, 4), 4)[1], (through_one**2).mean(axis=(0, 2, 3)), atol=1e-12)
    assert (found.samples, found.source) == (11, "noise")


@pytest.mark.parametrize(("geometry", "kernel"), GEOMETRIES)
@pytest.mark.parametrize("bits", [2, 4])
def test_bias_correction_restores_the_mean_current_to_half_a_code(geometry: ConvGeometry, kernel: tuple[int, int], bits: int) -> None:
    graph, fmt = convolutions(2, geometry, kernel), number_format(weight_bits=bits)
    codes = {"image": np.random.default_rng(3).integers(-3, 10, (3, 11, 2, 7, 6))}
    calibration = calibrate(graph, codes, source="noise")
    wanted = run_float(graph, codes).populations["q"].x.mean(axis=(0, 1, 3, 4))

    def mean_current(options: QuantizeOptions) -> tuple[np.ndarray, np.ndarray]:
        network, report = quantize_graph(graph, fmt, steps=3, options=options, calibration=calibration)
        synapse, population = network.nodes["conv"], network.population("q")
        i = (conv2d(codes["image"].reshape(-1, 2, 7, 6), synapse.weight.astype(np.int64), geometry) << synapse.shift) + 0.0
        corrected = report.populations["q"].bias_correction
        assert (corrected is None) is not options.bias_correction
        return (i.mean(axis=(0, 2, 3)) + population.constants.bias) * population.delta, population.delta

    plain, _ = mean_current(MSE)
    corrected, delta = mean_current(QuantizeOptions(scales=ScaleMethod.MSE, bias_correction=True))
    assert (np.abs(plain - wanted) > 2 * delta).any(), "nothing to correct"
    assert (np.abs(corrected - wanted) <= delta / 2 + 1e-12).all()


def test_bias_correction_reaches_the_readout() -> None:
    graph = float_chain(QUADRATIC, 4)
    calibration = calibrate(graph, images(30), source="noise")
    fmt = number_format(weight_bits=3)
    biases = [
        quantize_graph(graph, fmt, steps=4, options=QuantizeOptions(bias_correction=on), calibration=calibration)[0].readout_node().bias
        for on in (False, True)
    ]
    assert (biases[0] != biases[1]).any()


def residual_graph(seed: int = 1) -> Graph:
    rng = np.random.default_rng(seed)
    nodes = {
        "x": Input(shape=(4, 5, 5)),
        "main": Conv2d(weight=rng.normal(0, 0.02, (4, 4, 3, 3)), geometry=ConvGeometry(padding=(1, 1))),
        "skip": Conv2d(weight=rng.uniform(0.9, 1.4, (4, 1, 1, 1)), geometry=ConvGeometry(groups=4)),
        "q": QIF(params=QUADRATIC),
        "flat": Flatten(),
        "fc": Dense(weight=rng.normal(0, 0.1, (3, 100))),
        "out": Readout(),
    }
    edges = (("x", "main"), ("x", "skip"), ("main", "q"), ("skip", "q"), ("q", "flat"), ("flat", "fc"), ("fc", "out"))
    return Graph(nodes=nodes, edges=edges)


@pytest.mark.parametrize("options", [QuantizeOptions(weight_bits={"skip": 3}), QuantizeOptions(weight_bits={"main": 2, "fc": 4})])
def test_branches_of_different_widths_keep_one_delta_and_their_own_shifts(options: QuantizeOptions) -> None:
    graph = residual_graph()
    quantized, report = quantize_graph(graph, LOIHI2, steps=4, options=options)
    delta = quantized.population("q").delta
    for name in ("main", "skip", "fc"):
        bits, node = options.weight_bits.get(name, 8), quantized.nodes[name]
        assert report.synapses[name].weight_bits == bits
        assert weight_limit(bits) / 2 <= np.abs(node.weight).max() <= weight_limit(bits)
        if name != "fc":
            step = delta * 2.0**node.shift
            error = np.abs(node.weight.reshape(4, -1) * step[:, None] - graph.nodes[name].weight.reshape(4, -1)).max(axis=1)
            assert (error <= step / 2 * (1 + 1e-12)).all(), "no code is clipped, so no weight is further off than half a step"


def test_widths_that_do_not_fit_are_refused_by_name() -> None:
    graph = float_chain(QUADRATIC)
    with pytest.raises(InputError, match=r"weight_bits names \['conv9'\], the network has the synapses \['conv', 'fc1', 'fc2'\]"):
        quantize_graph(graph, LOIHI2, steps=4, options=QuantizeOptions(weight_bits={"conv9": 4}))
    with pytest.raises(InputError, match="population 'q1': synapse 'conv': weight_bits 9 exceeds 8 of format 'loihi2'"):
        quantize_graph(graph, LOIHI2, steps=4, options=QuantizeOptions(weight_bits={"conv": 9}))
    with pytest.raises(InputError, match=r"synapse 'conv': weight_bits 1 is outside 2\.\.16"):
        QuantizeOptions(weight_bits={"conv": 1})
    with pytest.raises(InputError, match="percentile 0 is outside"):
        QuantizeOptions(percentile=0)
    with pytest.raises(InputError, match="bias correction needs calibration data"):
        quantize_graph(graph, LOIHI2, steps=4, options=QuantizeOptions(bias_correction=True))


@pytest.fixture(scope="module")
def calibrated_chain():
    graph = float_chain(QUADRATIC, 7)
    return graph, calibrate(graph, images(40), source="noise")


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_budget_is_kept_and_more_bytes_never_mean_fewer_bits(calibrated_chain, low: float, high: float) -> None:
    graph, calibration = calibrated_chain
    names = ("conv", "fc1", "fc2")
    least, most = (weight_bytes(graph, dict.fromkeys(names, bits)) for bits in (2, 8))
    budgets = sorted(least + int(share * (most - least)) for share in (low, high))
    found = [choose_widths(graph, LOIHI2, budget_bytes=budget, calibration=calibration, options=QuantizeOptions()) for budget in budgets]
    for budget, widths in zip(budgets, found, strict=True):
        assert widths.weight_bytes == weight_bytes(graph, widths.weight_bits) <= budget
        assert set(widths.weight_bits.values()) <= {8, 6, 4, 3, 2}
    assert all(found[0].weight_bits[name] <= found[1].weight_bits[name] for name in names)
    assert found[0].steps[: len(found[1].steps)] == found[1].steps, "the search goes the same way and stops later"


def test_the_search_spares_the_sensitive_synapse(calibrated_chain) -> None:
    graph, calibration = calibrated_chain
    fixed = QuantizeOptions(weight_bits={"fc2": 8})
    widths = choose_widths(graph, LOIHI2, budget_bytes=300, calibration=calibration, options=fixed)
    assert widths.weight_bits["fc2"] == 8
    first = widths.steps[0]
    for name in ("conv", "fc1"):  # brute force: quantise one synapse at a time, measure its current's error on the same data
        rows = graph.nodes[name].weight.reshape(6, -1)
        errors = {}
        for bits in (8, 6):
            unit = np.abs(rows).max(axis=1, keepdims=True) / weight_limit(bits)
            errors[bits] = calibration.inputs[name].through(np.rint(rows / unit) * unit - rows, slice(0, 6), 6)[1].mean()
        cost = (errors[6] - errors[8]) / (rows.size * 2 / 8)
        assert cost >= first.noise_added / first.bytes_saved * (1 - 1e-9)
    with pytest.raises(InputError, match="memory budget 10 bytes is below"):
        choose_widths(graph, LOIHI2, budget_bytes=10, calibration=calibration, options=QuantizeOptions())


def test_float32_weights_stay_float32_and_give_the_codes_of_their_values() -> None:
    graph = float_chain(QUADRATIC, 3)
    nodes = dict(graph.nodes)
    single = graph.nodes["conv"].weight.astype(np.float32)
    nodes["conv"] = Conv2d(weight=single, bias=graph.nodes["conv"].bias, geometry=graph.nodes["conv"].geometry)
    narrow = Graph(nodes=nodes, edges=graph.edges)
    assert narrow.nodes["conv"].weight.dtype == np.float32
    nodes["conv"] = Conv2d(weight=single.astype(np.float64), bias=graph.nodes["conv"].bias, geometry=graph.nodes["conv"].geometry)
    assert quantize_graph(narrow, LOIHI2, steps=4)[0] == quantize_graph(Graph(nodes=nodes, edges=graph.edges), LOIHI2, steps=4)[0]


@pytest.mark.parametrize("form", ["fixed points", "lif", "subtract", "clamped", "negative curvature"])
@pytest.mark.parametrize("widths", [{}, {"weight_bits": 3}, {"state_bits": 14}])
def test_leaving_out_what_cannot_win_changes_no_choice(form: str, widths: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    graph, fmt = float_chain(FORMS[form], 11), number_format(**widths)
    proven: list[int] = []
    search = choose_scales._ProofSearch.smallest_unit
    monkeypatch.setattr(choose_scales._ProofSearch, "smallest_unit", lambda self, s1, finest: proven.append(s1) or search(self, s1, finest))
    pruned = quantize_graph(graph, fmt, steps=3)[0]
    fewer = len(proven)
    monkeypatch.setattr(choose_scales, "noise_floor", lambda *_: 0.0)
    assert quantize_graph(graph, fmt, steps=3)[0] == pruned
    assert len(proven) - fewer > fewer, "some s1 went unproven"


def test_a_resolved_choice_goes_before_a_quieter_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    nodes = {
        "x": Input(shape=(3000,)),
        "fc": Dense(weight=rng.normal(0, 0.5, (4, 3000))),
        "q": QIF(params=QUADRATIC),
        "out_fc": Dense(weight=rng.normal(0, 0.1, (3, 4))),
        "out": Readout(),
    }
    graph = Graph(nodes=nodes, edges=tuple(pairwise(nodes)))
    row = check_network(quantize_graph(graph, LOIHI2, steps=4)[0]).resolution["q"]
    assert row["theta_code_median"] >= 256
    assert row["weight_code_max_median"] >= 64
    monkeypatch.setattr(choose_scales, "is_resolved", lambda *_: True)  # the estimate alone
    assert check_network(quantize_graph(graph, LOIHI2, steps=4)[0]).resolution["q"]["theta_code_median"] < 256


@given(seeds, st.integers(2, 8), st.integers(0, 6))
def test_the_estimated_shift_is_that_of_the_codes(seed: int, bits: int, level: int) -> None:
    graph = residual_graph(seed)
    for branch in branches_of(graph, "q", LOIHI2, QuantizeOptions(weight_bits={"main": bits})):
        delta = branch.largest / branch.limit / 2.0**level  # the division rounds either way
        assert choose_scales.estimated_shift(branch, delta) == branch_shift(branch, delta) == level
