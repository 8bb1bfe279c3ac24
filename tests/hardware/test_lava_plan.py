"""Lowering to a LavaPlan: equal to the reference in pure NumPy, and every limit refused with one clear line."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import GraphError, InputError, UnsupportedError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava import synapse_lowering
from qif_hardware.lava.balance import RelayCost, balance_of
from qif_hardware.lava.layout import frames_from_lava, frames_to_lava
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.plan import ConvPlan, DensePlan, LavaPlan, SparsePlan
from qif_hardware.lava.plan_file import load_plan, save_plan
from qif_hardware.lava.sample_window import SampleWindow
from qif_hardware.lava.synapse_lowering import Convolution
from qif_hardware.lava.weight_digits import DIGIT_BITS, KEPT_WEIGHT, weight_digits
from tests.hardware.plan_evaluator import run_plan_in_numpy
from tests.networks import LOIHI2, chain, number_format, population, random_inputs, residual, weights

PLAIN = ConvGeometry()
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3))


def assert_plan_equals_reference(graph: QuantizedGraph, *plans: LavaPlan, samples: int = 3, steps: int = 3) -> None:
    inputs = prepare_inputs(graph, random_inputs(graph, samples=samples, steps=steps), steps=steps)
    reference = run_reference(graph, inputs)
    for plan in plans or (lower(graph, steps=steps),):
        assert compare_traces(reference, run_plan_in_numpy(plan, inputs)).first_mismatch is None


def pooled_network(
    *,
    shape: tuple[int, int, int],
    pools: list[SumPool2d],
    kernel: tuple[int, int],
    geometry: ConvGeometry,
    last: list[SumPool2d],
    low: int = 0,
    high: int = 1,
    reduce: Reduce = Reduce.SUM,
) -> QuantizedGraph:
    """input - pools - conv - population - pools - flatten - dense - readout."""
    rng = np.random.default_rng(sum(shape) + 7 * kernel[0])
    outputs = 2 * geometry.groups
    nodes = {"image": CodeInput(shape=shape, low=low, high=high, scale=1.0)}
    nodes |= {f"pool{n}": pool for n, pool in enumerate(pools)}
    nodes["conv"] = Conv2dCodes(weight=weights(rng, outputs, shape[0] // geometry.groups, *kernel), shift=2, geometry=geometry)
    nodes["q"] = population(rng, outputs, theta=200)
    nodes |= {f"last{n}": pool for n, pool in enumerate(last)}
    nodes["flat"] = Flatten()
    height, width = shape[1:]
    for pool in pools:
        height, width = ((n - k) // s + 1 for n, k, s in zip((height, width), pool.kernel, pool.stride, strict=True))
    height, width = geometry.output_size((height, width), kernel)
    for pool in last:
        height, width = ((n - k) // s + 1 for n, k, s in zip((height, width), pool.kernel, pool.stride, strict=True))
    features = outputs * max(height, 0) * max(width, 0)
    if features < 1:
        raise GraphError("nothing left")
    nodes["fc"] = DenseCodes(weight=weights(rng, 3, features, limit=30), shift=0)
    nodes["out"] = ReadoutCodes(bias=rng.integers(-9, 9, 3), delta=1.0, reduce=reduce)
    names = list(nodes)
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(names)), number_format=LOIHI2, steps=None)


@st.composite
def pools(draw: st.DrawFn) -> SumPool2d:
    kernel = draw(SIZES)
    return SumPool2d(kernel=kernel, stride=kernel if draw(st.booleans()) else draw(SIZES))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    shape=st.tuples(st.sampled_from([1, 2]), st.integers(4, 13), st.integers(4, 13)),
    before=st.lists(pools(), max_size=2),
    kernel=SIZES,
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    depthwise=st.booleans(),
    after=st.lists(pools(), max_size=2),
    high=st.sampled_from([1, 5]),
)
def test_pools_folded_into_convolutions_and_dense_layers_equal_the_reference(
    shape, before, kernel, stride, padding, dilation, depthwise, after, high
):
    geometry = ConvGeometry(stride=stride, padding=padding, dilation=dilation, groups=shape[0] if depthwise else 1)
    try:
        graph = pooled_network(
            shape=shape, pools=before, kernel=kernel, geometry=geometry, last=after, low=1 - high, high=high, reduce=Reduce.LAST
        )
    except GraphError:  # the drawn sizes leave nothing
        return
    plans = [lower(graph, steps=3, convolution=Convolution.SPARSE)]
    refusal = refusal_of(graph)
    if refusal is None:
        plans.append(lower(graph, steps=3, convolution=Convolution.CONV))
    else:
        assert "overlap" in refusal
        assert any(k > s for p in (*before, *after) for k, s in zip(p.kernel, p.stride, strict=True))
    assert_plan_equals_reference(graph, *plans)


def refusal_of(graph: QuantizedGraph) -> str | None:
    """Why Lava's Conv cannot carry the convolutions."""
    try:
        lower(graph, steps=3, convolution=Convolution.CONV)
    except UnsupportedError as error:
        return str(error)
    return None


