"""The only entry to the optional package ``lava-nc``: which version, which Python, and how to install it.

Nothing here imports Lava. Its modules force the ``fork`` start method on the whole interpreter that imports them, so
only the worker process does, after this check.
"""

from __future__ import annotations

import importlib.metadata
import sys

from qif_deploy.errors import MissingDependencyError
from qif_hardware.lava import compat

SUPPORTED_LAVA = "0.10."
"""The runtime's private names that the guarded run reads are those of 0.10, the last release."""

SUPPORTED_PYTHON = (3, 10)
"""The only Python that lava-nc 0.10 installs on; ``compat`` has newer ones."""

INSTALL_LINE = "pip install 'qif-deploy[lava]'"


def require_lava() -> str:
    """Return the version of the installed lava-nc.

    Raises:
        MissingDependencyError: this is not Python 3.10 (nor a newer one with ``compat`` switched on), lava-nc is not installed, or its
            version is not supported.
    """
    python = sys.version_info[:2]
    patched = compat.compat_wanted() and SUPPORTED_PYTHON < python <= compat.NEWEST_PYTHON
    if python != SUPPORTED_PYTHON and not patched:
        found = ".".join(map(str, python))
        raise MissingDependencyError(
            f"Lava backend: Python {found} is running, lava-nc needs 3.10; use Python 3.10 and {INSTALL_LINE}, "
            f"or see {compat.SWITCH} in docs/lava.md"
        )
    try:
        version = importlib.metadata.version("lava-nc")
    except importlib.metadata.PackageNotFoundError:
        line = compat.INSTALL_LINE if patched else f"{INSTALL_LINE} (Python 3.10)"
        raise MissingDependencyError(f"Lava backend: package 'lava-nc' is not installed; {line}") from None
    if not version.startswith(SUPPORTED_LAVA):
        raise MissingDependencyError(f"Lava backend: lava-nc {version} is installed, {SUPPORTED_LAVA}x is needed; {INSTALL_LINE}")
    return version
