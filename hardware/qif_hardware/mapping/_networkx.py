"""The one entry of networkx (>= 2.8): Kernighan-Lin partitioning."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    from networkx import Graph
    from networkx.algorithms.community import kernighan_lin_bisection
except ImportError:
    raise MissingDependencyError("placing over several chips needs networkx; install it with: pip install 'qif-deploy[map]'") from None

__all__ = ["Graph", "kernighan_lin_bisection"]
