"""Energy per inference: by layer and operation, beside the twins, and by every estimator."""

from __future__ import annotations

from qif_deploy.plots.charts import BarSeries, Ranges, StackedBars
from qif_deploy.pricing.terms import LEVELS
from qif_deploy.reporting.blocks import Block, Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.record import Record
from qif_deploy.reporting.run_files import ENERGY, RunFiles
from qif_deploy.wording import joules

KEY, TITLE = "energy", "Energy"

TWINS = {"network": "this network", "lif": "LIF twin", "ann_fp32": "ANN, float32", "ann_int8": "ANN, 8 bits", "qnn": "QNN"}
UNITS = (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12))


def energy_section(run: RunFiles) -> Section:
    """Return the estimate with its range, what it leaves out, and what it compares with."""
    energy = run.results.get(ENERGY)
    if energy is None:
        return absent(KEY, TITLE, missing=ENERGY, command=run.command("energy"))
    label, low, typical, high = estimate_of(energy)
    blocks: list[Block] = [Paragraph(text=_lead(energy)), Paragraph(text=f"What is counted: {energy.text('boundary')}")]
    galleries = (_layer_gallery(energy), _twin_gallery(energy), _estimator_gallery(energy))
    blocks += [gallery for gallery in galleries if gallery is not None]
    if energy.holds("unpriced"):
        blocks.append(_unpriced(energy))
    blocks.append(_constants(energy))
    verdict = f"{label} {joules(typical)} per inference ({joules(low)} to {joules(high)}), an estimate by {energy.text('estimator')}"
    return Section(key=KEY, title=TITLE, status=Status.FACT, verdict=verdict, blocks=tuple(blocks))


def estimate_of(energy: Record) -> tuple[str, float, float, float]:
    """Return "about" or "at least", and low, typical and high in joules: the total, or what is priced of it."""
    label, key = ("about", "total") if energy.holds("total") else ("at least", "at_least")
    return (label, *_levels(energy.record(key)))


def _levels(record: Record) -> tuple[float, float, float]:
    low, typical, high = (record.number(level) for level in LEVELS)
    return low, typical, high


def _lead(energy: Record) -> str:
    text = (
        f"Mean of {energy.whole('samples'):,} samples ({energy.text('input')}), counted from real spikes, priced by published constants, "
        "never measured on this network. The range has every constant at its low or its high end."
    )
    interval = energy.maybe_record("interval")
    if interval is not None and interval.holds("typical"):
        spread = interval.record("typical")
        low, high, share = spread.number("low"), spread.number("high"), spread.number("confidence")
        text += f" Over the inputs the typical value is known to {joules(low)} to {joules(high)} ({100 * share:.0f} % interval)."
    return text


def _unit(largest: float) -> tuple[str, float]:
    return next(((unit, scale) for unit, scale in UNITS if largest >= scale), UNITS[-1])


def _layer_bars(layers: dict[str, Record], sums: dict[str, tuple[float, float, float]]) -> tuple[StackedBars, str, float]:
    """Return bars of the typical energy per term, bounded by the sums, with their unit and its size in joules."""
    unit, scale = _unit(max((high for _, _, high in sums.values()), default=0.0))
    parts = {bar: {term: _levels(value)[1] for term, value in record.named("energy_j").items()} for bar, record in layers.items()}
    terms = [term for term in dict.fromkeys(t for part in parts.values() for t in part) if any(part.get(term) for part in parts.values())]
    series = tuple(BarSeries(name=_term(term), values=tuple(part.get(term, 0.0) / scale for part in parts.values())) for term in terms)
    bars = StackedBars(
        bars=tuple(layers),
        series=series,
        low=tuple(low / scale for low, _, _ in sums.values()),
        high=tuple(high / scale for _, _, high in sums.values()),
        value_label=f"{unit} per inference",
    )
    return bars, unit, scale


def _term(word: str) -> str:
    return word.replace("_", " ")


def _layer_gallery(energy: Record) -> Gallery | None:
    layers = {record.text("name"): record for record in energy.records("per_layer")}
    system = energy.record("system")
    if system.record("energy_j").values:
        layers["system"] = system
    sums = {name: _levels(record.record("sum_j")) for name, record in layers.items()}
    if not layers or not any(high for _, _, high in sums.values()):
        return None
    bars, unit, scale = _layer_bars(layers, sums)
    told = "; ".join(f"{name} {joules(typical)} ({joules(low)} to {joules(high)})" for name, (low, typical, high) in sums.items())
    rows = tuple(
        (bar, *(f"{value / scale:.4g}" for value in (typical, low, high)), *(f"{series.values[n]:.4g}" for series in bars.series))
        for n, (bar, (low, typical, high)) in enumerate(sums.items())
    )
    columns = ("layer", "sum, typical", "low", "high", *(series.name for series in bars.series))
    caption = f"Energy by operation, estimator {energy.text('estimator')}, {unit} per inference; operations typical"
    view = View(
        key="energy-layers",
        label="by layer",
        chart=bars,
        summary=f"Energy by layer, typical with low and high: {told}.",
        table=Table(caption=caption, columns=columns, rows=rows, numeric=frozenset(range(1, len(columns)))),
    )
    return Gallery(key="energy-layers", title="By layer and operation", choice="", views=(view,))


