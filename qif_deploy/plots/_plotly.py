"""The one entry of plotly (>= 6.0). Only its JavaScript is used, which draws in the reader's browser; figures are plain data."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    from plotly.offline import get_plotlyjs
except ImportError:
    raise MissingDependencyError("the report needs plotly; install it with: pip install 'qif-deploy[report]'") from None


def plotly_script() -> str:
    """Return the library as one script."""
    return str(get_plotlyjs())


__all__ = ["plotly_script"]
