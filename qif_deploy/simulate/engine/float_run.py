"""The float network on torch, in the precisions that networks are trained and served in, on the CPU or a GPU.

The synapses take the precision, the state is float32 at least, as the trainer has it. NumPy's float64 run stays the yardstick.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, BatchNorm, Conv2d, Dense, Flatten, Input, Readout, Reduce, SumPool2d
from qif_deploy.neuron.float_step import float_step
from qif_deploy.shapes import InputCodes, channelwise
from qif_deploy.simulate.engine.workers import usable_device
from qif_deploy.simulate.float_sim import FloatPopulationTrace, FloatTrace
from qif_deploy.sound_conv2d import conv2d

Tensor = torch.Tensor


class FloatPrecision(enum.Enum):
    """What the synapses compute in; TF32 is float32 whose products a GPU forms from 10 bits of mantissa."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    TF32 = "tf32"
    BF16 = "bf16"

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights and signals."""
        match self:
            case FloatPrecision.FLOAT64:
                return torch.float64
            case FloatPrecision.FLOAT32 | FloatPrecision.TF32:
                return torch.float32
            case FloatPrecision.BF16:
                return torch.bfloat16
            case _:
                assert_never(self)


def available_precisions(device: str) -> tuple[FloatPrecision, ...]:
    """Return the precisions that a device has; TF32 is a GPU's, from compute capability 8 on.

    Raises:
        InputError: the device does not exist.
    """
    target = usable_device(device)
    tf32 = target.type == "cuda" and torch.cuda.get_device_capability(target)[0] >= 8
    return tuple(p for p in FloatPrecision if tf32 or p is not FloatPrecision.TF32)


def run_float_torch(graph: Graph, inputs: Mapping[str, InputCodes], *, precision: FloatPrecision, device: str = "cpu") -> FloatTrace:
    """Execute a float graph on torch; the neuron is ``float_step``.

    Args:
        graph: with or without BatchNorm nodes.
        inputs: integer codes ``(time, batch, ...)`` per input.
        precision: of the synapses; the state is float32, or float64 under FLOAT64.
        device: of torch.

    Raises:
        InputError: the device does not exist or lacks the precision.
    """
    if precision not in available_precisions(device):
        raise InputError(f"precision {precision.value!r} is not one of device {device!r}; use one of {_words(device)}")
    target = usable_device(device)
    with torch.no_grad(), _tf32(precision is FloatPrecision.TF32):
        return _Run(graph, inputs, precision, target).result()


def _words(device: str) -> str:
    return ", ".join(p.value for p in available_precisions(device))


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Set whether a GPU may form float32 products in TF32, and put back what was set."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


class _Run:
    def __init__(self, graph: Graph, inputs: Mapping[str, InputCodes], precision: FloatPrecision, device: torch.device) -> None:
        self.graph, self.inputs, self.device = graph, inputs, device
        self.dtype = precision.dtype
        self.state = torch.promote_types(self.dtype, torch.float32)

    def result(self) -> FloatTrace:
        signals: dict[str, Tensor] = {}
        populations: dict[str, FloatPopulationTrace] = {}
        readout: Tensor | None = None
        for name in self.graph.order:
            node = self.graph.nodes[name]
            feeding = [signals[source] for source in self.graph.sources(name)]
            match node:
                case Input():
                    codes = torch.from_numpy(np.ascontiguousarray(self.inputs[name])).to(self.device)
                    signals[name] = codes.to(self.dtype) * node.scale
                case Dense() | Conv2d() | AvgPool2d() | SumPool2d() | Flatten() | BatchNorm():
                    x = feeding[0]
                    out = self._per_step(node, x.flatten(0, 1))
                    signals[name] = out.reshape(*x.shape[:2], *out.shape[1:])
                case QIF():
                    populations[name], signals[name] = self._population(node, sum(feeding[1:], feeding[0]))
                case Readout():
                    current = sum(feeding[1:], feeding[0]).to(self.state)
                    readout = current.sum(dim=0) if node.reduce is Reduce.SUM else current[-1]
                case _:
                    assert_never(node)
        assert readout is not None
        return FloatTrace(populations=populations, readout=_numpy(readout))

    def _tensor(self, values: NDArray[Any], dtype: torch.dtype | None = None) -> Tensor:
        return torch.tensor(values, dtype=self.dtype if dtype is None else dtype, device=self.device)

    def _per_step(self, node: Dense | Conv2d | AvgPool2d | SumPool2d | Flatten | BatchNorm, x: Tensor) -> Tensor:
        functional = torch.nn.functional
        match node:
            case Dense():
                return functional.linear(x, self._tensor(node.weight), self._bias(node))
            case Conv2d():
                return conv2d(x, self._tensor(node.weight), self._bias(node), node.geometry)
            case AvgPool2d():
                return functional.avg_pool2d(x, node.kernel, node.stride)
            case SumPool2d():
                return functional.avg_pool2d(x, node.kernel, node.stride, divisor_override=1)
            case Flatten():
                return x.flatten(1)
            case BatchNorm():
                wide = self.state
                gain, shift, mean, var = (self._tensor(v, wide) for v in (node.gain, node.shift, node.mean, node.var))
                return functional.batch_norm(x.to(wide), mean, var, gain, shift, eps=node.eps).to(self.dtype)
            case _:
                assert_never(node)

    def _bias(self, node: Dense | Conv2d) -> Tensor | None:
        return None if node.bias is None else self._tensor(node.bias)

    def _population(self, node: QIF, x: Tensor) -> tuple[FloatPopulationTrace, Tensor]:
        p, ndim, x = node.params, x.ndim - 2, x.to(self.state)
        names = ("c2", "c1", "c0", "theta", "u_reset", "reset_by")
        constants: dict[str, Any] = {name: self._tensor(channelwise(getattr(p, name), ndim), self.state) for name in names}
        u_min = None if p.u_min is None else self._tensor(channelwise(p.u_min, ndim), self.state)
        reached = torch.ge if p.spike_on_equal else torch.gt
        r = self._tensor(channelwise(p.r0, ndim), self.state).expand(x.shape[1:])
        courses, spikes = [], []
        for current in x.unbind(0):
            step = float_step(r, current, u_min=u_min, reset=p.reset, spike=lambda u, theta: reached(u, theta).to(self.state), **constants)
            courses.append(step.u)
            spikes.append(step.s)
            r = step.r
        s = torch.stack(spikes)
        trace = FloatPopulationTrace(x=_numpy(x), u=_numpy(torch.stack(courses)), s=s.to(torch.uint8).cpu().numpy())
        return trace, s.to(self.dtype)


def _numpy(values: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = values.cpu().numpy()
    return found


__all__ = ["FloatPrecision", "available_precisions", "run_float_torch"]
