"""What a chart shows, as data: nothing here draws. ``interactive`` draws them for the page, ``paper_figures`` for papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """One value per row and column; None where there is none."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    column_label: str
    value_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Membrane of one neuron over the steps in both networks, in float units.

    ``bound`` is the distance from the float course that is explained; spikes are 0 or 1 per step.
    """

    u_float: tuple[float, ...]
    u_integer: tuple[float, ...]
    bound: tuple[float, ...]
    theta: float
    spikes_float: tuple[int, ...]
    spikes_integer: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterBand:
    """Spikes of some neurons of one population: ``spikes[neuron][step]`` is 0 or 1, ``neurons`` are their flat numbers."""

    population: str
    neurons: tuple[int, ...]
    spikes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Spikes of one sample, population under population in the order of the network."""

    bands: tuple[RasterBand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A position on the horizontal axis that has a name."""

    position: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of values over bins of equal width around ``positions``; ``ticks`` names some of the positions, empty for their numbers."""

    positions: tuple[float, ...]
    counts: tuple[int, ...]
    labels: tuple[str, ...]
    value_label: str
    count_label: str
    ticks: tuple[Mark, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSeries:
    """One part of every bar."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedBars:
    """Bars made of parts; ``low`` and ``high`` bound the whole bar."""

    bars: tuple[str, ...]
    series: tuple[BarSeries, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    value_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """A range with a point in it per name, on a logarithmic axis."""

    names: tuple[str, ...]
    low: tuple[float, ...]
    typical: tuple[float, ...]
    high: tuple[float, ...]
    value_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """A share with its confidence interval per name, all in per cent."""

    names: tuple[str, ...]
    low: tuple[float, ...]
    value: tuple[float, ...]
    high: tuple[float, ...]
    value_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A positive value per epoch, on a logarithmic axis."""

    values: tuple[float, ...]
    step_label: str
    value_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreCell:
    """One core: where it is, the layers on it, the share of its fullest resource (0..1), and which that is."""

    chip: int
    column: int
    row: int
    slot: int
    layers: tuple[str, ...]
    used: float
    binding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSize:
    """Routers of a chip, and cores on a router."""

    columns: int
    rows: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMap:
    """Cores of one chip on its mesh; ``names`` are the layers of the whole network in order, which the cores are numbered by."""

    chip: int
    cells: Sequence[CoreCell]
    size: MeshSize
    names: tuple[str, ...]


Chart = HeatMap | Course | Raster | Histogram | StackedBars | Ranges | Intervals | Curve | CoreMap


def core_label(layers: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Return the number of a core's first layer along the network, with a plus where it holds more than one."""
    return str(names.index(layers[0])) + ("+" if len(layers) > 1 else "")
