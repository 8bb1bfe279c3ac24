"""The edges of the machine's integers: where a sum, a shift or a readout would wrap, something says so first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qif_deploy.analysis.census import take_census
from qif_deploy.analysis.range_proof import Interval, prove_ranges
from qif_deploy.errors import BackendError, FormatError, GraphError, InputError
from qif_deploy.fidelity.compare import compare_fidelity
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import BatchNorm, CodeInput, Dense, DenseCodes, Input, Population, Readout, ReadoutCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.reference import run_reference
from tests.networks import LOIHI2, number_format


def one(**changed: object) -> FixedConstants:
    """A single channel that passes its input on: c2m = c1m = 0."""
    fields = {
        name: np.array([value])
        for name, value in {"c2m": 0, "c1m": 0, "s2": 0, "bias": 0, "theta": 5, "reset": 0, "r0": 0, "reset_by": 5}.items()
    }
    return FixedConstants(**(fields | {"s1": 0, "u_min": None, "reset_mode": ResetMode.HARD, "number_format": LOIHI2} | changed))


def network(
    branches: dict[str, DenseCodes],
    constants: FixedConstants,
    *,
    high: int = 1,
    readout_weight: int = 1,
    readout_shift: int = 0,
    bias: int = 0,
):
    nodes = {
        "x": CodeInput(shape=(next(iter(branches.values())).weight.shape[1],), low=0, high=high, scale=1.0),
        **branches,
        "q": Population(constants=constants, delta=np.ones(1)),
        "w": DenseCodes(weight=np.array([[readout_weight]]), shift=readout_shift),
        "out": ReadoutCodes(bias=np.array([bias]), delta=1.0),
    }
    edges = [("x", name) for name in branches] + [(name, "q") for name in branches] + [("q", "w"), ("w", "out")]
    return QuantizedGraph(nodes=nodes, edges=tuple(edges), number_format=constants.number_format, steps=1)


def test_a_sum_beyond_60_bits_is_refused_before_it_can_wrap() -> None:
    broad = number_format(weight_bits=16, product_bits=62)
    k = one(number_format=broad)
    fan_in = network({"a": DenseCodes(weight=np.full((1, 2**20), 2**14), shift=0)}, k, high=2**30)
    with pytest.raises(FormatError, match="beyond 60 bits"):
        prove_ranges(fan_in, steps=1)
    many = network({f"b{n}": DenseCodes(weight=np.array([[2**14]]), shift=15) for n in range(32)}, k, high=2**30)
    with pytest.raises(FormatError, match="beyond 60 bits"):
        prove_ranges(many, steps=1)


def test_the_batched_readout_is_exact_where_a_branch_alone_leaves_int32() -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra 'train')")
    from qif_deploy.simulate.engine.batched import run_batched

    graph = network({"a": DenseCodes(weight=np.array([[127]]), shift=0)}, one(), readout_weight=100, readout_shift=25, bias=-(2**31 - 1))
    assert prove_ranges(graph, steps=1).nodes["out"].ranges["i"].hi == 100 * 2**25 - (2**31 - 1)
    spike = {"x": np.ones((1, 3, 1), np.int64)}
    np.testing.assert_array_equal(run_batched(graph, spike).readout, run_reference(graph, spike).readout)


def test_an_input_beyond_the_vectors_is_an_error_on_every_backend() -> None:
    wide = number_format(coef_bits=16, product_bits=48)
    graph = network({"a": DenseCodes(weight=np.array([[127]]), shift=26)}, one(number_format=wide))
    spike = {"x": np.ones((1, 3, 1), np.int64)}
    with pytest.raises(BackendError, match="population 'q': i reaches 8522825728"):
        run_reference(graph, spike)
    pytest.importorskip("torch", reason="torch is not installed (extra 'train')")
    from qif_deploy.simulate.engine.batched import run_batched

    with pytest.raises(BackendError, match="population 'q': i reaches 8522825728"):
        run_batched(graph, spike)


def test_no_backend_runs_past_the_proof() -> None:
    graph = network({"a": DenseCodes(weight=np.array([[127]]), shift=0)}, one())
    with pytest.raises(InputError, match="2 time steps exceeds the 1"):
        run_reference(graph, {"x": np.ones((2, 3, 1), np.int64)})


def test_values_that_would_wrap_or_fire_for_ever_cannot_be_built() -> None:
    with pytest.raises(GraphError, match="code 4294967297 is beyond 32 bits"):
        DenseCodes(weight=np.array([[2**32 + 1]]), shift=0)
    with pytest.raises(FormatError, match="bias -9223372036854775808 exceeds"):
        one(bias=np.array([-(2**63)]))
    with pytest.raises(FormatError, match="u_min 5 is not below theta 5"):
        one(u_min=np.array([5]))
    with pytest.raises(InputError, match=r"'u_min', channel 0: 1\.0 is not below theta"):
        QIFParams.of(c2=0.0, c1=1.0, u_min=1.0)
    with pytest.raises(GraphError, match="batch norm: sizes"):
        BatchNorm(gain=np.ones(3), shift=np.ones(4), mean=np.ones(3), var=np.ones(3), eps=0.0)


def test_a_negative_reset_by_that_saturates_fails_the_proof() -> None:
    """Subtracting a negative code adds: the state would saturate after a spike."""
    k = one(reset_mode=ResetMode.SUBTRACT, reset_by=np.array([-(2**23 - 1)]))
    graph = network({"a": DenseCodes(weight=np.array([[127]]), shift=0)}, k)
    assert not prove_ranges(graph, steps=1).holds


@pytest.mark.parametrize(
    "changed",
    [
        {"bias": np.array([7])},
        {"c2m": np.array([300]), "c1m": np.array([1]), "s2": np.array([2]), "bias": np.array([9])},
        {"c2m": np.array([-2]), "c1m": np.array([300]), "s1": 5, "s2": np.array([0])},
    ],
    ids=["bias alone", "a parabola above theta", "negative curvature"],
)
def test_the_census_sees_channels_that_fire_without_any_input(changed: dict) -> None:
    census = take_census(one(**changed), Interval(lo=np.array([-40]), hi=np.array([4])))
    assert census.self_firing == 1


def test_a_network_without_populations_has_no_agreement() -> None:
    nodes = {"x": Input(shape=(4,), low=0, high=7), "w": Dense(weight=np.eye(3, 4)), "out": Readout()}
    graph = Graph(nodes=nodes, edges=(("x", "w"), ("w", "out")))
    quantized, _ = quantize_graph(graph, LOIHI2, steps=1)
    x = {"x": np.random.default_rng(0).integers(0, 8, (1, 5, 4))}
    found = compare_fidelity(graph, quantized, [(x, None)])
    assert (found.spike_agreement, found.flips_per_spike) == (None, None)


def test_what_no_code_can_hold_is_told_with_its_place() -> None:
    nodes = {"x": Input(shape=(2,)), "w": Dense(weight=np.full((1, 2), 1e-25), bias=np.ones(1)), "out": Readout()}
    with pytest.raises(FormatError, match=r"readout 'out': channel 0: bias 1 with Delta .* is beyond 2\*\*53"):
        quantize_graph(Graph(nodes=nodes, edges=(("x", "w"), ("w", "out"))), LOIHI2, steps=1)
    from tests.core.test_quantize import float_chain

    with pytest.raises(FormatError, match=r"population 'q1': channel 0: c1 5000 exceeds 4096 \(coef_bits = 12\)"):
        quantize_graph(float_chain(QIFParams.of(c2=0.0, c1=5000.0)), LOIHI2, steps=1)


def test_replacing_a_constant_is_checked_again() -> None:
    with pytest.raises(FormatError, match="theta"):
        replace(one(), theta=np.array([-3]))
