"""Which frame of the input reaches a population at a Lava step: the timing law of the pipeline.

Every synapse adds one step, so what the source sends at step t reaches depth d at step t + d. Samples are streamed back
to back, T frames each. Before its first and after its last frame a population is held in ``r0`` and stays silent, since
bias and the constants of the equation would move it without any input. Source: docs/numerics.md, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleWindow:
    """``depth`` synapses from the input, ``steps`` frames per sample, ``samples`` samples."""

    depth: int
    steps: int
    samples: int

    @property
    def frames(self) -> int:
        """Number of frames of the whole run."""
        return self.steps * self.samples

    def frame(self, time_step: int) -> int | None:
        """Return the frame, counted from 0, that arrives at Lava step ``time_step`` (counted from 1), None for none."""
        frame = time_step - 1 - self.depth
        return frame if 0 <= frame < self.frames else None

    def starts_sample(self, frame: int) -> bool:
        """Whether ``frame`` is the first of its sample."""
        return frame % self.steps == 0
