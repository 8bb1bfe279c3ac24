"""Running a Lava network so that a failing model ends the run with its own message instead of freezing it.

Lava's blocking ``run`` waits for ever when a model raises before it sends, and ``stop`` hangs after most failures. So
the run is started without blocking and watched: the runtime's answer on one side, the models' OS processes on the
other. After a failure nothing of the runtime is called again; the caller ends the OS processes.

Reads private names of lava-nc 0.10, which ``require_lava`` pins.
"""

from __future__ import annotations

import time
from typing import Any

from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal

from qif_deploy.errors import BackendError
from qif_hardware.lava.build import Network
from qif_hardware.lava.discovery import discovery_once
from qif_hardware.lava.executor_kind import Arithmetic

POLL_S = 0.005
GRACE_S = 2.0
"""How long a model may take to deliver its exception once the runtime has reported an error."""


class ModelError(BackendError):
    """A model raised; holds the traceback of its OS process."""

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(message)
        self.traceback = traceback


def run_config(arithmetic: Arithmetic) -> Any:
    """Return the run configuration that selects the models of ``arithmetic``."""
    return Loihi2SimCfg(select_tag=arithmetic.value)


def run_guarded(network: Network, arithmetic: Arithmetic = Arithmetic.FIXED_PT) -> None:
    """Run in Lava's normal runtime, one OS process per Lava process, to the end.

    Raises:
        ModelError: a model raised or its OS process ended.
    """
    root = network.root
    config = run_config(arithmetic)
    with discovery_once():
        root.create_runtime(run_cfg=config)
    runtime = root.runtime
    root.run(condition=RunSteps(num_steps=network.steps, blocking=False), run_cfg=config)
    ports = runtime.service_to_runtime
    while not all(port.probe() for port in ports):
        _raise_dead(runtime)
        time.sleep(POLL_S)
    if not all(enum_equal(port.peek(), MGMT_RESPONSE.DONE) for port in ports):
        _raise_after_error(runtime)
    root.wait()
    root.stop()


def _raise_after_error(runtime: Any) -> None:
    """The runtime reports an error; the model that caused it is about to deliver its exception."""
    _wait_for_exception(runtime)
    _raise_dead(runtime)
    raise ModelError("the runtime reported an error without a cause", "")


def _raise_dead(runtime: Any) -> None:
    """Raise for an OS process that has delivered an exception, else for the first that has ended."""
    actors = runtime._messaging_infrastructure.actors
    ended = [not actor.is_alive() for actor in actors]
    if not any(ended):
        return
    # An error ends the innocent too, with exit code 0: the one that raised may be further down the list, or not be heard of yet.
    _wait_for_exception(runtime)
    position = min((n for n, gone in enumerate(ended) if gone), key=lambda n: (not actors[n].exitcode, n))
    raise ModelError(f"{_name(runtime, position)} ended with exit code {actors[position].exitcode}", "")


def _wait_for_exception(runtime: Any) -> None:
    """Raise the first exception that some OS process delivers within the grace."""
    deadline = time.monotonic() + GRACE_S
    while True:
        for position, actor in enumerate(runtime._messaging_infrastructure.actors):
            if actor.exception is not None:
                error, traceback = actor.exception
                raise ModelError(f"{_name(runtime, position)}: {type(error).__name__}: {error}", traceback)
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_S)


def _name(runtime: Any, position: int) -> str:
    names = [process.name for process in runtime._executable.proc_builders]
    return f"process {names[position]!r}" if position < len(names) else "the runtime service"
