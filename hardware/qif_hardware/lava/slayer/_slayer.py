"""The only entry to the optional package ``lava-dl`` (0.6, Python 3.10) and to the torch that it brings.

lava-dl is archived; 0.6.0 is its last release. Importing it takes seconds, and it talks while it does.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import sys

from qif_deploy.errors import MissingDependencyError
from qif_hardware.lava._lava import SUPPORTED_PYTHON

SUPPORTED_LAVA_DL = "0.6."
"""The block and neuron base classes are those of 0.6, the last release."""

INSTALL_LINE = "pip install 'qif-deploy[lava-dl]'"

if sys.version_info[:2] != SUPPORTED_PYTHON:
    found = ".".join(map(str, sys.version_info[:2]))
    raise MissingDependencyError(f"SLAYER: Python {found} is running, lava-dl needs 3.10; use Python 3.10 and {INSTALL_LINE}")
try:
    version = importlib.metadata.version("lava-dl")
except importlib.metadata.PackageNotFoundError:
    raise MissingDependencyError(f"SLAYER: package 'lava-dl' is not installed; {INSTALL_LINE} (Python 3.10)") from None
if not version.startswith(SUPPORTED_LAVA_DL):
    raise MissingDependencyError(f"SLAYER: lava-dl {version} is installed, {SUPPORTED_LAVA_DL}x is needed; {INSTALL_LINE}")

# It prints on import about data sets and compilers that nothing here uses; a command's own output must stay its own.
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    try:
        import torch
        from lava.lib.dl.slayer.block import base as block_base
        from lava.lib.dl.slayer.neuron import base as neuron_base
        from lava.lib.dl.slayer.synapse import layer as synapse
    except ImportError as error:
        raise MissingDependencyError(f"SLAYER: lava-dl {version} does not import ({error}); {INSTALL_LINE}") from None

__all__ = ["block_base", "neuron_base", "synapse", "torch"]
