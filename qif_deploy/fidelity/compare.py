"""Float against integer over a stream of batches: bounded memory, every batch run once in each network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fidelity.audit import audit
from qif_deploy.fidelity.bound import CAUSES, Bounds, PopulationRun, propagated_bounds
from qif_deploy.fidelity.current_error import CurrentErrors
from qif_deploy.fidelity.ideal_codes import ideal_nodes
from qif_deploy.fidelity.membranes import chosen_neurons, membrane_trace
from qif_deploy.fidelity.noise import FLOAT64, NoiseRun, NoiseTally
from qif_deploy.fidelity.report import Divergence, Fidelity, FlipCauses, ForcedLayer, LayerFidelity, MembraneTrace, SoloAccuracy
from qif_deploy.fidelity.statistics import PairedAccuracy, paired_accuracy
from qif_deploy.fidelity.tally import Flips, Scale, Tally, tallies
from qif_deploy.fidelity.teacher_forcing import cut
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import QIF
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.float_sim import FloatTrace, run_float
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace

Codes = Mapping[str, InputCodes]
Labels = NDArray[np.int64]
Batch = tuple[Codes, Labels | None]
Runner = Callable[[Codes], Trace]

FLOAT32 = "float32"


def reference_runner(graph: QuantizedGraph) -> Runner:
    """Return the reference made ready for ``graph``."""
    return partial(run_reference, graph)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """How to compare.

    Args:
        prepare: makes a network ready to run; any backend that is exact.
        noise: float runs for the noise floor; None for float32.
        accuracy_by_layer: run the float network once per node with that node in integers; it needs labels.
        expected_format: number format of the target, whose rounding mode the network should have.
        membranes: keep the courses of a few neurons of the first batch.
    """

    prepare: Callable[[QuantizedGraph], Runner] = reference_runner
    noise: tuple[NoiseRun, ...] | None = None
    accuracy_by_layer: bool = True
    expected_format: NumberFormat | None = None
    membranes: bool = True


def compare_fidelity(
    graph: Graph, quantized: QuantizedGraph, batches: Iterable[Batch], *, how: Comparing | None = None, source: str | None = None
) -> Fidelity:
    """Compare a float network with an integer network.

    Args:
        graph: the float network, BatchNorm folded or not; populations, synapses and readout bear the same names in both.
        quantized: the integer network.
        batches: codes ``(time, sample, ...)`` per input, as ``prepare_inputs`` returns them, and one label per sample or None.
        how: see Comparing.
        source: name of the data, for the report.

    Raises:
        InputError: networks that are not of one origin.
    """
    comparison = _Comparison(graph, quantized, Comparing() if how is None else how)
    for inputs, labels in batches:
        comparison.add(inputs, labels)
    return replace(comparison.result(), source=source, content_hash=quantized.content_hash)


@dataclass(slots=True)
class _Totals:
    """What is counted over all layers; mutable, private to one comparison."""

    free: dict[str, Tally] = field(default_factory=dict)
    forced: dict[str, Tally] = field(default_factory=dict)
    solo: dict[str, PairedAccuracy] = field(default_factory=dict)
    accuracy: PairedAccuracy | None = None
    samples: int = 0
    divergence: Divergence | None = None
    divergence_key: tuple[int, int, int] | None = None
    membranes: list[MembraneTrace] = field(default_factory=list)


class _Comparison:
    def __init__(self, graph: Graph, quantized: QuantizedGraph, how: Comparing) -> None:
        self.graph, self.quantized, self.how = graph, quantized, how
        self.ideal = ideal_nodes(graph, quantized)
        self.findings = audit(graph, quantized, self.ideal, expected_format=how.expected_format)
        self.errors = CurrentErrors(quantized, self.ideal, self.findings)
        self.cut = cut(quantized)
        self.run_integer, self.run_forced = how.prepare(quantized), how.prepare(self.cut.graph)
        noise = (NoiseRun(name=FLOAT32, run=partial(run_float, graph, dtype=np.float32)),) if how.noise is None else how.noise
        self.noise = [NoiseTally(one) for one in noise]
        self.totals = _Totals()

    def add(self, inputs: Codes, labels: Labels | None) -> None:
        """Run and count one batch."""
        exact = run_float(self.graph, inputs)
        integer = self.run_integer(inputs)
        spikes = {name: exact.populations[name].s for name in self.quantized.populations}
        forced = self.run_forced(self.cut.inputs(inputs, spikes))
        steps = next(iter(inputs.values())).shape[0]
        if not self.totals.free:
            self.totals.free, self.totals.forced = tallies(self.quantized, steps), tallies(self.quantized, steps)
        self.errors.start_batch(dict(inputs), spikes)
        for number, name in enumerate(self.quantized.populations):
            self._add_population(number, name, exact, integer, forced)
        self._add_noise(inputs, exact, labels)
        if labels is not None:
            self._add_answers(inputs, exact, integer, forced, labels)
        self.totals.samples += integer.samples

    def _add_population(self, number: int, name: str, exact: FloatTrace, integer: Trace, forced: Trace) -> None:
        node, k = self.ideal[name], self.quantized.population(name).constants
        assert node.params is not None
        single, own, fed = exact.populations[name], integer.populations[name], forced.populations[name]
        scale = Scale.of(node.params, node.delta, single.u.ndim - 2)
        limit = k.number_format.state_limit

        run = PopulationRun(v=single.u, s_float=single.s, u=fed.u, s_codes=fed.s)
        bounds = propagated_bounds(node, k, run, self.errors.sources(name, single.x, fed.i, None))
        self.totals.forced[name].add(run, scale, bounds, state_limit=limit)

        run = PopulationRun(v=single.u, s_float=single.s, u=own.u, s_codes=own.s)
        bounds = propagated_bounds(node, k, run, self.errors.sources(name, single.x, fed.i, own.i))
        flips = self.totals.free[name].add(run, scale, bounds, state_limit=limit)
        self._note_divergence(number, name, run, scale, bounds, flips)
        if self.how.membranes and self.totals.samples == 0:
            self.totals.membranes += [membrane_trace(name, run, scale, bounds, why, index) for why, index in chosen_neurons(run, scale)]

    def _note_divergence(self, number: int, name: str, run: PopulationRun, scale: Scale, bounds: Bounds, flips: Flips) -> None:
        """Keep the earliest flip by step, then layer, then sample; flips are sorted by step and sample."""
        if not len(flips):
            return
        index = tuple(int(axis[0]) for axis in flips.where)
        key = (index[0], number, self.totals.samples + index[1])
        if self.totals.divergence_key is not None and key >= self.totals.divergence_key:
            return
        assert flips.cause is not None
        channel = (index[2], *([0] * (scale.delta.ndim - 1)))
        theta, span = float(scale.theta[channel]), float(scale.span[channel])
        v = float(run.v[index])
        threshold = float(np.broadcast_to(bounds.threshold, run.v.shape)[index])
        self.totals.divergence_key = key
        self.totals.divergence = Divergence(
            population=name,
            step=index[0],
            sample=key[2],
            neuron=index[2:],
            u_float=v,
            u_integer=float(run.u[index]) * float(scale.delta[channel]),
            theta=theta,
            margin=v - theta,
            distance=abs(v - theta) / span,
            bound=(float(bounds.rounding[index]) + threshold) / span,
            cause=CAUSES[int(flips.cause[0])].value,
        )

    def _add_noise(self, inputs: Codes, exact: FloatTrace, labels: Labels | None) -> None:
        runs = {FLOAT64: exact}
        for tally in self.noise:
            runs[tally.noise.name] = tally.noise.run(inputs)
            tally.add(runs[tally.noise.name], runs[tally.noise.against], labels)

    def _add_answers(self, inputs: Codes, exact: FloatTrace, integer: Trace, forced: Trace, labels: Labels) -> None:
        before = exact.readout.argmax(axis=1)
        self._count(None, paired_accuracy(before, integer.readout.argmax(axis=1), labels))
        if not self.how.accuracy_by_layer:
            return
        for name in self.quantized.populations:
            answers = before.copy()
            changed = (forced.populations[name].s != exact.populations[name].s).any(axis=(0, *range(2, exact.populations[name].s.ndim)))
            if changed.any():
                answers[changed] = self._hybrid(name, inputs, exact, forced, changed)
            self._count(name, paired_accuracy(before, answers, labels))
        self._count(self.quantized.readout, paired_accuracy(before, forced.readout.argmax(axis=1), labels))

    def _hybrid(self, name: str, inputs: Codes, exact: FloatTrace, forced: Trace, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the answers of the float network with population ``name`` in integers; what lies beside it is known already."""
        behind = _behind(self.graph, name)
        given = {p: exact.populations[p].s[:, chosen] for p in self.quantized.populations if p not in behind}
        given[name] = forced.populations[name].s[:, chosen]
        part = {key: codes[:, chosen] for key, codes in inputs.items()}
        answers: NDArray[np.int64] = run_float(self.graph, part, given=given).readout.argmax(axis=1)
        return answers

    def _count(self, node: str | None, found: PairedAccuracy) -> None:
        totals = self.totals
        if node is None:
            totals.accuracy = found if totals.accuracy is None else totals.accuracy.merged(found)
        else:
            totals.solo[node] = totals.solo[node].merged(found) if node in totals.solo else found

    def result(self) -> Fidelity:
        """Return what was counted."""
        totals = self.totals
        layers = tuple(_layer(name, totals.free[name], totals.forced[name]) for name in self.quantized.populations if totals.free)
        flips = sum(int(t.flips.sum()) for t in totals.free.values())
        decisions = sum(int(t.decisions.sum()) for t in totals.free.values())
        spikes = sum(int(t.spikes_float.sum()) for t in totals.free.values())
        return Fidelity(
            accuracy=totals.accuracy,
            samples=totals.samples,
            spike_agreement=1 - flips / decisions if decisions else None,
            flips_per_spike=flips / spikes if spikes else None,
            layers=layers,
            first_divergence=totals.divergence,
            membranes=tuple(totals.membranes),
            noise=tuple(tally.row() for tally in self.noise),
            findings=self.findings,
            solo=tuple(SoloAccuracy(name=name, paired=paired) for name, paired in totals.solo.items()),
        )


