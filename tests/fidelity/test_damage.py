"""A deliberately damaged network is diagnosed: the right layer, the right kind, the right channel, wherever the damage is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import FormatError, InputError
from qif_deploy.fidelity.compare import Comparing, compare_fidelity
from qif_deploy.fidelity.finding import Finding, Kind
from qif_deploy.fidelity.report import Verdict
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import ConvGeometry, Reduce
from qif_deploy.neuron.params import ResetMode
from tests.fidelity.networks import MORE_FORMS, Drawn, changed, float_chain, images, pairs

QUICK = Comparing(accuracy_by_layer=False, noise=(), membranes=False)
LAYERS = {"chain": {"q1": ("conv",), "q2": ("fc1",)}, "residual": {"q1": ("conv1",), "q2": ("conv2", "skip")}}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where damage is put, as fractions that any network can be asked for."""

    layer: int
    channel: int
    weight: float


places = st.builds(Place, layer=st.integers(0, 1), channel=st.integers(0, 5), weight=st.floats(0, 1, exclude_max=True))
Damage = Callable[[QuantizedGraph, str, str, Place], QuantizedGraph]


def one_channel(field: str, change: Callable[[int], int]) -> Damage:
    def damage(net: QuantizedGraph, population: str, _synapse: str, place: Place) -> QuantizedGraph:
        codes = getattr(net.population(population).constants, field).copy()
        codes[place.channel] = change(int(codes[place.channel]))
        return changed(net, population, **{field: codes})

    return damage


def one_shift(field: str) -> Damage:
    def damage(net: QuantizedGraph, population: str, synapse: str, _place: Place) -> QuantizedGraph:
        if field == "shift":
            return changed(net, synapse, shift=net.nodes[synapse].shift + 1)  # type: ignore[union-attr]
        k = net.population(population).constants
        return changed(net, population, **{field: getattr(k, field) + 1})

    return damage


