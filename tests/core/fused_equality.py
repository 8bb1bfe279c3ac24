"""Run in a process of its own with TRITON_INTERPRET=1: the fused kernel against the eager step. Prints findings as JSON.

Triton's interpreter replaces parts of ``triton.language`` for the whole process, so it stays out of the other tests.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from typing import Any

import numpy as np
import torch
import triton
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.training.kernels import fused
from qif_deploy.training.kernels.choice import NeuronKernel
from qif_deploy.training.kernels.fused import FusedSetting, fused_population, fused_spike_bytes
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spike import SurrogateShape, SurrogateSpike, surrogate_slope
from qif_deploy.training.stable_map import LearnedConstant

warnings.simplefilter("error")
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci")  # before the decorators below read it
torch.set_num_threads(1)
fused.BLOCK = 32  # several programs, and a last one that is not full, at the sizes that an interpreter can do

ROUNDINGS = 16
"""Float operations, at most, on any path through one step of the backward pass: the surrogate's distance, width, square, sum, division
and peak (7), its product and the sum with the reset's share (4), the two products and sums along the map (5)."""


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    channels = draw(st.integers(1, 4))
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 3)), channels, *draw(st.sampled_from([(), (1,), (5,), (2, 3)])))
    wide = draw(st.sampled_from([1, channels]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    params = QIFParams.of(
        c2=rng.uniform(-0.3, 0.4, wide) * draw(st.sampled_from([0.0, 1.0])),
        c1=rng.uniform(-0.5, 1.0, wide),
        c0=rng.uniform(-0.2, 0.2, wide),
        theta=rng.uniform(0.5, 1.0, wide),
        u_reset=rng.uniform(-0.2, 0.2, wide),
        r0=rng.uniform(-0.2, 0.2, wide),
        reset_by=rng.uniform(0.3, 1.0, wide),
        u_min=draw(st.sampled_from([None, -0.5])),
        reset=draw(st.sampled_from(list(ResetMode))),
        spike_on_equal=draw(st.booleans()),
    )
    x = torch.tensor(rng.normal(0.3, 0.8, shape), dtype=torch.float32)
    x = (x * 8).round() / 8 if draw(st.booleans()) else x  # on a grid, so that u == theta and |u - theta| == w occur
    return {
        "params": params,
        "x": x,
        "out": torch.tensor(rng.normal(0, 1, shape), dtype=torch.float32),
        "shape": draw(st.sampled_from(list(SurrogateShape))),
        "half_width": rng.uniform(0.2, 1.5, draw(st.sampled_from([1, channels]))),
        "detach": draw(st.booleans()),
        "chunk": draw(st.integers(1, 4)),
    }


def neuron_of(case: dict[str, Any], kernel: NeuronKernel = NeuronKernel.EAGER) -> QIFNeuron:
    params = case["params"]
    spike = SurrogateSpike(case["half_width"], shape=case["shape"], on_equal=params.spike_on_equal)
    return QIFNeuron(params, spike=spike, detach_reset=case["detach"], kernel=kernel)


def through_kernel(case: dict[str, Any], x: torch.Tensor, neuron: QIFNeuron) -> torch.Tensor:
    p = case["params"]
    setting = FusedSetting(reset=p.reset, on_equal=p.spike_on_equal, detach_reset=case["detach"], shape=case["shape"], chunk=case["chunk"])
    spike = neuron.spike
    assert isinstance(spike, SurrogateSpike)
    return fused_population(x, neuron.constants(), spike.half_width, setting)


def gradient_and_bound(case: dict[str, Any], neuron: QIFNeuron) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of ``x`` in float64 on the float32 membranes, and the same recursion over absolute values.

    Both kernels add up products of at most n = ROUNDINGS * T factors, each rounded once, so each differs from the exact sum
    by at most gamma_n times the sum of the products' magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3).
    """
    k = {name: None if v is None else v.reshape(-1, *[1] * (case["x"].ndim - 3)) for name, v in neuron.constants().items()}
    hard, spike = case["params"].reset is ResetMode.HARD, neuron.spike
    width = spike.half_width.reshape(-1, *[1] * (case["x"].ndim - 3))
    r = k["r0"].expand(case["x"].shape[1:])
    past = []
    for x in case["x"]:
        h = r * k["c2"] + k["c1"]
        free = h * r + k["c0"] + x
        u = free if k["u_min"] is None else free.clip(k["u_min"], None)
        s = (u >= k["theta"] if spike.on_equal else u > k["theta"]).float()
        past.append((r, h, free, u, s))
        r = u * (1 - s) + s * k["u_reset"] if hard else u - s * k["reset_by"]
    exact, size = torch.zeros_like(r, dtype=torch.float64), torch.zeros_like(r, dtype=torch.float64)
    found, bound = [], []
    for (r, h, free, u, s), out in zip(reversed(past), reversed(case["out"]), strict=True):
        slope = surrogate_slope(u - k["theta"], width, spike.shape).double()
        # The triangle's 1 - |d| / w loses digits near its foot: its error is absolute, of the size of the peak.
        rough = slope + (1 / width.double() if spike.shape is SurrogateShape.TRIANGULAR else 0) * (slope > 0)
        into, into_size = out.double(), out.double().abs()
        if not case["detach"]:
            into = into + (exact * (k["u_reset"] - u.double()) if hard else -exact * k["reset_by"])
            into_size = into_size + size * (k["u_reset"].abs() + u.abs() if hard else k["reset_by"])
        grad = (exact * (1 - s.double()) if hard else exact) + into * slope
        grad_size = (size * (1 - s.double()) if hard else size) + into_size * rough
        if k["u_min"] is not None:
            grad, grad_size = (torch.where(free >= k["u_min"], g, 0.0) for g in (grad, grad_size))
        found.append(grad)
        bound.append(grad_size)
        exact = grad * (h.double() + r.double() * k["c2"].double())
        size = grad_size * (h.abs() + (r * k["c2"]).abs()).double()
    n = ROUNDINGS * len(past) * 2.0**-24
    return torch.stack(found[::-1]), torch.stack(bound[::-1]) * (n / (1 - n)) + 1e-37  # the last term: underflow


@settings(max_examples=60)
@given(cases())
def spikes_are_bit_equal_and_gradients_within_the_bound(case: dict[str, Any]) -> None:
    eager = neuron_of(case)
    spikes, gradients = [], []
    for way in (eager, lambda x: through_kernel(case, x, eager)):
        x = case["x"].clone().requires_grad_()
        s = way(x)
        s.backward(case["out"])
        spikes.append(s.detach())
        gradients.append(x.grad)
    assert torch.equal(*spikes)
    exact, bound = gradient_and_bound(case, eager)
    for gradient in gradients:
        assert ((gradient.double() - exact).abs() <= bound).all(), (gradient.double() - exact).abs().max()


@settings(max_examples=25)
@given(cases(), st.sets(st.sampled_from(list(LearnedConstant)), min_size=1))
def learned_constants_get_the_gradient_of_autograd(case: dict[str, Any], learned: set[LearnedConstant]) -> None:
    start = QIFParams.of(c2=np.array([0.1, 0.2]), c1=0.7, theta=0.9, reset=case["params"].reset)
    spike = SurrogateSpike(np.array([0.6]), shape=case["shape"])
    x = torch.randn(5, 2, 2, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for kernel in (NeuronKernel.EAGER, NeuronKernel.FUSED):
        neuron = QIFNeuron(start, spike=spike, detach_reset=case["detach"], learned=frozenset(learned), kernel=kernel)
        (neuron(x) * torch.linspace(-1, 1, x.numel()).reshape(x.shape)).sum().backward()
        found.append([p.grad for p in neuron.parameters()])
    for eager, fused_grad in zip(*found, strict=True):
        # 60 neurons and steps are added per constant: 60 * 2^-24 of the sum of magnitudes, which stays below 100 here.
        assert torch.allclose(eager, fused_grad, rtol=1e-4, atol=100 * 60 * 2**-24)


@settings(max_examples=15)
@given(cases())
def bytes_and_half_precision_input_give_the_same_spikes(case: dict[str, Any]) -> None:
    neuron = neuron_of(case)
    p = case["params"]
    setting = FusedSetting(reset=p.reset, on_equal=p.spike_on_equal, detach_reset=True, shape=case["shape"])
    if not triton.__version__.startswith("2."):  # the interpreter of 2.3 cannot cast to 8 bits; its compiler can
        packed = fused_spike_bytes(case["x"], neuron.constants(), neuron.spike.half_width, setting)
        assert packed.dtype == torch.uint8
        assert torch.equal(packed.float(), neuron(case["x"]))
    half = case["x"].half()
    assert torch.equal(neuron_of(case, NeuronKernel.FUSED)(half), neuron(half))


def channels_last_and_held_input_are_read_in_place() -> None:
    case: dict[str, Any] = {
        "params": QIFParams.of(c2=np.array([0.25, 0.0, 0.3]), c1=np.array([0.8, 0.5, 0.1]), theta=0.7),
        "half_width": np.array([0.5, 0.6, 0.7]), "shape": SurrogateShape.RECTANGULAR, "detach": False, "chunk": 2,
    }  # fmt: skip
    base = torch.randn(10, 3, 4, 2, generator=torch.Generator().manual_seed(1))
    last = base.to(memory_format=torch.channels_last).reshape(5, 2, 3, 4, 2)
    held = base[:2].expand(5, 2, 3, 4, 2)
    transposed = base.reshape(2, 5, 3, 4, 2).transpose(0, 1)
    neuron = neuron_of(case)
    for x, in_place in ((last, True), (held, True), (transposed, True), (base.reshape(5, 2, 3, 4, 2)[..., :1], False)):
        assert (fused._steps_dense(x) is x) == in_place or x is transposed
        out = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
        spikes, gradients = [], []
        for way in (neuron, lambda x: through_kernel(case, x, neuron)):
            leaf = x.detach().requires_grad_()
            s = way(leaf)
            gradients.append(torch.autograd.grad(s, leaf, out)[0])
            spikes.append(s)
        assert torch.equal(*spikes)
        assert torch.allclose(*gradients, rtol=1e-5, atol=1e-6)


def recomputed_states_do_not_depend_on_the_chunk() -> None:
    case = {"params": QIFParams.of(c2=0.25, c1=0.875), "half_width": np.array([0.5]), "shape": SurrogateShape.ARCTAN, "detach": False}
    x = torch.randn(9, 40, 1, generator=torch.Generator().manual_seed(3)).requires_grad_()
    neuron = neuron_of(case)
    found = [torch.autograd.grad(through_kernel({**case, "chunk": n}, x, neuron).sum(), x)[0] for n in (1, 2, 3, 4, 8, 9, 20)]
    assert all(torch.equal(found[0], other) for other in found[1:])


CHECKS = (
    spikes_are_bit_equal_and_gradients_within_the_bound,
    learned_constants_get_the_gradient_of_autograd,
    bytes_and_half_precision_input_give_the_same_spikes,
    channels_last_and_held_input_are_read_in_place,
    recomputed_states_do_not_depend_on_the_chunk,
)


@given(st.integers())
def _see_all_modules(_: int) -> None:
    """Have hypothesis look at the modules before the interpreter of triton 2.3 puts functions in place of their ``__file__``."""


def main() -> None:
    _see_all_modules()
    findings: dict[str, str | None] = {}
    for check in CHECKS:
        try:
            check()
            findings[check.__name__] = None
        except Exception:
            findings[check.__name__] = traceback.format_exc()
    sys.stdout.write(json.dumps(findings) + "\n")


if __name__ == "__main__":
    main()
