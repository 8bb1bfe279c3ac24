"""Accuracy of the float and of the integer network on the same samples, with intervals and the paired test."""

from __future__ import annotations

from qif_deploy.plots.charts import Intervals
from qif_deploy.reporting.blocks import Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.record import Record
from qif_deploy.reporting.run_files import FIDELITY, RunFiles
from qif_deploy.wording import percent

KEY, TITLE = "accuracy", "Accuracy"


def accuracy_section(run: RunFiles) -> Section:
    """Return accuracies with their intervals; without labels there are none, which is said."""
    fidelity = run.results.get(FIDELITY)
    if fidelity is None:
        return absent(KEY, TITLE, missing=FIDELITY, command=run.command("diff"))
    evidence = fidelity.maybe_record("accuracy_evidence")
    if evidence is None:
        text = f"The samples ({fidelity.maybe_text('source') or 'source unknown'}) carry no labels, so no accuracy can be said."
        return Section(key=KEY, title=TITLE, status=Status.FACT, verdict="no labels", blocks=(Paragraph(text=text),))
    accuracy, change = fidelity.record("accuracy"), evidence.record("difference")
    single, integer, difference = accuracy.number("float"), accuracy.number("integer"), change.number("value")
    low, high = _pair(change, "interval")
    lost = high < 0
    verdict = f"float {percent(single)}, integer {percent(integer)} on {evidence.whole('samples')} samples"
    return Section(
        key=KEY,
        title=TITLE,
        status=Status.LOOK if lost else Status.HOLDS,
        verdict=verdict,
        blocks=(
            Paragraph(text=_in_words(difference, low, high, evidence)),
            Gallery(key="accuracy", title="Accuracy with its interval", choice="", views=(_view(single, integer, evidence),)),
            _paired_table(evidence),
        ),
    )


def _in_words(difference: float, low: float, high: float, evidence: Record) -> str:
    reach = f"{100 * difference:+.2f} points (95 % interval {100 * low:+.2f} to {100 * high:+.2f})"
    if high < 0:
        told = "The integer network answers fewer samples right than the float network, by more than chance explains"
    elif low > 0:
        told = "The integer network answers more samples right than the float network, by more than chance explains"
    else:
        told = "The two networks cannot be told apart by their accuracy on these samples"
    paired = evidence.record("paired")
    return f"{told}: integer less float is {reach}; {paired.text('test')}: p = {paired.number('p_value'):.2g}."


def _view(single: float, integer: float, evidence: Record) -> View:
    intervals = evidence.record("interval")
    bounds = [_pair(intervals, "float"), _pair(intervals, "integer")]
    names, values = ("float", "integer"), (single, integer)
    rows = tuple(
        (name, percent(value), percent(low), percent(high)) for name, value, (low, high) in zip(names, values, bounds, strict=True)
    )
    level = f"{100 * intervals.number('level'):.0f} % interval, {intervals.text('method')}"
    return View(
        key="accuracy",
        label="accuracy",
        chart=Intervals(
            names=names,
            low=tuple(100 * low for low, _ in bounds),
            value=tuple(100 * value for value in values),
            high=tuple(100 * high for _, high in bounds),
            value_label="accuracy, %",
        ),
        summary=f"Accuracy, {level}: " + "; ".join(f"{name} {value} ({low} to {high})" for name, value, low, high in rows) + ".",
        table=Table(caption=level, columns=("network", "accuracy", "from", "to"), rows=rows, numeric=frozenset({1, 2, 3})),
    )


def _paired_table(evidence: Record) -> Table:
    paired = evidence.record("paired")
    names = (("both", "right in both"), ("only_float", "right in float only"), ("only_integer", "right in integers only"),
             ("neither", "wrong in both"))  # fmt: skip
    rows = tuple((name, f"{paired.whole(key):,}") for key, name in names)
    return Table(caption="The same samples in both networks", columns=("answer", "samples"), rows=rows, numeric=frozenset({1}))


def _pair(record: Record, key: str) -> tuple[float, float]:
    found = record.numbers(key)
    return (found[0], found[1]) if len(found) == 2 else record.fail(f"{record.where}{key} has {len(found)} numbers instead of 2")
