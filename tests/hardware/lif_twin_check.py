"""Lava's own LIF against our step, state by state; prints one line of JSON. Imports Lava: run it, do not import it in a test."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIFReset
from lava.utils.weightutils import SignMode

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, Population, ReadoutCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.discovery import discovery_once
from qif_hardware.lava.executor_kind import Arithmetic
from qif_hardware.lava.in_process import connected_models, step_all
from qif_hardware.lava.lif_twin import lif_twin
from qif_hardware.lava.plan import DENSE_HALVINGS
from tests.networks import LOIHI2, random_inputs

SAMPLES, NEURONS = 32, 8


def twin_network(seed: int, shifts: tuple[int, ...]) -> QuantizedGraph:
    """One LIF population with a synapse per shift."""
    rng = np.random.default_rng(seed)
    s1 = int(rng.integers(6, 13))
    zero = np.zeros(NEURONS, np.int64)
    constants = FixedConstants(
        c2m=zero,
        c1m=np.full(NEURONS, rng.integers(1, (1 << s1) + 1)),
        s2=zero,
        s1=s1,
        bias=rng.integers(-4095, 4096, NEURONS) << int(rng.integers(0, 4)),
        theta=np.full(NEURONS, 64 * int(rng.integers(10, 200)) + 1),
        reset=zero,
        r0=zero,
        reset_by=zero,
        u_min=None,
        reset_mode=ResetMode.HARD,
        number_format=LOIHI2,
    )
    nodes = {"events": CodeInput(shape=(6,), low=0, high=1, scale=1.0)}
    nodes |= {f"fc{n}": DenseCodes(weight=rng.integers(-127, 128, (NEURONS, 6)), shift=k) for n, k in enumerate(shifts)}
    nodes |= {
        "q": Population(constants=constants, delta=np.ones(NEURONS)),
        "last": DenseCodes(weight=np.ones((2, NEURONS), np.int32), shift=0),
    }
    nodes["out"] = ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0)
    edges = [edge for n in range(len(shifts)) for edge in (("events", f"fc{n}"), (f"fc{n}", "q"))]
    return QuantizedGraph(nodes=nodes, edges=(*edges, *pairwise(["q", "last", "out"])), number_format=LOIHI2, steps=None)


def compare(seed: int, shifts: tuple[int, ...], steps: int) -> tuple[bool, int, int]:
    """Return whether states and spikes of every step are equal, how many spikes there are, and how many negative states."""
    graph = twin_network(seed, shifts)
    inputs = random_inputs(graph, samples=SAMPLES, steps=steps, seed=seed)
    reference = run_reference(graph, inputs).populations["q"]
    twin = lif_twin(graph, "q")
    frames = inputs["events"].transpose(1, 0, 2).reshape(-1, 6)
    source = Source(data=np.concatenate([frames, np.zeros_like(frames[:1])]).T)
    lif = LIFReset(
        shape=(NEURONS,),
        du=twin.du,
        dv=twin.dv,
        vth=twin.vth,
        bias_mant=np.array(twin.bias_mant),
        bias_exp=twin.bias_exp,
        reset_interval=steps,
        reset_offset=2,  # behind one synapse the first frame arrives in the second step
    )
    for n, exponent in enumerate(twin.weight_exp):
        weights = graph.nodes[f"fc{n}"].weight.astype(int) << DENSE_HALVINGS
        dense = Dense(weights=weights, weight_exp=exponent, sign_mode=SignMode.MIXED)
        source.s_out.connect(dense.s_in)
        dense.a_out.connect(lif.a_in)
    sink = Sink(shape=(NEURONS,), buffer=steps * SAMPLES + 1)
    lif.s_out.connect(sink.a_in)
    models = connected_models(lif, Arithmetic.FIXED_PT)
    (neuron,) = [model for _, model in models if hasattr(model, "effective_vth")]
    states = []
    for _ in range(steps * SAMPLES + 1):
        step_all(models)
        states.append(np.array(neuron.v))
    (spikes,) = [model.data.T for name, model in models if name == sink.name]
    v, s = (np.array(values)[1:].reshape(SAMPLES, steps, NEURONS).swapaxes(0, 1) for values in (states, spikes))
    equal = np.array_equal(v, np.where(reference.s, 0, reference.u)) and np.array_equal(s, reference.s.astype(bool))
    return equal, int(s.sum()), int((v < 0).sum())


if __name__ == "__main__":
    with discovery_once():
        print(json.dumps([compare(seed, shifts, steps) for seed, shifts in enumerate([(6,), (7,), (9,), (6, 8)]) for steps in (1, 4, 16)]))
