"""What the code blocks of a page mean: how each is run, and when its output is compared.

``python`` blocks share one namespace per page. ``console`` blocks hold ``$ command`` lines, each run by ``bash -euo pipefail``; a
line that ends in ``\\`` goes on in the next one, and ``# exit 1`` at the end of a command states another exit code than 0. Output below
a command, or in a ``text`` block below a ``python`` block, is compared only where ``<!-- compared -->`` stands on the line above the
block; ``...`` in it then stands for anything. Blocks of every other language are only shown (``py`` is Python that is not run).
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sybil import Document, Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

LANGUAGES = ("python", "console", "text")
COMMAND_LIMIT_S = 240
_MARK = re.compile(r"<!-- compared -->[ \t]*\n[ \t]*\Z")
_EXIT = re.compile(r"\s+# exit (\d+)$")


@dataclass(frozen=True)
class Command:
    """One ``$ command`` of a console block with the exit code and the output that the page states."""

    line: str
    exit_code: int
    output: str


def parse(path: Path) -> Document:
    """Return the page with its blocks; a ``text`` block takes part where its output is compared."""
    evaluators = (_run_python, _run_console, _compare_text)
    parsers = [CodeBlockParser(language, evaluator) for language, evaluator in zip(LANGUAGES, evaluators, strict=True)]
    document = Sybil(parsers=parsers, encoding="utf-8").parse(path)
    document.namespace["__name__"] = "__main__"
    return document


def is_executed(text: str) -> bool:
    """Return whether a page has a block that runs."""
    return re.search(r"^[ \t]*```(python|console)$", text, re.MULTILINE) is not None


def commands(source: str) -> list[Command]:
    """Split a console block into its commands."""
    found: list[Command] = []
    lines = iter(source.splitlines())
    for line in lines:
        if not line.startswith("$ "):
            if not found:
                raise ValueError(f"a console block starts with '$ command', not with {line!r}")
            last = found[-1]
            found[-1] = Command(last.line, last.exit_code, f"{last.output}{line}\n")
            continue
        command = line[2:]
        while command.endswith("\\"):
            command = f"{command[:-1].rstrip()} {next(lines).lstrip('> ').strip()}"
        stated = _EXIT.search(command)
        found.append(Command(_EXIT.sub("", command), int(stated[1]) if stated else 0, ""))
    return found


def matches(stated: str, printed: str) -> bool:
    """Return whether the printed text is the stated one, in which ``...`` stands for anything; blanks at line ends do not count."""
    wanted, found = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (stated, printed))
    return re.fullmatch(re.escape(wanted).replace(r"\.\.\.", ".*?"), found, re.DOTALL) is not None


def _is_compared(example: Example) -> bool:
    return _MARK.search(example.document.text[: example.region.start]) is not None


def _run_python(example: Example) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        PythonEvaluator()(example)
    example.namespace["__printed__"] = printed.getvalue()


def _compare_text(example: Example) -> str | None:
    if not _is_compared(example):
        return None
    printed = example.namespace["__printed__"]
    return None if matches(str(example.parsed), printed) else f"the page states\n{example.parsed}\nand the block above it prints\n{printed}"


def _run_console(example: Example) -> str | None:
    for command in commands(str(example.parsed)):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.line],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_LIMIT_S,
        )
        if done.returncode != command.exit_code:
            return f"$ {command.line}\nexit code {done.returncode}, the page states {command.exit_code}; printed:\n{done.stdout[-4000:]}"
        if _is_compared(example) and not matches(command.output, done.stdout):
            return f"$ {command.line}\nthe page states\n{command.output}\nand the command prints\n{done.stdout[-4000:]}"
    return None


def _environment() -> dict[str, Any]:
    """Commands find ``qif-deploy`` and ``python`` of the environment that runs the tests, and print as to a file 120 columns wide."""
    folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}
