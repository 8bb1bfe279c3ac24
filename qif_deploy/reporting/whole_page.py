"""All sections of a run in order, and what stands above them."""

from __future__ import annotations

from qif_deploy.reporting.blocks import KeyFigure, Page, Section, Status
from qif_deploy.reporting.run_files import ENERGY, FIDELITY, METRICS, PLACEMENT, RunFiles
from qif_deploy.reporting.sections.accuracy import accuracy_section
from qif_deploy.reporting.sections.backends import backends_section
from qif_deploy.reporting.sections.codes import codes_section
from qif_deploy.reporting.sections.cores import cores_section
from qif_deploy.reporting.sections.energy import energy_section, estimate_of
from qif_deploy.reporting.sections.fidelity import fidelity_section
from qif_deploy.reporting.sections.membranes import membranes_section
from qif_deploy.reporting.sections.provenance import provenance_section
from qif_deploy.reporting.sections.ranges import ranges_section
from qif_deploy.reporting.sections.spikes import spikes_section
from qif_deploy.reporting.sections.training import training_section
from qif_deploy.wording import joules, percent

SECTIONS = (
    accuracy_section,
    fidelity_section,
    membranes_section,
    spikes_section,
    codes_section,
    ranges_section,
    backends_section,
    energy_section,
    cores_section,
    training_section,
    provenance_section,
)


def whole_page(run: RunFiles) -> Page:
    """Return the report of a run.

    Raises:
        InputError: a result file is not of its form.
    """
    sections = tuple(make(run) for make in SECTIONS)
    return Page(title=f"Report of {run.folder.resolve().name}", lead=_lead(run, sections), figures=tuple(_figures(run)), sections=sections)


def _lead(run: RunFiles, sections: tuple[Section, ...]) -> str:
    parts = []
    if run.network is not None:
        network, neurons = run.network, sum(_size(run.network.shapes[name]) for name in run.network.populations)
        steps = "any number of steps" if network.steps is None else f"{network.steps} steps"
        parts.append(
            f"A network of {len(network.populations)} spiking populations and {neurons:,} neurons, number format "
            f"{network.number_format.name}, for {steps}."
        )
    elif run.content_hash is not None:
        parts.append(f"Results of the network {run.content_hash[:12]}; the network itself is not in the folder.")
    failing = [section.title for section in sections if section.status is Status.FAILS]
    looking = [section.title for section in sections if section.status is Status.LOOK]
    missing = [section.title for section in sections if section.status is Status.ABSENT]
    if failing:
        parts.append(f"Does not hold: {', '.join(failing)}.")
    if looking:
        parts.append(f"Worth a look: {', '.join(looking)}.")
    if not failing and not looking and any(section.status is Status.HOLDS for section in sections):
        parts.append("Everything that was checked holds.")
    if missing:
        parts.append(f"Not made yet: {', '.join(missing)}.")
    return " ".join(parts)


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total


def _figures(run: RunFiles) -> list[KeyFigure]:
    found = []
    fidelity, energy, placement = (run.results.get(name) for name in (FIDELITY, ENERGY, PLACEMENT))
    if fidelity is not None:
        accuracy = fidelity.record("accuracy")
        if accuracy.holds("integer"):
            note = f"float {percent(accuracy.number('float'))}"
            found.append(KeyFigure(label="Accuracy, integer", value=percent(accuracy.number("integer")), note=note))
        flips = fidelity.maybe_number("flips_per_spike")
        note = f"{percent(fidelity.maybe_number('spike_agreement'))} of all decisions agree"
        found.append(KeyFigure(label="Spikes that differ, per float spike", value=percent(flips), note=note))
    elif METRICS in run.results and run.results[METRICS].holds("accuracy_test"):
        accuracy_test = percent(run.results[METRICS].number("accuracy_test"))
        found.append(KeyFigure(label="Accuracy, float", value=accuracy_test, note="test part"))
    if energy is not None:
        label, low, typical, high = estimate_of(energy)
        note = f"{joules(low)} to {joules(high)}, by {energy.text('estimator')}"
        found.append(KeyFigure(label=f"Energy per inference, {label}", value=joules(typical), note=note))
    if placement is not None:
        found.append(KeyFigure(label="Cores", value=f"{placement.whole('cores'):,}", note=f"of {placement.text('target')}"))
    return found
