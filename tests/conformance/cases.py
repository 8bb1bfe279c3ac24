"""The cases: small networks, inputs, and what has to happen in the reference for a case to deserve its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from tests.conformance.builders import QIF, geometry, joined, neuron, overlapping_pool, silenced, wire, with_population, with_readout
from tests.networks import chain, number_format, random_inputs, residual

Inputs = Mapping[str, InputCodes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``build`` gives a new network each time; ``occurs`` says whether the phenomenon shows in the reference's trace."""

    build: Callable[[], QuantizedGraph]
    inputs: Callable[[QuantizedGraph], Inputs]
    occurs: Callable[[QuantizedGraph, Trace], bool]


def uniform(*, steps: int = 4, samples: int = 4) -> Callable[[QuantizedGraph], Inputs]:
    """Codes over the whole declared range."""
    return lambda graph: random_inputs(graph, samples=samples, steps=steps)


def play(*codes: int) -> Callable[[QuantizedGraph], Inputs]:
    """One sample with these currents over time, and one that is silent."""
    return lambda graph: {"code": np.stack([np.array(codes), np.zeros(len(codes), int)], axis=1)[:, :, None]}


def opposite_samples(graph: QuantizedGraph) -> Inputs:
    """Full, empty, full, random: each sample leaves states behind that would change the next."""
    codes = random_inputs(graph, samples=5)["image"]
    codes[:, 0], codes[:, 1], codes[:, 2] = 16, 0, 16
    return {"image": codes}


def spikes_everywhere(_graph: QuantizedGraph, trace: Trace) -> bool:
    return min(trace.spikes().values()) > 0


def differs_from(changed: Callable[[QuantizedGraph], QuantizedGraph]) -> Callable[[QuantizedGraph, Trace], bool]:
    """The setting of the case decides: with another one, another readout comes out."""

    def occurs(graph: QuantizedGraph, trace: Trace) -> bool:
        other = run_reference(changed(graph), trace.inputs)
        return spikes_everywhere(graph, trace) and not np.array_equal(other.readout, trace.readout)

    return occurs


def negative_and_carried(graph: QuantizedGraph, trace: Trace) -> bool:
    """Every population has a negative u before its last step, whose decay or rise the next step computes."""
    return all((p.u[:-1] < 0).any() for p in trace.populations.values()) and spikes_everywhere(graph, trace)


def meets_theta(_graph: QuantizedGraph, trace: Trace) -> bool:
    return [(int(u), int(s)) for u, s in zip(trace.populations["q"].u[:, 0, 0], trace.populations["q"].s[:, 0, 0], strict=True)] == [
        (39, 0),
        (40, 1),
        (41, 1),
        (-40, 0),
    ]


def saturates_above(graph: QuantizedGraph, trace: Trace) -> bool:
    q, limit = trace.populations["q"], graph.number_format.state_limit
    return bool(((q.i > limit) & (q.u == limit) & (q.s == 1)).any())


def saturates_below(graph: QuantizedGraph, trace: Trace) -> bool:
    q, limit = trace.populations["q"], graph.number_format.state_limit
    return bool(((q.i < -limit) & (q.u == -limit)).any())


def rebounds(_graph: QuantizedGraph, trace: Trace) -> bool:
    q = trace.populations["q"]
    return bool(((q.u[:-1] < -100) & (q.s[1:] == 1) & (q.i[1:] == 0)).any())


def long_silence(_graph: QuantizedGraph, trace: Trace) -> bool:
    s = trace.populations["q"].s[:, 0, 0]
    return s[0] == 1 and s[-1] == 1 and len(s) == 64 and not s[1:-1].any() and not trace.populations["q"].s[:, 1].any()


def shifts_differ(graph: QuantizedGraph, trace: Trace) -> bool:
    return {graph.nodes[b].shift for b in graph.sources("q2")} == {1, 3} and spikes_everywhere(graph, trace)  # type: ignore[union-attr]


def subtracts(_graph: QuantizedGraph, trace: Trace) -> bool:
    """Residues above reset are carried: a neuron fires again at once on what subtracting left."""
    q = trace.populations["q"]
    return q.u[:, 0, 0].tolist() == [100, 60, 20, 20] and q.s[:, 0, 0].tolist() == [1, 1, 0, 0]


def clamps(graph: QuantizedGraph, trace: Trace) -> bool:
    return min(p.u.min() for p in trace.populations.values()) == -500 and spikes_everywhere(graph, trace)


def never_spikes(_graph: QuantizedGraph, trace: Trace) -> bool:
    return not trace.populations["q"].s.any() and trace.populations["q"].u[:, 0, 0].tolist() == [30, 75, 97]


def silent_channels(graph: QuantizedGraph, trace: Trace) -> bool:
    """The input of a silenced channel is its bias at every step, and the network fires all the same."""
    q1, q3 = graph.population("q1").constants, graph.population("q3").constants
    return (
        bool((trace.populations["q1"].i[:, :, 1] == q1.bias[1]).all())
        and bool((trace.populations["q3"].i[:, :, :5] == q3.bias[:5]).all())
        and spikes_everywhere(graph, trace)
    )


def silent_branch(graph: QuantizedGraph, trace: Trace) -> bool:
    return not graph.nodes["skip"].weight.any() and spikes_everywhere(graph, trace)  # type: ignore[union-attr]


def beyond_int32(graph: QuantizedGraph, trace: Trace) -> bool:
    k, q = graph.population("q").constants, trace.populations["q"]
    return bool((np.abs(k.c2m * q.u[:-1].astype(np.int64) * (1 - q.s[:-1].astype(np.int64))) > 2**31).any()) and q.s.any()


