"""Where the network sits on the cores of a target."""

from __future__ import annotations

from qif_deploy.plots.charts import CoreCell, CoreMap, MeshSize, core_label
from qif_deploy.pricing.terms import LEVELS
from qif_deploy.reporting.blocks import Block, Gallery, Paragraph, Section, Status, Table, View, absent
from qif_deploy.reporting.record import Record
from qif_deploy.reporting.run_files import PLACEMENT, RunFiles
from qif_hardware.chip import RESOURCES
from qif_hardware.mapping.memory import Words, fullest, shares

KEY, TITLE = "cores", "Cores"
SHOWN_CHIPS = 8
"""Chips with a picture of their own; the others are in the table of layers."""

TIMES = (
    ("step_s", "step, us", 1e6),
    ("latency_s", "latency of an inference, us", 1e6),
    ("throughput_hz", "thousand inferences per second, pipelined", 1e-3),
    ("static_energy_j", "static energy of an inference, uJ", 1e6),
)
"""Field of the file, what it is called, and the factor to its unit."""

LARGEST_MESH = 1 << 16
"""Places that a chip has at most."""


def cores_section(run: RunFiles) -> Section:
    """Return the core map, layers, time and findings of a placement."""
    placement = run.results.get(PLACEMENT)
    if placement is None:
        return absent(KEY, TITLE, missing=PLACEMENT, command=run.command("map"))
    target, cores, fits = placement.text("target"), placement.whole("cores"), placement.truth("fits")
    chips = None if not placement.holds("chips") else placement.whole("chips")
    where = "" if chips is None else f" on {chips} {'chip' if chips == 1 else 'chips'}"
    verdict = f"{'fits' if fits else 'does not fit'} {target}: {cores} cores{where}"
    text = f"By the target's rules for cores; nothing was run on a chip. Spikes: {placement.record('activity').text('source')}."
    blocks: list[Block] = [Paragraph(text=text)]
    cells = _cells(placement)
    if cells:
        blocks.append(_gallery(placement, cells))
    blocks.append(_layers(placement))
    time = placement.maybe_record("time")
    if time is not None:
        blocks.append(_time(time))
    if placement.records("findings"):
        blocks.append(_findings(placement))
    return Section(key=KEY, title=TITLE, status=Status.HOLDS if fits else Status.FAILS, verdict=verdict, blocks=tuple(blocks))


def _cells(placement: Record) -> list[CoreCell]:
    """Return the cores with their fullest resource, by the rule of the mapper."""
    if not placement.holds("placement"):
        return []
    limits = {name: placement.record("limits").whole(name) for name in placement.record("limits").values}
    mesh = placement.record("mesh")
    columns, rows, slots = (mesh.whole(key) for key in ("columns", "rows", "cores_per_router"))
    if min(columns, rows, slots) < 1 or columns * rows * slots > LARGEST_MESH or not limits or min(limits.values()) < 1:
        placement.fail(f"a mesh of {columns} by {rows} routers with {slots} cores each, or its limits, are of no chip")
    cells = []
    for core in placement.records("placement"):
        words, router = core.record("words"), core.wholes("router")
        if len(router) != 2 or not (0 <= router[0] < columns and 0 <= router[1] < rows and 0 <= core.whole("slot") < slots):
            core.fail(f"{core.where}router {list(router)} is not on the mesh of {columns} by {rows} routers")
        layers = tuple(piece.text("layer") for piece in core.records("pieces"))
        if not layers:
            core.fail(f"{core.where}pieces is empty")
        used = shares(Words(*(words.whole(name) for name in RESOURCES)), limits)
        binding = fullest(used)
        cells.append(
            CoreCell(
                chip=core.whole("chip"), column=router[0], row=router[1], slot=core.whole("slot"), layers=layers, used=used[binding],
                binding=binding,
            )
        )  # fmt: skip
    return cells


def _gallery(placement: Record, cells: list[CoreCell]) -> Gallery:
    mesh = placement.record("mesh")
    size = MeshSize(columns=mesh.whole("columns"), rows=mesh.whole("rows"), slots=mesh.whole("cores_per_router"))
    order = [layer.text("name") for layer in placement.records("layers")]
    names = tuple(dict.fromkeys([*order, *(name for cell in cells for name in cell.layers)]))
    chips = sorted({cell.chip for cell in cells})
    views = tuple(_view(chip, [cell for cell in cells if cell.chip == chip], size, names) for chip in chips[:SHOWN_CHIPS])
    title = "Core map" if len(chips) <= SHOWN_CHIPS else f"Core map, the first {SHOWN_CHIPS} of {len(chips)} chips"
    return Gallery(key="cores", title=title, choice="Chip", views=views)


def _view(chip: int, cells: list[CoreCell], size: MeshSize, names: tuple[str, ...]) -> View:
    numbered = ", ".join(f"{n}: {name}" for n, name in enumerate(names) if any(name in cell.layers for cell in cells))
    fullest_cell = max(cells, key=lambda cell: cell.used)
    summary = (
        f"Chip {chip}: {len(cells)} cores in use on a mesh of {size.columns} by {size.rows} routers with {size.slots} cores each. Numbers "
        f"are layers ({numbered}), a plus means more than one. The fullest core takes {100 * fullest_cell.used:.0f} % of its "
        f"{fullest_cell.binding}."
    )
    rows = tuple(
        (
            f"router {cell.column}, {cell.row}, place {cell.slot}",
            core_label(cell.layers, names),
            ", ".join(cell.layers),
            f"{100 * cell.used:.1f} %",
            cell.binding,
        )
        for cell in cells
    )
    columns = ("core", "number", "layers", "share used", "of its")
    table = Table(caption=f"Cores of chip {chip}", columns=columns, rows=rows, numeric=frozenset({3}))
    return View(
        key=f"cores-{chip}",
        label=f"chip {chip}",
        chart=CoreMap(chip=chip, cells=cells, size=size, names=names),
        summary=summary,
        table=table,
    )


def _layers(placement: Record) -> Table:
    rows = []
    for layer in placement.records("layers"):
        tile, shape = (" x ".join(str(n) for n in layer.wholes(key)) for key in ("tile", "shape"))
        slowest = layer.record("slowest_core_s")
        time = f"{1e6 * slowest.number('typical'):.2f}" if slowest.holds("typical") else ""
        rows.append((layer.text("name"), shape, tile, str(layer.whole("cores")), layer.text("binding"), time, layer.text("reason")))
    columns = ("layer", "shape, c x h x w", "tile, w x h x c", "cores", "binds", "slowest core, us per step", "why")
    return Table(caption="Layers", columns=columns, rows=tuple(rows), numeric=frozenset({3, 5}))


def _time(time: Record) -> Table:
    rows = []
    for key, name, scale in TIMES:
        levels = time.maybe_record(key)
        if levels is not None:
            rows.append((name, *(f"{scale * levels.number(level):.4g}" for level in LEVELS)))
    caption = f"Time: {time.text('grade')}" if time.holds("grade") else "Time, an estimate"
    return Table(caption=caption, columns=("", *LEVELS), rows=tuple(rows), numeric=frozenset({1, 2, 3}))


def _findings(placement: Record) -> Table:
    rows = tuple(
        (f.text("object"), f.text("severity"), f.text("rule"), str(f.values.get("value")), str(f.values.get("limit")), f.text("remedy"))
        for f in placement.records("findings")
    )
    return Table(caption="Findings", columns=("object", "severity", "rule", "value", "limit", "what to do"), rows=rows)
