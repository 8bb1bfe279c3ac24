"""``qif-deploy diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Data, DataRoot, Device, Json, Model, Network, NoSeed, Quiet, Samples, Verbose, out_option
from qif_deploy.cli.output import show, stages


def diff(
    model: Model,
    network: Network,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    out: Annotated[Path | None, out_option("Result (.json); default: fidelity.json beside NET.")] = None,
    device: Device = "cpu",
    noise: Annotated[bool, typer.Option("--noise", help="Noise floor in every precision that the device has, not only float32.")] = False,
    layer_accuracy: Annotated[bool, typer.Option(help="Accuracy with each layer alone in integers: one more run per layer.")] = True,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Compare a float network with its integer network.

    Layer by layer: spike agreement, membrane error, what explains each spike that differs, where the first one does, and the noise floor
    of float against float. Writes fidelity.json. Exit code 1 where the integer network is not the rounded float network.
    """
    from qif_deploy.api.diff import Comparison
    from qif_deploy.api.diff import diff as run_diff
    from qif_deploy.presentation.diff import diff_table

    how = Comparison(device=device, noise=noise, accuracy_by_layer=layer_accuracy)
    with stages(("diff",), shown=not quiet) as report:
        outcome = run_diff(
            model,
            network,
            data=data,
            data_root=data_root,
            samples=samples,
            out=out,
            how=how,
            progress=lambda share: report("diff", share),
        )
    show(outcome, lambda: diff_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN
