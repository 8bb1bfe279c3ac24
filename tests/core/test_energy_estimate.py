"""Energy against the arithmetic of a pocket calculator: terms, totals, what is missing, time, twins, intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.pricing.deployment import Deployment, step_time
from qif_deploy.pricing.energy_report import CountedNetwork, EnergyReport, energy_report
from qif_deploy.pricing.estimate import estimate_energy
from qif_deploy.pricing.interval import mean_interval
from qif_deploy.pricing.operations import operations_by
from qif_deploy.pricing.price_list import Counting, PriceList, load_price_list
from qif_deploy.pricing.terms import LEVELS, MEMORY, Term
from qif_deploy.pricing.twins import NOWHERE, price_twins
from qif_deploy.simulate.op_counts import LayerCounts, count_operations, reaches_of
from qif_deploy.simulate.reference import run_reference
from tests.networks import chain, random_inputs, residual
from tests.peers.neurobench_counts import strided

PRICED = '{{ value = {value}, unit = "{unit}", source = "s", date = "d", grade = "assumed" }}'


def counted(graph: QuantizedGraph, *, samples: int = 4) -> CountedNetwork:
    trace = run_reference(graph, random_inputs(graph, samples=samples))
    return CountedNetwork(graph=graph, layers=count_operations(graph, trace), steps=trace.steps, source="drawn")


def report(graph: QuantizedGraph, prices: str = "loihi1-fitted", deployment: Deployment | None = None) -> EnergyReport:
    return energy_report(counted(graph), load_price_list(prices), Deployment() if deployment is None else deployment)


def flat_list(folder: Path, values: dict[str, float], *, included: tuple[str, ...] = (), unpriced: tuple[str, ...] = ()) -> PriceList:
    """A list with one price per term at all levels."""
    lines = ['name = "flat"', 'description = "flat"', 'counting = "events"', "[included]"]
    lines += [f'{term} = "included"' for term in included] + ["[unpriced]"] + [f'{term} = "unpriced"' for term in unpriced]
    lines += ["[terms]"] if not values else []
    for term, value in values.items():
        price = PRICED.format(value=value, unit="W" if Term(term).power else "J")
        lines += [f"[terms.{term}]", f'meaning = "{term}"', *(f"{level} = {price}" for level in LEVELS)]
    path = folder / "flat.toml"
    path.write_text("\n".join(lines))
    return load_price_list(str(path))


def test_energy_is_count_times_price() -> None:
    found = report(residual())
    layers = {y.name: y for y in found.network.layers}
    q2 = next(y for y in found.estimate.layers if y.name == "q2")
    assert q2.energy_j["spike"]["typical"] == pytest.approx(layers["q2"].spikes.mean() * 69.3e-12)
    assert q2.energy_j["synop_conv"]["typical"] == pytest.approx(layers["q2"].synops.mean() * 24.0e-12)
    assert q2.energy_j["quadratic_multiply"]["typical"] == pytest.approx(4 * 36 * 4 * 3.2e-12)
    assert sum(y.sum_j["typical"] for y in found.estimate.layers) == pytest.approx(found.estimate.at_least["typical"])
    assert sum(found.estimate.by_term[term]["high"] for term in found.estimate.by_term) == pytest.approx(found.estimate.at_least["high"])


def test_memory_traffic_is_bits_of_every_operand() -> None:
    graph = residual()
    network = counted(graph)
    operations = {y.name: y.counts for y in operations_by(Counting.EVENTS, graph, network.layers, reaches_of(graph))}
    layers = {y.name: y for y in network.layers}
    np.testing.assert_array_equal(operations["q2"][Term.WEIGHT_BITS], layers["q2"].synops * 8)
    np.testing.assert_array_equal(operations["q2"][Term.SUM_BITS], layers["q2"].synops * 2 * 32)
    np.testing.assert_array_equal(operations["q2"][Term.STATE_BITS], np.full(4, 144 * 4 * 2 * 24))
    # 144 neurons need 8 bits of address; two branches read each spike of q1.
    np.testing.assert_array_equal(operations["q2"][Term.SPIKE_BITS], 8 * (layers["q2"].spikes + 2 * layers["q1"].spikes))
    assert not operations["q2"][Term.VALUE_BITS].any()
    graded = operations_by(Counting.EVENTS, chain(), counted(chain()).layers, reaches_of(chain()))[0].counts
    np.testing.assert_array_equal(graded[Term.VALUE_BITS], graded[Term.MAC] * 5)  # codes 0..16


EVERY_EVENT = {term.value: 1e-12 for term in Term if not term.power and term not in (Term.INPUT_OUTPUT,)}


def test_a_total_needs_everything_priced_or_included(tmp_path: Path) -> None:
    graph, somewhere = residual(), Deployment(cores=3, chips=1, step_s=1e-5)
    prices = flat_list(tmp_path, EVERY_EVENT | {"static_power": 0.5, "embedded_cpus": 0.25, "input_output": 2e-9})
    found = energy_report(counted(graph), prices, somewhere).estimate
    assert set(found.unpriced) == {"message", "hop_x", "hop_y"}  # no placement
    assert found.total is None
    prices = flat_list(
        tmp_path,
        {k: v for k, v in EVERY_EVENT.items() if k not in ("message", "hop_x", "hop_y")}
        | {"static_power": 0.5, "embedded_cpus": 0.25, "input_output": 2e-9},
    )
    found = energy_report(counted(graph), prices, somewhere).estimate
    assert not found.unpriced
    assert found.total == found.at_least
    assert found.as_json()["total"] == found.at_least
    assert "at_least" not in found.as_json()
    time_s = 4 * 1e-5
    assert found.by_term["static_power"]["low"] == pytest.approx(3 * 0.5 * time_s)
    assert found.by_term["embedded_cpus"]["low"] == pytest.approx(0.25 * time_s)
    assert found.by_term["input_output"]["low"] == 2e-9
    assert {"static_power", "embedded_cpus"} == set(energy_report(counted(graph), prices, Deployment()).estimate.unpriced)


def test_what_every_system_pays_is_missed_although_the_list_is_silent(tmp_path: Path) -> None:
    prices = flat_list(tmp_path, {"synop_dense": 1e-12}, included=("static_chip_power",))
    found = energy_report(counted(residual()), prices, Deployment()).estimate
    assert {"embedded_cpus", "input_output"} <= set(found.unpriced)
    assert "static_power" not in found.unpriced


@pytest.mark.parametrize("missing", sorted(EVERY_EVENT))
def test_a_term_without_a_price_is_listed_where_it_was_counted(tmp_path: Path, missing: str) -> None:
    prices = flat_list(tmp_path, {term: value for term, value in EVERY_EVENT.items() if term != missing}, included=("static_power",))
    network = counted(chain(), samples=2)
    operations = operations_by(Counting.EVENTS, network.graph, network.layers, reaches_of(network.graph))
    found = estimate_energy(operations, prices, NOWHERE)
    occurs = any(layer.counts[Term(missing)].any() for layer in operations if Term(missing) in layer.counts)
    assert occurs == (
        missing in ("synop_dense", "synop_conv", "mac", "quadratic_multiply", "spike")
        or missing.startswith("neuron_update")
        or missing.endswith("_bits")
    )
    assert (missing in found.unpriced) == occurs
    assert all(missing not in layer.energy_j for layer in found.layers)


def test_static_power_needs_cores_and_a_time() -> None:
    bare = report(residual()).estimate
    assert {"static_power", "embedded_cpus"} <= set(bare.unpriced)
    assert "--placement or --cores" in bare.unpriced["static_power"]
    powered = report(residual(), deployment=Deployment(cores=2, chips=1, step_s=66.5e-6)).estimate
    assert powered.by_term["static_power"]["typical"] == pytest.approx(2 * 0.6e-3 * 4 * 66.5e-6)
    assert powered.at_least["typical"] - bare.at_least["typical"] == pytest.approx(
        (2 * 0.6e-3 + 22.8e-3) * 4 * 66.5e-6, rel=1e-6
    )  # fmt: skip


def test_the_time_of_a_step_is_a_sum_over_the_cores_and_never_below_what_was_seen() -> None:
    network = counted(residual())
    prices = load_price_list("loihi1-published")
    time = step_time(network.layers, prices, Deployment(cores=2, chips=1), steps=4)
    assert time is not None
    assert time.modelled_s is not None
    synops = sum((y.synops + y.macs).mean() for y in network.layers) / 4
    neurons = sum(y.neurons for y in network.layers)
    assert time.modelled_s["typical"] == pytest.approx((synops * 3.5e-9 + neurons * 8.4e-9) / 2 + 465e-9)
    assert time.step_s["typical"] == max(17.4e-6, time.modelled_s["typical"])
    assert time.inference_s["typical"] == pytest.approx(4 * time.step_s["typical"])
    crowd = tuple(replace(y, neurons=y.neurons * 1000) for y in network.layers)
    slow = step_time(crowd, prices, Deployment(cores=1, chips=1), steps=4)
    assert slow is not None
    assert slow.modelled_s == slow.step_s  # both above what was seen
    assert step_time(network.layers, load_price_list("cmos45-int"), Deployment(cores=2), steps=4) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cores": 0}, "cores 0 is below 1"),
        ({"chips": -1}, "chips -1 is below 1"),
        ({"step_s": 0.0}, "is not positive"),
        ({"step_s": float("nan")}, "is not positive"),
        ({"cores": 1, "chips": 2}, "fewer than 2 chips"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Deployment(**wrong)


@pytest.mark.parametrize(("samples", "method"), [(1500, "percentile bootstrap"), (2500, "normal interval")])
def test_the_interval_is_that_of_a_mean(samples: int, method: str) -> None:
    values = np.random.default_rng(3).normal(10, 2, samples)
    found = mean_interval(values)
    assert found is not None
    assert found.method.startswith(method)
    assert found.low < values.mean() < found.high
    # 1.96 standard errors on either side.
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(samples), rel=0.08)
    assert mean_interval(values) == found
    assert mean_interval(values[:1]) is None
    few = mean_interval(values[:20])
    assert few is not None
    assert few.high - few.low > 4 * (found.high - found.low)


def test_intervals_are_of_the_sum_and_move_with_static_power() -> None:
    found = report(residual(), deployment=Deployment(cores=2, chips=1, step_s=66.5e-6)).estimate
    assert found.intervals is not None
    for level in LEVELS:
        assert found.intervals[level].low <= found.at_least[level] <= found.intervals[level].high


def test_twins_are_dense_passes_of_the_same_topology() -> None:
    graph = chain()
    found = report(graph).twins
    assert found.price_list.name == "cmos45-int"
    # conv1 3x5 on 8x8 padded; conv2 3x3 on 4x4 padded, 4 to 6 channels; 24 to 16; 16 to 10.
    macs = 22 * 34 * 4 + 100 * 24 + 24 * 16 + 160
    assert found.twins["ann_fp32"].estimate.by_term["mac_fp32"]["typical"] == pytest.approx(macs * 4.6e-12)
    int8 = found.twins["ann_int8"].estimate.by_term
    input_macs = 22 * 34 * 4  # codes 0..16 are 5 bits wide
    assert int8["multiply_8x8"]["typical"] == pytest.approx((input_macs * 5 / 8 + macs - input_macs) * 0.2e-12)
    assert int8["add"]["typical"] == pytest.approx(macs * 0.1e-12)
    qnn = found.twins["qnn"]
    assert qnn.activation_bits == 3  # ceil(log2(4 + 1))
    assert qnn.estimate.by_term["multiply_8x8"]["typical"] == pytest.approx((input_macs * 5 / 8 + (macs - input_macs) * 3 / 8) * 0.2e-12)
    lif = found.twins["lif"].estimate
    assert "quadratic_multiply" not in lif.by_term or lif.by_term["quadratic_multiply"]["high"] == 0
    assert found.network.at_least["typical"] - lif.at_least["typical"] == pytest.approx(
        found.network.by_term["quadratic_multiply"]["typical"]
    )
    assert set(report(graph).as_json()["twins"]) >= {"lif", "ann_fp32", "ann_int8", "qnn"}


@pytest.mark.parametrize(("steps", "bits"), [(1, 1), (3, 2), (4, 3), (7, 3), (10, 4)])
def test_the_qnn_holds_what_t_steps_can_tell_apart(steps: int, bits: int) -> None:
    graph = residual(steps=10)
    trace = run_reference(graph, random_inputs(graph, samples=2, steps=steps))
    network = CountedNetwork(graph=graph, layers=count_operations(graph, trace), steps=steps, source="drawn")
    assert energy_report(network, load_price_list("cmos45-int"), Deployment()).twins.twins["qnn"].activation_bits == bits


def scaled(layers: tuple[LayerCounts, ...], factor: float) -> tuple[LayerCounts, ...]:
    """The same layers with every spike counted ``factor`` times."""
    return tuple(replace(y, spikes=y.spikes * factor, arrivals=y.arrivals * factor, synops=y.synops * factor) for y in layers)  # type: ignore[arg-type]


def test_at_the_break_even_rate_both_cost_the_same() -> None:
    """Counting as many spikes as the rate says gives the twin's energy."""
    network = counted(residual())
    graph, reaches, prices = network.graph, reaches_of(network.graph), load_price_list("cmos45-int")
    found = price_twins(graph, network.layers, reaches, prices, steps=4)
    reached = 0
    for twin in found.twins.values():
        for boundary, rates in (twin.break_even_rate or {}).items():
            for level, rate in rates.items():
                if rate is None:
                    continue
                reached += 1
                same = operations_by(Counting.EVENTS, graph, scaled(network.layers, rate / found.rate), reaches)
                ours, theirs = estimate_energy(same, prices, NOWHERE), twin.estimate
                left_out = () if boundary == "all" else MEMORY
                assert ours.sum_without(left_out)[level] == pytest.approx(theirs.sum_without(left_out)[level])
    assert reached >= 4


