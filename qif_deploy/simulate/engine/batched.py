"""Batched execution on torch, CPU or CUDA. Equal to the reference in every array; compared by the conformance tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.analysis.signal_range import Signal, signal_of
from qif_deploy.errors import BackendError, InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.shapes import InputCodes, channelwise
from qif_deploy.simulate.inputs import require_steps
from qif_deploy.simulate.trace import PopulationTrace, Trace

FLOAT32_EXACT, FLOAT64_EXACT = 2**24, 2**53
"""Every integer below this, in magnitude, and every partial sum below it, is exact in that float."""


def run_batched(graph: QuantizedGraph, inputs: Mapping[str, InputCodes], *, device: str = "cpu", chunk: int = 256) -> Trace:
    """Execute ``graph`` on codes ``(time, batch, ...)``; ``chunk`` samples at a time.

    Raises:
        InputError: the device does not exist.
        BackendError: a sum is too wide for an exact float accumulation.
    """
    try:
        target = torch.device(device)
        torch.empty(0, device=target).cpu()  # a device without memory of its own fails here
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"device {device!r} is not usable here ({str(error).splitlines()[0]}); use 'cpu'") from None
    steps, samples = next(iter(inputs.values())).shape[:2]
    require_steps(graph, steps)  # int32 rests on the proof, and the proof on the number of steps
    engine = _Engine(graph, target)
    with torch.inference_mode(), _exact_floats():
        parts = [engine.run({n: codes[:, start : start + chunk] for n, codes in inputs.items()}) for start in range(0, samples, chunk)]
    populations = {
        name: PopulationTrace(
            i=np.concatenate([part.populations[name].i for part in parts], axis=1),
            u=np.concatenate([part.populations[name].u for part in parts], axis=1),
            s=np.concatenate([part.populations[name].s for part in parts], axis=1),
        )
        for name in graph.populations
    }
    return Trace(inputs=inputs, populations=populations, readout=np.concatenate([part.readout for part in parts]))


class _Engine:
    """Weights and constants of one network on one device."""

    def __init__(self, graph: QuantizedGraph, device: torch.device) -> None:
        self.graph, self.device = graph, device
        self.state_dtype = _state_dtype(graph)
        self.weights: dict[str, torch.Tensor] = {}
        for name in graph.order:
            node = graph.nodes[name]
            if isinstance(node, DenseCodes | Conv2dCodes):
                dtype = _sum_dtype(name, node, signal_of(graph, graph.sources(name)[0]))
                if device.type == "cuda" and isinstance(node, Conv2dCodes):
                    dtype = torch.float64  # cuDNN may pick a Winograd or FFT kernel for float32, which is inexact at any size
                self.weights[name] = torch.tensor(node.weight, dtype=dtype, device=device)

    def run(self, inputs: Mapping[str, InputCodes]) -> Trace:
        """Execute one chunk, node by node over all steps."""
        graph = self.graph
        signals: dict[str, torch.Tensor] = {}
        populations: dict[str, PopulationTrace] = {}
        readout = None
        for name in graph.order:
            node = graph.nodes[name]
            feeding = [signals[source] for source in graph.sources(name)]
            match node:
                case CodeInput():
                    signals[name] = torch.tensor(np.ascontiguousarray(inputs[name]), device=self.device)
                case DenseCodes() | Conv2dCodes() | SumPool2d() | Flatten():
                    signals[name] = self._per_step(name, node, feeding[0])
                case Population():
                    populations[name], signals[name] = self._population(name, node, sum(feeding[1:], feeding[0]))
                case ReadoutCodes():
                    # In the state's dtype to the end, as in a population: partial sums may wrap, the whole sum is proven to fit.
                    bias = self._tensor(node.bias, torch.int64).to(self.state_dtype)
                    i = (sum(feeding[1:], feeding[0]) + bias).to(torch.int64)
                    readout = (i.sum(dim=0) if node.reduce is Reduce.SUM else i[-1]).cpu().numpy()
        assert readout is not None
        return Trace(inputs=inputs, populations=populations, readout=readout)

    def _per_step(self, name: str, node: DenseCodes | Conv2dCodes | SumPool2d | Flatten, x: torch.Tensor) -> torch.Tensor:
        merged = x.flatten(0, 1)
        match node:
            case DenseCodes():
                weight = self.weights[name]
                out = F.linear(merged.to(weight.dtype), weight).to(self.state_dtype) << node.shift
            case Conv2dCodes():
                weight, g = self.weights[name], node.geometry
                sums = F.conv2d(merged.to(weight.dtype), weight, None, g.stride, g.padding, g.dilation, g.groups)
                out = sums.to(self.state_dtype) << node.shift
            case SumPool2d():
                # A mean times its window would round; unfolded windows are added as integers.
                windows = merged.unfold(2, node.kernel[0], node.stride[0]).unfold(3, node.kernel[1], node.stride[1])
                out = windows.sum(dim=(4, 5), dtype=torch.int32 if merged.dtype != torch.int64 else torch.int64)
            case Flatten():
                out = merged.flatten(1)
        return out.reshape(x.shape[0], x.shape[1], *out.shape[1:])

    def _population(self, name: str, node: Population, current: torch.Tensor) -> tuple[PopulationTrace, torch.Tensor]:
        ndim = current.ndim - 2
        k = node.constants.laid_out(ndim, lambda codes: self._tensor(codes, self.state_dtype))
        i = current + self._tensor(channelwise(node.constants.bias, ndim), self.state_dtype)
        r = self._tensor(channelwise(node.constants.r0, ndim), self.state_dtype).expand(current.shape[1:])
        u, s = torch.empty_like(i), torch.empty(i.shape, dtype=torch.uint8, device=self.device)
        for t in range(i.shape[0]):
            step = fixed_step(r, i[t], k)
            u[t], s[t], r = step.u, step.s, step.r
        trace = PopulationTrace(i=_int32(name, i), u=_int32(name, u), s=s.cpu().numpy())
        return trace, s

    def _tensor(self, codes: np.ndarray[tuple[int, ...], np.dtype[np.int64]], dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor(codes, dtype=dtype, device=self.device)


@contextmanager
def _exact_floats() -> Iterator[None]:
    """Plain float32 products, whatever the caller has allowed: TF32 and bf16 drop bits of codes above 2**11 and 2**8."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def _int32(name: str, codes: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    found: np.ndarray[tuple[int, ...], np.dtype[np.int32]] = codes.to(torch.int32).cpu().numpy()
    if codes.dtype != torch.int32 and codes.numel() and int(codes.abs().max()) >= 2**31:
        raise BackendError(
            f"population {name!r}: i reaches {int(codes.abs().max())}, beyond the int32 of the vectors; requantise with fewer product_bits"
        )
    return found


def _state_dtype(graph: QuantizedGraph) -> torch.dtype:
    """int32 where the range proof holds for products of 32 bits (it counts ``nearest``'s half), else int64.

    Neither ``toward_zero`` nor ``floor`` forms anything wider than its operand, and a partial sum of branches may wrap,
    since the whole sum is proven to fit.
    """
    narrow = graph.number_format.product_bits <= 32 and prove_ranges(graph, steps=graph.steps).holds
    return torch.int32 if narrow else torch.int64


def _sum_dtype(name: str, node: DenseCodes | Conv2dCodes, signal: Signal) -> torch.dtype:
    """Float in which every partial sum over the fan-in is exact: bounded by the sum of magnitudes, in any order."""
    weight = np.abs(node.weight.reshape(node.weight.shape[0], -1).astype(np.int64)).sum(axis=1)
    largest = int(weight.max()) * max(abs(signal.low), abs(signal.high))
    if largest < FLOAT32_EXACT:
        return torch.float32
    if largest < FLOAT64_EXACT:
        return torch.float64
    raise BackendError(
        f"synapse {name!r}: its sums may reach {largest}, beyond {FLOAT64_EXACT} exact in float64; use the reference backend"
    )
