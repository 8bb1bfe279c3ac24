"""The one entry of numba (>= 0.59). Without it the engine takes the step of ``fixed_step`` in torch: the same results, slower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qif_deploy.errors import MissingDependencyError

try:
    import numba
    from numba.extending import intrinsic
except ImportError:
    raise MissingDependencyError("the compiled neuron kernel needs numba; install it with: pip install 'qif-deploy[engine]'") from None


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first call for the machine at hand; kept on disk where the package's folder or the user's cache can be written.

    The GIL is released, so that threads of the caller run it side by side; numba's own threads are not used, since a second
    pool beside torch's would fight it for the processors.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache: a read-only installation, or source that stands in no file
        return numba.njit(**options)(function)


__all__ = ["compiled", "intrinsic"]
