"""Where a population is one of Lava's own LIF neurons, bit for bit, and which: the conditions and its parameters. NumPy only.

Lava's fixed LIF with ``du = 4095`` (the current forgets at once), read in ``lava/proc/lif/models.py`` of lava-nc 0.10:

    v' = trunc0(v (4096 - dv) / 4096) + (a << 6) + bias     clipped to +-(2^23 - 1)
    s  = v' > (vth << 6);  v = 0 where s

which is our step with ``c2m = 0``, ``c1m = 4096 - dv``, ``s1 = 12``, 24-bit states, rounding toward zero, hard reset to 0,
``theta = (vth << 6) + 1`` and ``i = (a << 6) + bias``. Lava's LIF wraps a current beyond 24 bits, ours saturates later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import ChannelCodes
from qif_hardware.lava.plan import DENSE_HALVINGS

DECAY_BITS = 12
ALIGN_BITS = 6
"""Lava shifts sums and threshold left by 6."""

STATE_BITS = 24
LARGEST_VTH = 2**17 - 1
LARGEST_MANTISSA, LARGEST_EXPONENT = 2**12 - 1, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class LifTwin:
    """Arguments of Lava's ``LIF``; ``weight_exp`` is that of the Dense or Sparse of each branch, which holds doubled weights."""

    dv: int
    vth: int
    bias_mant: ChannelCodes
    bias_exp: int
    weight_exp: tuple[int, ...]
    du: int = 4095


def lif_twin(graph: QuantizedGraph, name: str) -> LifTwin:
    """Return Lava's LIF that equals population ``name`` in every state.

    Raises:
        UnsupportedError: every condition that does not hold.
    """
    k = graph.population(name).constants
    findings = [f"population {name!r} is no Lava LIF: {finding}" for finding in (*_neuron(k), *_branches(graph, name))]
    raise_findings(UnsupportedError, findings)
    assert k.theta is not None
    exponent = _bias_exponent(k.bias)
    assert exponent is not None
    return LifTwin(
        dv=(1 << DECAY_BITS) - _decay(k),
        vth=int(k.theta[0] - 1) // (1 << ALIGN_BITS),
        bias_mant=k.bias // (1 << exponent),
        bias_exp=exponent,
        weight_exp=tuple(synapse.shift - ALIGN_BITS - DENSE_HALVINGS for synapse in _synapses(graph, name)),
    )


def _neuron(k: FixedConstants) -> list[str]:
    found = []
    if k.c2m.any():
        found.append("c2m is not 0")
    if (k.c1m != k.c1m[0]).any() or k.s1 > DECAY_BITS or not 1 <= _decay(k) <= 1 << DECAY_BITS:
        found.append(f"c1m {k.c1m[0]} with s1 {k.s1} is no decay shared by all channels, 1/4096 to 1")
    if k.theta is None or (k.theta != k.theta[0]).any() or (int(k.theta[0]) - 1) % (1 << ALIGN_BITS) or not _vth_fits(k.theta):
        found.append(f"theta is not vth * {1 << ALIGN_BITS} + 1 with one vth in 0..{LARGEST_VTH}")
    if k.reset_mode is not ResetMode.HARD or k.reset.any() or k.r0.any() or k.u_min is not None:
        found.append("it does not start and reset at 0, hard and without a lower clamp")
    if k.number_format.rounding is not RoundingMode.TOWARD_ZERO or k.number_format.state_bits != STATE_BITS:
        found.append(f"its format does not round toward zero in {STATE_BITS} bits")
    if _bias_exponent(k.bias) is None:
        found.append(f"a bias is not a mantissa of at most {LARGEST_MANTISSA} with one exponent of at most {LARGEST_EXPONENT}")
    return found


def _branches(graph: QuantizedGraph, name: str) -> list[str]:
    found = [
        f"the sums of synapse {synapse!r} are shifted by {node.shift}, not by {ALIGN_BITS} at least"
        for synapse, node in zip(graph.sources(name), _synapses(graph, name), strict=True)
        if node.shift < ALIGN_BITS
    ]
    current = prove_ranges(graph, steps=1).nodes[name].ranges["i"].interval.magnitude.max()
    if current >= 1 << (STATE_BITS - 1):
        found.append(f"its input may reach {current}, which Lava's LIF wraps at 2^{STATE_BITS - 1}")
    return found


def _synapses(graph: QuantizedGraph, name: str) -> list[DenseCodes | Conv2dCodes]:
    nodes = [graph.nodes[source] for source in graph.sources(name)]
    return [node for node in nodes if isinstance(node, DenseCodes | Conv2dCodes)]


def _decay(k: FixedConstants) -> int:
    """Return ``c1m`` at ``s1 = 12``; exact, since both shifts round toward zero."""
    return int(k.c1m[0]) << max(0, DECAY_BITS - k.s1)


def _vth_fits(theta: ChannelCodes) -> bool:
    return bool(1 <= theta[0] <= (LARGEST_VTH << ALIGN_BITS) + 1)


def _bias_exponent(bias: ChannelCodes) -> int | None:
    """Return the smallest exponent at which every bias is a mantissa."""
    for exponent in range(LARGEST_EXPONENT + 1):
        unit = 1 << exponent
        if not (bias % unit).any() and int(np.abs(bias).max()) <= LARGEST_MANTISSA * unit:
            return exponent
    return None
