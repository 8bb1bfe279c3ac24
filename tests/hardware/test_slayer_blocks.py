"""SLAYER networks of QIF blocks: forward equal to the reference, exit, export, training."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.errors import FormatError, InputError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.slayer.neuron_params import NeuronParams, constants_from_device_params, widen
from tests.hardware.slayer_marks import NEEDS_SLAYER
from tests.networks import LOIHI2, number_format

pytestmark = NEEDS_SLAYER
STEPS, SAMPLES = 6, 32


def neuron_params(
    channels: int = 1, *, fmt=LOIHI2, reset: ResetMode = ResetMode.HARD, c0: float = 0.08, c2: float = 0.25, **given
) -> NeuronParams:
    """Per-channel constants of a QIF neuron that drifts without input (c0), so that a wrong first step shows."""
    rng = np.random.default_rng(channels)
    params = QIFParams.of(
        c2=c2 * rng.uniform(0.7, 1.3, channels),
        c1=rng.uniform(0.7, 0.95, channels),
        c0=c0 * rng.uniform(0.5, 1.5, channels),
        theta=rng.uniform(0.8, 1.2, channels),
        u_reset=rng.uniform(-0.1, 0.1, channels),
        u_min=-2.0,
        reset=reset,
    )
    return NeuronParams(**({"params": params, "number_format": fmt, "half_width": np.array([0.6])} | given))


def network(*, delay_shift: bool = True, weight_norm: bool = False, seed: int = 0, **given):
    """Input, two convolutions (strides, padding, dilation and groups unequal), Flatten, two Dense."""
    torch = pytest.importorskip("torch")
    from qif_hardware.lava.slayer.blocks import Conv, Dense, Flatten, Input

    torch.manual_seed(seed)
    more = {"weight_scale": 3, "weight_norm": weight_norm, "delay_shift": delay_shift}
    return [
        Input(delay_shift=delay_shift),
        Conv(neuron_params(4, **given), 2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), **more),
        Conv(neuron_params(1, **given), 4, 6, 3, padding=1, groups=2, **more),
        Flatten(),
        Dense(neuron_params(12, **given), 6 * 4 * 4, 12, **more),
        Dense(neuron_params(1, **given), 12, 5, **more),
    ]


def random_codes(low: int = 0, high: int = 1) -> np.ndarray:
    return np.random.default_rng(3).integers(low, high + 1, (STEPS, SAMPLES, 2, 7, 6))


def recorded(blocks, codes: np.ndarray):
    """Run the blocks as SLAYER does; return the aligned output and per neuron the codes (i, u, s), ``(time, batch, ...)``."""
    import torch

    from qif_hardware.lava.slayer.timing import run_aligned

    seen = {}

    def note(neuron, arguments):
        seen[neuron] = arguments[0].detach()

    neurons = [block.neuron for block in blocks if getattr(block, "neuron", None) is not None]
    hooks = [neuron.register_forward_pre_hook(note) for neuron in neurons]
    out = run_aligned(blocks, torch.tensor(np.moveaxis(codes, 0, -1), dtype=torch.float32))
    for hook in hooks:
        hook.remove()
    records = []
    for neuron in neurons:
        response = neuron.dynamics(seen[neuron])
        at = slice(neuron.held_steps, neuron.held_steps + codes.shape[0])
        bias = widen(neuron.constants, neuron.shape[0]).bias
        arrays = []
        for values, scale in ((seen[neuron], neuron.s_scale), (response.u, neuron.s_scale), (response.s, 1)):
            scaled = np.moveaxis(values.detach().double().numpy()[..., at], -1, 0) * scale
            exact = scaled.astype(np.int64)
            assert (exact == scaled).all()
            arrays.append(exact)
        arrays[0] += bias.reshape(-1, *([1] * (arrays[0].ndim - 3)))
        records.append(arrays)
    return np.moveaxis(out.detach().numpy(), -1, 0), records


def assert_equal_to_the_reference(blocks, codes: np.ndarray, input_range=(0, 1)) -> None:
    from qif_hardware.lava.slayer.to_graph import to_quantized_graph

    out, records = recorded(blocks, codes)
    graph = to_quantized_graph(blocks, input_range=input_range, steps=STEPS)
    trace = run_reference(graph, prepare_inputs(graph, {"": codes}, steps=STEPS))
    assert len(records) == len(trace.populations) == 4
    for (name, population), (i, u, s) in zip(trace.populations.items(), records, strict=True):
        assert np.array_equal(population.i, i), name
        assert np.array_equal(population.u, u), name
        assert np.array_equal(population.s, s), name
        assert s.any(), f"{name} never fired"
    assert np.array_equal(out, records[-1][2])
    assert np.array_equal(trace.readout, out.sum(axis=0))
    assert prove_ranges(graph, steps=STEPS).holds


@pytest.mark.parametrize(("rounding", "reset"), list(product(RoundingMode, ResetMode)))
def test_slayer_forward_equals_the_reference_in_every_state_of_every_step(rounding, reset):
    # Subtract leaves the parabola open at the top: the proof needs a flatter one, and coarser codes, to hold over all steps.
    gentle = {"c2": 0.01, "state_scale": 64} if reset is ResetMode.SUBTRACT else {}
    assert_equal_to_the_reference(network(fmt=number_format(rounding), reset=reset, **gentle), random_codes())


def test_signed_graded_input_is_exact():
    assert_equal_to_the_reference(network(), random_codes(-3, 3), (-3, 3))


def test_no_delay_shift_is_the_same_network():
    with_delay, _ = recorded(network(delay_shift=True), random_codes())
    without, _ = recorded(network(delay_shift=False), random_codes())
    assert np.array_equal(with_delay, without)
    assert without.any()


def test_an_unstaged_neuron_drifts_and_is_refused():
    import torch

    from qif_hardware.lava.slayer.timing import stage
    from qif_hardware.lava.slayer.to_graph import to_quantized_graph

    blocks = network()
    signal = torch.tensor(np.moveaxis(random_codes(), 0, -1), dtype=torch.float32)
    for block in blocks:
        signal = block(signal)
    with pytest.raises(InputError, match=r"block 2: its neuron waits 0 steps, its input is 2 late"):
        to_quantized_graph(blocks, input_range=(0, 1), steps=STEPS)
    assert stage(blocks) == 5
    to_quantized_graph(blocks, input_range=(0, 1), steps=STEPS)


def test_weights_are_even_integers_over_64_without_the_asymmetric_one():
    import torch

    from qif_hardware.lava.slayer.neuron import Neuron

    neuron = Neuron(neuron_params())
    weight = torch.linspace(-6, 6, 4001)
    quantised = neuron.quantize_8bit(weight)
    exported = neuron.quantize_8bit(weight, descale=True)
    assert torch.equal(quantised * 64, exported)
    assert torch.equal(exported, torch.arange(-127, 128)[torch.bucketize(exported, torch.arange(-254.0, 255.0, 2.0))] * 2.0)
    assert (exported.min(), exported.max()) == (-254, 254)
    narrow = Neuron(neuron_params(fmt=number_format(weight_bits=4))).quantize_8bit(weight, descale=True)
    assert (narrow.min(), narrow.max()) == (-14, 14)


def test_gradient_is_that_of_the_float_equation_within_the_window():
    """One step, hand derivative: du/dx = 1, ds/du = 1 / (2 w) within the window; then r' = u or reset."""
    import torch

    from qif_hardware.lava.slayer.neuron import Neuron

    neuron = Neuron(neuron_params(c0=0.0, learnable=True))
    x = torch.tensor([[[0.75, 0.25]], [[4.0, 0.0]]], requires_grad=True)
    neuron(x)[0, 0, 0].backward()
    assert torch.equal(x.grad[0, 0], torch.tensor([1 / 1.2, 0.0]))
    r0 = int(neuron.constants.r0[0]) / 256
    assert float(neuron.c2.grad) == pytest.approx(r0**2 / 1.2, rel=1e-6)  # the window 0.6 is a float32
    x.grad = None
    response = neuron.dynamics(x)
    response.u[0, 0, 1].backward()
    r, c2, c1 = float(response.u[0, 0, 0]), float(neuron.c2), float(neuron.c1)
    assert x.grad[0, 0].tolist() == pytest.approx([2 * c2 * r + c1, 1.0])
    assert not x.grad[1].any()