def of_rounding(mode: RoundingMode) -> Case:
    """Every state of another mode differs somewhere: the trace depends on how bits are dropped."""

    def occurs(graph: QuantizedGraph, trace: Trace) -> bool:
        others = [run_reference(chain(rounding=other, signed_input=True), trace.inputs) for other in RoundingMode if other is not mode]
        different = all((other.populations["q1"].u != trace.populations["q1"].u).any() for other in others)
        return different and spikes_everywhere(graph, trace)

    return Case(build=lambda: chain(rounding=mode, signed_input=True), inputs=uniform(), occurs=occurs)


SMALL_STATE = number_format(state_bits=8)
WIDE = number_format(coef_bits=16, product_bits=48)

CASES: dict[str, Case] = {
    "negative_potentials": Case(build=lambda: chain(signed_input=True), inputs=uniform(), occurs=negative_and_carried),
    "u_equals_theta": Case(build=lambda: wire(neuron(), low=-40, high=50, steps=4), inputs=play(39, 40, 41, -40), occurs=meets_theta),
    "saturation_above": Case(
        build=lambda: wire(neuron(SMALL_STATE), low=-25, high=125, shift=2, steps=4),
        inputs=play(125, 0, 31, 32),
        occurs=saturates_above,
    ),
    "saturation_below_unproven": Case(
        build=lambda: wire(neuron(SMALL_STATE, c1m=1), low=-125, high=75, shift=2, steps=4, prove=False),
        inputs=play(-125, -125, 75, -1),
        occurs=saturates_below,
    ),
    "rebound": Case(build=lambda: wire(neuron(**QIF), low=-120, high=50, steps=4), inputs=play(-120, 0, 0, 0), occurs=rebounds),
    "long_silence": Case(
        build=lambda: wire(neuron(**QIF), low=-3, high=50, steps=64), inputs=play(45, -3, *(0,) * 61, 45), occurs=long_silence
    ),
    "residual_shifts": Case(build=residual, inputs=uniform(), occurs=shifts_differ),
    "kernel_geometry": Case(build=geometry, inputs=uniform(), occurs=spikes_everywhere),
    "two_inputs": Case(build=lambda: joined(("a", "b")), inputs=uniform(), occurs=spikes_everywhere),
    "three_branches": Case(build=lambda: joined(("a", "b", "c")), inputs=uniform(), occurs=spikes_everywhere),
    "input_called_readout": Case(build=lambda: joined(("readout",)), inputs=uniform(samples=16), occurs=spikes_everywhere),
    "wide_input_codes": Case(
        build=lambda: wire(neuron(), low=-500, high=500, steps=4), inputs=play(500, -500, 39, 128), occurs=spikes_everywhere
    ),
    "overlapping_pool": Case(build=overlapping_pool, inputs=uniform(), occurs=spikes_everywhere),
    "silent_channels": Case(
        build=lambda: silenced(chain(), {"conv1": [1], "fc1": [0, 1, 2, 3, 4], "fc2": [0]}), inputs=uniform(), occurs=silent_channels
    ),
    "silent_branch": Case(build=lambda: silenced(residual(), {"skip": [0, 1, 2, 3]}), inputs=uniform(), occurs=silent_branch),
    "samples_back_to_back": Case(build=chain, inputs=opposite_samples, occurs=spikes_everywhere),
    "one_step": Case(
        build=lambda: chain(steps=1), inputs=uniform(steps=1), occurs=lambda _, trace: trace.steps == 1 and trace.spikes()["q1"] > 0
    ),
    "sixteen_steps": Case(build=lambda: chain(steps=16), inputs=uniform(steps=16, samples=2), occurs=spikes_everywhere),
    "fewer_steps_than_proven": Case(build=lambda: chain(steps=16), inputs=uniform(steps=3), occurs=spikes_everywhere),
    "lif": Case(
        build=lambda: wire(neuron(c1m=3686, s1=12), low=-50, high=50, steps=None),
        inputs=play(30, 20, 35, 0, -50, 50),
        occurs=lambda graph, trace: not graph.population("q").constants.c2m.any() and spikes_everywhere(graph, trace),
    ),
    "subtract_one": Case(
        build=lambda: wire(neuron(c1m=1, reset_mode=ResetMode.SUBTRACT), low=-9, high=100, steps=4),
        inputs=play(100, 0, 0, 0),
        occurs=subtracts,
    ),
    "subtract_chain": Case(
        build=lambda: chain(reset_mode=ResetMode.SUBTRACT),
        inputs=uniform(),
        occurs=differs_from(lambda _: chain(reset_mode=ResetMode.HARD)),
    ),
    "lower_clamp": Case(build=lambda: chain(signed_input=True, u_min=-500), inputs=uniform(), occurs=clamps),
    "non_spiking": Case(
        build=lambda: wire(neuron(theta=None, c1m=1, s1=1), low=-50, high=60, steps=3), inputs=play(30, 60, 60), occurs=never_spikes
    ),
    "beyond_int32": Case(
        build=lambda: wire(neuron(WIDE, c2m=60_000, s2=12, s1=16, theta=90_000), low=-49, high=22, shift=12, steps=3),
        inputs=play(-37, 0, 22),
        occurs=beyond_int32,
    ),
    "readout_last": Case(
        build=lambda: with_readout(chain(), Reduce.LAST),
        inputs=uniform(),
        occurs=differs_from(lambda graph: with_readout(graph, Reduce.SUM)),
    ),
    "start_off_reset": Case(
        build=lambda: wire(neuron(**QIF, r0=-36, reset=7, bias=4), low=-9, high=60, steps=4),
        inputs=play(0, 60, 0, 9),
        occurs=differs_from(lambda graph: with_population(graph, "q", r0=np.array([7]))),
    ),
} | {f"rounding_{mode.value}": of_rounding(mode) for mode in RoundingMode}
