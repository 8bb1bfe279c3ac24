"""Float against integer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from qif_deploy.presentation.layout import new_table, percent, stacked

if TYPE_CHECKING:
    from qif_deploy.fidelity.report import Fidelity, SoloAccuracy


def diff_table(outcome: Fidelity, *, verbose: bool = False) -> RenderableType:
    """Agreement per layer, what explains the flips, and the diagnosis; with ``verbose`` also every step."""
    parts: list[RenderableType] = [_layers(outcome), _causes(outcome), *_accuracy(outcome), _noise(outcome)]
    if outcome.solo:
        parts.append(_solo(outcome))
    if verbose:
        parts.append(_steps(outcome))
    return stacked([*parts, *_diagnosis(outcome)])


def _layers(outcome: Fidelity) -> Table:
    title = f"float {percent(outcome.accuracy_float)}, integer {percent(outcome.accuracy_integer)}, {outcome.samples} samples"
    columns = ("population", "spike agreement", "flips / spike", "rate float", "rate integer", "membrane error / theta")
    table = new_table(columns, title, numbers=columns[1:])
    for y in outcome.layers:
        cells = (percent(y.spike_agreement), percent(y.flips_per_spike), percent(y.rate_float), percent(y.rate_integer))
        table.add_row(y.name, *cells, f"{y.membrane_rmse:.2g}")
    table.add_row("all", percent(outcome.spike_agreement), percent(outcome.flips_per_spike), "", "", "")
    return table


def _causes(outcome: Fidelity) -> Table:
    columns = ("population", "flips", "rounding", "choice", "history", "unexplained", "own flips (unexplained)")
    table = new_table(columns, "what explains the flipped spikes; own: where float spikes come in", numbers=columns[1:])
    for y in outcome.layers:
        c, own = y.causes, y.forced
        counts = (c.total, c.rounding, c.choice, c.history, c.unexplained)
        table.add_row(y.name, *map(str, counts), f"{percent(own.flips_per_spike)} ({own.causes.unexplained})")
    return table


def _accuracy(outcome: Fidelity) -> list[RenderableType]:
    paired = outcome.accuracy
    if paired is None:
        return []
    low, high = paired.difference_interval
    line = (
        f"accuracy integer - float: {100 * paired.difference:+.2f} points (95 % interval {100 * low:+.2f} to {100 * high:+.2f}); right in "
        f"float only {paired.only_float}, in integers only {paired.only_integer}, p = {paired.p_value:.2g} (McNemar, exact)"
    )
    return [line]


def _noise(outcome: Fidelity) -> Table:
    columns = ("float run", "against", "flips / spike", "answers changed")
    table = new_table(columns, "noise floor: float against float", numbers=columns[2:])
    for row in outcome.noise:
        flips = "no spike" if row.flips_per_spike is None else f"{row.flips_per_spike:.2g}"
        table.add_row(row.name, row.against, flips, f"{row.answers_changed} of {row.samples}")
    return table


def _solo(outcome: Fidelity) -> Table:
    columns = ("in integers alone", "accuracy", "lost", "won", "p")
    table = new_table(columns, "the float network with one node in integers", numbers=columns[1:])
    for row in outcome.solo:
        paired = row.paired
        table.add_row(row.name, percent(paired.accuracy_integer), str(paired.only_float), str(paired.only_integer), f"{paired.p_value:.2g}")
    return table


def _steps(outcome: Fidelity) -> Table:
    steps = len(next(iter(outcome.layers[0].steps.values()))) if outcome.layers else 0
    columns = ("population", *(f"step {t}" for t in range(steps)))
    table = new_table(columns, "flips per spike, step by step", numbers=columns[1:])
    for layer in outcome.layers:
        table.add_row(layer.name, *("no spike" if share is None else percent(share) for share in layer.steps["flips_per_spike"]))
    return table


def _diagnosis(outcome: Fidelity) -> list[RenderableType]:
    lines: list[RenderableType] = []
    first = outcome.first_divergence
    if first is not None:
        at = f"{first.population}, step {first.step}, sample {first.sample}, neuron {first.neuron}"
        values = f"float {first.u_float:.6g}, integer {first.u_integer:.6g}, threshold {first.theta:.6g}"
        reach = f"{first.distance:.2g} theta from it, rounding reaches {first.bound:.2g}"
        lines.append(f"first divergence: {at}: {values}; {reach}: {first.cause}")
    lines.append(f"verdict: {outcome.verdict.meaning}")
    lines += [f"{f.severity.value} in {f.place}: {f.kind.value}: {f.text}" for f in outcome.findings]
    if outcome.suspect is not None:
        lines.append(f"look at: {outcome.suspect}")
    if outcome.loses_most is not None:
        lines.append(_loss(outcome.loses_most))
    return lines


def _loss(most: SoloAccuracy) -> str:
    sure = "" if most.paired.p_value < 0.05 else ", no more than chance would"
    return f"loses most by itself: {most.name}, {100 * -most.paired.difference:.2f} points (p = {most.paired.p_value:.2g}{sure})"
