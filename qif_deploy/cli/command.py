"""The verbs as Typer's commands: help with examples, set as it was written, and shown without loading what converts values.

The context that Typer hands over is of a class that is not its public ``Context``, hence ``Any``.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from qif_deploy.cli.examples import EXAMPLES
from qif_deploy.cli.output import write

HELP_FLAGS = ("-h", "--help")

EXIT_CODES = (
    "Exit codes: 0 done, and what was checked holds; 1 a check does not hold;\n  2 bad input, in one line on stderr; 130 interrupted."
)


def epilog(verb: str) -> str:
    """Return what stands below the options of a verb: its examples, and the exit codes."""
    lines = "\n".join(f"  {example}" for example in EXAMPLES[verb])
    return f"Examples:\n{lines}\n\n{EXIT_CODES}"


class Verb(TyperCommand):
    """A verb; its epilog is printed line by line, where Click would make one paragraph of it."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are."""
        del ctx
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")


class Verbs(TyperGroup):
    """All verbs. A help text is answered before any option is converted, which would load pydantic: half of its time."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help of the verb where it is asked for; else parse."""
        asked = None if ctx.resilient_parsing else self._asked(ctx, args[: args.index("--")] if "--" in args else args)
        if asked is not None:
            write(asked.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)

    def _asked(self, ctx: typer.Context, args: list[str]) -> typer.Context | None:
        if args[:1] in ([], *([flag] for flag in HELP_FLAGS)):
            return ctx
        verb = self.commands.get(args[0])
        return None if verb is None or set(HELP_FLAGS).isdisjoint(args) else type(ctx)(verb, info_name=args[0], parent=ctx)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the epilog as it is."""
        del ctx
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")
