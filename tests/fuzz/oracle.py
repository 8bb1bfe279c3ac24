"""What a reader may do with a file: return an object, or raise an error of ``qif_deploy.errors`` that is one line. In time, and alone.

Reading must not write, start a process, open a connection or unpickle: an audit hook of the interpreter watches for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from qif_deploy.errors import MissingDependencyError, QifError
from tests.fuzz.reader import Reader

LONGEST_LINE = 4000
"""Characters of an error: what a terminal of 80 columns shows in one screen of 50 lines."""

SECONDS = 10
"""For files of at most a quarter of a megabyte, on a machine that has other work."""

FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Violation(Exception):
    """A reader did what it may not; the text is the same for the same defect."""


class _TimeUp(BaseException):
    """Raised by the timer; no ``except Exception`` of a reader swallows it."""


def judge(reader: Reader, path: Path) -> str:
    """Read ``path`` and return what came of it, in words that are equal for equal outcomes.

    Raises:
        Violation: another exception, an error of several lines or of endless length, no end in time, or something done but reading.
    """
    watch = _Watch.installed()
    watch.allowed, watch.seen = path.parent, []
    try:
        with _limited(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # an overflow in NumPy is a wrong value, not a note
            reader.read(path)
        outcome = "read"
    except MissingDependencyError:
        raise
    except QifError as error:
        line = str(error)
        if "\n" in line or "\r" in line:
            raise Violation(f"an error of several lines at {_place(error)}") from error
        if len(line) > LONGEST_LINE:
            raise Violation(f"an error of more than {LONGEST_LINE} letters at {_place(error)}") from error
        outcome = f"{type(error).__name__}: {_kind(line)}"
    except _TimeUp:
        raise Violation(f"no end after {SECONDS} s") from None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise Violation(f"{type(error).__name__} at {_place(error)}") from error
    finally:
        watch.allowed = None
    if watch.seen:
        raise Violation(f"not only reading: {watch.seen[0]}")
    return outcome


def warm(reader: Reader, path: Path) -> None:
    """Read a valid file without judging it: what is imported late takes its time, and some packages start processes then."""
    with contextlib.suppress(QifError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader.read(path)


def _kind(line: str) -> str:
    """An error without what differs from file to file: quoted text, numbers, brackets."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"|\([^()]*\)|\[[^\[\]]*\]|[-+]?\d[\d.e+-]*", "~", line)
    return re.sub(r"(~[\s,x:]*)+", "~ ", plain)[:100]


def _place(error: BaseException) -> str:
    """The innermost line of ours that the exception came through."""
    trace, found = error.__traceback__, "?"
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if any(f"/{package}/" in file for package in ("qif_deploy", "qif_export", "qif_hardware")):
            found = f"{Path(file).name}:{trace.tb_frame.f_code.co_name}"
        trace = trace.tb_next
    return found


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Watch:
    """The interpreter's audit events while a reader runs; a hook stays for the life of the process, so there is one."""

    _one: _Watch | None = None

    def __init__(self) -> None:
        self.allowed: Path | None = None
        self.seen: list[str] = []

    @classmethod
    def installed(cls) -> _Watch:
        if cls._one is None:
            cls._one = cls()
            sys.addaudithook(cls._one)
        return cls._one

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event in FORBIDDEN:
            self.seen.append(event)
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING and isinstance(arguments[0], str | bytes):
            place = Path(os.fsdecode(arguments[0])).absolute()
            if self.allowed not in place.parents and not _own(place):
                self.seen.append(f"open {place.name!r} for writing outside its folder")


def _own(place: Path) -> bool:
    """Whether it is where anything may be written: our own temporary folders, compiled modules, the bin."""
    temporary = any(part.startswith("qif_deploy_") for part in place.parts)
    return temporary or "__pycache__" in place.parts or place == Path(os.devnull)


__all__ = ["LONGEST_LINE", "SECONDS", "Violation", "judge", "warm"]
