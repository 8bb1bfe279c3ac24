"""What a LavaPlan means, in plain NumPy: Lava's own synapses by their definition, without Lava and without a clock."""

from __future__ import annotations

import numpy as np

from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.simulate.trace import PopulationTrace, Trace
from qif_hardware.lava.layout import frames_from_lava, frames_to_lava
from qif_hardware.lava.plan import ConvPlan, DensePlan, LavaPlan, SparsePlan, SynapsePlan


def convolve(signal: np.ndarray, plan: ConvPlan) -> np.ndarray:
    """True convolution of (frame, width, height, channel): the tap of index a reads the input K - 1 - a further on."""
    (px, py), (sx, sy), (dx, dy) = plan.padding, plan.stride, plan.dilation
    padded = np.pad(signal.astype(np.int64), ((0, 0), (px, px), (py, py), (0, 0)))
    outputs, kx, ky, per_group = plan.weight.shape
    width = (padded.shape[1] - dx * (kx - 1) - 1) // sx + 1
    height = (padded.shape[2] - dy * (ky - 1) - 1) // sy + 1
    out = np.zeros((signal.shape[0], width, height, outputs), np.int64)
    for o in range(outputs):
        group = o // (outputs // plan.groups)
        channels = padded[..., group * per_group : (group + 1) * per_group]
        for a in range(kx):
            for b in range(ky):
                left, top = (kx - 1 - a) * dx, (ky - 1 - b) * dy
                window = channels[:, left : left + sx * (width - 1) + 1 : sx, top : top + sy * (height - 1) + 1 : sy]
                out[..., o] += window @ plan.weight[o, a, b].astype(np.int64)
    return out


def dense(signal: np.ndarray, plan: DensePlan) -> np.ndarray:
    """Lava's Dense in mixed sign mode: clip to 9 bits, floor to even; then the neuron's halving, which must be exact."""
    weight = np.clip(plan.weight.astype(np.int64), -256, 255) // 2 * 2
    doubled = signal.reshape(signal.shape[0], -1).astype(np.int64) @ weight.T
    assert not (doubled % 2).any()
    return doubled // 2


def sparse(signal: np.ndarray, plan: SparsePlan) -> np.ndarray:
    """Lava's Sparse, as Dense; the sums are laid out as the plan says."""
    weight = np.zeros((plan.starts.size - 1, plan.inputs), np.int64)
    for row in range(len(weight)):
        entries = slice(plan.starts[row], plan.starts[row + 1])
        assert len(set(plan.columns[entries].tolist())) == entries.stop - entries.start, "an entry comes twice"
        weight[row, plan.columns[entries]] = plan.values[entries]
    return dense(signal, DensePlan(name=plan.name, wire=plan.wire, weight=weight, shift=0)).reshape(-1, *plan.shape)


def branch(plan: SynapsePlan, signal: np.ndarray) -> np.ndarray:
    signal = np.array(signal)
    if plan.wire.keep is not None:
        signal[:, plan.wire.keep[0] :] = 0
        signal[:, :, plan.wire.keep[1] :] = 0
    if plan.wire.message_bits == 0:
        signal = signal.astype(bool)
    match plan:
        case ConvPlan():
            return convolve(signal, plan) << plan.shift
        case DensePlan():
            return dense(signal, plan) << plan.shift
        case SparsePlan():
            return sparse(signal, plan) << plan.shift


def run_plan_in_numpy(plan: LavaPlan, inputs: dict[str, np.ndarray]) -> Trace:
    """Layer by layer over all frames, every population aligned to the reference."""
    signals = {node.name: frames_to_lava(inputs[node.name]) for node in plan.inputs}
    depth = {node.name: 0 for node in plan.inputs}
    populations = {}
    for node in (*plan.populations, plan.readout):
        for synapse in node.branches:
            assert depth[synapse.wire.source] + synapse.wire.delay + 1 == node.depth, "paths of unequal length into one node"
        depth[node.name] = node.depth
    for node in plan.populations:
        i = sum(branch(synapse, signals[synapse.wire.source]) for synapse in node.branches) + node.constants.bias
        u, s = np.empty_like(i), np.empty(i.shape, np.uint8)
        r = np.zeros(node.shape, np.int64)
        for frame in range(len(i)):
            if frame % plan.steps == 0:
                r = np.broadcast_to(node.constants.r0, node.shape)
            step = fixed_step(r, i[frame], node.constants.laid_out(1))
            u[frame], s[frame], r = step.u, step.s, step.r
        signals[node.name] = s.astype(np.int64)
        recorded = {"i": i.astype(np.int32), "u": u.astype(np.int32), "s": s}
        populations[node.name] = PopulationTrace(**{k: frames_from_lava(v, plan.steps) for k, v in recorded.items()})
    i = sum(branch(last, signals[last.wire.source]) for last in plan.readout.branches)
    i = (i + plan.readout.bias).reshape(-1, plan.steps, plan.readout.bias.size)
    return Trace(inputs=inputs, populations=populations, readout=i.sum(axis=1) if plan.readout.reduce is Reduce.SUM else i[:, -1])
