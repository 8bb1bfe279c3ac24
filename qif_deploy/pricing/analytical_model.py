"""Operations by the formulas of Lemaire et al. 2022 (arXiv:2210.13107) over spike totals, kernel sizes and strides.

Equation numbers are those of the paper as its authors' code quotes them (Qualia plug-in, EnergyEstimationMetric.py), with that code's
correction of (2.4): a spike into a dense layer makes Nout additions, not Nin Nout. Padding is not respected and kernels are divided by
strides rounded up, so its additions differ from the true fan-out; that is the model, not a miscount. The paper knows leaky neurons only:
the quadratic term is counted beside it.
"""

from __future__ import annotations

from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.pricing.terms import Term
from qif_deploy.simulate.op_counts import LayerCounts, SynapseReach


def analytical_operations(graph: QuantizedGraph, layer: LayerCounts, branches: tuple[SynapseReach, ...]) -> dict[Term, NDArray[np.float64]]:
    """Return the model's counts of one layer, ``(sample,)`` each; ``theta`` are the spikes that arrive at a synapse node in T steps."""
    fmt = graph.number_format
    accumulate = np.asarray(layer.updates + layer.spikes, np.float64)  # (1.4), (2.4): bias and reset
    mac = np.asarray(layer.multiplies - layer.quadratic_multiplies, np.float64)  # (1.3), (2.3): leak
    channels = graph.shapes[layer.name][0]
    # (7s): one bias per neuron and step; (9), (10), (14), (15): potentials read and written per step; (13): spikes written.
    access = np.asarray(layer.updates + 2 * layer.updates + layer.spikes, np.float64)
    span = np.asarray(layer.updates * (channels * fmt.state_bits) + 2 * layer.updates * (layer.neurons * fmt.state_bits), np.float64)
    for theta, branch in zip(layer.arrivals, branches, strict=True):
        node = graph.nodes[branch.name]
        assert isinstance(node, DenseCodes | Conv2dCodes)
        held = layer.neurons * fmt.state_bits
        weights = node.weight.size * fmt.weight_bits
        if branch.graded:
            # A direct-coded layer: Eq. (1.1), (2.1) every step, with inputs (3), (4) and weights (6.1f), (6.2f) read for each.
            formal = _formal_macs(node, layer.neurons) * (layer.updates // layer.neurons)
            mac = mac + formal
            access = access + 2 * formal
            span = span + formal * weights
            continue
        if isinstance(node, Conv2dCodes):
            out, _, kh, kw = node.weight.shape
            out //= node.geometry.groups
            reached = out * kh * kw
            additions = out * prod(ceil(k / s) for k, s in zip((kh, kw), node.geometry.stride, strict=True))
            mac = mac + 2 * theta  # (16.2)
        else:
            reached = additions = node.weight.shape[0]
        accumulate = accumulate + theta * (additions + reached)  # (1.4), (2.4) and the addresses (16.3), (17.2)
        access = access + theta * (1 + 3 * reached)  # (5) input; (7f), (8f) weights; potentials read and written
        span = span + theta * reached * (weights + 2 * held)
    return {
        Term.ACCUMULATE: accumulate,
        Term.MAC: mac,
        Term.MEMORY_ACCESS: access,
        Term.MEMORY_SPAN: span,
        Term.QUADRATIC: np.asarray(layer.quadratic_multiplies, np.float64),
    }


def _formal_macs(node: DenseCodes | Conv2dCodes, neurons: int) -> int:
    """Eq. (1.1) Cout Hout Wout Cin Hk Wk, (2.1) Nin Nout: every tap of every output, padding included."""
    return neurons * prod(node.weight.shape[1:])
