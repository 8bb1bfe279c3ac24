"""Membranes of chosen neurons in both networks, with threshold and spikes."""

from __future__ import annotations

from qif_deploy.plots.charts import Course
from qif_deploy.reporting.blocks import Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.record import Record
from qif_deploy.reporting.run_files import FIDELITY, RunFiles

KEY, TITLE = "membranes", "Membranes"


def membranes_section(run: RunFiles) -> Section:
    """Return the courses that ``diff`` chose: first flips, largest errors, most spikes."""
    fidelity = run.results.get(FIDELITY)
    if fidelity is None:
        return absent(KEY, TITLE, missing=FIDELITY, command=run.command("diff"))
    courses = fidelity.records("membranes")
    if not courses:
        text = f"{FIDELITY} holds no membranes; the network has no population, or no sample was run."
        return Section(key=KEY, title=TITLE, status=Status.FACT, verdict="none stored", blocks=(Paragraph(text=text),))
    views = tuple(_view(number, record) for number, record in enumerate(courses))
    text = (
        "u before the reset, in the units of the float model. The band is how far all that is known moves the integer course away from "
        "the float course: rounding, what quantisation chose, and earlier flips, after which a neuron runs on from another state. "
        "A course that leaves the band is unexplained."
    )
    gallery = Gallery(key="membranes", title="Float against integer", choice="Neuron", views=views)
    verdict = f"{len(views)} neurons, chosen for their first flip, largest error and most spikes"
    return Section(key=KEY, title=TITLE, status=Status.FACT, verdict=verdict, blocks=(Paragraph(text=text), gallery))


def _view(number: int, record: Record) -> View:
    course = Course(
        u_float=record.numbers("u_float"),
        u_integer=record.numbers("u_integer"),
        bound=record.numbers("bound"),
        theta=record.number("theta"),
        spikes_float=record.wholes("spikes_float"),
        spikes_integer=record.wholes("spikes_integer"),
    )
    lengths = {len(values) for values in (course.u_float, course.u_integer, course.bound, course.spikes_float, course.spikes_integer)}
    if len(lengths) != 1 or 0 in lengths:
        record.fail(f"{record.where}u_float and the other courses have {sorted(lengths)} steps")
    neuron = ", ".join(str(n) for n in record.wholes("neuron"))
    label = f"{record.text('population')} ({neuron}), sample {record.whole('sample')}: {record.text('why')}"
    gaps = [abs(a - b) for a, b in zip(course.u_float, course.u_integer, strict=True)]
    differ = [step for step, (a, b) in enumerate(zip(course.spikes_float, course.spikes_integer, strict=True)) if a != b]
    flips = f"Spikes differ in step {', '.join(map(str, differ))}." if differ else "Spikes agree in every step."
    largest = max(range(len(gaps)), key=gaps.__getitem__)
    summary = f"{label}. Threshold {course.theta:.4g}. {flips} Largest distance {gaps[largest]:.3g}, in step {largest}."
    return View(key=f"membrane-{number}", label=label, chart=course, summary=summary, table=_table(label, course))


def _table(label: str, course: Course) -> Table:
    rows = tuple(
        (str(step), f"{a:.5g}", f"{b:.5g}", f"{b - a:+.2g}", f"{bound:.2g}", _spike(s), _spike(t))
        for step, (a, b, bound, s, t) in enumerate(
            zip(course.u_float, course.u_integer, course.bound, course.spikes_float, course.spikes_integer, strict=True)
        )
    )
    columns = ("step", "u, float", "u, integer", "integer less float", "explained", "spike, float", "spike, integer")
    caption = f"{label}; threshold {course.theta:.5g}"
    return Table(caption=caption, columns=columns, rows=rows, numeric=frozenset(range(1, 5)))


def _spike(value: int) -> str:
    return "spike" if value else "-"
