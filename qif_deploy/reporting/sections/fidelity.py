"""Where float and integer part: the heat map of layers and steps, what explains the flips, the noise floor, and the diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

from qif_deploy.fidelity.report import Verdict
from qif_deploy.plots.charts import HeatMap
from qif_deploy.reporting.blocks import Block, Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.record import Record
from qif_deploy.reporting.run_files import FIDELITY, RunFiles
from qif_deploy.wording import percent

KEY, TITLE = "fidelity", "Fidelity"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantity:
    """A figure of the matrix: its name, unit, and factor from the file to what is shown."""

    key: str
    label: str
    unit: str
    factor: float


QUANTITIES = (
    _Quantity(key="flips_per_spike", label="spikes that differ per float spike", unit="%", factor=100),
    _Quantity(key="spike_agreement", label="spike decisions that agree", unit="%", factor=100),
    _Quantity(key="membrane_rmse", label="membrane error", unit="thresholds", factor=1),
    _Quantity(key="rate_float", label="rate, float", unit="spikes per neuron", factor=1),
    _Quantity(key="rate_integer", label="rate, integer", unit="spikes per neuron", factor=1),
    _Quantity(key="forced_flips_per_spike", label="spikes that differ when fed with the float spikes", unit="%", factor=100),
    _Quantity(key="forced_unexplained", label="flips that nothing explains, fed with the float spikes", unit="flips", factor=1),
)
STATUSES = {
    Verdict.ROUNDING: Status.HOLDS,
    Verdict.CHOICE: Status.HOLDS,
    Verdict.UNEXPLAINED: Status.FAILS,
    Verdict.DAMAGE: Status.FAILS,
}


def fidelity_section(run: RunFiles) -> Section:
    """Return the whole comparison of float and integer network."""
    fidelity = run.results.get(FIDELITY)
    if fidelity is None:
        return absent(KEY, TITLE, missing=FIDELITY, command=run.command("diff"))
    diagnosis = fidelity.record("diagnosis")
    verdict = _verdict(diagnosis)
    agreement, flips = fidelity.maybe_number("spike_agreement"), fidelity.maybe_number("flips_per_spike")
    lead = (
        f"Both networks ran on {fidelity.whole('samples'):,} samples ({fidelity.maybe_text('source') or 'source unknown'}). "
        f"{percent(agreement)} of all spike decisions agree. Those that differ, missing spikes and spikes too many, are as many "
        f"as {percent(flips)} of the float network's spikes."
    )
    blocks: list[Block] = [Paragraph(text=lead)]
    blocks += [Paragraph(text=text) for text in _diagnosis_texts(diagnosis)]
    views = _views(fidelity.record("matrix"))
    if views:
        blocks.append(Gallery(key="fidelity", title="Layer by layer, step by step", choice="Figure", views=views))
    blocks += [_causes(fidelity), _layers(fidelity), _noise(fidelity)]
    solo = diagnosis.records("accuracy_by_layer")
    if solo:
        blocks.append(_solo(solo))
    return Section(key=KEY, title=TITLE, status=STATUSES[verdict], verdict=verdict.meaning, blocks=tuple(blocks))


def _verdict(diagnosis: Record) -> Verdict:
    word = diagnosis.text("verdict")
    known = {verdict.value: verdict for verdict in Verdict}
    return known[word] if word in known else diagnosis.fail(f"the verdict {word[:40]!r} is none of {', '.join(known)}")


def _diagnosis_texts(diagnosis: Record) -> list[str]:
    found = [f"{f.text('severity')} in {f.text('place')}: {f.text('kind')}: {f.text('text')}" for f in diagnosis.records("findings")]
    suspect, most = diagnosis.maybe_text("suspect"), diagnosis.maybe_text("loses_most")
    if suspect is not None:
        found.append(f"Look at {suspect} first: it adds what nothing explains.")
    if most is not None:
        found.append(f"By itself, {most} costs the most answers; the last table of this section says whether that is more than chance.")
    return found


def _views(matrix: Record) -> tuple[View, ...]:
    layers, steps = matrix.texts("layers"), matrix.whole("steps")
    if not layers or not 1 <= steps <= 100_000:
        return ()
    return tuple(_view(matrix, quantity, layers, steps) for quantity in QUANTITIES if matrix.holds(quantity.key))


def _view(matrix: Record, quantity: _Quantity, layers: tuple[str, ...], steps: int) -> View:
    values = matrix.table(quantity.key, rows=len(layers), columns=steps)
    shown = tuple(tuple(None if v is None else v * quantity.factor for v in row) for row in values)
    texts = tuple(tuple("-" if v is None else _digits(v) for v in row) for row in shown)
    columns = tuple(str(step) for step in range(steps))
    flat = [(v, layer, step) for layer, row in zip(layers, shown, strict=True) for step, v in enumerate(row) if v is not None]
    summary = f"{quantity.label.capitalize()}, {quantity.unit}, for {len(layers)} populations and {steps} steps."
    if flat:
        low, high = min(flat), max(flat)
        summary += f" From {_digits(low[0])} ({low[1]}, step {low[2]}) to {_digits(high[0])} ({high[1]}, step {high[2]})."
    return View(
        key=quantity.key,
        label=f"{quantity.label}, {quantity.unit}",
        chart=HeatMap(rows=layers, columns=columns, values=shown, texts=texts, column_label="step", value_label=quantity.unit),
        summary=summary,
        table=Table(
            caption=f"{quantity.label}, {quantity.unit}; a dash: no spike",
            columns=("population", *(f"step {column}" for column in columns)),
            rows=tuple((layer, *row) for layer, row in zip(layers, texts, strict=True)),
            numeric=frozenset(range(1, steps + 1)),
        ),
    )


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 99.95 else f"{value:.2f}"


def _causes(fidelity: Record) -> Table:
    rows = []
    for layer in fidelity.records("layers"):
        flips, forced = layer.record("flips"), layer.record("forced")
        counts = tuple(f"{flips.whole(key):,}" for key in ("total", "rounding", "choice", "history", "unexplained"))
        rows.append((layer.text("name"), *counts, percent(forced.maybe_number("flips_per_spike"))))
    columns = ("population", "flips", "rounding", "choice", "history", "unexplained", "alone, flips per spike")
    caption = "What explains the flipped spikes; history: flips before this one; alone: fed with the float network's spikes"
    return Table(caption=caption, columns=columns, rows=tuple(rows), numeric=frozenset(range(1, 7)))


def _layers(fidelity: Record) -> Table:
    rows = tuple(
        (
            layer.text("name"),
            percent(layer.number("spike_agreement")),
            percent(layer.maybe_number("flips_per_spike")),
            f"{layer.number('rate_float'):.4f}",
            f"{layer.number('rate_integer'):.4f}",
            f"{layer.number('membrane_rmse'):.2g}",
        )
        for layer in fidelity.records("layers")
    )
    columns = ("population", "decisions that agree", "flips per float spike", "rate, float", "rate, integer", "membrane error, thresholds")
    caption = "Over all steps; rates in spikes per neuron and step, error as root mean square"
    return Table(caption=caption, columns=columns, rows=rows, numeric=frozenset(range(1, 6)))


def _noise(fidelity: Record) -> Table:
    rows = []
    for run in fidelity.record("noise_floor").records("runs"):
        flips = run.maybe_number("flips_per_spike")
        changed = f"{run.whole('answers_changed'):,} of {run.whole('samples'):,}"
        rows.append((run.text("name"), run.text("against"), "no spike" if flips is None else percent(flips), changed))
    caption = "Noise floor: how far float runs differ from each other; what integers cost is read against this"
    columns = ("float run", "against", "flips per spike", "answers changed")
    return Table(caption=caption, columns=columns, rows=tuple(rows), numeric=frozenset({2, 3}))


def _solo(solo: tuple[Record, ...]) -> Table:
    rows = tuple(
        (
            row.text("name"),
            percent(row.number("accuracy")),
            str(row.whole("lost")),
            str(row.whole("won")),
            f"{100 * row.number('difference'):+.2f}",
            f"{row.number('p_value'):.2g}",
        )
        for row in solo
    )
    columns = ("in integers alone", "accuracy", "answers lost", "answers won", "change, points", "p")
    return Table(caption="The float network with one node in integers", columns=columns, rows=rows, numeric=frozenset(range(1, 6)))
