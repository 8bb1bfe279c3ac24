"""Versions of what computes, from the installed distributions: nothing is imported for it."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "numpy",
    "torch",
    "lightning",
    "numba",
    "nir",
    "h5py",
    "onnx",
    "onnxruntime",
    "lava-nc",
    "lava-dl",
    "scikit-learn",
    "typer",
    "rich",
)
"""What a result or a file may depend on, as pip names it."""


def version_lines(*, everything: bool) -> list[str]:
    """Return the project's version, and with ``everything`` those of Python, the machine and the packages it may use."""
    from qif_deploy.version import __version__

    lines = [f"qif-deploy {__version__}"]
    if everything:
        lines.append(f"Python {platform.python_version()}, {sys.platform} {platform.machine()}")
        lines += [f"{name} {_installed(name)}" for name in PACKAGES]
    return lines


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"
