"""The one entry of matplotlib (>= 3.8). Figures are objects: pyplot, with its global state, is not used."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
except ImportError:
    raise MissingDependencyError("plots need matplotlib; install it with: pip install 'qif-deploy[report]'") from None

__all__ = ["Axes", "Figure", "Line2D"]
