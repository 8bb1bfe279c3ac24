"""Which of the two executors runs the compiled process models."""

from __future__ import annotations

import enum


class Executor(enum.Enum):
    """``PROCESS`` is Lava's normal runtime, one OS process per Lava process; ``IN_PROCESS`` steps the models in a row."""

    PROCESS = "process"
    IN_PROCESS = "in_process"
