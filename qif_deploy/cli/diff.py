"""``qif-deploy diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Model, Network, NoSeed, Quiet, Samples, Verbose, out_option
from qif_deploy.cli.output import show, stages


def diff(
    model: Model,
    network: Network,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    out: Annotated[Path | None, out_option("Result; default: fidelity.json beside the network.")] = None,
    device: Annotated[str, typer.Option("--device", help="torch device of the integer network and of the float runs of --noise.")] = "cpu",
    noise: Annotated[bool, typer.Option("--noise", help="Float against float in every precision of the device, not only float32.")] = False,
    layer_accuracy: Annotated[bool, typer.Option(help="Also answer with each layer alone in integers: one more run per layer.")] = True,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Compare the float model with the integer network, layer by layer, and say what explains the difference."""
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
