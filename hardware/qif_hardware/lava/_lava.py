"""The only entry to the optional package ``lava-nc``: which version, which Python, and how to install it.

Nothing here imports Lava. Its modules force the ``fork`` start method on the whole interpreter that imports them, so
only the worker process does, after this check.
"""

from __future__ import annotations

import importlib.metadata
import sys

from qif_deploy.errors import MissingDependencyError

SUPPORTED_LAVA = "0.10."
"""The runtime's private names that the guarded run reads are those of 0.10, the last release."""

SUPPORTED_PYTHON = (3, 10)
"""The only Python that lava-nc 0.10 installs on and that this backend is tested on."""

INSTALL_LINE = "pip install 'qif-deploy[lava]'"


def require_lava() -> str:
    """Return the version of the installed lava-nc.

    Raises:
        MissingDependencyError: this is not Python 3.10, lava-nc is not installed, or its version is not supported.
    """
    if sys.version_info[:2] != SUPPORTED_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise MissingDependencyError(f"Lava backend: Python {found} is running, lava-nc needs 3.10; use Python 3.10 and {INSTALL_LINE}")
    try:
        version = importlib.metadata.version("lava-nc")
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependencyError(f"Lava backend: package 'lava-nc' is not installed; {INSTALL_LINE} (Python 3.10)") from None
    if not version.startswith(SUPPORTED_LAVA):
        raise MissingDependencyError(f"Lava backend: lava-nc {version} is installed, {SUPPORTED_LAVA}x is needed; {INSTALL_LINE}")
    return version
