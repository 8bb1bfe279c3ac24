"""Run in a process of its own with TRITON_INTERPRET=1: the integer kernel for GPUs against the reference. Prints findings as JSON."""

from __future__ import annotations

import json
import sys
import traceback
import warnings

import numpy as np
import torch

from qif_deploy.ir.nodes import Population
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.engine.engine import Engine
from qif_deploy.simulate.engine.stream import run_stream
from qif_deploy.simulate.engine.triton_pass import TritonPass
from qif_deploy.simulate.op_counts import count_operations
from qif_deploy.simulate.reference import run_reference
from tests.conformance.cases import CASES

warnings.simplefilter("error")

TRIED = (
    "negative_potentials", "u_equals_theta", "saturation_above", "saturation_below_unproven", "residual_shifts", "two_inputs",
    "subtract_chain", "lower_clamp", "non_spiking", "beyond_int32", "start_off_reset", "rounding_floor", "rounding_nearest",
)  # fmt: skip
"""Cases that differ in what the kernel does; the interpreter takes half a second for each."""


def interpreted(engine: Engine, _name: str, node: Population) -> TritonPass:
    """Blocks of 16 neurons, so that there are several and a last one that is not full."""
    return TritonPass(node.constants, engine.plan.state_bits, engine.device, block=16, interpreted=True)


def equals_the_reference(case: str) -> None:
    graph = CASES[case].build()
    inputs = CASES[case].inputs(graph)
    trace = run_reference(graph, inputs)
    assert compare_traces(trace, run_batched(graph, inputs)).first_mismatch is None
    found = run_stream(graph, [inputs])
    for layer, expected in zip(found.counts, count_operations(graph, trace), strict=True):
        np.testing.assert_array_equal(layer.driven, expected.driven)
        np.testing.assert_array_equal(layer.spikes, expected.spikes)
    assert any(counts.any() for counts in found.saturated.values()) == case.startswith("saturation")


def main() -> None:
    torch.set_num_threads(1)  # the interpreter keeps the place in the grid in one variable of the process
    Engine._pass = interpreted  # type: ignore[assignment, method-assign]
    findings: dict[str, str | None] = {}
    for case in TRIED:
        try:
            equals_the_reference(case)
            findings[case] = None
        except Exception:
            findings[case] = traceback.format_exc()
    sys.stdout.write(json.dumps(findings) + "\n")


if __name__ == "__main__":
    main()
