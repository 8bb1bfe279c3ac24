"""Executing compiled process models in one OS process: the same models and compiler, without Lava's runtime.

For feed-forward networks of In- and OutPorts. Channels become queues, and each step runs every model once, sources
first, so that what a model receives has been sent. On small networks several times faster than one OS process each.
"""

from __future__ import annotations

import graphlib
import traceback
from collections import deque
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import create_port_id
from numpy.typing import NDArray

from qif_deploy.errors import BackendError
from qif_hardware.lava.build import Network
from qif_hardware.lava.discovery import discovery_once
from qif_hardware.lava.executor_kind import Arithmetic
from qif_hardware.lava.guarded_run import ModelError, run_config


class QueuePort:
    """Stand-in for both ends of a channel; as Lava's, it copies into the sender's shape and dtype.

    ``name`` is that of the model's port, by which the builder finds it.
    """

    def __init__(self, name: str, shape: tuple[int, ...], dtype: Any, queue: deque[NDArray[Any]]) -> None:
        self.name, self.shape, self.dtype, self.queue = name, shape, dtype, queue

    def send(self, data: NDArray[Any]) -> None:
        """Append a copy."""
        if data.shape != tuple(self.shape):
            raise BackendError(f"port {self.name!r}: shape {data.shape} is sent where {tuple(self.shape)} is declared")
        message = np.empty(self.shape, self.dtype)
        message[...] = data
        self.queue.append(message)

    def recv(self) -> NDArray[Any]:
        """Take the oldest message."""
        if not self.queue:
            raise BackendError(f"port {self.name!r}: nothing was sent to it in this step")
        return self.queue.popleft()


def connected_models(root: Any, arithmetic: Arithmetic) -> list[tuple[str, Any]]:
    """Compile the network of process ``root``; return name and model of every process, connected by queues, sources first."""
    with discovery_once():
        executable = root.compile(run_config(arithmetic))
    order: graphlib.TopologicalSorter[Any] = graphlib.TopologicalSorter(dict.fromkeys(executable.proc_builders, ()))
    for channel in executable.channel_builders:
        source, target = channel.src_port_initializer, channel.dst_port_initializer
        queue: deque[NDArray[Any]] = deque()
        sender = QueuePort(source.name, source.shape, source.d_type, queue)
        receiver = QueuePort(target.name, source.shape, source.d_type, queue)
        executable.proc_builders[channel.src_process].set_csp_ports([sender])
        reader = executable.proc_builders[channel.dst_process]
        reader.set_csp_ports([receiver])
        reader.add_csp_port_mapping(create_port_id(channel.src_process.id, source.name), receiver)
        order.add(channel.dst_process, channel.src_process)
    return [(process.name, executable.proc_builders[process].build()) for process in order.static_order()]


def step_all(models: list[tuple[str, Any]]) -> None:
    """Run one step of every model.

    Raises:
        ModelError: a model raised, or sent or received what it should not.
    """
    for name, model in models:
        model.time_step += 1
        try:
            model.run_spk()
        except Exception as error:
            raise ModelError(f"process {name!r}: {type(error).__name__}: {error}", traceback.format_exc()) from error


def run_in_process(network: Network, arithmetic: Arithmetic = Arithmetic.FIXED_PT) -> None:
    """Compile, connect the models by queues, and step them ``network.steps`` times; raises as ``step_all``."""
    models = connected_models(network.root, arithmetic)
    for _ in range(network.steps):
        step_all(models)
