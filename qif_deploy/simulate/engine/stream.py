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
from qif_deploy.simulate.op_counts import LayerCounts, Reaches, Tallies, joined_counts, operations_of, reaches_of

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

    ``readout`` is ``(sample, class)`` int64; ``counts`` as ``count_operations`` returns them. ``saturated``: population -> values of
    ``h`` and ``u`` that a saturation changed, ``(sample,)``; 0 wherever the range proof says that they fit. ``activity``: population ->
    spikes per neuron over all samples and steps, in the shape of the population; empty unless asked for. ``tallies``: what the counts
    come from, a map per sample; None unless asked for.
    """

    readout: ReadoutCodes
    counts: tuple[LayerCounts, ...]
    saturated: Mapping[str, SampleCounts]
    steps: int
    activity: Mapping[str, SampleCounts]
    tallies: Tallies | None

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
    counts: tuple[LayerCounts, ...]
    saturated: Mapping[str, SampleCounts]
    activity: Mapping[str, SampleCounts]
    tallies: Tallies | None


def run_stream(
    graph: QuantizedGraph,
    batches: Batches,
    *,
    device: str = "cpu",
    threads: int | None = None,
    share: Share | None = None,
    activity: bool = False,
    keep_tallies: bool = False,
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
        activity: also sum the spikes of every neuron.
        keep_tallies: also return spikes per sample and position, which take memory for every sample.
        progress: called with the number of samples done by this process.

    Raises:
        InputError: no sample, another number of steps in between, more steps than the proof covers, or a device that does not exist.
        BackendError: a sum is too wide for an exact float accumulation.
    """
    share = Share() if share is None else share
    parts: dict[int, _Part] = {}
    steps: int | None = None
    reaches = reaches_of(graph)
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
            for outcome in runner.run(inputs, activity=activity):
                outcomes.append(outcome)
                done += len(outcome.readout)
                if progress is not None:
                    progress(done)
            parts[number] = _joined(graph, reaches, found, outcomes, keep_tallies=keep_tallies)
    steps, parts = _gathered(steps, parts, share)
    if steps is None or not parts:
        raise InputError("the stream holds no sample for this process; give at least one batch per process")
    return _result(steps, [parts[number] for number in sorted(parts)])


def in_batches(inputs: Mapping[str, InputCodes], size: int) -> Iterable[Mapping[str, InputCodes]]:
    """Yield codes ``(time, sample, ...)`` in batches of ``size`` samples, without copying them."""
    samples = next(iter(inputs.values())).shape[1]
    for start in range(0, samples, size):
        yield {name: codes[:, start : start + size] for name, codes in inputs.items()}


def _joined(graph: QuantizedGraph, reaches: Reaches, steps: int, outcomes: list[TileOutcome], *, keep_tallies: bool) -> _Part:
    """Counted batch by batch, so that what is kept per sample is a number per layer and not a map."""

    def join(what: str) -> dict[str, SampleCounts]:
        names = getattr(outcomes[0], what)
        return {name: torch.cat([getattr(outcome, what)[name] for outcome in outcomes]).cpu().numpy() for name in names}

    readout = np.concatenate([outcome.readout for outcome in outcomes])
    tallies = Tallies(steps=steps, samples=len(readout), rates=join("rates"), driven=join("driven"))
    activity = {name: np.asarray(_per_neuron(graph, outcomes, name), np.int64) for name in outcomes[0].activity}
    return _Part(
        readout=readout,
        counts=operations_of(graph, tallies, reaches),
        saturated=join("saturated"),
        activity=activity,
        tallies=tallies if keep_tallies else None,
    )


def _per_neuron(graph: QuantizedGraph, outcomes: list[TileOutcome], name: str) -> SampleCounts:
    total: SampleCounts = sum(outcome.activity[name] for outcome in outcomes).T.cpu().numpy()  # type: ignore[union-attr]  # never empty
    return total.reshape(graph.shapes[name])


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


def _result(steps: int, parts: list[_Part]) -> StreamResult:
    saturated = {name: np.concatenate([part.saturated[name] for part in parts]) for name in parts[0].saturated}
    return StreamResult(
        readout=np.concatenate([part.readout for part in parts]),
        counts=joined_counts([part.counts for part in parts]),
        saturated=MappingProxyType(saturated),
        steps=steps,
        activity=MappingProxyType({name: np.sum([part.activity[name] for part in parts], axis=0) for name in parts[0].activity}),
        tallies=_joined_tallies([part.tallies for part in parts if part.tallies is not None]),
    )


def _joined_tallies(parts: list[Tallies]) -> Tallies | None:
    if not parts:
        return None
    return Tallies(
        steps=parts[0].steps,
        samples=sum(part.samples for part in parts),
        rates={name: np.concatenate([part.rates[name] for part in parts]) for name in parts[0].rates},
        driven={name: np.concatenate([part.driven[name] for part in parts]) for name in parts[0].driven},
    )
