"""Where and how a training runs: nothing here decides what is learned, except by the rounding of sums in another order."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from pathlib import Path

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.suggestion import require_member

STATE_FILE = "training_state.safetensors"
"""In the run folder, after every epoch but the last; gone once the run is complete."""

LOGS = "logs"
"""Folder of CSV and TensorBoard logs in the run folder; below it one folder per start, named by the epoch it started from."""


class Accelerator(enum.Enum):
    """AUTO takes the GPUs that CUDA shows, else the CPU."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run. The default is silent, writes nothing, and gives the same weights on any number of cores.

    Args:
        accelerator: kind of device.
        devices: on each node, one process per device; ``batch_size`` of the recipe is shared out among all.
        nodes: machines; each runs the same command under a launcher such as torchrun or SLURM, which tells them their numbers.
        threads: of torch in each process on the CPU.
        workers: processes per device that read and augment samples; for data sets that are read sample by sample.
        folder: for state and logs, None for neither.
        resume: go on from the state in ``folder``.
        logs: write CSV and TensorBoard files.

    Raises:
        InputError: values outside their limits or of another type, or something that needs a folder without one.
    """

    accelerator: Accelerator = Accelerator.CPU
    devices: int = 1
    nodes: int = 1
    threads: int = 1
    workers: int = 0
    folder: Path | None = None
    resume: bool = False
    logs: bool = False

    def __post_init__(self) -> None:
        require_member("accelerator", self.accelerator, Accelerator)  # a word would pass as none of the three
        limits = (("devices", 1, 1024), ("nodes", 1, 4096), ("threads", 1, 1024), ("workers", 0, 256))
        findings = [
            f"training run: {name} = {getattr(self, name)}, allowed is {low}..{high}"
            for name, low, high in limits
            if not low <= getattr(self, name) <= high
        ]
        if self.folder is None and (self.resume or self.logs):
            findings.append("training run: resume and logs need a folder; give one")
        raise_findings(InputError, findings)

    @property
    def world(self) -> int:
        """Number of processes."""
        return self.devices * self.nodes

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that reports; launchers tell the others their numbers in the environment."""
        return self.world == 1 or all(int(os.environ.get(name) or 0) == 0 for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"))

    @property
    def state_file(self) -> Path | None:
        """Where the state is kept."""
        return None if self.folder is None else self.folder / STATE_FILE
