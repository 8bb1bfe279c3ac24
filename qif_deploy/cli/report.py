"""``qif-deploy report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Json, NoSeed, Quiet, Verbose, out_option, word_option
from qif_deploy.cli.output import show
from qif_deploy.cli.values import FIGURES


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, as `demo` or `train` made it and later verbs filled it.")],
    figures: Annotated[
        str | None, word_option("--figures", FIGURES, "Also draw every chart for papers, png or svg, into `figures` beside the page.")
    ] = None,
    out: Annotated[Path | None, out_option("The page (.html); default: report.html in the run folder.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Make one self-contained HTML page of a run folder.

    It shows what the other verbs left there under their default names; what is missing says which command makes it. Exit code 1 where a
    section says that a check does not hold.
    """
    from qif_deploy.api.report import FigureFormat
    from qif_deploy.api.report import report as run_report
    from qif_deploy.presentation.report import report_table
    from qif_deploy.suggestion import unknown_word

    known = [kind.value for kind in FigureFormat]
    if figures is not None and figures not in known:
        raise unknown_word("figures", figures, known)
    outcome = run_report(run, out=out, figures=None if figures is None else FigureFormat(figures))
    show(outcome, lambda: report_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN
