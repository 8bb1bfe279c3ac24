"""Placement on cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import counted, joules, new_table, stacked

if TYPE_CHECKING:
    from qif_hardware.mapping.mapping import NetworkMapping


def map_table(mapping: NetworkMapping, *, verbose: bool) -> RenderableType:
    """Layers, findings and time; with ``verbose`` also what speaks for each cut and what would save cores."""
    from qif_hardware.mapping.memory import fullest

    found = mapping.as_json()
    where = "" if mapping.placed is None else f" on {mapping.placed.mesh.chips_used} of {counted(mapping.chip.chips, 'chip')}"
    verdict = "fits" if mapping.fits else "does not fit"
    where += f" without {', '.join(mapping.choice.impossible)}" if mapping.choice.impossible else ""
    columns = ("layer", "tile w,h,c", "cores", "synmem", "neurons", "fullest", "binds", "us/step")
    title = f"{mapping.target}: {verdict}, {counted(mapping.cores, 'core')}{where}; words of a full tile"
    table = new_table(columns, title, numbers=("cores", "synmem", "neurons", "us/step"))
    for layer in mapping.layers:
        most = fullest(layer.used)
        time = f"{layer.time_ns['typical'] / 1000:.2f}" if layer.time_ns else ""
        cells = (layer.layer.name, ",".join(map(str, layer.tile)), layer.cores, layer.words.synmem, layer.words.neurons)
        table.add_row(*map(str, cells), f"{layer.used[most]:.0%} {most}", layer.binding, time)
    parts: list[RenderableType] = [table]
    if verbose:
        reasons = new_table(("layer", "why this cut", "what would help"), "cuts")
        for layer in mapping.layers:
            reasons.add_row(layer.layer.name, layer.reason, layer.fix)
        parts.append(reasons)
    if mapping.choice.shared:
        parts.append("on one core: " + "; ".join(", ".join(group) for group in mapping.choice.shared))
    shown = [f for f in found["findings"] if verbose or f["severity"] != "info"]
    if shown:
        findings = new_table(("severity", "rule", "object", "value", "limit"), "findings")
        for f in shown:
            findings.add_row(*(str(f[key]) for key in ("severity", "rule", "object", "value", "limit")))
        parts += [findings, *dict.fromkeys(f"{f['rule']}: {f['remedy']}" for f in shown)]
    if mapping.placed is not None:
        parts += _time_lines(mapping)
    parts.append(f"spikes: {mapping.activity.source}")
    return stacked(parts)


def _time_lines(mapping: NetworkMapping) -> list[RenderableType]:
    assert mapping.placed is not None
    t = mapping.placed.time
    levels = ("low", "typical", "high")
    table = new_table(("", *levels), "time, an estimate from the profile's constants; never measured", numbers=levels)
    table.add_row("slowest core, us", *(f"{t.levels[n].core_ns / 1000:.3g}" for n in levels))
    table.add_row("busiest link, us", *(f"{t.levels[n].link_ns / 1000:.3g}" for n in levels))
    table.add_row("step, us", *(f"{t.levels[n].step_ns / 1000:.3g} ({t.levels[n].bound_by})" for n in levels))
    table.add_row(f"latency, {t.steps} + {t.depth} steps, us", *(f"{t.latency_s(n) * 1e6:.3g}" for n in levels))
    table.add_row("inferences per second, pipelined", *(f"{t.throughput_hz(n):,.0f}" for n in levels))
    table.add_row("static energy per inference", *(joules(t.static_j(n)) for n in levels))
    lines: list[RenderableType] = [table]
    used, traffic = mapping.utilisation(), mapping.as_json()["traffic"]
    if used is not None and traffic is not None:
        lines.append(
            f"mean use of a core: {used['fullest_resource']:.0%} of its fullest resource; {traffic['messages_per_step']:,.0f} messages per "
            f"step, {traffic['hops_per_step']:,.0f} hops on chips ({traffic['hops_per_step_before_swaps']:,.0f} before swaps), "
            f"{traffic['between_chips_per_step']:,.0f} messages between chips"
        )
    return lines
