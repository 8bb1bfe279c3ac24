"""QuantizedGraph -> LavaPlan, with every limit of Lava's processes checked first. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import SumPool2d
from qif_deploy.simulate.inputs import require_steps
from qif_hardware.lava.layout import lava_shape
from qif_hardware.lava.plan import InputPlan, LavaPlan, PopulationPlan, ReadoutPlan, SynapsePlan
from qif_hardware.lava.synapse_lowering import MESSAGE_BITS, Convolution, SynapseTask, lower_synapse

MOST_BRANCHES = 8
"""In-ports of the processes that join branches; branches differ in their shifts, so each has its own."""


@dataclass
class _Lowering:
    """One pass over a graph: depths and findings so far."""

    graph: QuantizedGraph
    convolution: Convolution
    depth: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def lower(graph: QuantizedGraph, *, steps: int, convolution: Convolution = Convolution.AUTO) -> LavaPlan:
    """Lower ``graph`` for runs of ``steps`` time steps per sample.

    All paths into a node get equally long: a synapse on a shorter one hears its source through a relay. What that adds is
    in ``balance_of(plan)``.

    Raises:
        UnsupportedError: everything that Lava's processes cannot carry exactly, all of it at once.
        InputError: the range proof does not cover ``steps``.
    """
    require_steps(graph, steps)
    work = _Lowering(graph, convolution)
    inputs = tuple(_input(work, name) for name in graph.inputs)
    populations = []
    for name in graph.populations:
        branches = _branches(work, name)
        populations.append(
            PopulationPlan(
                name=name,
                shape=lava_shape(graph.shapes[name]),
                depth=work.depth[name],
                constants=graph.population(name).constants,
                branches=branches,
            )
        )
    branches = _branches(work, graph.readout)
    node = graph.readout_node()
    readout = ReadoutPlan(name=graph.readout, depth=work.depth[graph.readout], bias=node.bias, reduce=node.reduce, branches=branches)
    raise_findings(UnsupportedError, work.findings)
    return LavaPlan(steps=steps, inputs=inputs, populations=tuple(populations), readout=readout)


def _input(work: _Lowering, name: str) -> InputPlan:
    node = work.graph.code_input(name)
    limit = 2 ** (MESSAGE_BITS - 1) - 1
    largest = max(abs(node.low), abs(node.high))
    if largest > limit:
        work.findings.append(
            f"input {name!r}: code {largest} exceeds {limit} ({MESSAGE_BITS}-bit graded spikes on Lava); encode with a larger scale"
        )
    work.depth[name] = 0
    return InputPlan(name=name, shape=lava_shape(node.shape))


def _branches(work: _Lowering, name: str) -> tuple[SynapsePlan, ...]:
    """Lower the synapses into ``name`` and settle its depth: one more than its furthest source."""
    graph = work.graph
    paths = {synapse: _path(graph, synapse) for synapse in graph.sources(name)}
    work.depth[name] = 1 + max(work.depth[source] for source, _ in paths.values())
    lowered: list[SynapsePlan] = []
    for synapse, (source, pools) in paths.items():
        delay = work.depth[name] - 1 - work.depth[source]
        task = SynapseTask(graph=graph, name=synapse, source=source, pools=pools, delay=delay, convolution=work.convolution)
        lowered += lower_synapse(task)
        work.findings += task.findings
    if len(lowered) > MOST_BRANCHES:
        work.findings.append(
            f"node {name!r}: {len(lowered)} branches {[plan.name for plan in lowered]} exceed {MOST_BRANCHES} in-ports of its Lava "
            "process; merge branches, or use weights of 8 bits"
        )
    return tuple(lowered)


def _path(graph: QuantizedGraph, synapse: str) -> tuple[str, tuple[str, ...]]:
    """Return the input or population that ``synapse`` hears, and the pools between, nearest to the synapse first."""
    pools, name = [], graph.sources(synapse)[0]
    while (feeding := graph.sources(name)) and name not in graph.populations:
        if isinstance(graph.nodes[name], SumPool2d):
            pools.append(name)
        name = feeding[0]
    return name, tuple(pools)
