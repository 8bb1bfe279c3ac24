"""Runs a verb and turns every expected failure into one line and an exit code."""

from __future__ import annotations

import errno
import io
import signal
import sys
from typing import Any

import typer

from qif_deploy.cli.app import VERBS, app
from qif_deploy.cli.exit_codes import BAD_INPUT, BROKEN, HOLDS, INTERRUPTED
from qif_deploy.errors import BackendError, InputError, MissingDependencyError, QifError
from qif_deploy.suggestion import meant

# Typer has carried its own copy of click since 0.2x; the class that it raises is found through its public child.
UsageProblem: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a verb and turns every expected failure into one line and an exit code."""
    if sys.stdout is None:  # closed: what is printed would be lost, and the next file opened would take its place for C libraries
        sys.exit(_say("standard output is closed; send it to a file or to /dev/null", BAD_INPUT))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name need not be of the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    sys.exit(guarded(sys.argv[1:] if arguments is None else arguments))


def guarded(arguments: list[str]) -> int:
    """Run a verb; return its exit code, with one line on stderr for what went wrong."""
    signal.signal(signal.SIGTERM, _terminate)  # so that `finally` blocks clean up on SIGTERM as on Ctrl-C
    try:
        code = app(args=arguments, prog_name="qif-deploy", standalone_mode=False)
    except UsageProblem as error:
        return _say(_usage(error, arguments), BAD_INPUT)
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
        return _say("out of memory; use fewer samples", BROKEN)
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "check the path and its permissions")
        return _say(f"{error.filename or 'file system'}: {error.strerror or error}; {remedy}", BAD_INPUT)
    if code == INTERRUPTED:  # newer typer hands Ctrl-C on as this code, without a word
        return _say("interrupted; no half-written file is left", INTERRUPTED)
    return code if isinstance(code, int) else HOLDS


VERB_NAMES = frozenset(verb.__name__ for verb in VERBS)

REMEDIES = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EROFS: "write elsewhere with --out",
    errno.EMFILE: "allow more open files, as by `ulimit -n`",
}


def _usage(error: Any, arguments: list[str]) -> str:
    """Return what is wrong with the words of the command, what may have been meant, and where to read on."""
    said = str(error.message if getattr(error, "possibilities", None) else error.format_message())
    for one in _refused(error.__cause__):
        said = said.replace("Invalid value for", f"Invalid value {one!r} for", 1)
    if getattr(error, "possibilities", None):
        said += meant(error.option_name, error.possibilities)
    said = said.replace(". Did you mean", "; did you mean").rstrip(".")
    command = " ".join(["qif-deploy", *(word for word in arguments[:1] if word in VERB_NAMES)])
    return f"{said} See `{command} --help`" if said.endswith("?") else f"{said}; see `{command} --help`"


def _refused(cause: BaseException | None) -> list[Any]:
    """Return the values that Typer's converter refused; it says what it wanted and not what it got."""
    errors = getattr(cause, "errors", None)
    return [] if errors is None else [found["input"] for found in errors()]


def _say(message: str, code: int) -> int:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    return code


def _terminate(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
