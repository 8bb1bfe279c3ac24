"""The command line in this process, with its output caught, and what every refusal has to look like."""

from __future__ import annotations

import io
import json
import signal
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy.cli.entry import guarded
from qif_deploy.cli.exit_codes import BAD_INPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout; anything beside it is an error."""
        return json.loads(self.out)


def cli(*arguments: object) -> Result:
    """Run a verb through the function that the installed command calls."""
    before = signal.getsignal(signal.SIGTERM)
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = guarded([str(argument) for argument in arguments])
    finally:
        signal.signal(signal.SIGTERM, before)
    return Result(code=code, out=out.getvalue(), err=err.getvalue())


def assert_one_line(result: Result, *words: str, code: int = BAD_INPUT) -> None:
    """Exit code, an empty stdout, and one line on stderr that says these words."""
    assert (result.code, result.out) == (code, ""), result
    assert result.err.startswith("error: "), result.err
    assert result.err.count("\n") == 1, result.err
    for word in words:
        assert word in result.err, (word, result.err)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