def test_a_trained_lif_twin_is_priced_by_its_own_spikes() -> None:
    network, other = counted(residual()), counted(residual(seed=5))
    twin = energy_report(network, load_price_list("cmos45-int"), Deployment(), lif=other).twins.twins["lif"]
    alone = energy_report(other, load_price_list("cmos45-int"), Deployment()).twins.network
    assert twin.estimate.at_least == alone.at_least
    assert "trained" in twin.basis


def test_the_other_estimators_price_the_same_counts() -> None:
    found = report(residual())
    assert set(found.others) == {"cmos45-fp32", "cmos45-int", "lemaire", "loihi1-published", "loihi2"}
    assert found.others["loihi2"].at_least["high"] == 0
    assert "synop_dense" in found.others["loihi2"].unpriced
    published = found.others["loihi1-published"].by_term["neuron_update_driven"]["typical"]
    assert published == pytest.approx(81e-12 * sum(y.driven.mean() for y in found.network.layers))


def test_the_analytical_model_follows_its_formulas() -> None:
    graph = residual()
    network = counted(graph)
    layers = {y.name: y for y in network.layers}
    found = {y.name: y.counts for y in operations_by(Counting.LEMAIRE, graph, network.layers, reaches_of(graph))}
    theta = layers["q1"].spikes
    per_step, out = 144 * 4, layers["q2"].spikes
    # conv2: 4 channels, 3x3, stride 1; skip: depthwise 1x1.
    reached = 4 * 9 + 1
    np.testing.assert_array_equal(found["q2"][Term.ACCUMULATE], theta * (2 * reached) + per_step + out)
    np.testing.assert_array_equal(found["q2"][Term.MAC], per_step + 2 * 2 * theta)
    np.testing.assert_array_equal(found["q2"][Term.MEMORY_ACCESS], theta * (2 + 3 * reached) + 3 * per_step + out)
    span = theta * (36 * (144 * 8 + 2 * 144 * 24) + 1 * (4 * 8 + 2 * 144 * 24)) + per_step * 4 * 24 + 2 * per_step * 144 * 24
    np.testing.assert_array_equal(found["q2"][Term.MEMORY_SPAN], span)
    np.testing.assert_array_equal(found["out"][Term.ACCUMULATE], layers["q2"].spikes * 2 * 5 + 5 * 4)


