"""The words of a recipe: one enum per choice."""

from __future__ import annotations

import enum


class Loss(enum.Enum):
    """Which readout the cross-entropy sees.

    MEAN is the mean current over time. EACH_STEP is the mean of the losses of all steps, temporal efficient training (TET):
    S. Deng et al., "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting", ICLR 2022.
    """

    MEAN = "mean"
    EACH_STEP = "each_step"


class Optimiser(enum.Enum):
    """ADAMW with torch's defaults; SGD with momentum. Both decay the weights of convolutions and linear layers only."""

    ADAMW = "adamw"
    SGD = "sgd"


class Schedule(enum.Enum):
    """Learning rate over all updates: torch's one-cycle, or a linear warm-up followed by half a cosine down to 0."""

    ONE_CYCLE = "one_cycle"
    COSINE = "cosine"


class Precision(enum.Enum):
    """Dtype of the synapses; the membrane state stays float32 in all three. FLOAT16 needs a GPU."""

    FLOAT32 = "32"
    BFLOAT16 = "bf16-mixed"
    FLOAT16 = "16-mixed"


class WindowKind(enum.Enum):
    """What the number ``window`` of a recipe counts.

    DERIVED: standard deviations of the membrane potential, which follow from the neuron's parameters. FIXED: units of
    ``theta - u_reset``, whatever the other parameters are; for comparison.
    """

    DERIVED = "derived"
    FIXED = "fixed"
