"""The QIF population as a torch module: all time steps in one call or one at a time, by the project's one float step."""

from __future__ import annotations

from typing import Any

from qif_deploy._torch import torch
from qif_deploy.errors import InputError
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import QIFParams
from qif_deploy.training.kernels.choice import NeuronKernel, takes_fused
from qif_deploy.training.spike import SurrogateSpike
from qif_deploy.training.stable_map import LearnedConstant, StableMap
from qif_deploy.training.surrogate import Window

Tensor = torch.Tensor


class QIFNeuron(torch.nn.Module):
    """``u = (c2 r + c1) r + c0 + x``, spike, reset; t = 1..T with ``r[0] = r0``. LIF is the case ``c2 = 0``.

    Constants are buffers unless ``learned`` names them; then they are functions of free parameters that stay in the range of
    ``stable_map`` under any gradient step. The state is float32, or float64 for float64 input: also for half-precision input and
    under autocast; spikes have the dtype of the input, which holds 0 and 1 exactly. Source: docs/numerics.md, section 1.

    Args:
        params: the neuron; one channel or as many as the input has.
        spike: ``(u, theta) -> s`` with a surrogate gradient, such as ``RectangularSpike``.
        detach_reset: cut the gradient through the reset, so that only the path through ``u`` carries it over time.
        learned: constants to learn, none for a fixed neuron.
        window: recomputes the width of ``spike`` in training whenever a learned constant has changed; None leaves it.
        kernel: eager torch, the fused kernel, or the fused kernel where it runs on a GPU.

    Raises:
        InputError: a start outside the stable range, or a window for a spike that has no width.
    """

    u_reset: Tensor

    def __init__(
        self,
        params: QIFParams,
        *,
        spike: torch.nn.Module,
        detach_reset: bool = True,
        learned: frozenset[LearnedConstant] = frozenset(),
        window: Window | None = None,
        kernel: NeuronKernel = NeuronKernel.AUTO,
    ) -> None:
        super().__init__()
        if window is not None and not isinstance(spike, SurrogateSpike):
            raise InputError(f"neuron: a window for a spike of type {type(spike).__name__}, which has no width; use SurrogateSpike")
        self.reset = params.reset
        self.spike_on_equal = params.spike_on_equal
        self.spike = spike
        self.detach_reset = detach_reset
        self.window = window
        self.kernel = kernel
        self.stable_map = StableMap(params, learned) if learned else None
        # A spike that takes off theta goes on doing so when theta is learned.
        self._takes_theta = LearnedConstant.THRESHOLD in learned and bool((params.reset_by == params.theta).all())
        self._window_of: tuple[int, ...] = ()
        for name in _CONSTANTS if self.stable_map is None else _NEVER_LEARNED:
            self.register_buffer(name, torch.tensor(getattr(params, name), dtype=torch.get_default_dtype()))
        self.register_buffer("u_min", None if params.u_min is None else torch.tensor(params.u_min, dtype=torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the spikes of the input currents, both ``(time, batch, channel, ...)``, from ``r0`` on.

        Raises:
            InputError: fewer axes, no time step, or a number of channels that is not the neuron's.
        """
        self._check_input(x, leading="time, batch")
        self._follow_window()
        if takes_fused(self.kernel, x, self.spike):
            return self._fused(x)
        constants = self._laid_out(x.ndim - 2)
        dtype = _state_dtype(x)
        r: Tensor = constants.pop("r0").to(dtype).expand(x.shape[1:])
        spikes = []
        for current in x.unbind(0):
            s, r = self._step(current.to(dtype), r, constants)
            spikes.append(s)
        return torch.stack(spikes).to(x.dtype)

    def step(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return spikes and next state for one step; a loop of this equals ``forward`` bit for bit.

        Args:
            x: input current, ``(batch, channel, ...)``.
            state: ``r`` after the last step, same axes, float32 (float64 for float64 input); None starts from ``r0``.

        Raises:
            InputError: axes that do not fit.
        """
        self._check_input(x, leading="batch")
        self._follow_window()
        if state is not None and state.shape != x.shape:
            raise InputError(f"neuron: state {tuple(state.shape)} for input {tuple(x.shape)}; give the state that the last step returned")
        constants = self._laid_out(x.ndim - 1)
        dtype = _state_dtype(x)
        r0 = constants.pop("r0").to(dtype).expand(x.shape)
        s, r = self._step(x.to(dtype), r0 if state is None else state, constants)
        return s.to(x.dtype), r

    def constants(self) -> dict[str, Tensor | None]:
        """Return ``c2, c1, c0, theta, u_reset, r0, reset_by, u_min``, each ``(channel,)``; learned ones carry their gradient."""
        found: dict[str, Tensor | None] = {name: getattr(self, name, None) for name in (*_CONSTANTS, "u_min")}
        if self.stable_map is not None:
            found |= self.stable_map()
            if self._takes_theta:
                found["reset_by"] = found["theta"]
        return found

    def params(self) -> QIFParams:
        """Return the parameters that this module computes with at present, widened to float64."""
        values = self.constants()
        arrays: dict[str, Any] = {name: None if value is None else value.detach().cpu().double().numpy() for name, value in values.items()}
        return QIFParams(reset=self.reset, spike_on_equal=self.spike_on_equal, **arrays)

    def _step(self, x: Tensor, r: Tensor, constants: dict[str, Any]) -> tuple[Tensor, Tensor]:
        step = float_step(r, x, reset=self.reset, spike=self.spike, gate=self._gate, **constants)
        return step.s, step.r

    def _fused(self, x: Tensor) -> Tensor:
        from qif_deploy.training.kernels.fused import FusedSetting, fused_population  # only where triton is installed

        assert isinstance(self.spike, SurrogateSpike)
        setting = FusedSetting(reset=self.reset, on_equal=self.spike.on_equal, detach_reset=self.detach_reset, shape=self.spike.shape)
        return fused_population(x, self.constants(), self.spike.half_width, setting)

    def _follow_window(self) -> None:
        """Recompute the surrogate's width if learned constants have moved; the backward pass alone uses it."""
        if self.stable_map is None or self.window is None or not (self.training and torch.is_grad_enabled()):
            return
        versions = self.stable_map.versions()
        if versions != self._window_of:
            assert isinstance(self.spike, SurrogateSpike)
            self.spike.widen(self.window.half_width(self.params()))
            self._window_of = versions

    def _gate(self, fired: Tensor) -> Tensor:
        return fired.detach() if self.detach_reset else fired

    def _laid_out(self, ndim: int) -> dict[str, Any]:
        """Return the constants so that they broadcast over ``(channel, ...)`` with ``ndim`` axes behind the batch."""
        shape = (-1, *([1] * (ndim - 1)))
        return {name: None if value is None else value.reshape(shape) for name, value in self.constants().items()}

    def _check_input(self, x: Tensor, *, leading: str) -> None:
        axes = leading.count(",") + 1
        channels = self.u_reset.numel()  # never learned, so always a buffer
        if x.ndim <= axes or (axes == 2 and x.shape[0] < 1) or channels not in (1, x.shape[axes]):
            wanted = f"({leading}, {channels if channels > 1 else 'channel'}, ...)"
            raise InputError(f"neuron: input of shape {tuple(x.shape)} is not {wanted}; give one value per neuron and step")


def _state_dtype(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


_NEVER_LEARNED = ("u_reset", "r0", "reset_by")
_CONSTANTS = ("c2", "c1", "c0", "theta", *_NEVER_LEARNED)
