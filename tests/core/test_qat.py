"""Quantisation-aware training: the forward pass is the integer network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.training.qat.clipped_weights import clip_weights
from qif_deploy.training.qat.from_float import qat_network
from qif_deploy.training.qat.options import ScaleChoice
from qif_deploy.training.qat.straight_through import straight_through
from qif_deploy.training.to_graph import to_graph
from tests.core.qat_networks import (
    NEURONS,
    WIDTHS,
    assert_equal_to,
    float_network,
    number_format,
    trained_network,
)
from tests.core.trained import chain_network, codes


@settings(max_examples=12)
@given(
    neuron=st.sampled_from(sorted(NEURONS)),
    weight_bits=st.sampled_from(WIDTHS),
    narrow=st.booleans(),
    rounding=st.sampled_from(RoundingMode),
    last=st.booleans(),
    scales=st.sampled_from(ScaleChoice),
    updates=st.integers(0, 3),
    frames=st.sampled_from((None, 1, 3)),
)
def test_forward_is_the_exported_integer_network(
    neuron: str, weight_bits: int, narrow: bool, rounding: RoundingMode, last: bool, scales: ScaleChoice, updates: int, frames: int | None
) -> None:
    fmt = number_format(weight_bits, narrow=narrow, rounding=rounding)
    network = trained_network(qat_network(float_network(neuron, last=last), fmt, scales=scales), updates)
    network.codes.settle()
    integer, report = network.codes.export()
    assert report.proof.holds
    assert integer.number_format == fmt
    x = codes(6, 2) if frames is None else np.stack([codes(6, seed) for seed in range(frames)])
    assert_equal_to(network, integer, x)


@pytest.mark.parametrize("neuron", sorted(NEURONS))
def test_trained_codes_spike_move_and_stay_within_their_width(neuron: str) -> None:
    network = qat_network(float_network(neuron), number_format(4), scales=ScaleChoice.SQUARED_ERROR)
    before, _ = network.codes.export()
    trained_network(network, 3)
    network.codes.settle()
    after, _ = network.codes.export()
    assert assert_equal_to(network, after, codes(32, 5)) > 100
    for name in ("conv1", "conv2", "fc"):
        assert (before.nodes[name].weight != after.nodes[name].weight).any(), name
        assert np.abs(after.nodes[name].weight).max() <= 7
    assert any((before.population(n).constants.bias != after.population(n).constants.bias).any() for n in before.populations)


def test_identity_shortcuts_are_not_learned() -> None:
    network = qat_network(float_network("fixed_points"), number_format(4), scales=ScaleChoice.MAX)
    before = network.codes.by_name["skip"].weight.detach().clone()
    assert torch.equal(trained_network(network, 3).codes.by_name["skip"].weight, before)


@pytest.mark.parametrize("weight_bits", WIDTHS)
def test_before_training_it_is_the_network_quantised_after_training(weight_bits: int) -> None:
    source = chain_network() if weight_bits == 6 else float_network("roots")
    fmt = number_format(weight_bits)
    graph, _ = fold_batchnorm(to_graph(source))
    expected, _ = quantize_graph(graph, fmt, steps=source.spec.steps)
    network = qat_network(source, fmt, scales=ScaleChoice.MAX)
    assert network.codes.export()[0].content_hash == expected.content_hash
    if weight_bits == 8:  # where clipping moves least
        return
    clipped, _ = quantize_graph(clip_weights(graph, fmt), fmt, steps=source.spec.steps)
    assert clipped.content_hash != expected.content_hash
    assert qat_network(source, fmt, scales=ScaleChoice.SQUARED_ERROR).codes.export()[0].content_hash == clipped.content_hash


def test_states_beyond_the_proof_are_still_those_of_the_reference() -> None:
    """In the middle of an epoch nothing is proven; saturation must not tell the two apart."""
    network = qat_network(float_network("fixed_points"), number_format(4), scales=ScaleChoice.MAX)
    with torch.no_grad():
        network.codes.by_name["qif2"].bias.bias[0] = -50
    with pytest.raises(FormatError, match=r"population 'qif2', channel .* the limit is"):
        network.codes.export()
    assert_equal_to(network, network.codes._codes(None), codes(6))  # no public door lets an unproven network out


def test_a_broken_proof_is_mended_by_new_units_and_named() -> None:
    network = qat_network(float_network("fixed_points"), number_format(8), scales=ScaleChoice.MAX)
    before, _ = network.codes.export()
    with torch.no_grad():
        network.codes.by_name["qif2"].bias.bias[0] = -50
    broken = network.codes.settle()
    assert list(broken) == ["qif2"]
    assert "population 'qif2', channel" in broken["qif2"]
    after, report = network.codes.export()
    assert report.proof.holds
    assert (after.population("qif2").delta >= before.population("qif2").delta).all()
    assert (after.population("qif2").delta > 2 * before.population("qif2").delta).any()
    assert after.nodes["conv1"] == before.nodes["conv1"]
    assert after.nodes["qif1"] == before.nodes["qif1"]
    assert after.nodes["readout"] == before.nodes["readout"]
    assert network.codes.settle() == {}
    assert_equal_to(network, after, codes(6))


def test_a_bias_beyond_the_state_is_mended_too() -> None:
    network = qat_network(float_network("lif"), number_format(8, narrow=True), scales=ScaleChoice.MAX)
    with torch.no_grad():
        network.codes.by_name["qif1"].bias.bias[0] = 1e4
    with pytest.raises(FormatError, match=r"population 'qif1'.*bias"):
        network.codes.export()
    assert "bias" in network.codes.settle()["qif1"]
    assert_equal_to(network, network.codes.export()[0], codes(6))


def test_the_state_of_the_module_is_the_network() -> None:
    source = float_network("fixed_points")
    network = trained_network(qat_network(source, number_format(3), scales=ScaleChoice.SQUARED_ERROR), 3)
    network.codes.choose_units(("qif1", "readout"))
    other = qat_network(source, number_format(3), scales=ScaleChoice.MAX)
    other.load_state_dict(network.state_dict())
    assert other.codes.export()[0].content_hash == network.codes.export()[0].content_hash


def test_the_float_network_behind_the_codes_is_the_one_it_came_from() -> None:
    source = chain_network()
    graph, _ = fold_batchnorm(to_graph(source))
    network = qat_network(source, number_format(8), scales=ScaleChoice.MAX)
    behind = network.codes.float_graph()
    for name in ("conv1", "conv2", "fc1", "fc2"):
        largest = np.abs(graph.nodes[name].weight).max()
        # A value within a hundredth of a code of the rounding's edge is moved off it; the rest is float32.
        assert np.abs(behind.nodes[name].weight - graph.nodes[name].weight).max() < largest * 0.011 / 127
        assert np.allclose(behind.nodes[name].bias, graph.nodes[name].bias, rtol=0, atol=largest * 0.011 / 127)
    assert {n: behind.nodes[n] for n in graph.populations} == {n: graph.nodes[n] for n in graph.populations}


def test_weights_beyond_the_largest_code_saturate_and_only_come_back() -> None:
    units = torch.tensor([0.4, 0.5, 1.5, 2.5, -2.5, 6.9, 7.4, 7.6, 7.6, -9.0, -9.0], requires_grad=True)
    found = straight_through(units, 7)
    assert found.tolist() == [0, 0, 2, 2, -2, 7, 7, 7, 7, -7, -7]
    found.backward(torch.tensor([1.0, 1, 1, 1, 1, -1, -1, -1, 1, 1, -1]))  # a step goes against the gradient
    assert units.grad.tolist() == [1, 1, 1, 1, 1, -1, -1, 0, 1, 0, -1]


def test_clipping_has_the_least_squared_error_of_all_candidates() -> None:
    graph, _ = fold_batchnorm(to_graph(float_network("lif")))
    for weight_bits in WIDTHS:
        limit = 2 ** (weight_bits - 1) - 1
        clipped = clip_weights(graph, number_format(weight_bits))
        for name in ("conv1", "conv2", "fc"):
            rows = graph.nodes[name].weight.reshape(len(graph.nodes[name].weight), -1)
            reach = np.abs(clipped.nodes[name].weight.reshape(rows.shape)).max(axis=1)
            if name == "fc":
                rows, reach = rows.reshape(1, -1), reach.max(keepdims=True)

            def error(reach: np.ndarray, rows: np.ndarray = rows, limit: int = limit) -> np.ndarray:
                unit = reach[:, None] / limit
                return ((np.clip(np.rint(rows / unit), -limit, limit) * unit - rows) ** 2).sum(axis=1)

            tried = [error(np.abs(rows).max(axis=1) * n / 64) for n in range(1, 65)]
            assert np.allclose(error(reach), np.min(tried, axis=0), rtol=1e-9)
