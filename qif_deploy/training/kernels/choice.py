"""Which of the two ways through the time steps a population takes; both give the same spikes."""

from __future__ import annotations

import enum
import os
from importlib.util import find_spec

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.errors import InputError
from qif_deploy.training.spike import SurrogateSpike

Tensor = torch.Tensor

FUSED_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
"""Dtypes of the input that the fused kernel reads; its state is float32."""

NEURON_LIMIT = 2**31 - 2**16
"""Neurons of a population times batch, at most: the kernel counts them in 32 bits, with room for the last block."""


class NeuronKernel(enum.Enum):
    """EAGER is the reference, in torch operations; FUSED is one Triton kernel; AUTO takes FUSED where it can run on a GPU."""

    AUTO = "auto"
    EAGER = "eager"
    FUSED = "fused"


def takes_fused(kernel: NeuronKernel, x: Tensor, spike: torch.nn.Module) -> bool:
    """Say whether currents ``x (time, batch, channel, ...)`` go through the fused kernel.

    Raises:
        InputError: FUSED was asked for where it cannot run.
    """
    match kernel:
        case NeuronKernel.EAGER:
            return False
        case NeuronKernel.AUTO:
            # The interpreter is for tests: it is slower than the eager step, so it has to be asked for.
            return x.is_cuda and _obstacle(x, spike) is None
        case NeuronKernel.FUSED:
            obstacle = _obstacle(x, spike)
            if obstacle is not None:
                raise InputError(f"neuron kernel 'fused': {obstacle}; use 'auto' or 'eager'")
            return True
        case _:
            assert_never(kernel)


def _obstacle(x: Tensor, spike: torch.nn.Module) -> str | None:
    if find_spec("triton") is None:
        return "triton is not installed"
    if not x.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        return f"the input is on {x.device.type!r}, where only triton's interpreter runs (TRITON_INTERPRET=1)"
    if x.dtype not in FUSED_DTYPES:
        return f"the input is {x.dtype}, the kernel's state is float32"
    if not isinstance(spike, SurrogateSpike):
        return f"the spike is a {type(spike).__name__}, the kernel knows the shapes of SurrogateSpike"
    if x[0].numel() > NEURON_LIMIT:
        return f"{x[0].numel()} neurons with batch exceed {NEURON_LIMIT}"
    return None
