"""The spike's surrogate gradient, and the neuron module against the project's float step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qif_deploy.errors import InputError
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spike import RectangularSpike


def test_surrogate_is_a_window_of_unit_area() -> None:
    spike = RectangularSpike(np.array([0.25]))
    u = torch.tensor([[0.70, 0.75, 1.0, 1.25, 1.30]], requires_grad=True)
    s = spike(u, torch.tensor(1.0))
    assert s.tolist() == [[0, 0, 1, 1, 1]]
    assert s.dtype == u.dtype
    s.backward(torch.full_like(s, 3.0))
    # 1 / (2 w) = 2 on [0.75, 1.25], both ends included, times the incoming 3.
    assert u.grad is not None
    assert u.grad.tolist() == [[0, 6, 6, 6, 0]]


def test_surrogate_has_one_width_per_channel() -> None:
    spike = RectangularSpike(np.array([0.5, 2.0]))
    u = torch.zeros(1, 2, 2, 2, requires_grad=True)
    spike(u, torch.ones(2, 1, 1)).sum().backward()
    assert u.grad is not None
    assert u.grad[0, 0].unique().tolist() == [0]
    assert u.grad[0, 1].unique().tolist() == [0.25]


def test_equality_spikes_unless_the_source_is_strict() -> None:
    u = torch.tensor([[1.0]])
    assert RectangularSpike(np.array([1.0]))(u, torch.tensor(1.0)).item() == 1
    assert RectangularSpike(np.array([1.0]), on_equal=False)(u, torch.tensor(1.0)).item() == 0


def test_a_window_without_width_is_refused() -> None:
    with pytest.raises(InputError, match=r"half width 0\.0 is not positive"):
        RectangularSpike(np.array([1.0, 0.0]))


def per_channel(**more: object) -> QIFParams:
    return QIFParams.of(c2=np.array([0.25, 0.0, 0.5]), c1=np.array([0.875, 0.5, -0.3]), c0=0.1, theta=0.8, u_reset=-0.1, r0=0.2, **more)


PARAMS = [
    per_channel(),
    per_channel(reset=ResetMode.SUBTRACT, reset_by=0.5),
    per_channel(u_min=-0.4, spike_on_equal=False),
    QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5),
]


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 2, 3, 4, 2)])
def test_module_equals_a_loop_of_the_float_step(params: QIFParams, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(0.2, 1.0, shape)
    neuron = QIFNeuron(params, spike=RectangularSpike(np.array([0.5]), on_equal=params.spike_on_equal)).double()
    exact = neuron.params()  # the buffers' float32 values: 0.1 is none, so the loop must use theirs
    laid = {
        name: getattr(exact, name).reshape(-1, *([1] * (len(shape) - 3))) for name in ("c2", "c1", "c0", "theta", "u_reset", "reset_by")
    }
    u_min = None if exact.u_min is None else exact.u_min.reshape(-1, *([1] * (len(shape) - 3)))
    compare = np.greater_equal if params.spike_on_equal else np.greater
    r = np.broadcast_to(exact.r0.reshape(-1, *([1] * (len(shape) - 3))), shape[1:])
    expected = []
    for current in x:
        step = float_step(r, current, u_min=u_min, reset=params.reset, spike=lambda u, theta: compare(u, theta).astype(float), **laid)
        expected.append(step.s)
        r = step.r
    assert 0 < np.mean(expected) < 1
    assert np.array_equal(neuron(torch.tensor(x)).numpy(), np.stack(expected))


def test_detached_reset_cuts_its_gradient_only() -> None:
    params = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
    x = torch.tensor([[[0.8]], [[0.3]]])
    gradients = {}
    for detach in (True, False):
        current = x.clone().requires_grad_()
        QIFNeuron(params, spike=RectangularSpike(np.array([1.0])), detach_reset=detach)(current)[1].sum().backward()
        assert current.grad is not None
        gradients[detach] = current.grad[0].item()
    # du2/dx1 = (2 c2 r + c1) dr/dx1 with r = u1 (no spike): dr/du1 = 1 detached, 1 - u1/(2w) through the reset; times 1/(2w).
    slope = (2 * 0.25 * 0.8 + 0.875) * 0.5
    assert gradients[True] == pytest.approx(slope, rel=1e-6)
    assert gradients[False] == pytest.approx(slope * (1 - 0.8 * 0.5), rel=1e-6)


def test_constants_are_buffers_in_float32_and_not_learned() -> None:
    neuron = QIFNeuron(per_channel(), spike=RectangularSpike(np.array([0.5])))
    assert list(neuron.parameters()) == []
    assert neuron(torch.zeros(2, 1, 3)).dtype == torch.float32
    assert {"c2", "c1", "c0", "theta", "u_reset", "r0", "reset_by", "spike.half_width"} == set(neuron.state_dict())