def _behind(graph: Graph, name: str) -> set[str]:
    """Return the populations whose input depends on population ``name``."""
    found, waiting = set[str](), list(graph.targets(name))
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += graph.targets(node)
    return {node for node in found if isinstance(graph.nodes[node], QIF)}


def _layer(name: str, free: Tally, forced: Tally) -> LayerFidelity:
    suspect = (forced.unexplained_by_channel + forced.beyond_by_channel) > 0
    return LayerFidelity(
        name=name,
        causes=_causes(free),
        steps=_steps(free, forced),
        forced=ForcedLayer(
            **_shares(forced),
            membrane_bound=float(forced.bound.sum() / forced.decisions.sum()),
            causes=_causes(forced),
            beyond_bound=int(forced.beyond_by_channel.sum()),
            suspect_channels=tuple(int(c) for c in np.flatnonzero(suspect)),
        ),
        rate_float=float(free.spikes_float.sum() / free.decisions.sum()),
        rate_integer=float(free.spikes_integer.sum() / free.decisions.sum()),
        **_shares(free),
    )


def _shares(tally: Tally) -> dict[str, Any]:  # Any: splatted into two classes that share these fields
    flips, decisions, spikes = int(tally.flips.sum()), int(tally.decisions.sum()), int(tally.spikes_float.sum())
    return {
        "spike_agreement": 1 - flips / decisions,
        "flips_per_spike": flips / spikes if spikes else None,
        "membrane_rmse": float(np.sqrt(tally.squared_error.sum() / decisions)),
    }


def _causes(tally: Tally) -> FlipCauses:
    return FlipCauses(**{cause.value: int(n) for cause, n in zip(CAUSES, tally.causes.sum(axis=0), strict=True)})


def _steps(free: Tally, forced: Tally) -> dict[str, tuple[float | None, ...]]:
    def ratio(counts: NDArray[Any], of: NDArray[Any]) -> tuple[float | None, ...]:
        return tuple(float(a / b) if b else None for a, b in zip(counts, of, strict=True))

    return {
        "spike_agreement": ratio(free.decisions - free.flips, free.decisions),
        "flips_per_spike": ratio(free.flips, free.spikes_float),
        "rate_float": ratio(free.spikes_float, free.decisions),
        "rate_integer": ratio(free.spikes_integer, free.decisions),
        "membrane_rmse": tuple(float(e) for e in np.sqrt(free.squared_error / free.decisions)),
        "forced_flips_per_spike": ratio(forced.flips, forced.spikes_float),
        "forced_unexplained": tuple(float(n) for n in forced.causes[:, -1]),
    }


__all__ = ["Batch", "Comparing", "Runner", "compare_fidelity", "reference_runner"]