def test_the_analytical_model_divides_kernels_by_strides_and_rounds_up() -> None:
    """conv1 of this network: 2 to 4 channels, 3x3, stride (2, 1); ceil(3 / 2) rows and 3 columns of additions."""
    graph = strided()
    network = counted(graph)
    found = operations_by(Counting.LEMAIRE, graph, network.layers, reaches_of(graph))[0].counts
    q1 = network.layers[0]
    theta = q1.arrivals[0]
    assert theta.all()
    np.testing.assert_array_equal(found[Term.ACCUMULATE], theta * (4 * 2 * 3 + 4 * 9) + q1.updates + q1.spikes)
    # A direct-coded layer multiplies every tap of every output in every step, padding included, and knows no spikes.
    direct = counted(chain())
    graded = operations_by(Counting.LEMAIRE, chain(), direct.layers, reaches_of(chain()))[0].counts
    np.testing.assert_array_equal(graded[Term.MAC], np.full(4, 64 * 4 * 15 * 4 + 64 * 4 * 4))


def test_driven_and_idle_updates_are_told_apart() -> None:
    network = counted(residual())
    found = operations_by(Counting.EVENTS, network.graph, network.layers, reaches_of(network.graph))
    for layer, y in zip(found, network.layers, strict=True):
        np.testing.assert_array_equal(layer.counts[Term.UPDATE_DRIVEN], y.driven)
        np.testing.assert_array_equal(layer.counts[Term.UPDATE_DRIVEN] + layer.counts[Term.UPDATE_IDLE], y.updates)
    silent = run_reference(network.graph, {"events": np.zeros((4, 2, 2, 6, 6), np.int64)})
    layers = count_operations(network.graph, silent)
    assert not layers[0].driven.any()  # nothing arrives, and the bias alone drives nobody
    assert layers[0].updates.all()
