"""Spike rasters of a few samples, from the stored vectors."""

from __future__ import annotations

import numpy as np

from qif_deploy.plots.charts import Raster, RasterBand
from qif_deploy.reporting.blocks import Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.run_files import VECTORS, RunFiles
from qif_deploy.simulate.trace import Trace

KEY, TITLE = "spikes", "Spikes"
SHOWN_SAMPLES, SHOWN_NEURONS, SHOWN_STEPS = 3, 40, 400
"""Samples, neurons per population and steps that a raster holds at most."""


def spikes_section(run: RunFiles) -> Section:
    """Return rasters of the first samples, and the spikes of all samples per population and step as a table."""
    trace = run.trace
    if trace is None:
        return absent(KEY, TITLE, missing=VECTORS, command=run.command("run"))
    if not trace.populations:
        none = Paragraph(text="The network has no population that spikes.")
        return Section(key=KEY, title=TITLE, status=Status.FACT, verdict="no population", blocks=(none,))
    total = sum(trace.spikes().values())
    views = tuple(_view(trace, sample) for sample in range(min(trace.samples, SHOWN_SAMPLES)))
    text = (
        f"A filled cell is a spike of the integer network. Up to {SHOWN_NEURONS} neurons of each population are shown, evenly spread over "
        f"it, in the first {min(trace.samples, SHOWN_SAMPLES)} of {trace.samples:,} samples."
    )
    gallery = Gallery(key="raster", title="Rasters", choice="Sample", views=views)
    blocks = (Paragraph(text=text), gallery, _step_table(trace))
    verdict = f"{total:,} spikes in {trace.samples:,} samples of {trace.steps} steps"
    quiet = [name for name, count in trace.spikes().items() if not count]
    if quiet:
        verdict += f"; no spike in {', '.join(quiet)}"
    return Section(key=KEY, title=TITLE, status=Status.LOOK if quiet else Status.FACT, verdict=verdict, blocks=blocks)


def _view(trace: Trace, sample: int) -> View:
    bands, rows = [], []
    for name, population in trace.populations.items():
        spikes = population.s[:, sample].reshape(trace.steps, -1)
        chosen = np.unique(np.linspace(0, spikes.shape[1] - 1, min(SHOWN_NEURONS, spikes.shape[1])).astype(np.int64))
        shown = spikes[:SHOWN_STEPS, chosen].T
        band = tuple(tuple(int(s) for s in row) for row in shown)
        bands.append(RasterBand(population=name, neurons=tuple(int(n) for n in chosen), spikes=band))
        count, active = int(spikes.sum(dtype=np.int64)), int(spikes.any(axis=0).sum())
        rows.append((name, f"{spikes.shape[1]:,}", f"{chosen.size:,}", f"{count:,}", f"{active:,}"))
    answer = int(trace.readout[sample].argmax())
    told = "; ".join(f"{row[0]} {row[3]} spikes of {row[4]} among {row[1]} neurons" for row in rows)
    columns = ("population", "neurons", "shown", "spikes", "neurons that spiked")
    return View(
        key=f"raster-{sample}",
        label=f"sample {sample}",
        chart=Raster(bands=tuple(bands)),
        summary=f"Spikes of sample {sample} over {trace.steps} steps, answered with class {answer}: {told}.",
        table=Table(caption=f"Sample {sample}", columns=columns, rows=tuple(rows), numeric=frozenset(range(1, 5))),
    )


def _step_table(trace: Trace) -> Table:
    steps = min(trace.steps, SHOWN_STEPS)
    rows = []
    for name, population in trace.populations.items():
        decisions = population.s[0].size
        per_step = population.s[:steps].reshape(steps, -1).sum(axis=1, dtype=np.int64)
        rows.append((name, *(f"{count / decisions:.4f}" for count in per_step.tolist())))
    columns = ("population", *(f"step {step}" for step in range(steps)))
    caption = f"Spikes per neuron, mean of {trace.samples:,} samples"
    return Table(caption=caption, columns=columns, rows=tuple(rows), numeric=frozenset(range(1, steps + 1)))
