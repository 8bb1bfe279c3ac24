"""Batched execution on torch, CPU or CUDA, with the whole trace; equal to the reference in every array, as the conformance tests hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qif_deploy.errors import BackendError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import InputCodes, Shape
from qif_deploy.simulate.engine.engine import Engine, Recording
from qif_deploy.simulate.engine.runner import Runner
from qif_deploy.simulate.engine.workers import usable_device
from qif_deploy.simulate.inputs import require_steps
from qif_deploy.simulate.trace import PopulationTrace, Trace

Tensor = torch.Tensor


def run_batched(
    graph: QuantizedGraph,
    inputs: Mapping[str, InputCodes],
    *,
    device: str = "cpu",
    chunk: int = 256,
    progress: Callable[[float], None] | None = None,
) -> Trace:
    """Execute ``graph`` on codes ``(time, batch, ...)``; at most ``chunk`` samples at a time.

    Args:
        graph: the network.
        inputs: codes from ``prepare_inputs``.
        device: of torch.
        chunk: samples, at most, whose signals exist at once.
        progress: called with the share done.

    Raises:
        InputError: the device does not exist, or the run is longer than the proof covers.
        BackendError: a sum is too wide for an exact float accumulation, or an input is too wide for a trace.
    """
    return run_prepared(Engine(graph, usable_device(device)), inputs, chunk=chunk, progress=progress)


def run_prepared(
    engine: Engine, inputs: Mapping[str, InputCodes], *, chunk: int = 256, progress: Callable[[float], None] | None = None
) -> Trace:
    """Execute an engine that is made already, as ``run_batched`` does; for one network on many batches.

    Raises:
        InputError: the run is longer than the proof covers.
        BackendError: an input is too wide for a trace.
    """
    graph = engine.graph
    steps, samples = next(iter(inputs.values())).shape[:2]
    require_steps(graph, steps)  # int32 rests on the proof, and the proof on the number of steps
    recordings = {name: _recording(engine, name, steps, samples) for name in graph.populations}
    with Runner(engine) as runner:
        readout = np.concatenate([part.readout for part in runner.run(inputs, chunk=chunk, record=recordings, progress=progress)])
    populations = {name: _trace(name, recordings.pop(name), graph.shapes[name]) for name in graph.populations}
    return Trace(inputs=inputs, populations=populations, readout=readout)


def _recording(engine: Engine, name: str, steps: int, samples: int) -> Recording:
    channels, *places = engine.graph.shapes[name]
    axes = (samples, steps, prod(places), channels)
    # Wider than the vectors only where i may be: it is checked before it is narrowed.
    wide = torch.int32 if engine.plan.state_bits == 32 else torch.int64
    return Recording(i=torch.empty(axes, dtype=wide), u=torch.empty(axes, dtype=torch.int32), s=torch.empty(axes, dtype=torch.uint8))


def _trace(name: str, recording: Recording, shape: Shape) -> PopulationTrace:
    return PopulationTrace(
        i=_in_order(_int32(name, recording.i), shape), u=_in_order(recording.u.numpy(), shape), s=_in_order(recording.s.numpy(), shape)
    )


def _in_order(recorded: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Show ``(sample, time, position, channel)`` as ``(time, sample, channel, ...)``, without moving it."""
    samples, steps = recorded.shape[:2]
    if len(shape) == 1:
        return recorded.reshape(samples, steps, *shape).transpose(1, 0, 2)
    return recorded.reshape(samples, steps, *shape[1:], shape[0]).transpose(1, 0, 4, 2, 3)


def _int32(name: str, codes: Tensor) -> NDArray[np.int32]:
    if codes.dtype != torch.int32 and codes.numel() and int(codes.abs().max()) >= 2**31:
        raise BackendError(
            f"population {name!r}: i reaches {int(codes.abs().max())}, beyond the int32 of the vectors; requantise with fewer product_bits"
        )
    found: NDArray[np.int32] = codes.to(torch.int32).numpy()
    return found
