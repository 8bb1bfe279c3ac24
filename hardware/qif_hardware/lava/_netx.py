"""The only entry to netx of the optional package ``lava-dl`` (0.6, Python 3.10); imports Lava and, through lava-dl, torch."""

from __future__ import annotations

import contextlib
import io

from qif_deploy.errors import MissingDependencyError
from qif_hardware.lava.slayer._slayer import INSTALL_LINE, version

# It prints on import about data sets and compilers that nothing here uses; a command's own output must stay its own.
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    try:
        from lava.lib.dl.netx import hdf5
        from lava.lib.dl.netx.blocks import process as blocks
        from lava.lib.dl.netx.blocks.models import AbstractPyBlockModel
    except ImportError as error:
        raise MissingDependencyError(f"netx: lava-dl {version} does not import ({error}); {INSTALL_LINE}") from None

__all__ = ["AbstractPyBlockModel", "blocks", "hdf5"]
