"""The application: one command per verb, in the order in which a user meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from qif_deploy.cli.check import check
from qif_deploy.cli.command import EXIT_CODES, HELP_FLAGS, Verb, Verbs, epilog
from qif_deploy.cli.convert import convert
from qif_deploy.cli.demo import demo
from qif_deploy.cli.diff import diff
from qif_deploy.cli.energy import energy
from qif_deploy.cli.export import export
from qif_deploy.cli.map import map as map_verb
from qif_deploy.cli.output import write
from qif_deploy.cli.quantize import quantize
from qif_deploy.cli.report import report
from qif_deploy.cli.run import run
from qif_deploy.cli.targets import targets
from qif_deploy.cli.train import train
from qif_deploy.cli.verify import verify

VERBS = (demo, train, convert, quantize, check, run, diff, verify, export, map_verb, energy, report, targets)

FIRST_STEPS = f"""First steps:
  qif-deploy demo                # the whole way on real digits, about a minute
  qif-deploy VERB --help         # each verb explains itself, with examples
  qif-deploy --install-completion

{EXIT_CODES}"""

app = typer.Typer(
    name="qif-deploy",
    cls=Verbs,
    subcommand_metavar="VERB [ARGS]...",
    help="Takes trained QIF spiking networks to neuromorphic targets, bit for bit: train or convert, quantize under a range proof, "
    "run and verify on every backend, export, map to cores, count energy.",
    epilog=FIRST_STEPS,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": list(HELP_FLAGS)},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit; with -v of everything that computes.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="With --version: also of Python and the packages.")] = False,
) -> None:
    if version:
        from qif_deploy.cli.versions import version_lines

        write("\n".join(version_lines(everything=verbose)))
        raise typer.Exit
    if verbose:
        raise typer.BadParameter("-v belongs behind the verb, or beside --version", ctx=context)
    if context.invoked_subcommand is None:
        write(context.get_help())


for verb in VERBS:
    app.command(cls=Verb, epilog=epilog(verb.__name__))(verb)
