"""Where owners of Loihi 2 attach their models: nothing of this project has run on silicon, and this is what it leaves open.

The neuron is the Process ``qif_hardware.lava.qif.process.QIF`` (one branch) or ``QIFJoin``; a chip needs an ``NcProcessModel`` of
it, whose microcode is not public. A distribution of its own brings one as a module ``qif_hardware/lava/qif/NAME.py`` (no
``__init__.py``): the packages on the way extend over all distributions, so that Lava's compiler finds it beside the Process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qif_deploy.errors import MissingDependencyError
from qif_hardware.lava._lava import require_lava


def silicon_run_config(models: Mapping[type[Any], type[Any]] | None = None) -> Any:
    """Return Lava's run configuration for Loihi 2, which prefers models for neuro cores.

    Args:
        models: Process -> model, to name a model instead of having it found.

    Raises:
        MissingDependencyError: Lava or its extension for Loihi is not installed; without it Lava itself ends in a NameError.
    """
    require_lava()
    # Here, not at the head: importing Lava has effects on the whole interpreter and needs the check above.
    from lava.magma.core.run_configs import Loihi2HwCfg
    from lava.utils import loihi

    if not loihi.is_installed():
        raise MissingDependencyError(
            "Loihi 2: Lava's extension for the chip (lava-loihi) is not installed; Intel gives it to members of its research community. "
            "Without it use the Lava backend on the CPU, or export --to loihi2-bundle"
        )
    return Loihi2HwCfg(exception_proc_model_map=None if models is None else dict(models))
