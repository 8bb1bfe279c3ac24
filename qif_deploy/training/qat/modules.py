"""What is trained: weights in units of the largest code, biases in float units, and the integers that they are rounded to.

All that decides a code is a parameter or a buffer, so that the state of a module is the state of its integer network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy._torch import torch
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.constants import CODE_FIELDS, FixedConstants, StepConstants
from qif_deploy.shapes import ChannelCodes, ChannelFloats
from qif_deploy.sound_conv2d import conv2d
from qif_deploy.training.qat.population import BackwardRule, PopulationStep
from qif_deploy.training.qat.straight_through import straight_through

Tensor = torch.Tensor

INSIDE = 0.49
"""Largest distance of a loaded master value from its code: float32 keeps it on the code's side of the rounding for codes of 16 bits."""


class QatSynapse(torch.nn.Module):
    """A synapse whose weights are codes: ``w = rint(weight * limit)``, saturated; ``weight`` is trained, -1..1.

    So a step of the optimiser is a share of the largest code, whatever the width.

    Args:
        node: the shape of the weights and the geometry.
        limit: largest code.
        learned: false for weights that stay, such as an identity shortcut's.
    """

    shift: Tensor

    def __init__(self, node: DenseCodes | Conv2dCodes, *, limit: int, learned: bool) -> None:
        super().__init__()
        self.limit = limit
        self.geometry = node.geometry if isinstance(node, Conv2dCodes) else None
        self.weight = torch.nn.Parameter(torch.zeros(node.weight.shape, dtype=torch.float32), requires_grad=learned)
        self.register_buffer("shift", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``acc`` for signals ``(time, batch, ...)``, exact in the dtype of ``x``."""
        codes = straight_through(self.weight * self.limit, self.limit).to(x.dtype)
        merged = x.flatten(0, 1)
        acc = torch.nn.functional.linear(merged, codes) if self.geometry is None else conv2d(merged, codes, None, self.geometry)
        return acc.reshape(*x.shape[:2], *acc.shape[1:])

    def node(self) -> DenseCodes | Conv2dCodes:
        """Return the integer synapse of this moment."""
        with torch.no_grad():
            weight = straight_through(self.weight * self.limit, self.limit).to(torch.int32).cpu().numpy()
        shift = int(self.shift)
        return (
            DenseCodes(weight=weight, shift=shift)
            if self.geometry is None
            else Conv2dCodes(weight=weight, shift=shift, geometry=self.geometry)
        )

    def units(self) -> NDArray[np.float64]:
        """Return the weights in units of one code, no farther out than the largest; ``(channel, fan_in)``."""
        values = (self.weight.detach() * self.limit).clamp(-self.limit, self.limit).cpu().double().numpy()
        rows: NDArray[np.float64] = values.reshape(values.shape[0], -1)
        return rows

    def load(self, units: NDArray[np.float64], node: DenseCodes | Conv2dCodes) -> None:
        """Take weights ``(channel, fan_in)`` in units of one code, which must round to the codes of ``node``."""
        codes = node.weight.reshape(units.shape)
        inside = codes + np.clip(units - codes, -INSIDE, INSIDE)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(inside.reshape(node.weight.shape) / self.limit))
            self.shift.fill_(node.shift)


class QatBias(torch.nn.Module):
    """The bias of a population (with ``c0``) or readout: ``rint(bias / delta)``; ``bias`` is trained, in float units, float64.

    Args:
        channels: of the population, or classes.
    """

    delta: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(channels, dtype=torch.float64))
        self.register_buffer("delta", torch.ones(channels, dtype=torch.float64))

    def forward(self) -> Tensor:
        """Return the bias codes, float64."""
        return straight_through(self.bias / self.delta, None)

    def codes(self) -> ChannelCodes:
        """Return the bias codes of this moment."""
        with torch.no_grad():
            found: ChannelCodes = self().to(torch.int64).cpu().numpy()
        return found

    def load(self, bias: ChannelFloats, delta: ChannelFloats, codes: ChannelCodes) -> None:
        """Take a bias in float units, which must round to ``codes``."""
        inside = codes + np.clip(bias / delta - codes, -INSIDE, INSIDE)
        with torch.no_grad():
            self.bias.copy_(torch.from_numpy(inside * delta))
            self.delta.copy_(torch.from_numpy(np.array(delta)))


class QatPopulation(torch.nn.Module):
    """The constants of a population as they are deployed, and its bias.

    Args:
        constants: names the fields and sizes; ``load`` fills them.
        rule: of the backward pass.
    """

    s1: Tensor
    half_width: Tensor

    def __init__(self, constants: FixedConstants, rule: BackwardRule) -> None:
        super().__init__()
        self.bias = QatBias(constants.channels)
        self.reset_mode, self.number_format = constants.reset_mode, constants.number_format
        self.shape, self.detach_reset = rule.shape, rule.detach_reset
        self.register_buffer("half_width", rule.half_width.double().expand(constants.channels).clone())
        self.register_buffer("s1", torch.zeros((), dtype=torch.int64))
        self.fields = tuple(name for name in CODE_FIELDS if name != "bias" and getattr(constants, name) is not None)
        for name in self.fields:
            self.register_buffer(name, torch.zeros(constants.channels, dtype=torch.int64))

    def step(self, *, ndim: int, steps: int, dtype: torch.dtype) -> PopulationStep:
        """Return what ``run_population`` needs, for states of ``ndim`` axes behind the batch, with integers of ``dtype``."""

        def wide(values: Tensor) -> Tensor:
            return values.reshape(-1, *([1] * (ndim - 1)))

        codes: dict[str, Any] = dict.fromkeys(CODE_FIELDS) | {name: wide(getattr(self, name)).to(dtype) for name in self.fields}
        constants = StepConstants(
            c2m=codes["c2m"],
            c1m=codes["c1m"],
            s2=codes["s2"],
            s1=int(self.s1),
            theta=codes["theta"],
            reset=codes["reset"],
            reset_by=codes["reset_by"],
            u_min=codes["u_min"],
            reset_mode=self.reset_mode,
            state_limit=self.number_format.state_limit,
            rounding=self.number_format.rounding,
        )
        return PopulationStep(
            constants=constants,
            r0=codes["r0"],
            half_width=wide(self.half_width / self.bias.delta).float(),
            shape=self.shape,
            detach_reset=self.detach_reset,
            steps=steps,
        )

    def constants(self) -> FixedConstants:
        """Return the integer constants of this moment.

        Raises:
            FormatError: the bias has grown beyond the state.
        """
        codes: dict[str, Any] = dict.fromkeys(CODE_FIELDS) | {name: getattr(self, name).cpu().numpy() for name in self.fields}
        codes["bias"] = self.bias.codes()
        return FixedConstants(s1=int(self.s1), reset_mode=self.reset_mode, number_format=self.number_format, **codes)

    def load(self, constants: FixedConstants, delta: ChannelFloats, bias: ChannelFloats) -> None:
        """Take new constants, and a bias in float units that must round to theirs."""
        with torch.no_grad():
            for name in self.fields:
                getattr(self, name).copy_(torch.from_numpy(np.array(getattr(constants, name))))
            self.s1.fill_(constants.s1)
        self.bias.load(bias, delta, constants.bias)
