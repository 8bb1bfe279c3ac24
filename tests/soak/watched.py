"""A worker under a watchdog: what it says in time, and what is to be said of it when it hangs or dies."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from qif_hardware.lava.process_group import end_group
from tests.soak.outcome import Outcome, Verdict
from tests.soak.usage import Usage

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 120.0
"""For imports and the compiled kernels, on a busy machine."""


class Watched:
    """Starts ``command`` in a session of its own, again after every end; its temporary files and its log lie in ``folder``.

    Args:
        command: of the worker; speaks as ``tests.soak.worker`` does.
        folder: for its files.
        limit_s: longest silence while it runs a case.
    """

    def __init__(self, command: Sequence[str], folder: Path, *, limit_s: float) -> None:
        self.command, self.folder, self.limit_s = list(command), folder, limit_s
        self.starts = 0
        self.looks: list[list[Usage]] = []  # one list per start
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.Queue[str | None] = queue.Queue()

    def run(self, number: int) -> Iterator[Outcome]:
        """Run a case; yield what came of it on every way, a hang or an end included."""
        way = "start"
        try:
            self._ask(str(number))
            while True:
                answer = self._answer(self.limit_s)
                if "begins" in answer:
                    way = answer["begins"]
                elif "outcome" in answer:
                    yield Outcome.of_json(answer["outcome"])
                elif "finished" in answer:
                    return
        except TimeoutError:
            yield Outcome(number=number, way=way, verdict=Verdict.HUNG, reason=f"silent for {self.limit_s:g} s")
            self.end()
        except EOFError:
            yield Outcome(number=number, way=way, verdict=Verdict.DIED, reason=self._last_words())
            self.end()

    def look(self) -> None:
        """Note what the worker holds now."""
        try:
            self._ask("look")
            self.looks[-1].append(Usage(**self._answer(self.limit_s)["usage"]))
        except (TimeoutError, EOFError):
            self.end()

    def end(self) -> None:
        """End the worker and everything that it started."""
        if self.process is None:
            return
        assert self.process.stdin is not None
        self.process.stdin.close()
        end_group(self.process.pid, grace_s=2)
        self.process.wait()
        self.process = None

    def _ask(self, line: str) -> None:
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise EOFError from None

    def _started(self) -> subprocess.Popen[str]:
        if self.process is not None:
            return self.process
        self.starts += 1
        self.looks.append([])
        temporary = self.folder / f"tmp{self.starts}"
        temporary.mkdir(parents=True)
        one = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(temporary)}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=os.environ | one,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.lines = queue.Queue()
        threading.Thread(target=_read, args=(self.process.stdout, self.lines), daemon=True).start()
        self._answer(START_LIMIT_S)
        return self.process

    def _answer(self, limit_s: float) -> dict[str, Any]:
        """Return the next answer; TimeoutError after ``limit_s``, EOFError when the worker has ended."""
        try:
            line = self.lines.get(timeout=limit_s)
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    @property
    def _log(self) -> Path:
        return self.folder / f"log{self.starts}.txt"

    def _last_words(self) -> str:
        assert self.process is not None
        end = time.monotonic() + 5
        while self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-20:]
        return f"exit code {self.process.returncode}: " + "\n".join(said)


def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    """Hand lines on until the stream ends."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def worker_command(seed: int, failures: Path, lava_every: int, ways: Sequence[str]) -> list[str]:
    """Return the command of a worker for ``ways``."""
    return [sys.executable, "-m", "tests.soak.worker", str(seed), str(failures), str(lava_every), *ways]
