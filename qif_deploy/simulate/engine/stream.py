"""Running over a data set, batch by batch, for what is small: readouts, classes and counts. No trace is kept.

Under ``torchrun`` every process takes every world-th batch; results meet by ``torch.distributed`` where it is initialised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import InputCodes, ReadoutCodes
from qif_deploy.simulate.engine.engine import Engine, TileOutcome
from qif_deploy.simulate.engine.runner import Runner
from qif_deploy.simulate.engine.workers import usable_device
from qif_deploy.simulate.inputs import require_steps
from qif_deploy.simulate.op_counts import LayerCounts, Tallies, operations_of

SampleCounts = NDArray[np.int64]
Batches = Iterable[Mapping[str, InputCodes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which part of the batches a process takes: numbers ``rank``, ``rank + world``, ...

    Raises:
        InputError: a rank that is not below the number of processes.
    """

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise InputError(f"share: rank {self.rank} of {self.world} processes does not exist; give 0 <= rank < world")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult:
    """What a run over a stream gave, samples in the order of the stream.

    ``readout`` is ``(sample, class)`` int64; ``counts`` as ``count_operations`` returns them, from ``tallies``. ``saturated``: population
    -> values of ``h`` and ``u`` that a saturation changed, ``(sample,)``; 0 wherever the range proof says that they fit.
    """

    readout: ReadoutCodes
    counts: tuple[LayerCounts, ...]
    tallies: Tallies
    saturated: Mapping[str, SampleCounts]
    steps: int

    @property
    def classes(self) -> SampleCounts:
        """Answer per sample; ties go to the lowest index."""
        answers: SampleCounts = self.readout.argmax(axis=1).astype(np.int64)
        return answers

    @property
    def spikes(self) -> dict[str, int]:
        """Number of spikes per population."""
        return {layer.name: int(layer.spikes.sum()) for layer in self.counts if layer.name in self.saturated}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Arrays of one batch; plain NumPy, so that processes can exchange it."""

    readout: ReadoutCodes
    rates: Mapping[str, SampleCounts]
    driven: Mapping[str, SampleCounts]
    saturated: Mapping[str, SampleCounts]


def run_stream(
    graph: QuantizedGraph,
    batches: Batches,
    *,
    device: str = "cpu",
    threads: int | None = None,
    share: Share | None = None,
    progress: Callable[[int], None] | None = None,
) -> StreamResult:
    """Execute ``graph`` on a stream of batches.

    Args:
        graph: the network.
        batches: input name -> codes ``(time, sample, ...)``, all of the same number of steps; any sizes. A frame that is held for all
            steps is computed once: give it as a broadcast view, as ``prepare_inputs`` does.
        device: of torch.
        threads: on a CPU; None for as many as torch uses.
        share: this process's part; None for all. With ``torch.distributed`` initialised every process returns the whole, else its part.
        progress: called with the number of samples done by this process.

    Raises:
        InputError: no sample, another number of steps in between, more steps than the proof covers, or a device that does not exist.
        BackendError: a sum is too wide for an exact float accumulation.
    """
    share = Share() if share is None else share
    parts: dict[int, _Part] = {}
    steps: int | None = None
    with Runner(Engine(graph, usable_device(device)), threads=threads) as runner:
        done = 0
        for number, inputs in enumerate(batches):
            if number % share.world != share.rank:
                continue
            found = next(iter(inputs.values())).shape[0]
            require_steps(graph, found)
            if steps not in (None, found):
                raise InputError(f"batch {number} has {found} time steps, the batches before have {steps}; give all the same")
            steps = found
            outcomes = []
            for outcome in runner.run(inputs):
                outcomes.append(outcome)
                done += len(outcome.readout)
                if progress is not None:
                    progress(done)
            parts[number] = _joined(outcomes)
    steps, parts = _gathered(steps, parts, share)
    if steps is None or not parts:
        raise InputError("the stream holds no sample for this process; give at least one batch per process")
    return _result(graph, steps, [parts[number] for number in sorted(parts)])


def in_batches(inputs: Mapping[str, InputCodes], size: int) -> Iterable[Mapping[str, InputCodes]]:
    """Yield codes ``(time, sample, ...)`` in batches of ``size`` samples, without copying them."""
    samples = next(iter(inputs.values())).shape[1]
    for start in range(0, samples, size):
        yield {name: codes[:, start : start + size] for name, codes in inputs.items()}


def _joined(outcomes: list[TileOutcome]) -> _Part:
    def join(what: str) -> dict[str, SampleCounts]:
        names = getattr(outcomes[0], what)
        return {name: torch.cat([getattr(outcome, what)[name] for outcome in outcomes]).cpu().numpy() for name in names}

    return _Part(
        readout=np.concatenate([outcome.readout for outcome in outcomes]),
        rates=join("rates"),
        driven=join("driven"),
        saturated=join("saturated"),
    )


def _gathered(steps: int | None, parts: dict[int, _Part], share: Share) -> tuple[int | None, dict[int, _Part]]:
    """Return everybody's parts where processes can talk to each other, else one's own."""
    if share.world == 1 or not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return steps, parts
    everyone: list[tuple[int | None, dict[int, _Part]]] = [(None, {})] * share.world
    torch.distributed.all_gather_object(everyone, (steps, parts))
    lengths = {length for length, _ in everyone} - {None}
    if len(lengths) > 1:
        raise InputError(f"the processes ran batches of {sorted(lengths, key=str)} time steps; give all the same")
    return next(iter(lengths), None), {number: part for _, found in everyone for number, part in found.items()}


def _result(graph: QuantizedGraph, steps: int, parts: list[_Part]) -> StreamResult:
    def join(what: str) -> dict[str, SampleCounts]:
        return {name: np.concatenate([getattr(part, what)[name] for part in parts]) for name in getattr(parts[0], what)}

    readout = np.concatenate([part.readout for part in parts])
    tallies = Tallies(steps=steps, samples=len(readout), rates=join("rates"), driven=join("driven"))
    return StreamResult(
        readout=readout,
        counts=operations_of(graph, tallies),
        tallies=tallies,
        saturated=MappingProxyType(join("saturated")),
        steps=steps,
    )