@pytest.mark.parametrize("size", [(6, 6), (7, 9), (8, 11)])
def test_rows_that_a_pool_leaves_over_are_blanked_for_a_padded_convolution(size):
    pool = SumPool2d(kernel=(2, 3), stride=(2, 3))
    graph = pooled_network(
        shape=(2, *size), pools=[pool], kernel=(3, 3), geometry=ConvGeometry(padding=(1, 1)), last=[pool] if size == (8, 11) else []
    )
    plan = lower(graph, steps=3, convolution=Convolution.CONV)
    conv = plan.populations[0].branches[0]
    leftover = size[0] % 2 or size[1] % 3
    assert conv.wire.keep == ((size[1] // 3 * 3, size[0] // 2 * 2) if leftover else None)
    assert_plan_equals_reference(graph, plan)


@pytest.mark.parametrize("network", [chain, residual])
def test_sample_networks_equal_the_reference(network):
    assert_plan_equals_reference(network(), steps=4)


def test_dense_weights_are_doubled_and_convolution_weights_are_not():
    synapses = lower(chain(), steps=4, convolution=Convolution.CONV).synapses
    assert [type(s) for s in synapses] == [ConvPlan, ConvPlan, DensePlan, DensePlan]
    assert all((s.weight % 2 == 0).all() for s in synapses[2:])
    assert all((s.weight % 2 != 0).any() for s in synapses[:2])


def test_only_graded_input_gets_message_bits():
    synapses = lower(chain(), steps=4, convolution=Convolution.CONV).synapses
    assert [synapse.wire.message_bits for synapse in synapses] == [24, 0, 0, 0]
    events = lower(residual(), steps=4, convolution=Convolution.CONV)
    assert events.synapses[0].wire.message_bits == 0  # events 0..1 are spikes


def test_small_convolutions_become_sparse_and_large_ones_do_not(monkeypatch):
    assert [type(s) for s in lower(chain(), steps=4).synapses] == [SparsePlan, SparsePlan, DensePlan, DensePlan]
    monkeypatch.setattr(synapse_lowering, "FASTER_ENTRIES", count_of("conv1"))
    assert [type(s) for s in lower(chain(), steps=4).synapses] == [SparsePlan, ConvPlan, DensePlan, DensePlan]


def count_of(name: str) -> int:
    """Entries of a convolution of ``chain``: every tap that is not zero at each of 64 places."""
    return int(np.count_nonzero(chain().nodes[name].weight)) * 64


def long_skip() -> QuantizedGraph:
    """A shortcut past a population: its path is one synapse shorter, in both joins of the net."""
    base = residual()
    edges = [edge for edge in base.edges if edge != ("q1", "skip")] + [("events", "skip")]
    nodes = dict(base.nodes)
    nodes["skip"] = Conv2dCodes(weight=np.arange(-7, 1).reshape(4, 2, 1, 1), shift=1)
    return QuantizedGraph(nodes=nodes, edges=tuple(edges), number_format=base.number_format, steps=None)


def test_a_shorter_path_into_a_join_is_delayed():
    plan = lower(long_skip(), steps=4)
    assert [(b.name, b.wire.delay) for b in plan.populations[1].branches] == [("conv2", 0), ("skip", 1)]
    balance = balance_of(plan)
    assert (plan.latency, balance.latency, balance.relay_neurons) == (3, 3, 2 * 6 * 6)
    assert balance.relays == (RelayCost(synapse="skip", source="events", steps=1, neurons=72),)
    assert dict(balance.depth) == {"events": 0, "q1": 1, "q2": 2, "out": 3}
    assert_plan_equals_reference(long_skip(), steps=4)


def test_sample_window_holds_before_the_first_and_after_the_last_frame():
    window = SampleWindow(depth=2, steps=3, samples=2)
    assert [window.frame(step) for step in range(1, 11)] == [None, None, 0, 1, 2, 3, 4, 5, None, None]
    assert [frame for frame in range(window.frames) if window.starts_sample(frame)] == [0, 3]


@pytest.mark.parametrize("shape", [(4, 3, 2, 5, 6), (4, 3, 7)])
def test_layout_of_frames_round_trips(shape):
    codes = np.arange(np.prod(shape)).reshape(shape)
    frames = frames_to_lava(codes)
    assert frames.shape == (12, *shape[:1:-1])
    assert np.array_equal(frames[1 * 4 + 2], codes[2, 1].T)  # sample 1, step 2
    assert np.array_equal(frames_from_lava(frames, 4), codes)


@pytest.mark.parametrize("convolution", [Convolution.CONV, Convolution.SPARSE])
@pytest.mark.parametrize("graph", [chain(u_min=-400), residual(), long_skip()], ids=["chain", "residual", "long_skip"])
def test_plan_survives_saving_and_loading(graph, convolution, tmp_path):
    plan = lower(graph, steps=4, convolution=convolution)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    save_plan(plan, tmp_path / "first")
    loaded = load_plan(tmp_path / "first")
    save_plan(loaded, tmp_path / "second")
    assert (tmp_path / "first" / "plan.json").read_bytes() == (tmp_path / "second" / "plan.json").read_bytes()
    with np.load(tmp_path / "first" / "plan.npz") as a, np.load(tmp_path / "second" / "plan.npz") as b:
        assert a.files == b.files
        assert all(a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]) for key in a.files)
    assert [p.constants for p in loaded.populations] == [p.constants for p in plan.populations]
    inputs = prepare_inputs(graph, random_inputs(graph, samples=2), steps=4)
    assert compare_traces(run_reference(graph, inputs), run_plan_in_numpy(loaded, inputs)).first_mismatch is None


