"""What a test that needs lava-dl is marked with, and the import that only such tests may do.

Test modules must not import lava-dl at their top: pytest imports every module before the first test, and other tests
check that nothing of Lava is loaded.
"""

from __future__ import annotations

import importlib.metadata
import sys

import pytest


def _missing() -> str | None:
    if sys.version_info[:2] != (3, 10):
        return "lava-dl needs Python 3.10"
    try:
        importlib.metadata.version("lava-dl")
    except importlib.metadata.PackageNotFoundError:
        return "package 'lava-dl' is not installed; pip install 'qif-deploy[lava-dl]'"
    return None


NEEDS_SLAYER = [pytest.mark.skipif(_missing() is not None, reason=str(_missing()))]
