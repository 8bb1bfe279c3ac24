"""The QIF neuron for SLAYER: forward in the deployed integers, backward through the float equation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import QIFParams
from qif_deploy.shapes import channelwise
from qif_deploy.training.spike import RectangularSpike
from qif_hardware.lava.slayer._slayer import neuron_base, torch
from qif_hardware.lava.slayer.neuron_params import WEIGHT_SCALE, NeuronParams, device_params_of, neuron_codes, widen

Tensor = torch.Tensor

WEIGHT_EXTREME = 254
"""Largest exported weight. SLAYER's grid also has -256, which codes of symmetric range do not hold; it is left out."""

LEARNED = ("c2", "c1", "c0")


def _carry(smooth: Tensor, exact: Tensor) -> Tensor:
    """Return ``exact`` to the bit, with the gradient of ``smooth`` (straight through): what is added is a true zero."""
    return exact + (smooth - smooth.detach())


class Dynamics(NamedTuple):
    """``u`` before reset in SLAYER's units (codes / state_scale, float64) and the spikes; ``(batch, channel, ..., time)``."""

    u: Tensor
    s: Tensor


class Neuron(neuron_base.Neuron):  # type: ignore[misc]  # lava-dl ships no types
    """QIF neuron on SLAYER's neuron base. The forward pass is ``fixed_step`` on int64, code for code what is deployed.

    Gradients are those of ``float_step`` taken at the exact states: every exact value replaces its float twin in the
    forward pass and passes the gradient on (straight through), the spike has a rectangular window around theta.
    States are carried in float64, where codes / state_scale are exact.

    During the first ``held_steps`` steps the neuron stays in r0 and is silent: with SLAYER's delay of one step per
    block nothing has arrived yet, and bias and drift would otherwise move it; ``timing.stage`` sets it.

    Args:
        neuron: parameters and number format.
    """

    def __init__(self, neuron: NeuronParams) -> None:
        params = neuron.params
        super().__init__(
            threshold=float(params.theta.mean()),  # the base class reports it; the codes decide
            p_scale=1 << neuron.s1,
            w_scale=WEIGHT_SCALE,
            s_scale=neuron.state_scale,
            shared_param=params.channels == 1,
            requires_grad=neuron.learnable,
        )
        self.neuron_params = neuron
        self.shape: Any = None  # SLAYER's name: torch.Size without batch and time, known after the first pass
        self.held_steps = 0
        self.window = RectangularSpike(np.asarray(neuron.half_width, np.float64))
        for name in LEARNED:
            value = torch.tensor(getattr(params, name), dtype=torch.float64)
            self.register_parameter(name, torch.nn.Parameter(value, requires_grad=neuron.learnable))
        self._coded: tuple[bytes, FixedConstants] | None = None
        self.constants  # noqa: B018  # a code that does not fit is an error here, not in the first batch

    @property
    def device(self) -> torch.device:
        """Where the neuron lives."""
        device: torch.device = self.c2.device
        return device

    @property
    def params(self) -> QIFParams:
        """The float parameters with the present values of c2, c1, c0."""
        return replace(self.neuron_params.params, **{name: getattr(self, name).detach().cpu().double().numpy() for name in LEARNED})

    @property
    def constants(self) -> FixedConstants:
        """The codes that the next forward pass computes with; made anew when c2, c1 or c0 have changed. Clamps them first."""
        self.clamp()
        params = self.params
        key = b"".join(getattr(params, name).tobytes() for name in LEARNED)
        if self._coded is None or self._coded[0] != key:
            self._coded = key, neuron_codes(replace(self.neuron_params, params=params))
        return self._coded[1]

    @property
    def device_params(self) -> dict[str, Any]:
        """What SLAYER's ``export_hdf5`` writes: our integers."""
        constants = self.constants
        return device_params_of(constants if self.shape is None else widen(constants, self.shape[0]), self.neuron_params.branch_shift)

    def clamp(self) -> None:
        """Keep learnable c2, c1, c0 where codes exist, in place; SLAYER's neurons do the same with their decays."""
        if not self.neuron_params.learnable:
            return  # there a value that does not fit is an error, found at construction
        f = self.neuron_params.number_format
        per_code = {"c2": self.s_scale / self.p_scale, "c1": 1 / self.p_scale, "c0": 1 / self.s_scale}
        for name, value in per_code.items():
            limit = (f.state_limit if name == "c0" else f.coef_limit) * value
            getattr(self, name).data.clamp_(-limit, limit)

    def quantize_8bit(self, weight: Tensor, descale: bool = False) -> Tensor:
        """Round to SLAYER's even integers / 64 within our symmetric weight range; ``descale`` gives the integers."""
        extreme = min(WEIGHT_EXTREME, 2 * self.neuron_params.number_format.weight_limit)
        limit = extreme if descale else extreme / WEIGHT_SCALE
        quantised: Tensor = super().quantize_8bit(weight, descale).clamp(-limit, limit)
        return quantised

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # SLAYER's name
        """Return the spikes of the weighted inputs, both ``(batch, channel, ..., time)``, in the dtype of the input."""
        return self.dynamics(input).s

    def dynamics(self, input: Tensor) -> Dynamics:  # noqa: A002  # SLAYER's name
        """Return ``u`` and spikes for every step.

        Raises:
            InputError: an input that is not a multiple of a weight code, since then nothing here would be exact.
        """
        if self.shape is None:
            self.shape = input.shape[1:-1]
        if input.ndim < 3 or input.shape[1:-1] != self.shape:
            raise InputError(
                f"SLAYER neuron of shape {tuple(self.shape)}: input {tuple(input.shape)} does not fit; give (batch, channel, ..., time)"
            )
        scale = float(self.s_scale)
        x = input.to(torch.float64)
        codes = self._exact_codes(x)
        ndim = input.ndim - 2
        fixed = widen(self.constants, self.shape[0])
        k = fixed.laid_out(ndim, self._to_device)
        theta = k.theta
        assert theta is not None  # QIFParams always has a threshold
        bias, r0 = (self._to_device(channelwise(values, ndim)) for values in (fixed.bias, fixed.r0))
        smooth = {name: getattr(self, name).double().reshape(-1, *([1] * (ndim - 1))) for name in LEARNED}
        in_units = {"theta": theta / scale, "u_reset": k.reset / scale, "reset_by": k.reset_by / scale}
        u_min = None if k.u_min is None else k.u_min / scale
        r_codes = r0.expand(input.shape[:-1])
        r = r_codes / scale
        held = min(self.held_steps, input.shape[-1])
        us, spikes = [r] * held, [torch.zeros_like(r)] * held
        for t in range(held, input.shape[-1]):
            exact = fixed_step(r_codes, codes[..., t] + bias, k)
            u_exact = exact.u / scale

            def spike(u: Tensor, theta: Tensor, u_exact: Tensor = u_exact) -> Tensor:
                us.append(_carry(u, u_exact))
                fired: Tensor = self.window(us[-1], theta)
                return fired

            step = float_step(r, x[..., t], **smooth, **in_units, u_min=u_min, reset=fixed.reset_mode, spike=spike, gate=self._gate)
            spikes.append(step.s)
            r_codes = exact.r
            r = _carry(step.r, r_codes / scale)
        return Dynamics(u=torch.stack(us, dim=-1), s=torch.stack(spikes, dim=-1).to(input.dtype))

    def _gate(self, fired: Tensor) -> Tensor:
        return fired.detach() if self.neuron_params.detach_reset else fired

    def _to_device(self, codes: Any) -> Tensor:
        return torch.tensor(codes, dtype=torch.int64, device=self.device)

    def _exact_codes(self, x: Tensor) -> Tensor:
        """Weighted inputs as membrane codes without bias. Nothing is rounded: what is no code is refused."""
        scaled: Tensor = x.detach() * float(self.s_scale)
        codes = scaled.to(torch.int64)
        wrong = codes.double() != scaled
        if bool(wrong.any()):
            raise InputError(
                f"SLAYER neuron: weighted input {float(x[wrong][0])!r} is not a multiple of 1/{self.s_scale}; "
                "feed integer codes or spikes, and leave the synapse's pre_hook_fx in place"
            )
        return codes
