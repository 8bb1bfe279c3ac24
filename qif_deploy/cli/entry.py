"""Runs a verb and turns every expected failure into one line and an exit code."""

from __future__ import annotations

import signal
import sys
from typing import Any

import typer

from qif_deploy.cli.app import app
from qif_deploy.cli.exit_codes import BAD_INPUT, BROKEN, HOLDS, INTERRUPTED
from qif_deploy.errors import BackendError, InputError, MissingDependencyError, QifError

# Typer has carried its own copy of click since 0.2x; the class that it raises is found through its public child.
UsageProblem: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a verb and turns every expected failure into one line and an exit code."""
    sys.exit(guarded(sys.argv[1:] if arguments is None else arguments))


def guarded(arguments: list[str]) -> int:
    """Run a verb; return its exit code, with one line on stderr for what went wrong."""
    signal.signal(signal.SIGTERM, _terminate)  # so that `finally` blocks clean up on SIGTERM as on Ctrl-C
    try:
        code = app(args=arguments, prog_name="qif-deploy", standalone_mode=False)
    except UsageProblem as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.ctx.get_help())
            return HOLDS
        return _say(error.format_message(), BAD_INPUT)
    except (InputError, MissingDependencyError) as error:
        return _say(str(error), BAD_INPUT)
    except BackendError as error:
        if error.__cause__ is not None and not {"-v", "--verbose"}.isdisjoint(arguments):
            typer.echo(str(error.__cause__), err=True)
        return _say(str(error), BROKEN)
    except QifError as error:
        return _say(str(error), BROKEN)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except MemoryError:
        return _say("out of memory; use fewer --samples", BROKEN)
    except OSError as error:
        return _say(f"{error.filename or 'file system'}: {error.strerror or error}; free space or check permissions", BAD_INPUT)
    if code == INTERRUPTED:  # newer typer hands Ctrl-C on as this code, without a word
        return _say("interrupted; no half-written file is left", INTERRUPTED)
    return code if isinstance(code, int) else HOLDS


def _say(message: str, code: int) -> int:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    return code


def _terminate(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
