"""Threshold-dependent batch normalisation over time-first tensors."""

from __future__ import annotations

from qif_deploy._torch import torch
from qif_deploy.errors import InputError
from qif_deploy.shapes import ChannelFloats
from qif_deploy.training.synchronised import processes, synchronised_batch_norm

Tensor = torch.Tensor


class ThresholdDependentBatchNorm(torch.nn.Module):
    """``gain * alpha * theta * (x - mean) / sqrt(var + eps) + shift`` per channel.

    Mean and variance run over (time, batch, height, width), so that the input of a population starts as
    N(0, (alpha theta)^2) at all steps together. ``gain`` starts at 1 and ``shift`` at 0. Evaluation uses running
    estimates, kept by torch's rule: ``running += momentum * (batch - running)``, the variance unbiased.

    In training under torch.distributed the statistics are those of all processes together, on any backend, so that a batch
    that is spread over processes is normalised as one.

    Source: H. Zheng, Y. Wu, L. Deng, Y. Hu and G. Li, "Going Deeper With Directly-Trained Larger Spiking Neural Networks",
    AAAI 2021, equations 6 to 9.

    Args:
        theta: threshold of the population that is fed, ``(channel,)``.
        alpha: standard deviation of the normalised input in units of ``theta``.
        eps: added to the variance.
        momentum: weight of the newest batch in the running estimates.
    """

    running_mean: Tensor
    running_var: Tensor
    scale: Tensor

    def __init__(self, theta: ChannelFloats, *, alpha: float, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.gain = torch.nn.Parameter(torch.ones(theta.size))
        self.shift = torch.nn.Parameter(torch.zeros(theta.size))
        self.register_buffer("scale", torch.tensor(alpha * theta, dtype=torch.get_default_dtype()))
        self.register_buffer("running_mean", torch.zeros(theta.size))
        self.register_buffer("running_var", torch.ones(theta.size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(time, batch, channel, ...)``, same axes out.

        Raises:
            InputError: in training, a single value per channel.
        """
        merged = x.flatten(0, 1)
        if self.training and processes() > 1:
            found = synchronised_batch_norm(
                merged, self.running_mean, self.running_var, self.folded_gain(), self.shift, momentum=self.momentum, eps=self.eps
            )
            return found.reshape(x.shape)
        if self.training and merged.numel() == merged.shape[1]:
            raise InputError("batch normalisation: 1 value per channel has no variance; train with a larger batch or more steps")
        normalised = torch.nn.functional.batch_norm(
            merged,
            self.running_mean,
            self.running_var,
            self.folded_gain(),
            self.shift,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )
        return normalised.reshape(x.shape)

    def folded_gain(self) -> Tensor:
        """``gain * alpha * theta``: what multiplies the standardised input, ``(channel,)``."""
        return self.gain * self.scale
