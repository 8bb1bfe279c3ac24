"""``qif-deploy diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Model, Network, NoSeed, Quiet, Samples, Verbose, out_option
from qif_deploy.cli.output import show


def diff(
    model: Model,
    network: Network,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    out: Annotated[Path | None, out_option("Result; default: fidelity.json beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Compare the float model with the integer network, layer by layer."""
    from qif_deploy.api.diff import diff as run_diff
    from qif_deploy.presentation.diff import diff_table

    outcome = run_diff(model, network, data=data, data_root=data_root, samples=samples, out=out)
    show(outcome, lambda: diff_table(outcome), json=json, quiet=quiet)
    return HOLDS
