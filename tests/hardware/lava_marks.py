"""What a test that starts Lava is marked with: run where Lava is installed, skipped with the reason elsewhere."""

from __future__ import annotations

import pytest

from qif_deploy.errors import MissingDependencyError
from qif_hardware.lava._lava import require_lava


def _missing() -> str | None:
    try:
        require_lava()
    except MissingDependencyError as error:
        return str(error)
    return None


MISSING = _missing()
"""Why Lava does not run here; None where it does."""

NEEDS_LAVA = [pytest.mark.lava, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
