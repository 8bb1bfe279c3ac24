"""The exit of a SLAYER network: its trained blocks as an integer network, code for code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.errors import FormatError, InputError, raise_findings
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, CodeNode, Conv2dCodes, ConvGeometry, DenseCodes, Population, ReadoutCodes
from qif_deploy.ir.nodes import Flatten as FlattenNode
from qif_hardware.lava.slayer._slayer import torch
from qif_hardware.lava.slayer.blocks import Block, Conv, Dense, Flatten, Input
from qif_hardware.lava.slayer.neuron_params import widen
from qif_hardware.lava.slayer.timing import delays_before

FLOAT32_EXACT = 1 << 24
"""SLAYER sums weighted spikes in float32; below this many weight codes every partial sum is exact."""


def to_quantized_graph(
    blocks: Sequence[Block], *, input_range: tuple[int, int], steps: int | None, input_scale: float = 1.0
) -> QuantizedGraph:
    """Return the integer network that ``blocks`` compute, with its range proof checked.

    The network has no delays: its step t is step t + d of a block whose input is d steps late. The last block's spikes
    are counted over time by a readout behind an identity synapse, so argmax is SLAYER's ``rate.predict``.

    Args:
        blocks: Input first, then Conv, Flatten and Dense in order, staged and run at least once (SLAYER learns its shapes so).
        input_range: smallest and largest input code, 0 and 1 for spikes.
        steps: T that the range proof is to cover, None for any.
        input_scale: value of one input code, for encoding only; the weights are those for codes.

    Raises:
        InputError: blocks out of order, not run or not staged, weights off SLAYER's grid, different number formats.
        FormatError: the range proof does not hold.
    """
    raise_findings(InputError, _findings(blocks))
    low, high = input_range
    first = blocks[0]
    nodes: dict[str, CodeNode] = {"input": CodeInput(shape=tuple(map(int, first.shape)), low=low, high=high, scale=input_scale)}
    for index, block in enumerate(blocks[1:], start=1):
        match block:
            case Flatten():
                nodes[f"flatten{index}"] = FlattenNode()
            case Dense() | Conv():
                shift = block.neuron.neuron_params.branch_shift
                nodes[f"{'conv' if isinstance(block, Conv) else 'dense'}{index}"] = _synapse(block, index, shift)
                constants = widen(block.neuron.constants, int(block.neuron.shape[0]))
                delta = np.full(constants.channels, 1.0 / block.neuron.neuron_params.state_scale)
                nodes[f"q{index}"] = Population(constants=constants, delta=delta)
            case Input():
                raise InputError(f"SLAYER block {index}: an Input stands behind the first block; a network has one input")
            case _:
                assert_never(block)
    last = blocks[-1].neuron
    if len(last.shape) > 1:
        nodes["flatten_out"] = FlattenNode()
    neurons = int(np.prod(last.shape))
    nodes["count"] = DenseCodes(weight=np.eye(neurons, dtype=np.int32), shift=0)
    nodes["readout"] = ReadoutCodes(bias=np.zeros(neurons, np.int64), delta=1.0)
    graph = QuantizedGraph(
        nodes=nodes,
        edges=tuple(pairwise(nodes)),
        number_format=last.neuron_params.number_format,
        steps=steps,
        provenance={"source": "lava-dl SLAYER blocks"},
    )
    raise_findings(InputError, _inexact_sums(graph))
    proof = prove_ranges(graph, steps=steps)
    if not proof.holds:
        raise FormatError("; ".join([*proof.failures(), "in SLAYER's terms: train with a smaller state_scale, or declare u_min"]))
    return graph


def _findings(blocks: Sequence[Block]) -> list[str]:
    if len(blocks) < 2 or not isinstance(blocks[0], Input) or not isinstance(blocks[-1], Dense | Conv):
        kinds = [type(block).__name__ for block in blocks]
        return [f"SLAYER blocks {kinds}: an Input has to come first and a Dense or Conv last"]
    found = []
    formats = set()
    for index, (block, delay) in enumerate(zip(blocks, delays_before(blocks), strict=False)):
        shape = block.shape
        if shape is None:
            found.append(f"SLAYER block {index} has not seen any input; run the network once")
        if isinstance(block, Dense | Conv):
            formats.add(block.neuron.neuron_params.number_format)
            if block.neuron.held_steps != delay:
                found.append(
                    f"SLAYER block {index}: its neuron waits {block.neuron.held_steps} steps, its input is {delay} late; "
                    "train with timing.run_aligned, or call timing.stage first"
                )
    if len(formats) > 1:
        found.append(f"SLAYER blocks use number formats {sorted(f.name for f in formats)}; a network has one")
    return found


def _synapse(block: Dense | Conv, index: int, shift: int) -> DenseCodes | Conv2dCodes:
    codes = _weight_codes(block, index)
    if isinstance(block, Dense):
        return DenseCodes(weight=codes[:, :, 0, 0], shift=shift)
    s = block.synapse
    geometry = ConvGeometry(stride=_pair(s.stride), padding=_pair(s.padding), dilation=_pair(s.dilation), groups=s.groups)
    return Conv2dCodes(weight=codes, shift=shift, geometry=geometry)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    """Height and width; SLAYER's third axis is time, with a kernel of one step."""
    return int(values[0]), int(values[1])


def _weight_codes(block: Dense | Conv, index: int) -> NDArray[np.int32]:
    """Return half of the integers that ``export_hdf5`` writes, ``(out, in / groups, height, width)``."""
    with torch.no_grad():
        exported = block.synapse.pre_hook_fx(_weight(block), descale=True).cpu().double().numpy()[..., 0]
    if (exported != 2 * np.rint(exported / 2)).any():
        raise InputError(f"SLAYER block {index}: its weights are not even integers / 64; leave the synapse's pre_hook_fx in place")
    codes: NDArray[np.int32] = (exported / 2).astype(np.int32)
    return codes


def _weight(block: Dense | Conv) -> torch.Tensor:
    """The weights as the next forward pass sees them: under weight normalisation the attribute lags behind the optimiser."""
    if not block.synapse.weight_norm_enabled:
        weight: torch.Tensor = block.synapse.weight
        return weight
    normalised: torch.Tensor = torch._weight_norm(block.synapse.weight_v, block.synapse.weight_g, 0)
    return normalised


def _inexact_sums(graph: QuantizedGraph) -> list[str]:
    found = []
    for name, node in graph.nodes.items():
        if isinstance(node, DenseCodes | Conv2dCodes):
            signal = signal_of(graph, graph.sources(name)[0])
            weight = np.abs(node.weight.astype(np.int64)).reshape(node.weight.shape[0], -1)
            largest = int(weight.sum(axis=1).max()) * max(abs(signal.low), abs(signal.high))
            if largest >= FLOAT32_EXACT:
                found.append(
                    f"synapse {name!r}: partial sums up to {largest} weight codes are not exact in SLAYER's float32; limit {FLOAT32_EXACT}"
                )
    return found
