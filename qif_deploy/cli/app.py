"""The application: one command per verb, in the order in which a user meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from qif_deploy.cli.check import check
from qif_deploy.cli.convert import convert
from qif_deploy.cli.demo import demo
from qif_deploy.cli.diff import diff
from qif_deploy.cli.energy import energy
from qif_deploy.cli.export import export
from qif_deploy.cli.map import map as map_verb
from qif_deploy.cli.quantize import quantize
from qif_deploy.cli.report import report
from qif_deploy.cli.run import run
from qif_deploy.cli.targets import targets
from qif_deploy.cli.train import train
from qif_deploy.cli.verify import verify

app = typer.Typer(
    name="qif-deploy",
    help="Trained QIF spiking networks to neuromorphic targets, bit for bit.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS = (demo, train, convert, quantize, check, run, diff, verify, export, map_verb, energy, report, targets)


def _print_version(wanted: bool) -> None:
    if wanted:
        from qif_deploy.version import __version__

        typer.echo(f"qif-deploy {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)] = False,
) -> None:
    pass


for verb in VERBS:
    app.command()(verb)
