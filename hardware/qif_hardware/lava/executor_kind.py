"""Which of the two executors runs the compiled process models, and which models they are."""

from __future__ import annotations

import enum


class Executor(enum.Enum):
    """``PROCESS`` is Lava's normal runtime, one OS process per Lava process; ``IN_PROCESS`` steps the models in a row."""

    PROCESS = "process"
    IN_PROCESS = "in_process"


class Arithmetic(enum.Enum):
    """Lava's tag of the models: the project's integers, or the same network in floats."""

    FIXED_PT = "fixed_pt"
    FLOATING_PT = "floating_pt"
