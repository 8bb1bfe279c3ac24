"""SLAYER's delay of one step per block: held neurons, and runs that lose no frame.

A block with ``delay_shift`` gives its output one step late, so block l works at step t + d on what the input held at t, d
being the number of such blocks before it. Two things follow. Until step d nothing has arrived, while bias and drift
would move the membrane: ``stage`` has the neuron stay in r0 until then. And a run over T steps never shows the
last frames of the later blocks: ``run_aligned`` runs longer and cuts the start. docs/numerics.md, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence

from qif_hardware.lava.slayer._slayer import torch
from qif_hardware.lava.slayer.blocks import Block, Conv, Dense, Input

Tensor = torch.Tensor


def delays_before(blocks: Sequence[Block]) -> list[int]:
    """Return for every block by how many steps its input is late; one entry more for what the last block gives out."""
    delays = [0]
    for block in blocks:
        late = isinstance(block, Input | Dense | Conv) and block.delay_shift
        delays.append(delays[-1] + int(late))
    return delays


def stage(blocks: Sequence[Block]) -> int:
    """Let every neuron wait in r0 for its first input; call it once the blocks are in their order.

    Returns:
        The latency of the network in steps.
    """
    delays = delays_before(blocks)
    for block, delay in zip(blocks, delays, strict=False):
        if isinstance(block, Dense | Conv):
            block.neuron.held_steps = delay
    return delays[-1]


def run_aligned(blocks: Sequence[Block], codes: Tensor) -> Tensor:
    """Run all T steps of ``codes`` through staged blocks and return all T steps of the last block's spikes.

    Args:
        blocks: the network in order.
        codes: spikes or integer codes, ``(batch, channel, ..., time)``.
    """
    latency = stage(blocks)
    signal = torch.nn.functional.pad(codes, (0, latency))
    for block in blocks:
        signal = block(signal)
    return signal[..., latency:]