def test_a_broken_plan_file_is_one_clear_error(tmp_path):
    (tmp_path / "plan.json").write_text('{"record": "NoSuchThing", "fields": {}}')
    with pytest.raises(InputError, match=r"plan\.json"):
        load_plan(tmp_path)


def refused(graph: QuantizedGraph, convolution: Convolution = Convolution.AUTO) -> str:
    with pytest.raises(UnsupportedError) as caught:
        lower(graph, steps=2, convolution=convolution)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def conv_only(*, high: int, weight: np.ndarray, geometry: ConvGeometry = PLAIN, size: int = 3) -> QuantizedGraph:
    channels, kernel = weight.shape[1] * geometry.groups, weight.shape[2:]
    height, width = geometry.output_size((size, size), kernel)
    nodes = {
        "image": CodeInput(shape=(channels, size, size), low=0, high=high, scale=1.0),
        "conv": Conv2dCodes(weight=weight, shift=0, geometry=geometry),
        "q": population(np.random.default_rng(0), weight.shape[0]),
        "flat": Flatten(),
        "fc": DenseCodes(weight=np.ones((2, weight.shape[0] * height * width), np.int32), shift=0),
        "out": ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0),
    }
    names = list(nodes)
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(names)), number_format=LOIHI2, steps=None)


def test_convolution_sums_beyond_24_bits_are_refused_and_those_within_are_not():
    weight = np.full((1, 1, 1, 1), 1)
    assert lower(conv_only(high=2**23 - 1, weight=weight), steps=2)
    two = np.array([[[[1]], [[1]]]])
    assert lower(conv_only(high=2**22 - 1, weight=two), steps=2, convolution=Convolution.CONV)
    assert_plan_equals_reference(conv_only(high=2**22, weight=two))  # by Sparse, which has 32 bits
    message = refused(conv_only(high=2**22, weight=two), Convolution.CONV)
    assert "'conv'" in message
    assert "a sum may reach 8388608, which exceeds 8388607" in message


def test_input_codes_beyond_24_bits_are_refused():
    assert "input 'image': code 8388608 exceeds 8388607" in refused(conv_only(high=2**23, weight=np.zeros((1, 1, 1, 1), np.int32)))


def test_dense_sums_whose_double_leaves_32_bits_are_refused():
    nodes = {
        "image": CodeInput(shape=(200,), low=0, high=2**16, scale=1.0),
        "fc": DenseCodes(weight=np.full((2, 200), 127), shift=0),
        "out": ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0),
    }
    edges = (("image", "fc"), ("fc", "out"))
    graph = QuantizedGraph(nodes=nodes, edges=edges, number_format=LOIHI2, steps=None)
    assert "synapse 'fc': a sum may reach 1664614400" in refused(graph)


@pytest.mark.parametrize(
    ("geometry", "channels", "finding"), [(ConvGeometry(padding=(128, 0)), 1, "padding 128"), (ConvGeometry(groups=130), 130, "groups 130")]
)
def test_geometry_beyond_int8_goes_to_sparse(geometry, channels, finding):
    graph = conv_only(high=1, weight=(np.arange(channels, dtype=np.int32) % 100 + 1).reshape(-1, 1, 1, 1), geometry=geometry)
    assert finding in refused(graph, Convolution.CONV)
    assert isinstance(lower(graph, steps=3).synapses[0], SparsePlan)
    assert_plan_equals_reference(graph)


def test_what_neither_conv_nor_sparse_can_carry_is_refused_with_both_reasons(monkeypatch):
    monkeypatch.setattr(synapse_lowering, "FASTER_ENTRIES", 0)
    monkeypatch.setattr(synapse_lowering, "MOST_ENTRIES", 100)
    message = refused(conv_only(high=1, weight=np.ones((130, 1, 1, 1), np.int32), geometry=ConvGeometry(groups=130)))
    assert "groups 130" in message
    assert "its Sparse would hold 1170 weights, more than 100" in message


