"""Tables for people. Everything shown was computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table

if TYPE_CHECKING:
    from qif_deploy.analysis.check_network import CheckReport
    from qif_deploy.api.backends import BackendCheck
    from qif_deploy.api.results import DemoOutcome, ExportOutcome, QuantizeOutcome, RunOutcome, TargetsOutcome, TrainOutcome, VerifyOutcome
    from qif_deploy.fidelity import Fidelity
    from qif_deploy.pricing.estimate import EnergyEstimate
    from qif_deploy.training.qat.report import QatReport


def demo_table(outcome: DemoOutcome) -> RenderableType:
    """One table of the whole way."""
    f = outcome.fidelity
    table = _table("demo", ("", ""), f"QIF network on {f.samples} test images, {outcome.seconds:.0f} s")
    table.add_row("accuracy, float", _percent(f.accuracy_float))
    table.add_row("accuracy, integer", _percent(f.accuracy_integer))
    table.add_row("spike agreement", _percent(f.spike_agreement))
    table.add_row("flips per float spike", _percent(f.flips_per_spike))
    table.add_row("range proof and rules", outcome.check.verdict)
    for name, check in outcome.backends.items():
        table.add_row(f"{name} against reference", _verdict(check))
    table.add_row(f"energy, {outcome.energy.price_list.name}", _energy(outcome.energy))
    for name, path in outcome.artefacts.items():
        table.add_row(f"file: {name}", str(path))
    return table


def train_table(outcome: TrainOutcome) -> RenderableType:
    """Accuracy and firing rates."""
    table = _table("train", ("", ""), "trained")
    for part in ("train", "validation", "test"):
        accuracy = outcome.metrics[f"accuracy_{part}"]
        if accuracy is not None:
            table.add_row(f"accuracy, {part} part", _percent(accuracy))
    for name, rate in outcome.metrics["rates"].items():
        table.add_row(f"firing rate, {name}", _percent(rate))
    table.add_row("seconds", f"{outcome.metrics['seconds']:.1f}")
    table.add_row("file: model", str(outcome.model))
    table.add_row("file: metrics", str(outcome.metrics_file))
    return table


def quantize_table(outcome: QuantizeOutcome) -> RenderableType:
    """What was chosen per population, and what bound it."""
    table = _table(
        "quantize", ("population", "s1", "level", "branch shifts", "median Delta", "noise / theta", "channels bound by"), str(outcome.path)
    )
    for name, report in outcome.report.populations.items():
        row = report.as_json()
        bound = ", ".join(f"{limit}: {n}" for limit, n in row["bound_by"].items())
        shifts = ", ".join(f"{branch}: {k}" for branch, k in row["branch_shifts"].items())
        table.add_row(name, str(row["s1"]), str(row["level"]), shifts, f"{row['delta_median']:.3g}", f"{row['noise']:.2g}", bound)
    coded = _table("weights", ("synapse", "bits", "shift", "largest code, median", "clipped", "largest clipped by"), "")
    for name, synapse in outcome.report.synapses.items():
        row = synapse.as_json()
        cells = (
            row["weight_bits"],
            row["shift"],
            f"{row['largest_code_median']:g}",
            row["clipped_weights"],
            f"{row['clip_error_max']:.3g}",
        )
        coded.add_row(name, *map(str, cells))
    return Group(table, coded, *([] if outcome.qat is None else [_qat_table(outcome.qat)]))


def _qat_table(report: QatReport) -> RenderableType:
    """Accuracy before and after the training of the codes."""
    seen = ", which the float training had learned from" if report.validation_seen else ""
    table = _table("qat", ("", ""), f"{report.weight_bits}-bit weights, on {report.validation_samples} validation samples{seen}")
    table.add_row("accuracy, quantised after training", _percent(report.accuracy_before))
    table.add_row(f"accuracy, codes trained for {report.options.epochs} epochs", _percent(report.accuracy_after))
    for widening in report.widened:
        table.add_row(f"new units, {widening.node}, epoch {widening.epoch}", widening.reason)
    table.add_row("seconds", f"{report.seconds:.1f}")
    return table


def check_table(report: CheckReport, *, verbose: bool) -> RenderableType:
    """The bits that every quantity needs and the findings; with ``verbose`` also every interval."""
    table = _table("check", ("severity", "rule", "object", "value", "limit"), f"verdict: {report.verdict}")
    remedies: dict[str, str] = {}
    for finding in report.findings:
        row = finding.as_json()
        cells = (row["severity"], row["rule"], row["object"], row["value"], row["limit"])
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
        remedies.setdefault(f"{finding.rule}: {finding.remedy}", "")
    if not report.findings:
        table.add_row("ok", "no finding", "", "", "")
    parts: list[RenderableType] = [_range_table(report), *_range_notes(report), *_room_tables(report)] if report.ranges else []
    if verbose and report.ranges:
        parts.append(_interval_table(report))
    return Group(*parts, table, *remedies)


QUANTITY_COLUMNS = {"acc": "acc", "i": "i", "c2m_r": "c2m r", "h": "h", "h_r": "h r", "u": "u", "r": "r", "sum": "sum"}


def _range_table(report: CheckReport) -> Table:
    """One row per node: bits per quantity and the worst verdict."""
    covered = "any number of steps" if report.steps is None else f"up to {report.steps} steps"
    columns = ("node", *QUANTITY_COLUMNS.values(), "verdict")
    table = _table("ranges", columns, f"proven for {covered}: signed bits of the widest channel")
    for name, rows in report.ranges.items():
        cells = [str(rows[q][2]) + MARKS[rows[q][3]] if q in rows else "" for q in QUANTITY_COLUMNS]
        worst = next((v for v in ("fails", "harmless") if v in {row[3] for row in rows.values()}), "fits")
        table.add_row(name, *cells, worst)
    return table


def _room_tables(report: CheckReport) -> list[RenderableType]:
    """What kept the channels from a finer Delta, and the bits by which the proof reaches beyond the data; each where it is known."""
    found: list[RenderableType] = []
    bounds = {name: row["bound_by"] for name, row in report.resolution.items() if row.get("bound_by")}
    if bounds:
        table = _table("bounds", ("population", "channels by what bound their Delta"), "what keeps the grid from being finer")
        for name, bound in bounds.items():
            table.add_row(name, ", ".join(f"{limit}: {count}" for limit, count in bound.items()))
        found.append(table)
    if report.gap_bits:
        quantities = [q for q in QUANTITY_COLUMNS if any(q in row for row in report.gap_bits.values())]
        table = _table("gap", ("node", *(QUANTITY_COLUMNS[q] for q in quantities)), "bits between proof and data")
        for name, row in report.gap_bits.items():
            table.add_row(name, *(f"{row[q]:.1f}" if q in row else "" for q in quantities))
        found += [table, f"log2 of the proven over the reached magnitude, on {report.observed_on}"]
    return found


MARKS = {"fits": "", "harmless": " (h)", "fails": " !"}


def _range_notes(report: CheckReport) -> list[str]:
    """What the limits are and what the marks mean, as far as they occur."""
    notes, f = [], report.number_format
    if f is not None:
        notes.append(f"limits of {f.name}: {f.product_bits} bits for acc, i, c2m r, h r; {f.state_bits} bits for h, u, r; 64 bits for sum")
    verdicts = {row[3] for rows in report.ranges.values() for row in rows.values()}
    if "harmless" in verdicts:
        notes.append("(h) harmless: u may saturate, which changes no spike")
    if "fails" in verdicts:
        notes.append("! fails: may leave its limit, so the network is not proven")
    return notes


def _interval_table(report: CheckReport) -> Table:
    """Every interval, with what the data reached of it."""
    columns = ["node", "quantity", "lowest", "highest", "bits", "verdict"] + (
        ["lowest reached", "highest reached"] if report.observed else []
    )
    table = _table("intervals", tuple(columns), "intervals over all channels")
    for name, rows in report.ranges.items():
        for quantity, (low, high, bits, verdict) in rows.items():
            reached = report.observed.get(name, {}).get(quantity, ("", "")) if report.observed else ()
            table.add_row(name, quantity, *map(str, (low, high, bits, verdict, *reached)))
    return table


def run_table(outcome: RunOutcome) -> RenderableType:
    """Spikes per population and the file."""
    table = _table("run", ("", ""), f"{outcome.backend}: {outcome.samples} samples, {outcome.steps} steps, {outcome.seconds:.2f} s")
    for name, spikes in outcome.spikes.items():
        table.add_row(f"spikes, {name}", str(spikes))
    table.add_row("classes", " ".join(map(str, outcome.classes[:24])) + (" ..." if len(outcome.classes) > 24 else ""))
    table.add_row("file: vectors", str(outcome.vectors))
    return table


def diff_table(outcome: Fidelity) -> RenderableType:
    """Agreement per layer."""
    title = f"float {_percent(outcome.accuracy_float)}, integer {_percent(outcome.accuracy_integer)}, {outcome.samples} samples"
    columns = ("population", "spike agreement", "flips / spike", "rate float", "rate integer", "membrane error / theta")
    table = _table("diff", columns, title)
    for y in outcome.layers:
        cells = (_percent(y.spike_agreement), _percent(y.flips_per_spike), _percent(y.rate_float), _percent(y.rate_integer))
        table.add_row(y.name, *cells, f"{y.membrane_rmse:.2g}")
    table.add_row("all", _percent(outcome.spike_agreement), _percent(outcome.flips_per_spike), "", "", "")
    table.add_row("float32 / float64", "", _percent(outcome.noise_floor), "", "", "")
    return table


def verify_table(outcome: VerifyOutcome) -> RenderableType:
    """Exact or not, per backend."""
    table = _table("verify", ("backend", "against the reference", "seconds"), f"on {outcome.source}")
    for name, check in outcome.backends.items():
        table.add_row(name, _verdict(check), f"{check.seconds:.2f}")
    return table


def export_table(outcome: ExportOutcome) -> RenderableType:
    """What was written and how each field is carried."""
    table = _table("export", ("field", "carried", "how"), str(outcome.report["path"]))
    for row in outcome.report["fields"]:
        table.add_row(row["field"], row["carried"], row["reason"])
    return table


def energy_table(outcome: EnergyEstimate) -> RenderableType:
    """Energy per layer and what is missing."""
    table = _table(
        "energy",
        ("layer", "SynOps", "MACs", "updates", "spikes", "low", "typical", "high"),
        f"energy per inference, {outcome.samples} samples, estimator {outcome.price_list.name}",
    )
    for y in outcome.layers:
        sums = {level: sum(term[level] for term in y.energy_j.values()) for level in ("low", "typical", "high")}
        counts = (y.counts["synop_dense"] + y.counts["synop_conv"], y.counts["mac"], y.counts["neuron_update"], y.counts["spike"])
        table.add_row(y.name, *(f"{n:,.0f}" for n in counts), *(_joules(sums[level]) for level in ("low", "typical", "high")))
    bounds = [_joules(outcome.at_least[level]) for level in ("low", "typical", "high")]
    table.add_row("total" if outcome.total is not None else "at least", "", "", "", "", *bounds)
    missing = [f"not priced: {term} ({reason})" for term, reason in outcome.unpriced.items()]
    return Group(table, outcome.price_list.description, *missing)


def targets_table(outcome: TargetsOutcome, *, verbose: bool) -> RenderableType:
    """Profiles; with ``verbose`` every number with its source."""
    found = outcome.as_json()
    table = _table("targets", ("profile", "kind", "numbers", "description"), "profiles")
    for target in found["targets"]:
        widths = " ".join(f"{n['name'].removesuffix('_bits')}:{n['value']}" for n in target["numbers"])
        table.add_row(target["name"], "number format", f"{widths} {target['rounding']}", target["description"])
    for prices in found["energy"]:
        table.add_row(prices["name"], "energy", f"{len(prices['constants'])} constants", prices["description"])
    if not verbose:
        return table
    sources = _table("sources", ("profile", "number", "value", "grade", "source"), "sources")
    for profile in (*found["targets"], *found["energy"]):
        for n in profile.get("numbers", profile.get("constants", ())):
            sources.add_row(profile["name"], n["name"], f"{n['value']} {n['unit']}", n["grade"], n["source"])
    return Group(table, sources)


def _table(_verb: str, columns: tuple[str, ...], title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.2f} %"


def _verdict(check: BackendCheck) -> str:
    if check.comparison is None:
        return f"failed: {check.failed}" if check.failed else f"not run: {check.skipped}"
    c = check.comparison
    if c.exact:
        return f"exact: {c.arrays} arrays, {c.samples} samples, {c.spikes:,} spikes"
    if c.first_mismatch is None:
        return str(c.reason)
    m = c.first_mismatch
    return f"DIFFERS in {m.array} at {m.index}: {m.found} instead of {m.expected} ({m.reason})"


def _energy(estimate: EnergyEstimate) -> str:
    bounds: Mapping[str, Any] = estimate.at_least
    prefix = "" if estimate.total is not None else "at least "
    return f"{prefix}{_joules(bounds['typical'])} ({_joules(bounds['low'])} to {_joules(bounds['high'])}) per inference"


def _joules(energy_j: float) -> str:
    for unit, scale in (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9)):
        if energy_j >= scale:
            return f"{energy_j / scale:.3g} {unit}"
    return f"{energy_j / 1e-12:.3g} pJ"
