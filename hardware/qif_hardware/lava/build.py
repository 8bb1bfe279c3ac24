"""LavaPlan -> connected Lava processes. Imports Lava: only for the worker process, after ``require_lava``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix
from typing_extensions import assert_never

from qif_hardware.lava.job_files import JobFiles
from qif_hardware.lava.plan import ConvPlan, DensePlan, LavaPlan, PopulationPlan, SparsePlan, SynapsePlan, halvings
from qif_hardware.lava.qif.process import IN_PORTS, QIF, BranchScale, CodeSource, QIFJoin, Readout, Relay, TraceFiles
from qif_hardware.lava.sample_window import SampleWindow

Process = Any  # Lava ships no types


class Network(NamedTuple):
    """``root`` stands for the whole connected network, as Lava wants it; ``steps`` is the length of the run."""

    root: Process
    steps: int


def build_network(plan: LavaPlan, files: JobFiles, samples: int) -> Network:
    """Create and connect one process per source, relay, synapse, population and readout.

    Args:
        plan: the network.
        files: where the input codes lie and the traces go; the trace files exist already.
        samples: number of samples in the input files.
    """
    outputs: dict[str, Process] = {}
    for index, source in enumerate(plan.inputs):
        outputs[source.name] = CodeSource(name=source.name, shape=source.shape, codes_file=str(files.codes(index)))
    for index, population in enumerate(plan.populations):
        outputs[population.name] = _population(plan, index, population, files, samples, outputs)
    readout = _readout(plan, files, samples, outputs)
    return Network(root=readout, steps=plan.lava_steps(samples))


def _window(plan: LavaPlan, depth: int, samples: int) -> SampleWindow:
    return SampleWindow(depth=depth, steps=plan.steps, samples=samples)


def _population(plan: LavaPlan, index: int, node: PopulationPlan, files: JobFiles, samples: int, outputs: dict[str, Process]) -> Process:
    kind = QIF if len(node.branches) == 1 else QIFJoin
    neuron = kind(
        name=node.name,
        shape=node.shape,
        constants=node.constants,
        branches=[_scale(branch) for branch in node.branches],
        window=_window(plan, node.depth, samples),
        trace=TraceFiles(*(str(files.trace(index, quantity)) for quantity in TraceFiles._fields)),
    )
    _connect(neuron, node.branches, outputs)
    return neuron


def _readout(plan: LavaPlan, files: JobFiles, samples: int, outputs: dict[str, Process]) -> Process:
    readout = Readout(
        name=plan.readout.name,
        bias=plan.readout.bias,
        reduce=plan.readout.reduce,
        branches=[_scale(branch) for branch in plan.readout.branches],
        window=_window(plan, plan.readout.depth, samples),
        readout_file=str(files.readout),
        progress_file=str(files.progress),
    )
    _connect(readout, plan.readout.branches, outputs)
    return readout


def _connect(node: Process, branches: Sequence[SynapsePlan], outputs: Mapping[str, Process]) -> None:
    """Create the synapses of ``node``, one for each of its ports."""
    for branch, port in zip(branches, IN_PORTS, strict=False):
        _synapse(branch, outputs[branch.wire.source]).connect(getattr(node, port))


def _scale(branch: SynapsePlan) -> BranchScale:
    return BranchScale(halvings=halvings(branch), shift=branch.shift)


def _synapse(plan: SynapsePlan, source: Process) -> Process:
    """Create Lava's own synapse process, connect it to ``source`` (through a relay where the plan has one), return its out-port."""
    signal = source.s_out
    if not plan.wire.direct:
        relay = Relay(name=f"{plan.name}.relay", shape=signal.shape, delay=plan.wire.delay, keep=plan.wire.keep)
        signal.connect(relay.s_in)
        signal = relay.s_out
    match plan:
        case ConvPlan():
            conv = Conv(
                name=plan.name,
                weight=np.array(plan.weight),
                input_shape=plan.input_shape,
                stride=plan.stride,
                padding=plan.padding,
                dilation=plan.dilation,
                groups=plan.groups,
                num_message_bits=plan.wire.message_bits,
            )
            signal.connect(conv.s_in)
            return conv.a_out
        case DensePlan():
            dense = Dense(name=plan.name, weights=np.array(plan.weight), sign_mode=SignMode.MIXED, num_message_bits=plan.wire.message_bits)
            _flat(signal).connect(dense.s_in)
            return dense.a_out
        case SparsePlan():
            matrix = csr_matrix((plan.values, plan.columns, plan.starts), shape=(plan.starts.size - 1, plan.inputs))
            sparse = Sparse(name=plan.name, weights=matrix, sign_mode=SignMode.MIXED, num_message_bits=plan.wire.message_bits)
            _flat(signal).connect(sparse.s_in)
            return sparse.a_out.reshape(plan.shape)
        case _:
            assert_never(plan)


def _flat(signal: Any) -> Any:
    return signal if len(signal.shape) == 1 else signal.flatten()