@settings(max_examples=50, deadline=None)
@given(limit=st.sampled_from([127, 128, 300, 2**15 - 1, 2**31 - 1]), seed=st.integers(0, 99))
def test_digits_add_up_to_the_weight_and_each_is_kept_by_lava(limit, seed):
    weight = np.random.default_rng(seed).integers(-limit, limit + 1, (3, 4))
    digits = weight_digits(weight)
    assert sum(digit << (DIGIT_BITS * n) for n, digit in enumerate(digits)).tolist() == weight.tolist()
    assert max(int(np.abs(digit).max()) for digit in digits) <= KEPT_WEIGHT
    assert (len(digits) == 1) == (int(np.abs(weight).max()) <= KEPT_WEIGHT)


def wide_weights() -> QuantizedGraph:
    """Weights of 16 bits in a convolution, a dense layer and the readout; an overlapping pool that adds some up."""
    fmt = number_format(weight_bits=16, product_bits=40)
    rng = np.random.default_rng(3)
    nodes = {
        "image": CodeInput(shape=(2, 5, 6), low=-3, high=4, scale=1.0),
        "conv": Conv2dCodes(weight=rng.integers(-(2**15) + 1, 2**15, (3, 2, 3, 2)), shift=0, geometry=ConvGeometry(padding=(1, 0))),
        "q1": population(rng, 3, fmt=fmt, theta=2**16),
        "pool": SumPool2d(kernel=(3, 3), stride=(1, 1)),
        "flat": Flatten(),
        "fc": DenseCodes(weight=rng.integers(-999, 1000, (4, 27)), shift=1),
        "q2": population(rng, 4, fmt=fmt),
        "last": DenseCodes(weight=rng.integers(-999, 1000, (3, 4)), shift=2),
        "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0),
    }
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(nodes)), number_format=fmt, steps=None)


def test_weights_beyond_lavas_grid_are_split_into_digits():
    plan = lower(wide_weights(), steps=3)
    assert [s.name for s in plan.synapses] == [*("conv", "conv.digit1", "conv.digit2"), *("fc", "fc.digit1"), *("last", "last.digit1")]
    assert [s.shift for s in plan.synapses] == [0, 7, 14, 1, 8, 2, 9]
    assert_plan_equals_reference(wide_weights(), plan, lower(wide_weights(), steps=3, convolution=Convolution.CONV))


def several_into_the_readout() -> QuantizedGraph:
    """Four branches into a population and two into the readout, one of them past the population."""
    rng = np.random.default_rng(8)
    nodes = {"events": CodeInput(shape=(5,), low=0, high=1, scale=1.0)}
    nodes |= {f"b{n}": DenseCodes(weight=weights(rng, 4, 5), shift=n) for n in range(4)}
    nodes |= {"q": population(rng, 4), "last": DenseCodes(weight=weights(rng, 3, 4), shift=0)}
    nodes |= {"past": DenseCodes(weight=weights(rng, 3, 5), shift=2), "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0)}
    edges = [edge for n in range(4) for edge in (("events", f"b{n}"), (f"b{n}", "q"))]
    edges += [("q", "last"), ("last", "out"), ("events", "past"), ("past", "out")]
    return QuantizedGraph(nodes=nodes, edges=tuple(edges), number_format=LOIHI2, steps=None)


def test_many_branches_into_a_population_and_into_the_readout():
    assert [relay.synapse for relay in balance_of(lower(several_into_the_readout(), steps=3)).relays] == ["past"]
    assert_plan_equals_reference(several_into_the_readout())


def test_all_findings_come_at_once():
    rng = np.random.default_rng(0)
    names = "abcdefghi"
    nodes = {"image": CodeInput(shape=(400,), low=0, high=2**23, scale=1.0)}
    nodes |= {name: DenseCodes(weight=np.full((2, 400), 2 if name == "a" else 0), shift=0) for name in names}
    nodes |= {
        "q": population(rng, 2),
        "fc": DenseCodes(weight=np.full((2, 2), 3), shift=0),
        "out": ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0),
    }
    edges = (*((("image", x)) for x in names), *((x, "q") for x in names), ("q", "fc"), ("fc", "out"))
    message = refused(QuantizedGraph(nodes=nodes, edges=edges, number_format=LOIHI2, steps=None))
    for part in ("input 'image'", "node 'q': 9 branches", "exceed 8 in-ports", "synapse 'a': a sum may reach 6710886400"):
        assert part in message


def test_more_steps_than_the_proof_covers_are_refused():
    with pytest.raises(InputError, match="exceeds the 4"):
        lower(chain(steps=4), steps=5)
