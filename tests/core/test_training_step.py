"""One step at a time, dtypes and autocast, and the surrogate's shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qif_deploy.errors import InputError
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spike import RectangularSpike, SurrogateShape, SurrogateSpike, surrogate_slope

P = QIFParams.of(c2=np.array([0.25, 0.0]), c1=np.array([0.875, 0.5]), c0=0.1, theta=0.8, u_reset=-0.1, r0=0.2)


def neuron(params: QIFParams = P) -> QIFNeuron:
    return QIFNeuron(params, spike=RectangularSpike(np.array([0.5])))


def currents(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) + 0.2


@pytest.mark.parametrize("shape", [(6, 3, 2), (6, 3, 2, 4, 5)])
@pytest.mark.parametrize("reset", list(ResetMode))
def test_single_steps_equal_all_steps_in_one_call(shape: tuple[int, ...], reset: ResetMode) -> None:
    n = neuron(QIFParams.of(c2=P.c2, c1=P.c1, theta=0.8, reset=reset))
    x = currents(*shape)
    state, spikes = None, []
    for current in x:
        s, state = n.step(current, state)
        spikes.append(s)
    assert 0 < torch.stack(spikes).mean() < 1
    assert torch.equal(torch.stack(spikes), n(x))


def test_gradient_flows_through_an_explicit_state() -> None:
    x = torch.tensor([[0.3, 0.3]], requires_grad=True)
    _, state = neuron().step(x)
    s, _ = neuron().step(torch.tensor([[0.1, 0.1]]), state)
    s.sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_state_is_float32_for_half_precision_input(dtype: torch.dtype) -> None:
    x = currents(5, 4, 2).to(dtype)
    s, state = neuron().step(x[0])
    assert (s.dtype, state.dtype) == (dtype, torch.float32)
    assert torch.equal(neuron()(x).float(), neuron()(x.float()))


def test_state_is_float32_under_autocast() -> None:
    layer = torch.nn.Linear(8, 2)
    with torch.autocast("cpu", torch.bfloat16):
        x = layer(currents(5, 4, 8))
        assert x.dtype == torch.bfloat16
        s = neuron()(x)
        _, state = neuron().step(x[0])
        s.sum().backward()
    assert (s.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(s.float(), neuron()(x.float()))
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


def test_input_that_does_not_fit_is_refused() -> None:
    for x in (torch.zeros(3, 2), torch.zeros(0, 1, 2), torch.zeros(2, 1, 3)):
        with pytest.raises(InputError, match=r"is not \(time, batch, 2, ...\)"):
            neuron()(x)
    with pytest.raises(InputError, match=r"state \(1, 2\) for input \(3, 2\)"):
        neuron().step(torch.zeros(3, 2), torch.zeros(1, 2))


@pytest.mark.parametrize("shape", list(SurrogateShape))
def test_every_surrogate_has_unit_area_and_its_peak_at_theta(shape: SurrogateShape) -> None:
    d = torch.linspace(-2000, 2000, 4_000_001, dtype=torch.float64)
    slope = surrogate_slope(d, torch.tensor([0.7], dtype=torch.float64), shape)
    # The arctan's tails beyond 2000 hold 2 * 0.7 / (2000 pi) = 2.2e-4; the rectangle's edges are off by one grid step of 1e-3.
    assert torch.trapezoid(slope, d).item() == pytest.approx(1, abs=1.5e-3)
    assert slope.argmax().item() == (d.abs() if shape is not SurrogateShape.RECTANGULAR else (d - d[slope > 0][0]).abs()).argmin().item()


@pytest.mark.parametrize("shape", list(SurrogateShape))
def test_surrogate_reaches_theta_with_the_other_sign(shape: SurrogateShape) -> None:
    u = currents(50, 2).requires_grad_()
    theta = torch.tensor([0.3, 0.5], requires_grad=True)
    out = torch.linspace(-1, 1, 100).reshape(50, 2)
    SurrogateSpike(np.array([0.4, 0.9]), shape=shape)(u, theta).backward(out)
    assert u.grad is not None
    assert theta.grad is not None
    assert torch.allclose(theta.grad, -u.grad.sum(0))
