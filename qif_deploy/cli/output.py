"""What a verb prints: a table for people, a JSON object for programs, a progress bar on a terminal."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outcome(Protocol):
    """What every verb returns."""

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""


def show(outcome: Outcome, table: Callable[[], Any], *, json: bool, quiet: bool) -> None:
    """Print the table for people (to stderr when stdout is for JSON) and the JSON object."""
    if not quiet:
        from rich.console import Console

        with _reader_may_leave(sys.stderr if json else sys.stdout):
            Console(stderr=json, highlight=False, markup=False, emoji=False).print(table())
    if json:
        write(json_module.dumps(outcome.as_json(), indent=2, allow_nan=False))


def write(text: str) -> None:
    """Print text on stdout as it is."""
    with _reader_may_leave(sys.stdout):
        typer.echo(text)


@contextmanager
def _reader_may_leave(stream: TextIO) -> Iterator[None]:
    """Let ``| head`` end without an error and without changing the exit code; rich and typer would make it a 1."""
    try:
        yield
    except (BrokenPipeError, SystemExit):  # rich turns the one into the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def stages(names: tuple[str, ...], *, shown: bool) -> Iterator[Callable[[str, float], None]]:
    """A progress bar per stage on stderr, on a terminal only; yields ``report(stage, share)``."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _stage, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {name: progress.add_task(name, total=1.0, start=False) for name in names}

        def report(stage: str, share: float) -> None:
            if not progress.tasks[tasks[stage]].started:
                progress.start_task(tasks[stage])
            progress.update(tasks[stage], completed=share)

        yield report
