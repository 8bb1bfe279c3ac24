"""One figure for every kind of chart."""

from __future__ import annotations

from typing_extensions import assert_never

from qif_deploy.plots.charts import Chart, CoreMap, Course, Curve, HeatMap, Histogram, Intervals, Ranges, Raster, StackedBars
from qif_deploy.plots.interactive.bars import histogram, intervals, ranges, stacked_bars
from qif_deploy.plots.interactive.grids import core_map, heat_map, raster
from qif_deploy.plots.interactive.lines import course, curve
from qif_deploy.plots.interactive.parts import Figure


def plotly_figure(chart: Chart) -> Figure:
    """Return ``{"data": [...], "layout": {...}}`` for a chart."""
    match chart:
        case HeatMap():
            return heat_map(chart)
        case Course():
            return course(chart)
        case Raster():
            return raster(chart)
        case Histogram():
            return histogram(chart)
        case StackedBars():
            return stacked_bars(chart)
        case Ranges():
            return ranges(chart)
        case Intervals():
            return intervals(chart)
        case Curve():
            return curve(chart)
        case CoreMap():
            return core_map(chart)
        case _:
            assert_never(chart)