def one_weight(change: Callable[[int, int], int]) -> Damage:
    """Change the weight of the channel that stands at a fraction of those large enough to matter."""

    def damage(net: QuantizedGraph, _population: str, synapse: str, place: Place) -> QuantizedGraph:
        weight = net.nodes[synapse].weight.copy()  # type: ignore[union-attr]
        row = weight[place.channel].reshape(-1)
        large = np.flatnonzero(np.abs(row) >= np.abs(weight).max() // 2)
        assume(large.size > 0)
        at = large[int(place.weight * large.size)]
        row[at] = change(int(row[at]), net.number_format.weight_limit)
        return changed(net, synapse, weight=weight)

    return damage


def scaled_row(net: QuantizedGraph, _population: str, synapse: str, place: Place) -> QuantizedGraph:
    weight = net.nodes[synapse].weight.copy()  # type: ignore[union-attr]
    weight[place.channel] = np.rint(weight[place.channel] * 0.8).astype(np.int32)
    return changed(net, synapse, weight=weight)


def one_unit(net: QuantizedGraph, population: str, _synapse: str, place: Place) -> QuantizedGraph:
    delta = net.population(population).delta.copy()
    delta[place.channel] *= 1.25
    return changed(net, population, delta=delta)


DAMAGES: dict[str, tuple[Kind, Damage]] = {
    "threshold 5 % up": (Kind.THRESHOLD, one_channel("theta", lambda code: round(code * 1.05))),
    "threshold 5 % down": (Kind.THRESHOLD, one_channel("theta", lambda code: round(code * 0.95))),
    "bias": (Kind.BIAS, one_channel("bias", lambda code: code + 40)),
    "reset": (Kind.RESET, one_channel("reset", lambda code: code - 60)),
    "start": (Kind.START, one_channel("r0", lambda code: code - 60)),
    "branch shift": (Kind.BRANCH_SHIFT, one_shift("shift")),
    "state shift": (Kind.STATE_SHIFT, one_shift("s1")),
    "curvature shift": (Kind.CURVATURE_SHIFT, one_channel("s2", lambda code: code + 1)),
    "curvature": (Kind.CURVATURE, one_channel("c2m", lambda code: round(code * 0.7))),
    "linear": (Kind.LINEAR, one_channel("c1m", lambda code: round(code * 0.9))),
    "weight dropped": (Kind.WEIGHT_DROPPED, one_weight(lambda _code, _limit: 0)),
    "weight of the other sign": (Kind.WEIGHT, one_weight(lambda code, _limit: -code)),
    "one bit of a weight": (Kind.WEIGHT, one_weight(lambda code, limit: code ^ ((limit + 1) // 4))),
    "weights of a channel": (Kind.WEIGHT_SCALE, scaled_row),
    "unit": (Kind.UNIT, one_unit),
}
PER_CHANNEL = {
    Kind.THRESHOLD, Kind.BIAS, Kind.RESET, Kind.START, Kind.CURVATURE, Kind.CURVATURE_SHIFT, Kind.LINEAR,
    Kind.WEIGHT, Kind.WEIGHT_DROPPED, Kind.WEIGHT_SCALE, Kind.UNIT,
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
@settings(max_examples=6)
@given(drawn=pairs(weight_bits=8), place=places)
def test_damage_is_localised_to_its_layer_kind_and_channel(name: str, drawn: Drawn, place: Place) -> None:
    kind, damage = DAMAGES[name]
    graph, quantized = drawn.pair()
    population, synapses = list(LAYERS[drawn.shape].items())[place.layer]
    assume(synapses[0] != "skip")
    try:
        broken = damage(quantized, population, synapses[0], place)
    except FormatError:
        assume(False)  # another rule refuses such codes already
    assume(broken.content_hash != quantized.content_hash or kind is Kind.UNIT)
    k = quantized.population(population).constants
    assume(kind is not Kind.RESET or k.reset_mode is ResetMode.HARD)
    assume(kind is not Kind.CURVATURE_SHIFT or k.c2m[place.channel] != 0)
    found = compare_fidelity(graph, broken, [(images(24), None)], how=QUICK)
    assert found.verdict is Verdict.DAMAGE
    assert [(f.place, f.kind) for f in found.damage] == [(population, kind)], found.damage
    if kind in PER_CHANNEL:
        assert found.damage[0].channels == (place.channel,)
    # What the spikes say agrees: no other layer adds anything that its own rounding does not explain.
    for layer in found.layers:
        if layer.name != population:
            assert (layer.forced.causes.unexplained, layer.forced.beyond_bound) == (0, 0)
    assert found.suspect == population


@pytest.mark.parametrize("factor", [0.95, 1.05])
@pytest.mark.parametrize("layer", ["q1", "q2"])
def test_the_spikes_alone_show_a_threshold_that_is_5_percent_off(layer: str, factor: float) -> None:
    """Without the constants: flips further from the threshold than rounding reaches, in that layer and channel alone."""
    graph, quantized = Drawn(shape="chain", form="fixed points", seed=0, weight_bits=8, rounding=RoundingMode.TOWARD_ZERO).pair()
    theta = quantized.population(layer).constants.theta
    assert theta is not None
    for channel in (0, 3):
        moved = theta.copy()
        moved[channel] = round(moved[channel] * factor)
        found = compare_fidelity(graph, changed(quantized, layer, theta=moved), [(images(400), None)], how=QUICK)
        by_layer = {y.name: y.forced for y in found.layers}
        assert by_layer[layer].causes.unexplained > 0
        assert by_layer[layer].suspect_channels == (channel,)
        assert all(y.causes.unexplained == 0 for name, y in by_layer.items() if name != layer)


@settings(max_examples=8)
@given(pairs(shape="residual", weight_bits=8))
def test_swapped_residual_scales_are_told_as_such(drawn: Drawn) -> None:
    graph, quantized = drawn.pair()
    shifts = {name: quantized.nodes[name].shift for name in ("conv2", "skip")}  # type: ignore[union-attr]
    assume(shifts["conv2"] != shifts["skip"])
    broken = changed(changed(quantized, "conv2", shift=shifts["skip"]), "skip", shift=shifts["conv2"])
    found = compare_fidelity(graph, broken, [(images(24), None)], how=QUICK)
    assert [(f.place, f.kind) for f in found.damage] == [("q2", Kind.BRANCH_SHIFTS_SWAPPED)]
    assert found.suspect == "q2"
    assert found.layers[0].forced.beyond_bound == 0


def test_the_rounding_mode_is_held_against_the_targets() -> None:
    drawn = Drawn(shape="chain", form="roots", seed=0, weight_bits=8, rounding=RoundingMode.FLOOR)
    graph, quantized = drawn.pair()
    expected = dataclasses.replace(quantized.number_format, rounding=RoundingMode.NEAREST)
    found = compare_fidelity(graph, quantized, [(images(8), None)], how=dataclasses.replace(QUICK, expected_format=expected))
    assert [(f.kind, f.expected, f.found) for f in found.damage] == [(Kind.ROUNDING_MODE, "nearest", "floor")]
    assert "every right shift rounds floor" in found.damage[0].text


def only(graph: object, quantized: QuantizedGraph) -> Finding:
    (finding,) = compare_fidelity(graph, quantized, [(images(8), None)], how=QUICK).damage  # type: ignore[arg-type]
    return finding


def test_what_stands_beside_the_codes_is_compared_too() -> None:
    drawn = Drawn(shape="chain", form="lif", seed=0, weight_bits=8, rounding=RoundingMode.TOWARD_ZERO)
    graph, quantized = drawn.pair()
    k = quantized.population("q2").constants
    image, out = quantized.code_input("image"), quantized.readout_node()
    cases = {
        Kind.RESET_MODE: ("q2", changed(quantized, "q2", reset_mode=ResetMode.SUBTRACT)),
        Kind.LOWER_CLAMP: ("q2", changed(quantized, "q2", u_min=k.reset - 500)),
        Kind.INPUT: ("image", changed(quantized, "image", scale=image.scale * 2)),
        Kind.GEOMETRY: ("q1", changed(quantized, "conv", geometry=ConvGeometry(padding=(2, 2), dilation=(2, 2)))),
        Kind.REDUCE: ("out", changed(quantized, "out", reduce=Reduce.LAST)),
        Kind.BIAS: ("out", changed(quantized, "out", bias=out.bias + np.array([0, 900, 0, 0]))),
    }
    for kind, (place, broken) in cases.items():
        finding = only(graph, broken)
        assert (finding.place, finding.kind) == (place, kind)


def test_networks_of_another_origin_are_refused_in_one_line() -> None:
    drawn = Drawn(shape="chain", form="lif", seed=0, weight_bits=8, rounding=RoundingMode.TOWARD_ZERO)
    _, quantized = drawn.pair()
    with pytest.raises(InputError, match=r"the network \['conv', 'fc1', 'fc2'\]; they are not of one origin"):
        compare_fidelity(dataclasses.replace(drawn, shape="residual").pair()[0], quantized, [], how=QUICK)
    with pytest.raises(InputError, match=r"weights \(6, 24\) in the model, \(6, 54\) here"):
        compare_fidelity(float_chain(MORE_FORMS["lif"], pool=3), quantized, [], how=QUICK)
