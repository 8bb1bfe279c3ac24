"""Threshold-dependent batch normalisation against its definition and torch's BatchNorm."""

from __future__ import annotations

import numpy as np
import torch

from qif_deploy.training.tdbn import ThresholdDependentBatchNorm

THETA = np.array([1.0, 0.5, 2.0])


def currents(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, 8, 3, 5, 6, generator=torch.Generator().manual_seed(seed)) * 3 + 2


def test_input_becomes_normal_with_alpha_theta_over_time_too() -> None:
    out = ThresholdDependentBatchNorm(THETA, alpha=0.7)(currents())
    # The batch's own mean and variance are taken out, so only float32 rounding (960 values) and eps / var = 1e-6 remain.
    assert out.mean(dim=(0, 1, 3, 4)).abs().max() < 1e-5
    deviation = out.std(dim=(0, 1, 3, 4), unbiased=False).detach().numpy()
    assert np.allclose(deviation, 0.7 * THETA, rtol=1e-5)


def test_equals_torch_batch_norm_with_alpha_theta_in_its_weight() -> None:
    norm = ThresholdDependentBatchNorm(THETA, alpha=0.7)
    with torch.no_grad():
        norm.gain.copy_(torch.tensor([1.5, 0.5, 1.0]))
        norm.shift.copy_(torch.tensor([0.1, -0.2, 0.0]))
    plain = torch.nn.BatchNorm2d(3)
    with torch.no_grad():
        plain.weight.copy_(norm.folded_gain())
        plain.bias.copy_(norm.shift)
    for seed in range(3):
        x = currents(seed)
        assert torch.equal(norm(x).flatten(0, 1), plain(x.flatten(0, 1)))
    norm.eval(), plain.eval()
    assert torch.equal(norm(currents(9)).flatten(0, 1), plain(currents(9).flatten(0, 1)))


def test_gain_and_shift_learn_in_units_of_the_threshold() -> None:
    norm = ThresholdDependentBatchNorm(THETA, alpha=2.0)
    assert {name for name, _ in norm.named_parameters()} == {"gain", "shift"}
    norm(currents()).square().sum().backward()
    assert norm.gain.grad is not None
    assert (norm.gain.grad != 0).all()


def test_features_without_height_and_width() -> None:
    x = torch.randn(4, 8, 3, generator=torch.Generator().manual_seed(0))
    assert ThresholdDependentBatchNorm(THETA, alpha=1.0)(x).shape == x.shape
