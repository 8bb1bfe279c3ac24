"""Synapses in Loihi's form: even weights of 9 bits, signs mixed, and one exponent per synapse; ``acc << k`` is exact.

With ``w`` a weight code and ``k`` the branch's shift: ``(2 w) 2^(k - 1) = w 2^k``. Layouts are Lava's: kernels flipped, axes
``(width, height, channel)``, columns of a dense layer in that order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_hardware.lava.plan import ConvPlan, DensePlan, LavaPlan, SparsePlan, SynapsePlan, halvings

WEIGHT_BITS = 8
"""Mixed signs spend one bit: what is kept is even, within -254..254."""


def synapse_arrays(plan: LavaPlan) -> dict[str, NDArray[np.int32]]:
    """Return the arrays of ``weights.npz``: ``NAME/weights``, for sparse ones also ``NAME/columns`` and ``NAME/starts``."""
    arrays: dict[str, NDArray[np.int32]] = {}
    for synapse in plan.synapses:
        match synapse:
            case DensePlan():
                arrays[f"{synapse.name}/weights"] = synapse.weight
            case ConvPlan():
                arrays[f"{synapse.name}/weights"] = 2 * synapse.weight
            case SparsePlan():
                arrays[f"{synapse.name}/weights"] = synapse.values
                arrays[f"{synapse.name}/columns"] = synapse.columns
                arrays[f"{synapse.name}/starts"] = synapse.starts
            case _:
                assert_never(synapse)
    return arrays


def synapse_record(synapse: SynapsePlan) -> dict[str, Any]:
    """Return what the arrays do not say about one synapse."""
    record: dict[str, Any] = {
        "source": synapse.wire.source,
        "delay": synapse.wire.delay,
        "weight_exp": synapse.shift - 1,
        "num_weight_bits": WEIGHT_BITS,
        "sign_mode": "MIXED",
        "num_message_bits": synapse.wire.message_bits,
        "halvings_in_lava": halvings(synapse),
    }
    match synapse:
        case DensePlan():
            return record | {"kind": "dense", "shape": list(synapse.weight.shape)}
        case ConvPlan():
            geometry = {"stride": synapse.stride, "padding": synapse.padding, "dilation": synapse.dilation}
            keep = None if synapse.wire.keep is None else list(synapse.wire.keep)
            return record | {
                "kind": "conv",
                "input_shape": list(synapse.input_shape),
                "groups": synapse.groups,
                "blank_beyond": keep,
                **{name: list(pair) for name, pair in geometry.items()},
            }
        case SparsePlan():
            return record | {"kind": "sparse", "shape": [synapse.starts.size - 1, synapse.inputs], "output_shape": list(synapse.shape)}
        case _:
            assert_never(synapse)