def test_toy_training_lowers_the_loss_and_stays_exact():
    import torch

    from qif_hardware.lava.slayer.blocks import Dense, Input
    from qif_hardware.lava.slayer.timing import run_aligned

    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    labels = torch.tensor(np.arange(SAMPLES) % 4)
    rates = np.where(np.arange(12)[None, :] // 3 == np.arange(SAMPLES)[:, None] % 4, 0.8, 0.1)
    codes = (rng.random((STEPS, SAMPLES, 12)) < rates).astype(np.int64)
    blocks = [
        Input(),
        Dense(neuron_params(16, c0=0.02, learnable=True), 12, 16, weight_scale=2, weight_norm=False),
        Dense(neuron_params(1, c0=0.02), 16, 4, weight_scale=2),
    ]
    spikes_in = torch.tensor(np.moveaxis(codes, 0, -1), dtype=torch.float32)
    parameters = [p for block in blocks for p in block.parameters() if p.requires_grad]
    before = blocks[1].neuron.constants
    optimiser = torch.optim.Adam(parameters, lr=0.02)
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(run_aligned(blocks, spikes_in).sum(dim=-1), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert losses[-1] < 0.3 * losses[0], losses
    after = blocks[1].neuron.constants
    assert after != before, "the learnable constants did not move"
    out, _ = recorded(blocks, codes)
    from qif_hardware.lava.slayer.to_graph import to_quantized_graph

    graph = to_quantized_graph(blocks, input_range=(0, 1), steps=STEPS)
    trace = run_reference(graph, prepare_inputs(graph, {"": codes}, steps=STEPS))
    assert np.array_equal(trace.readout, out.sum(axis=0))
    assert (trace.readout.argmax(axis=1) == labels.numpy()).mean() > 0.9


def test_lava_dl_exports_the_codes_of_the_graph(tmp_path):
    h5py = pytest.importorskip("h5py")
    from qif_hardware.lava.slayer.to_graph import to_quantized_graph

    blocks = network()
    recorded(blocks, random_codes())
    graph = to_quantized_graph(blocks, input_range=(0, 1), steps=STEPS)
    with h5py.File(tmp_path / "net.h5", "w") as handle:
        layers = handle.create_group("layer")
        for index, block in enumerate(blocks):
            block.export_hdf5(layers.create_group(str(index)))
    with h5py.File(tmp_path / "net.h5") as handle:
        kinds = [layer["type"][0].decode() for layer in handle["layer"].values()]
        assert kinds == ["input", "conv", "conv", "flatten", "dense", "dense"]
        for index, layer in enumerate(handle["layer"].values()):
            if "neuron" not in layer:
                continue
            constants, shift = constants_from_device_params({key: value[()] for key, value in layer["neuron"].items()})
            node = graph.nodes[f"{kinds[index]}{index}"]
            assert isinstance(node, DenseCodes | Conv2dCodes)
            assert np.array_equal(layer["weight"][()], 2 * node.weight)
            assert shift == node.shift == 3
            assert constants.channels == node.weight.shape[0]
            for field in ("c2m", "c1m", "s2", "bias", "theta", "reset", "r0", "reset_by", "u_min"):
                assert np.array_equal(getattr(constants, field), getattr(graph.population(f"q{index}").constants, field))
            assert (constants.s1, constants.number_format) == (12, LOIHI2)


@pytest.mark.filterwarnings("ignore:.*weight_norm is deprecated:FutureWarning", "ignore:.*weight_norm is deprecated:UserWarning")
def test_weight_normalised_blocks_leave_with_the_weights_of_the_next_pass():
    import torch

    blocks = network(weight_norm=True)
    recorded(blocks, random_codes())
    with torch.no_grad():
        for block in blocks:
            if getattr(block, "synapse", None) is not None:
                block.synapse.weight_g *= 1.3  # as an optimiser does: the attribute `weight` is now out of date
    stale = blocks[-1].synapse.weight.clone()
    from qif_hardware.lava.slayer.to_graph import to_quantized_graph

    graph = to_quantized_graph(blocks, input_range=(0, 1), steps=STEPS)
    out, _ = recorded(blocks, random_codes())
    assert not torch.equal(stale, blocks[-1].synapse.weight)
    trace = run_reference(graph, prepare_inputs(graph, {"": random_codes()}, steps=STEPS))
    assert np.array_equal(trace.readout, out.sum(axis=0))
    assert out.any()


def test_refusals_name_what_is_wrong():
    import torch

    from qif_hardware.lava.slayer.blocks import Conv, Dense, Input
    from qif_hardware.lava.slayer.to_graph import to_quantized_graph

    with pytest.raises(InputError, match=r"state_scale 100 is not a power of two .* s1 31 is outside 0..30"):
        neuron_params(state_scale=100, s1=31)
    with pytest.raises(InputError, match=r"half_width \[0.\] is not positive"):
        neuron_params(half_width=np.zeros(1))
    blocks = [Input(), Dense(neuron_params(3), 4, 3)]
    with pytest.raises(InputError, match="block 0 has not seen any input; run the network once"):
        to_quantized_graph(blocks, input_range=(0, 1), steps=1)
    with pytest.raises(InputError, match="an Input has to come first"):
        to_quantized_graph(blocks[1:], input_range=(0, 1), steps=1)
    with pytest.raises(InputError, match="not a multiple of 1/256"):
        recorded(blocks, np.full((1, 2, 4), 0.3))
    with pytest.raises(InputError, match="codes of 3 channels for a population of 5"):
        recorded([Input(), Dense(neuron_params(3), 4, 5)], np.ones((1, 2, 4)))
    fine = [Input(), Conv(neuron_params(2, state_scale=1 << 20), 1, 2, 3, weight_scale=3)]
    recorded(fine, np.ones((1, 2, 1, 4, 4)))
    with pytest.raises(FormatError, match=r"population 'q1'.*smaller state_scale, or declare u_min"):
        to_quantized_graph(fine, input_range=(0, 1), steps=4)
    blocks[1].synapse.pre_hook_fx = lambda weight, descale=False: torch.round(weight * 64) / (1 if descale else 64)
    with torch.no_grad():
        blocks[1].synapse.weight.fill_(3 / 64)
    recorded(blocks, np.ones((1, 2, 4)))
    with pytest.raises(InputError, match="block 1: its weights are not even integers / 64"):
        to_quantized_graph(blocks, input_range=(0, 1), steps=1)
