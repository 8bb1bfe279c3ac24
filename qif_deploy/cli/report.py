"""``qif-deploy report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Json, NoSeed, Quiet, Verbose, out_option
from qif_deploy.cli.output import show


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, as `train` or `demo` made it.")],
    figures: Annotated[
        str | None, typer.Option("--figures", help="Also draw every chart for papers: png or svg, into `figures` beside the page.")
    ] = None,
    out: Annotated[Path | None, out_option("The page; default: report.html in the run folder.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Make one self-contained HTML page of everything that a run folder holds; what is missing says which command makes it."""
    from qif_deploy.api.report import FigureFormat
    from qif_deploy.api.report import report as run_report
    from qif_deploy.errors import InputError
    from qif_deploy.presentation.report import report_table

    known = [kind.value for kind in FigureFormat]
    if figures is not None and figures not in known:
        raise InputError(f"figures {figures!r} is unknown; use one of {', '.join(known)}")
    outcome = run_report(run, out=out, figures=None if figures is None else FigureFormat(figures))
    show(outcome, lambda: report_table(outcome), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN
