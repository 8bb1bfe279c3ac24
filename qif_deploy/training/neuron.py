"""The QIF population as a torch module: all time steps in one call, by the project's one float step."""

from __future__ import annotations

from typing import Any

from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import QIFParams
from qif_deploy.training._torch import torch

Tensor = torch.Tensor


class QIFNeuron(torch.nn.Module):
    """``u = (c2 r + c1) r + c0 + x``, spike, reset; t = 1..T with ``r[0] = r0``. LIF is the case ``c2 = 0``.

    The coefficients are buffers: they move with the module and are not learned. The state has the dtype of the input.
    Source: docs/numerics.md, section 1.

    Args:
        params: the neuron; one channel or as many as the input has.
        spike: ``(u, theta) -> s`` with a surrogate gradient, such as ``RectangularSpike``.
        detach_reset: cut the gradient through the reset, so that only the path through ``u`` carries it over time.
    """

    def __init__(self, params: QIFParams, *, spike: torch.nn.Module, detach_reset: bool = True) -> None:
        super().__init__()
        self.reset = params.reset
        self.spike_on_equal = params.spike_on_equal
        self.spike = spike
        self.detach_reset = detach_reset
        for name in _CONSTANTS:
            self.register_buffer(name, torch.tensor(getattr(params, name), dtype=torch.get_default_dtype()))
        self.register_buffer("u_min", None if params.u_min is None else torch.tensor(params.u_min, dtype=torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the spikes of the input currents, both ``(time, batch, channel, ...)``."""
        constants = {name: self._laid_out(name, x.ndim - 2) for name in (*_CONSTANTS, "u_min")}
        r0 = constants.pop("r0")
        assert r0 is not None
        r = r0.expand(x.shape[1:])
        spikes = []
        for current in x.unbind(0):
            step = float_step(r, current, reset=self.reset, spike=self.spike, gate=self._gate, **constants)
            spikes.append(step.s)
            r = step.r
        return torch.stack(spikes)

    def params(self) -> QIFParams:
        """Return the parameters that this module computes with: the values of its buffers, widened to float64."""
        values = {name: getattr(self, name) for name in (*_CONSTANTS, "u_min")}
        arrays: dict[str, Any] = {name: None if value is None else value.detach().cpu().double().numpy() for name, value in values.items()}
        return QIFParams(reset=self.reset, spike_on_equal=self.spike_on_equal, **arrays)

    def _gate(self, fired: Tensor) -> Tensor:
        return fired.detach() if self.detach_reset else fired

    def _laid_out(self, name: str, ndim: int) -> Tensor | None:
        """Return the buffer so that it broadcasts over ``(channel, ...)`` with ``ndim`` axes behind the batch."""
        value: Tensor | None = getattr(self, name)
        return None if value is None else value.reshape(-1, *([1] * (ndim - 1)))


_CONSTANTS = ("c2", "c1", "c0", "theta", "u_reset", "r0", "reset_by")
