"""How weights and states use their code ranges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.plots.charts import Histogram, Mark
from qif_deploy.reporting.blocks import Block, Command, Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.run_files import NETWORK, VECTORS, RunFiles
from qif_deploy.shapes import TraceCodes
from qif_deploy.simulate.trace import Trace

KEY, TITLE = "codes", "Weights and states"
BINS = 255
"""Bins of a histogram of weights: one per code up to 8 bits."""

QUANTILES = (("1 %", 0.01), ("median", 0.5), ("99 %", 0.99))


def codes_section(run: RunFiles) -> Section:
    """Return histograms of all weight codes, and of the states that the vectors hold."""
    network = run.network
    if network is None:
        return absent(KEY, TITLE, missing=NETWORK, command=run.command("quantize"))
    number_format = network.number_format
    synapses = {n: node.weight for n, node in network.nodes.items() if isinstance(node, DenseCodes | Conv2dCodes)}
    text = (
        f"Number format {number_format.name}: weights of {number_format.weight_bits} bits (codes -{number_format.weight_limit:,} to "
        f"{number_format.weight_limit:,}), states of {number_format.state_bits} bits. Weights that crowd at 0 or pile up at the ends of "
        "their range lose what training gave them."
    )
    views = tuple(_weight_view(name, weight, number_format) for name, weight in synapses.items())
    blocks: list[Block] = [Paragraph(text=text), Gallery(key="weights", title="Weight codes", choice="Layer", views=views)]
    if run.trace is None:
        blocks.append(Command(text=f"States are shown where {VECTORS} holds a run. This command makes one:", line=run.command("run")))
    elif run.trace.populations:
        blocks += _state_blocks(network, run.trace)
    coarse = _coarse(run)
    verdict = f"{sum(w.size for w in synapses.values()):,} weights of {number_format.weight_bits} bits"
    if coarse:
        verdict += f"; coarse grid: {', '.join(coarse)}"
    return Section(key=KEY, title=TITLE, status=Status.LOOK if coarse else Status.FACT, verdict=verdict, blocks=tuple(blocks))


def _coarse(run: RunFiles) -> list[str]:
    return [] if run.proof is None else [f.object for f in run.proof.findings if f.rule == "resolution"]


def _weight_view(name: str, weight: NDArray[np.int32], number_format: NumberFormat) -> View:
    limit = number_format.weight_limit
    width = -(-(2 * limit + 1) // BINS)
    numbers = (weight.astype(np.int64).ravel() + limit) // width
    bins = -(-(2 * limit + 1) // width)
    counts = np.bincount(np.clip(numbers, 0, bins - 1), minlength=bins)
    lows = [n * width - limit for n in range(bins)]
    zero, ends = int((weight == 0).sum()), int((np.abs(weight) >= limit).sum())
    facts = (
        ("weights", f"{weight.size:,}"),
        ("smallest and largest code", f"{int(weight.min()):,} to {int(weight.max()):,} of ±{limit:,}"),
        ("at 0", f"{zero:,} ({100 * zero / weight.size:.2f} %)"),
        ("at an end of the range", f"{ends:,} ({100 * ends / weight.size:.2f} %)"),
        ("mean magnitude", f"{float(np.abs(weight).mean()):.2f} codes"),
    )
    chart = Histogram(
        positions=tuple(low + (width - 1) / 2 for low in lows),
        counts=tuple(int(c) for c in counts),
        labels=tuple(f"code {low}" if width == 1 else f"codes {low} to {low + width - 1}" for low in lows),
        value_label=f"weight code, -{limit} to {limit}",
        count_label="weights",
    )
    return View(
        key=f"weights-{name}",
        label=name,
        chart=chart,
        summary=f"Weight codes of {name}: " + "; ".join(f"{key}: {value}" for key, value in facts) + ".",
        table=Table(caption=f"Weights of {name}", columns=("", "value"), rows=facts, numeric=frozenset({1})),
    )


def _state_blocks(network: QuantizedGraph, trace: Trace) -> list[Block]:
    text = (
        "States u before the reset, by the bits that they take: a bar at 2^k counts values whose magnitude lies below 2^k and not below "
        "2^(k - 1). The whole axis is the code range; what the bars leave free is room that this run did not need."
    )
    views = tuple(_state_view(network, trace, name) for name in trace.populations)
    return [Paragraph(text=text), Gallery(key="states", title="States", choice="Population", views=views)]


def _state_view(network: QuantizedGraph, trace: Trace, name: str) -> View:
    states, bits = trace.populations[name].u, network.number_format.state_bits
    counts = sum((_counts_by_bits(step, bits) for step in states), np.zeros(2 * bits - 1, np.int64))  # step by step, for the memory
    positions = range(1 - bits, bits)
    ticks = tuple(Mark(position=k, label=_power(k)) for k in positions if k % 4 == 0)
    theta = network.population(name).constants.theta
    marks: tuple[Mark, ...] = ()
    facts = [("values", f"{states.size:,}"), ("smallest", f"{int(states.min()):,}")]
    facts += [(word, f"{int(np.quantile(states, share, method='lower')):,}") for word, share in QUANTILES]
    facts += [("largest", f"{int(states.max()):,}"), ("limit of the format", f"±{network.number_format.state_limit:,}")]
    if theta is not None:
        median = int(np.median(theta))
        facts.append(("threshold, median of the channels", f"{median:,}"))
        marks = (Mark(position=median.bit_length(), label="threshold"),)
    chart = Histogram(
        positions=tuple(float(k) for k in positions),
        counts=tuple(int(c) for c in counts),
        labels=tuple(_span(k) for k in positions),
        value_label="state code",
        count_label="values",
        ticks=ticks,
        marks=marks,
    )
    summary = f"States of {name} in {trace.samples:,} samples: " + "; ".join(f"{key}: {value}" for key, value in facts) + "."
    table = Table(caption=f"States of {name}, codes", columns=("", "value"), rows=tuple(facts), numeric=frozenset({1}))
    return View(key=f"states-{name}", label=name, chart=chart, summary=summary, table=table)


def _counts_by_bits(states: TraceCodes, bits: int) -> NDArray[np.int64]:
    """Count states by sign and bit length, from ``-(bits - 1)`` over 0 to ``bits - 1``."""
    length = np.frexp(np.abs(states.astype(np.float64)))[1].astype(np.int64)  # exact: the exponent of frexp is the bit length
    signed = np.clip(np.sign(states) * length, 1 - bits, bits - 1)
    return np.bincount(signed.ravel() + bits - 1, minlength=2 * bits - 1)


def _power(k: int) -> str:
    return "0" if k == 0 else f"{'-' if k < 0 else ''}2^{abs(k)}"


def _span(k: int) -> str:
    if k == 0:
        return "0"
    low, high = 2 ** (abs(k) - 1), 2 ** abs(k) - 1
    return f"{low:,} to {high:,}" if k > 0 else f"-{high:,} to -{low:,}"
