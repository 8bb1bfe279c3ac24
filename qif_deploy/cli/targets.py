"""``qif-deploy targets``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Json, NoSeed, Quiet, Verbose, out_option
from qif_deploy.cli.output import show


def targets(
    out: Annotated[Path | None, out_option("Also write the JSON object to this file (.json).")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """List the packaged targets and price lists.

    With -v every number of them, with unit, source and grade (metered, silicon-fitted, simulated, assumed).
    """
    from qif_deploy.api.files import write_json
    from qif_deploy.api.targets import targets as run_targets
    from qif_deploy.presentation.targets import targets_table

    outcome = run_targets()
    if out is not None:
        write_json(out, outcome.as_json())
    show(outcome, lambda: targets_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS
