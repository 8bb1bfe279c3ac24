"""Profiles with cores: sourced, strict, sized; and what one chip can do that another cannot."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.analysis.check_network import Finding, Severity
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Population
from qif_deploy.neuron.params import ResetMode
from qif_hardware.mapping.fit import placement_findings
from qif_hardware.mapping.mapping import map_network
from qif_hardware.target import PROFILES, list_targets, load_target
from tests.networks import LOIHI2, chain, population, residual, weights

WITH_CORES = ("loihi1", "loihi2-brief", "loihi2-lava")


def test_every_number_of_every_chip_has_a_source_and_a_grade() -> None:
    chips = {target.name: target.chip for target in list_targets() if target.chip is not None}
    assert set(chips) == set(WITH_CORES)
    for chip in chips.values():
        assert all(number.source and number.date and number.unit and number.grade for number in chip.numbers)
        assert len({number.name for number in chip.numbers}) == len(chip.numbers) > 50
        assert chip.systems[0] == 1 < chip.systems[1] < chip.systems[2]


def test_the_two_profiles_of_loihi2_disagree_and_share_one_number_format() -> None:
    lava, brief, plain = (load_target(name) for name in ("loihi2-lava", "loihi2-brief", "loihi2"))
    assert lava.number_format == brief.number_format == plain.number_format
    assert (lava.cores().cores_per_chip, brief.cores().cores_per_chip) == (120, 128)
    assert lava.cores().limits["total"] == 20000
    assert brief.cores().limits["total"] == 24576
    assert lava.cores().systems == (1, 8, 1152)


def test_a_number_format_has_no_cores() -> None:
    with pytest.raises(InputError, match="'w4' is a number format and says nothing of cores; use one of loihi1, loihi2-brief, loihi2-lava"):
        load_target("w4").cores()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[chip.limits]", "[chip.limit]", r"\[chip\] needs exactly the tables"),
        ("synmem_words =", "synapse_words =", r"\[chip.limits\] needs"),
        (
            "neuron_words = { value = 4095",
            "neuron_words = { value = 4095.5",
            "limits.neuron_words 4095.5 is not a whole number of at least 1",
        ),
        ("neuron_words = { value = 4095", "neuron_words = { value = 0", "limits.neuron_words 0 is not a whole number of at least 1"),
        ("word_bits = { value = 64", "word_bits = { value = 0", "word_bits, state_words and channels_per_axon are at least 1"),
        ('rule = "edge"', 'rule = "edges"', r"\[chip.axons\] needs a source and rule out of edge, position"),
        ('combine = "max"', 'combine = "min"', r"\[chip.time\] needs a source and combine out of max, sum"),
        ('per = "chip"', 'per = "board"', r"\[chip.power\] needs a source and per out of core, chip"),
        ("[chip.time.synop]", "[chip.time.synapse]", r"\[chip.time\] needs exactly synop"),
        ("low = { value = 0.37", "low = { value = 0.99", "time.synop is not ordered 0 <= low <= typical <= high"),
        ('low = { value = 0.37, unit = "ns"', 'low = { value = 0.37, unit = "us"', "unit 'us' of time.synop is not 'ns'"),
        ("quadratic = { allowed = true,", 'quadratic = { allowed = "yes",', "operation 'quadratic' needs allowed"),
        ("lower_clamp =", "clamp =", r"\[chip.operations\] needs exactly"),
        ("cores_per_chip = { value = 120", "cores_per_chip = { value = 129", "cores_per_chip 129 is outside 1..128"),
        ('number_format = "loihi2"', 'number_format = "loihi9"', "number format 'loihi9' is unknown; use one of compact16, loihi1, loihi2"),
        ('grade = "metered"', 'grade = "sure"', "grade 'sure'"),
    ],
)
def test_a_bad_chip_gets_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (PROFILES / "loihi2-lava.toml").read_text()
    assert old in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as raised:
        load_target(str(path))
    assert "bad.toml" in str(raised.value) or "cores_per_chip" in message


def test_a_users_chip_is_used(tmp_path: Path) -> None:
    text = (PROFILES / "loihi2-lava.toml").read_text().replace('name = "loihi2-lava"', 'name = "mine"')
    path = tmp_path / "mine.toml"
    path.write_text(re.sub(r"neuron_words = \{ value = 4095", "neuron_words = { value = 50", text))
    mapping = map_network(chain(), load_target(str(path)).cores())
    assert mapping.target == "mine"
    assert max(layer.words.neurons for layer in mapping.layers) <= 50
    assert mapping.cores > 5


def test_sizes_of_systems_are_parameters() -> None:
    chip = load_target("loihi2-lava").cores()
    assert chip.sized(chips=8).cores == 960
    assert chip.sized(chips=1152, cores_per_chip=122).cores == 140544
    for wrong in ({"chips": 0}, {"cores_per_chip": 0}, {"cores_per_chip": 129}):
        with pytest.raises(InputError, match=r"is below 1|is outside 1\.\.128"):
            chip.sized(**wrong)
    with pytest.raises(InputError, match="limit 'synapses' is unknown"):
        chip.limited(synapses=3)
    with pytest.raises(InputError, match="limit 'groups' = 0 is below 1"):
        chip.limited(groups=0)


def leaky(graph: QuantizedGraph, **constants: object) -> QuantizedGraph:
    """The same network with leaky neurons that Loihi 1 has: no curvature, reset to zero."""
    nodes = dict(graph.nodes)
    for name in graph.populations:
        node = graph.population(name)
        zero = np.zeros_like(node.constants.c2m)
        changed = {"c2m": zero, "reset": zero, "r0": zero, "bias": node.constants.bias // 8 * 8, **constants}
        nodes[name] = Population(constants=replace(node.constants, **changed), delta=node.delta)
    return QuantizedGraph(nodes=nodes, edges=graph.edges, number_format=graph.number_format, steps=graph.steps)


def errors(findings: tuple[Finding, ...]) -> list[tuple[str, str, object]]:
    return [(f.rule, f.object, f.value) for f in findings if f.severity is Severity.ERROR]


def test_loihi1_refuses_quadratic_neurons_with_the_reason_and_takes_leaky_ones() -> None:
    chip = load_target("loihi1").cores()
    refused = map_network(residual(), chip)
    assert not refused.fits
    assert ("neuron_operations", "q1", "needs quadratic") in errors(refused.findings)
    assert "it has no v*v" in next(f.remedy for f in refused.findings if f.value == "needs quadratic")
    accepted = map_network(leaky(residual()), chip)
    assert errors(accepted.findings) == []
    assert accepted.fits


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"reset_mode": ResetMode.SUBTRACT}, "needs subtract_reset"),
        ({"u_min": np.full(4, -600)}, "needs lower_clamp"),
        ({"reset": np.full(4, 5)}, "needs nonzero_reset"),
        ({"c1m": np.array([200, -3, 200, 200])}, "channel 1: factor -0.0117 per step"),
        ({"theta": np.full(4, 2**23 - 1), "bias": np.full(4, 2**22)}, 2**22),
    ],
)
def test_loihi1_lists_what_its_neuron_lacks(change: dict[str, object], value: object) -> None:
    found = placement_findings(leaky(residual(), **change), load_target("loihi1").cores())
    assert value in [v for _, _, v in errors(found)]
    assert errors(placement_findings(leaky(residual(), **change), load_target("loihi2-lava").cores())) == []


def test_a_bias_that_a_short_mantissa_cannot_hold_is_a_warning() -> None:
    long, short = (leaky(residual(), bias=np.full(4, value)) for value in (2**13 + 1, 2**13))
    chip = load_target("loihi1").cores()
    assert [f.value for f in placement_findings(long, chip) if f.rule == "bias_mantissas"] == ["4 channels"] * 2
    assert [f for f in placement_findings(short, chip) if f.rule == "bias_mantissas"] == []


def test_graded_input_is_a_warning_where_spikes_carry_no_value() -> None:
    graph = leaky(chain())
    assert [f.object for f in placement_findings(graph, load_target("loihi1").cores()) if f.rule == "graded_inputs"] == ["image"]
    assert [f for f in placement_findings(graph, load_target("loihi2-lava").cores()) if f.rule == "graded_inputs"] == []


def wide(width: int) -> QuantizedGraph:
    """One convolution over an image of that width, no more than its shapes counts."""
    rng = np.random.default_rng(0)
    nodes = {
        "x": CodeInput(shape=(1, 2, width), low=0, high=1, scale=1.0),
        "conv": Conv2dCodes(weight=weights(rng, 2, 1, 1, 1), shift=0),
        "q": population(rng, 2),
    }
    graph = residual()
    nodes |= {"flat": graph.nodes["flat"], "fc": DenseCodes(weight=weights(rng, 3, 4 * width), shift=0)}
    nodes["out"] = replace(graph.readout_node(), bias=np.zeros(3, np.int64))
    names = list(nodes)
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(names)), number_format=LOIHI2, steps=1)


def test_convolutions_beyond_256_are_a_warning() -> None:
    chip = load_target("loihi2-lava").cores()
    assert [f for f in placement_findings(wide(256), chip) if f.rule == "convolution_width"] == []
    (found,) = [f for f in placement_findings(wide(257), chip) if f.rule == "convolution_width"]
    assert (found.object, found.value, found.limit, found.severity) == ("conv", 257, 256, Severity.WARN)


def test_fan_in_and_fan_out_where_a_profile_limits_them() -> None:
    chip = load_target("loihi2-lava").cores()
    tight = replace(chip, reach={**chip.reach, "fan_in": 36, "fan_out": 35})
    found = placement_findings(residual(), tight)
    assert [(f.object, f.value) for f in found if f.rule == "fan_in"] == [("fc", 144)]
    assert [(f.object, f.value) for f in found if f.rule == "fan_out"] == [("conv1", 36), ("conv2", 36)]


def test_weights_wider_than_the_synapse_are_an_error() -> None:
    chip = load_target("loihi2-lava").cores()
    narrow = replace(chip, reach={**chip.reach, "weight_bits": 6})
    assert {name for rule, name, _ in errors(placement_findings(residual(), narrow)) if rule == "weight_widths"} == {
        "conv1",
        "conv2",
        "skip",
        "fc",
    }
