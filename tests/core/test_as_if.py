"""A backend with one of the usual mistakes is told which one it is, from the values of the step where the difference begins."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qif_deploy.api.backends import compared
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.as_if import as_if
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import PopulationTrace, Trace
from tests.networks import chain, random_inputs


def told(graph: QuantizedGraph, other: QuantizedGraph) -> tuple[str, ...]:
    """What is said of a backend that computes ``other`` where ``graph`` is meant."""
    inputs = random_inputs(graph, samples=32)
    return compared(graph, run_reference(graph, inputs), run_reference(other, inputs), seconds=1.0).as_if


def with_population(graph: QuantizedGraph, **fields: object) -> QuantizedGraph:
    node = graph.population("q2")
    changed = dataclasses.replace(node, constants=dataclasses.replace(node.constants, **fields))  # type: ignore[arg-type]
    return dataclasses.replace(graph, nodes=dict(graph.nodes) | {"q2": changed})


@pytest.mark.parametrize("mode", [RoundingMode.FLOOR, RoundingMode.NEAREST])
def test_another_rounding_mode(mode: RoundingMode) -> None:
    graph = chain(rounding=RoundingMode.TOWARD_ZERO)
    assert told(graph, chain(rounding=mode)) == (f"right shifts round {mode.value}, not toward_zero",)


def test_constants_that_a_backend_reads_wrongly() -> None:
    graph = chain()
    k = graph.population("q2").constants
    cases = {
        "s1 is 9, not 8": {"s1": k.s1 + 1},
        "s2 is -1 off": {"s2": k.s2 - 1},
        "the curvature is left out": {"c2m": 0 * k.c2m},
        "the bias is left out": {"bias": 0 * k.bias},
        "it starts from reset, not from r0": {"r0": k.reset},
        "the reset is subtract, not hard": {"reset_mode": ResetMode.SUBTRACT},
    }
    for words, fields in cases.items():
        assert words in told(graph, with_population(graph, **fields)), words


def test_a_threshold_compared_with_more_than() -> None:
    graph = chain()
    k = graph.population("q2").constants
    first = run_reference(graph, random_inputs(graph, samples=32)).populations["q2"].u[0]
    above = np.maximum(k.reset, k.r0)
    theta = np.array([min(u for u in first[:, c].ravel().tolist() if u > above[c]) for c in range(k.channels)])
    on_edge = with_population(graph, theta=theta)  # in every channel a membrane stands on its threshold at the first step
    assert told(on_edge, with_population(on_edge, theta=theta + 1)) == ("a spike needs more than theta, not theta",)


def test_what_no_known_mistake_gives_is_left_open() -> None:
    graph = chain()
    inputs = random_inputs(graph, samples=32)
    reference = run_reference(graph, inputs)
    q2 = reference.populations["q2"]
    u = q2.u.copy()
    u[2, 3, 1, 0, 0] += 5
    odd = Trace(
        inputs=inputs,
        populations=dict(reference.populations) | {"q2": PopulationTrace(i=q2.i, u=u, s=q2.s)},
        readout=reference.readout,
    )
    found = compared(graph, reference, odd, seconds=1.0)
    assert (found.exact, found.as_if) == (False, ())
    assert "as_if" not in found.as_json()
    readout = dataclasses.replace(reference, readout=reference.readout + 1)
    mismatch = compare_traces(reference, readout).first_mismatch
    assert mismatch is not None
    assert as_if(graph, reference, readout, mismatch) == ()
