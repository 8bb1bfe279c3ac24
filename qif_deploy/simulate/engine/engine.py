"""A network made ready for one device: plan, synapses and populations; runs tiles of samples, node by node over all steps at once.

Inside, a signal is ``(sample, time, height, width, channel)`` or ``(sample, time, feature)``: samples first, so that a chunk of them
is one block of memory, and channels last, as the byte convolution and the neuron's vector loop want them. A signal that all steps
share has a time axis of length 1. Tiles are cut so that what is between two layers stays in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from typing_extensions import assert_never

from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.errors import MissingDependencyError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.shapes import InputCodes, Shape
from qif_deploy.shapes import ReadoutCodes as ReadoutArray
from qif_deploy.simulate.engine.currents import Branch, PopulationPass, Results
from qif_deploy.simulate.engine.int8_conv import byte_units
from qif_deploy.simulate.engine.plan import ByteUnits, EnginePlan, Sums, plan_engine
from qif_deploy.simulate.engine.pooling import sum_pool
from qif_deploy.simulate.engine.stepwise_pass import StepwisePass
from qif_deploy.simulate.engine.summation import Synapse, prepare_synapse

Tensor = torch.Tensor

SUM_BYTES = 2**20
"""Sums that exist at once per thread: the second-level cache of current processors."""

SIGNAL_BYTES = 2**22
"""Largest signal of a tile, in bytes: a share of the last-level cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileOutcome:
    """What a tile of samples gave: ``readout (sample, class)`` int64, and the counts of ``Results`` per population.

    ``rates`` also has the inputs that are spikes. ``activity``: population -> spikes per neuron over the tile's samples and steps,
    ``(position, channel)``; empty unless asked for.
    """

    readout: ReadoutArray
    rates: Mapping[str, Tensor]
    driven: Mapping[str, Tensor]
    saturated: Mapping[str, Tensor]
    activity: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Arrays of one population for a whole trace, or a slice of their samples; axes as inside the engine."""

    i: Tensor
    u: Tensor
    s: Tensor


class Engine:
    """See the module's head.

    Args:
        graph: the network.
        device: where to run.

    Raises:
        BackendError: a sum is too wide for an exact float accumulation.
    """

    def __init__(self, graph: QuantizedGraph, device: torch.device) -> None:
        self.graph, self.device = graph, device
        self.compiled = _compiled_here(device)
        self.plan: EnginePlan = plan_engine(graph, byte_units() if device.type == "cpu" else ByteUnits.NONE)
        self.folded: dict[str, Shape | None] = {}
        self.synapses: dict[str, Synapse] = {}
        self.passes: dict[str, PopulationPass] = {}
        for name in graph.order:
            node = graph.nodes[name]
            if isinstance(node, Flatten):
                source = graph.sources(name)[0]
                self.folded[name] = self.folded.get(source) or (graph.shapes[source] if len(graph.shapes[source]) == 3 else None)
            elif isinstance(node, DenseCodes | Conv2dCodes):
                source = graph.sources(name)[0]
                self.synapses[name] = prepare_synapse(
                    node, self.plan.synapses[name], shape=graph.shapes[source], signal=signal_of(graph, source),
                    folded=self.folded.get(source), device=device,
                )  # fmt: skip
            elif isinstance(node, Population):
                self.passes[name] = self._pass(name, node)
        self.read_last = _read_last(graph)

    def _pass(self, name: str, node: Population) -> PopulationPass:
        """Return what runs a population on this device."""
        bits = self.plan.state_bits
        if self.compiled:
            from qif_deploy.simulate.engine.compiled_pass import CompiledPass

            positions = prod(self.graph.shapes[name][1:])
            return CompiledPass(node.constants, positions, state_bits=bits, unsaturated=name in self.plan.unsaturated)
        if self.device.type == "cuda":
            try:
                from qif_deploy.simulate.engine.triton_pass import TritonPass
            except MissingDependencyError:
                pass
            else:
                return TritonPass(node.constants, bits, self.device)
        return StepwisePass(node.constants, bits, self.device)

    def share_populations(self, pool: Executor | None, parts: int) -> None:
        """Have the populations of a tile split over ``pool`` where one tile is all that there is to run; None: a thread per tile."""
        for run in self.passes.values():
            run.share(pool, parts)

    def tile_samples(self, steps: int) -> int:
        """Return how many samples make a tile whose largest signal is within ``SIGNAL_BYTES``."""
        largest = max(prod(self.graph.shapes[name]) for name in (*self.graph.inputs, *self.graph.populations))
        return max(1, SIGNAL_BYTES // (largest * steps))

    def run_tile(
        self, inputs: Mapping[str, InputCodes], record: Mapping[str, Recording] | None = None, *, activity: bool = False
    ) -> TileOutcome:
        """Execute a tile.

        Args:
            inputs: codes ``(time, sample, ...)``; one whose frames are all the same is computed once.
            record: filled with every population's arrays, where given.
            activity: also sum the spikes of every neuron.
        """
        per_neuron: dict[str, Tensor] = {}
        graph, signals = self.graph, dict[str, Tensor]()
        rates, driven, saturated = dict[str, Tensor](), dict[str, Tensor](), dict[str, Tensor]()
        steps, samples = next(iter(inputs.values())).shape[:2]
        readout: ReadoutArray | None = None
        for name in graph.order:
            node = graph.nodes[name]
            match node:
                case CodeInput():
                    signals[name] = self._signal(node, inputs[name])
                    if (node.low, node.high) == (0, 1):
                        rates[name] = self._rates(signals[name], steps)
                case SumPool2d():
                    signals[name] = sum_pool(signals[graph.sources(name)[0]], node, signal_of(graph, name), compiled=self.compiled)
                case Flatten():
                    signals[name] = signals[graph.sources(name)[0]].flatten(2)
                case Population():
                    wanted = None if record is None else record[name]
                    results = self._results(name, samples, steps, wanted)
                    self._run_population(name, signals, results)
                    if wanted is not None:
                        _keep(results, wanted)
                    signals[name] = results.spikes.reshape(samples, steps, *_last(graph.shapes[name]))
                    rates[name], driven[name], saturated[name] = results.rates, results.driven, results.saturated
                    if activity:
                        per_neuron[name] = results.spikes.sum(dim=(0, 1), dtype=torch.int64)
                case ReadoutCodes():
                    readout = self._read_out(name, node, signals, steps)
                case DenseCodes() | Conv2dCodes():
                    continue  # its sums are formed in chunks, with the population that they feed
                case _:
                    assert_never(node)
            for source in self.read_last.get(name, ()):
                del signals[source]
        assert readout is not None
        return TileOutcome(readout=readout, rates=rates, driven=driven, saturated=saturated, activity=per_neuron)

    def _signal(self, node: CodeInput, codes: InputCodes) -> Tensor:
        """Return input codes in the engine's axes, one frame where all are the same, as bytes where the range allows."""
        held = codes.strides[0] == 0 or bool((codes[1:] == codes[:1]).all())
        frames = codes[:1] if held else codes
        axes = (1, 0, 3, 4, 2) if frames.ndim == 5 else (1, 0, 2)
        dtype = np.uint8 if node.low >= 0 and node.high <= 255 else np.int32
        if self.compiled and frames.ndim == 5:
            from qif_deploy.simulate.engine.signal_kernel import order_pass

            signal = np.empty([frames.shape[axis] for axis in axes], dtype)
            order_pass(frames, signal)
            return torch.from_numpy(signal)
        return torch.from_numpy(np.ascontiguousarray(frames.transpose(axes), dtype=dtype)).to(self.device)

    def _rates(self, signal: Tensor, steps: int) -> Tensor:
        """Spikes per sample and position of an input, over time and channels."""
        held = steps if signal.shape[1] == 1 else 1
        flat = signal.flatten(2, -2) if signal.ndim == 5 else signal.unsqueeze(2)
        if not self.compiled:
            return flat.sum(dim=(1, 3), dtype=torch.int64) * held
        from qif_deploy.simulate.engine.signal_kernel import rate_pass

        rates = torch.empty((flat.shape[0], flat.shape[2]), dtype=torch.int64)
        rate_pass(flat.flatten(2).numpy(), rates.numpy())
        return rates * held

    def _results(self, name: str, samples: int, steps: int, record: Recording | None) -> Results:
        """Return arrays to fill: those of ``record`` where the engine's device can write them."""
        channels, *places = self.graph.shapes[name]
        axes = (samples, steps, prod(places), channels)

        def fresh(dtype: torch.dtype, *shape: int) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=self.device)

        counts = {
            "rates": fresh(torch.int64, samples, axes[2]),
            "driven": fresh(torch.int64, samples),
            "saturated": fresh(torch.int64, samples),
        }
        if record is None:
            return Results(spikes=torch.empty(axes, dtype=torch.uint8, device=self.device), **counts)
        if self.device.type == "cpu":
            return Results(spikes=record.s, i=record.i, u=record.u, **counts)
        s, i, u = (torch.empty_like(wanted, device=self.device) for wanted in (record.s, record.i, record.u))
        return Results(spikes=s, i=i, u=u, **counts)

    def _run_population(self, name: str, signals: Mapping[str, Tensor], results: Results) -> None:
        """Sums and step in chunks of samples, so that the sums never leave the cache."""
        branches = self.graph.sources(name)
        samples, steps, positions, channels = results.spikes.shape
        summed = sum(self.synapses[branch].plan.sums is not Sums.DIRECT for branch in branches)
        chunk = samples if self.device.type != "cpu" else max(1, SUM_BYTES // (4 * steps * positions * channels * max(1, summed)))
        for start in range(0, samples, chunk):
            part = slice(start, start + chunk)
            self.passes[name](
                tuple(self._branch(branch, signals, part) for branch in branches),
                Results(
                    spikes=results.spikes[part], rates=results.rates[part], driven=results.driven[part], saturated=results.saturated[part],
                    i=None if results.i is None else results.i[part], u=None if results.u is None else results.u[part],
                ),
            )  # fmt: skip

    def _branch(self, name: str, signals: Mapping[str, Tensor], part: slice) -> Branch:
        synapse, node = self.synapses[name], self.graph.nodes[name]
        x = signals[self.graph.sources(name)[0]][part]
        if synapse.plan.sums is Sums.DIRECT:
            assert isinstance(node, Conv2dCodes)
            weight = torch.from_numpy(node.weight.reshape(-1).copy()).to(self.device)
            return Branch(values=x.flatten(2, 3), shift=synapse.shift, weight=weight)
        sums = synapse.sums(x.flatten(0, 1))
        values = sums.reshape(*x.shape[:2], -1, sums.shape[-1])
        return Branch(values=values, shift=synapse.shift)

    def _read_out(self, name: str, node: ReadoutCodes, signals: Mapping[str, Tensor], steps: int) -> ReadoutArray:
        """Exact in int64, where the sums of all branches fit by the proof."""
        everything = slice(None)
        currents = [self._branch(branch, signals, everything).current(torch.int64)[:, :, 0] for branch in self.graph.sources(name)]
        i, bias = sum(currents[1:], currents[0]), torch.tensor(node.bias, device=self.device)
        if node.reduce is Reduce.SUM:
            held = steps if i.shape[1] == 1 else 1
            total = i.sum(dim=1) * held + bias * steps
        else:
            total = i[:, -1] + bias
        found: ReadoutArray = total.cpu().numpy()
        return found


def _compiled_here(device: torch.device) -> bool:
    """Whether the compiled kernels run on ``device``: a CPU, with numba installed."""
    try:
        import qif_deploy.simulate.engine._numba  # noqa: F401  # only whether it is there
    except MissingDependencyError:
        return False
    return device.type == "cpu"


def _keep(results: Results, record: Recording) -> None:
    """Bring what a device computed into the record."""
    assert results.i is not None
    assert results.u is not None
    if results.spikes is not record.s:
        record.s.copy_(results.spikes)
        record.i.copy_(results.i)
        record.u.copy_(results.u)


def _read_last(graph: QuantizedGraph) -> dict[str, tuple[str, ...]]:
    """Return node -> signals that nobody reads after it. A synapse reads when the population or readout behind it runs."""
    readers: dict[str, str] = {}
    for name in graph.order:
        node = graph.nodes[name]
        if isinstance(node, DenseCodes | Conv2dCodes):
            continue
        for source in graph.sources(name):
            synapse = isinstance(graph.nodes[source], DenseCodes | Conv2dCodes)
            readers[graph.sources(source)[0] if synapse else source] = name
    return {name: tuple(signal for signal, last in readers.items() if last == name) for name in set(readers.values())}


def _last(shape: Shape) -> Shape:
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape
