"""The exception tree.

    QifError
    ├── InputError (ValueError)          something the caller gave is wrong: exit code 2
    │   ├── FormatError                  a code, width or shift does not fit its number format
    │   ├── GraphError                   a graph breaks a rule of its stage
    │   └── UnsupportedError             a target or file format cannot carry what the network needs
    ├── MissingDependencyError (ImportError)   an extra is not installed; says the command that installs it
    └── BackendError (RuntimeError)      a backend failed while running
        └── BackendTimeout               it ran longer than its time limit and was ended

Every message names object, value, limit and remedy. It is one line of bounded length whatever a file put into it: what is not printable is
escaped, and what is too long is cut.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

LONGEST_LINE = 3800
"""Letters of a message, what a terminal shows at once."""

LONGEST_FINDINGS = 3000
"""Letters of all findings together; those beyond are counted, so that a file of a thousand mistakes still gives a line that can be read."""


class QifError(Exception):
    """Root of everything that this project raises on purpose; ``findings`` holds each of several reasons by itself."""

    findings: tuple[str, ...] = ()

    def __init__(self, message: str = "") -> None:
        line = message if message.isprintable() else "".join(map(_printable, message))
        super().__init__(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ... ({len(line) - LONGEST_LINE} letters more)")


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


class InputError(QifError, ValueError):
    """Something the caller gave is wrong."""


class FormatError(InputError):
    """A value does not fit its number format."""


class GraphError(InputError):
    """A graph breaks a rule of its stage."""


class UnsupportedError(InputError):
    """A target or a file format cannot carry what the network needs."""


class MissingDependencyError(QifError, ImportError):
    """An optional package is missing; the message holds the command that installs it."""


class BackendError(QifError, RuntimeError):
    """A backend failed while running."""


class BackendTimeout(BackendError):
    """A backend ran longer than its time limit and was ended."""


def raise_findings(kind: type[InputError], findings: list[str]) -> None:
    """Raise all findings at once as one error of ``kind``; nothing happens when there are none."""
    if findings:
        ends = list(accumulate(len(finding) + 2 for finding in findings))
        said = max(1, bisect_right(ends, LONGEST_FINDINGS))
        rest = f"; and {len(findings) - said} more" if said < len(findings) else ""
        error = kind("; ".join(findings[:said]) + rest)
        error.findings = tuple(findings)
        raise error
