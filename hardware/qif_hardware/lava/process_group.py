"""Ending a process group for certain, with the shared memory that it would leave behind. Linux; elsewhere best effort."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

POLL_S = 0.02
SEGMENT = re.compile(r"/dev/shm/(psm_[0-9a-f]+)")  # noqa: S108  # where the kernel shows segments, no temporary file


def living_members(group: int) -> list[int]:
    """Return the ids of the processes of ``group`` that have not ended (a zombie has); without /proc, only its leader."""
    members = []
    if not Path("/proc/self").exists():
        with suppress(ProcessLookupError):
            os.killpg(group, 0)
            members.append(group)
        return members
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The command's name stands in brackets and may hold anything; the fields behind it are fixed.
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            members.append(int(entry.name))
    return members


def shared_segments(members: list[int]) -> set[str]:
    """Return the names of Python's shared memory segments that the processes have mapped."""
    segments: set[str] = set()
    for process in members:
        with suppress(OSError):
            segments.update(SEGMENT.findall(Path(f"/proc/{process}/maps").read_text(encoding="utf-8", errors="replace")))
    return segments


def end_group(group: int, *, grace_s: float) -> None:
    """End every process of ``group``: SIGTERM, after ``grace_s`` SIGKILL; then release segments that are left.

    Under SIGTERM Python's resource tracker outlives the others and releases their segments itself; SIGKILL takes it too.
    """
    members = living_members(group)
    if not members:
        return
    segments = shared_segments(members)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        if _wait_empty(group, grace_s):
            break
    for segment in segments:
        (Path("/dev/shm") / segment).unlink(missing_ok=True)  # noqa: S108  # see SEGMENT


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C off within the block, so that an impatient second one does not end the clean-up; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _wait_empty(group: int, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while living_members(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