def _twin_gallery(energy: Record) -> Gallery:
    """Return the network and its twins, parted in arithmetic and memory traffic: their terms differ, these two parts do not."""
    twins = energy.record("twins")
    named = {label: twins.record(key) for key, label in TWINS.items() if twins.holds(key)}
    sums = {label: _levels(record.record("total" if record.holds("total") else "at_least")) for label, record in named.items()}
    arithmetic = {label: _levels(record.record("arithmetic")) for label, record in named.items()}
    unit, scale = _unit(max((high for _, _, high in sums.values()), default=0.0))
    bars = StackedBars(
        bars=tuple(named),
        series=(
            BarSeries(name="arithmetic", values=tuple(typical / scale for _, typical, _ in arithmetic.values())),
            BarSeries(name="memory traffic", values=tuple((sums[n][1] - arithmetic[n][1]) / scale for n in named)),
        ),
        low=tuple(low / scale for low, _, _ in sums.values()),
        high=tuple(high / scale for _, _, high in sums.values()),
        value_label=f"{unit} per inference",
    )
    rows = tuple(
        (
            label,
            *(joules(value) for value in (sums[label][1], sums[label][0], sums[label][2], arithmetic[label][1])),
            _break_even(record),
            record.maybe_text("basis") or "as run",
        )
        for label, record in named.items()
    )
    told = "; ".join(f"{name} {joules(typical)} ({joules(low)} to {joules(high)})" for name, (low, typical, high) in sums.items())
    columns = ("network", "typical", "low", "high", "arithmetic alone", "break-even rate", "what it is")
    caption = (
        f"Estimator {twins.text('estimator')}; break-even: spikes per neuron and step at which this network costs the same, with memory "
        f"and by arithmetic alone; it has {twins.number('rate'):.3f}"
    )
    view = View(
        key="energy-twins",
        label="twins",
        chart=bars,
        summary=f"The network beside other networks of its topology, all by {twins.text('estimator')}: {told}.",
        table=Table(caption=caption, columns=columns, rows=rows, numeric=frozenset({1, 2, 3, 4, 5})),
    )
    return Gallery(key="energy-twins", title="Beside its twins", choice="", views=(view,))


def _break_even(twin: Record) -> str:
    even = twin.maybe_record("break_even_rate")
    if even is None:
        return ""
    rates = (even.record(boundary).maybe_number("typical") for boundary in ("all", "arithmetic"))
    return " / ".join("none" if rate is None else f"{rate:.3g}" for rate in rates)


def _estimator_gallery(energy: Record) -> Gallery | None:
    found = {energy.text("estimator"): estimate_of(energy)}
    found |= {name: estimate_of(record) for name, record in energy.named("others").items()}
    shown = {name: values for name, values in found.items() if values[1] > 0}
    if len(shown) < 2:
        return None
    unit, scale = _unit(max(high for _, _, _, high in shown.values()))
    rows = tuple(
        (name, *((label, joules(typical), joules(low), joules(high)) if high > 0 else ("no public constant", "", "", "")))
        for name, (label, low, typical, high) in found.items()
    )
    told = "; ".join(f"{name} {label} {joules(typical)}" for name, (label, _, typical, _) in shown.items())
    view = View(
        key="energy-estimators",
        label="estimators",
        chart=Ranges(
            names=tuple(shown),
            low=tuple(low / scale for _, low, _, _ in shown.values()),
            typical=tuple(typical / scale for _, _, typical, _ in shown.values()),
            high=tuple(high / scale for _, _, _, high in shown.values()),
            value_label=f"{unit} per inference, log scale",
        ),
        summary=f"The same counts by every estimator, which differ in what they count: {told}.",
        table=Table(
            caption="Energy per inference by estimator",
            columns=("estimator", "says", "typical", "low", "high"),
            rows=rows,
            numeric=frozenset({2, 3, 4}),
        ),
    )
    return Gallery(key="energy-estimators", title="Other estimators", choice="", views=(view,))


def _unpriced(energy: Record) -> Table:
    rows = tuple((_term(record.text("term")), record.text("reason")) for record in energy.records("unpriced"))
    return Table(caption="Not in the sum, which is therefore a lower bound", columns=("operation", "why"), rows=rows)


def _constants(energy: Record) -> Table:
    rows = tuple(
        (record.text("name"), f"{record.number('value'):g} {record.text('unit')}", record.text("grade"), record.text("source"))
        for record in energy.records("constants")
    )
    columns = ("constant", "value", "grade", "source")
    return Table(caption="Every constant with unit, grade and source", columns=columns, rows=rows, numeric=frozenset({1}), folded=True)
