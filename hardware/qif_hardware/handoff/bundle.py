"""Writing the hand-off bundle of one network: a folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.range_proof import RangeProof, prove_ranges
from qif_deploy.atomic import atomic_folder, publish
from qif_deploy.errors import FormatError, InputError, UnsupportedError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.constants import CODE_FIELDS
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.version import __version__
from qif_hardware.handoff.loihi_weights import synapse_arrays, synapse_record
from qif_hardware.handoff.step_program import Operator, bit_widths, current_program, step_program
from qif_hardware.lava.balance import balance_of
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.plan import ConvPlan, LavaPlan
from qif_hardware.lava.synapse_lowering import Convolution
from qif_hardware.lava.weight_digits import KEPT_WEIGHT

FORMAT = "qif-deploy hand-off bundle, version 1"
HERE = Path(__file__).parent
SCRIPT, README = "compare.py", "README.md"
NEVER_RUN = "nothing of this has run on silicon"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOff:
    """A written bundle: its folder, the SHA-256 of its files, and what the golden vectors show."""

    folder: Path
    sha256: Mapping[str, str]
    samples: int
    steps: int
    spikes: Mapping[str, int]

    def __post_init__(self) -> None:
        for name in ("sha256", "spikes"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "path": str(self.folder),
            "files": dict(self.sha256),
            "samples": self.samples,
            "steps": self.steps,
            "spikes": dict(self.spikes),
            "silicon": NEVER_RUN,
        }


def write_hand_off(graph: QuantizedGraph, folder: Path, inputs: Mapping[str, NDArray[np.generic]]) -> HandOff:
    """Write the bundle of ``graph`` into a new ``folder``.

    Args:
        graph: the network; its range proof has to hold over the steps of ``inputs``.
        folder: does not exist yet, or is empty; its parent exists.
        inputs: codes for the golden vectors, as ``prepare_inputs`` takes them.

    Raises:
        InputError: the folder is taken or cannot be written, or the inputs do not fit.
        FormatError: the range proof does not hold.
        UnsupportedError: the synapses have no form on Loihi.
    """
    codes = prepare_inputs(graph, inputs, steps=None)
    steps = next(iter(codes.values())).shape[0]
    plan = _plan(graph, steps)
    proof = prove_ranges(graph, steps=steps if graph.steps is None else graph.steps)
    if not proof.holds:
        raise FormatError("; ".join(proof.failures()))
    trace = run_reference(graph, codes)
    folder = Path(folder)
    _require_free(folder)
    with atomic_folder(folder) as work:
        trace.save(work / "vectors.npz")
        _save(work / "weights.npz", synapse_arrays(plan))
        _save(work / "constants.npz", _constant_arrays(graph))
        shutil.copyfile(HERE / "compare.py", work / SCRIPT)
        shutil.copyfile(HERE / "bundle_readme.md", work / README)
        sha256 = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(work.iterdir())}
        description = _description(graph, plan, proof) | {"files": sha256}
        (work / "bundle.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        sha256["bundle.json"] = hashlib.sha256((work / "bundle.json").read_bytes()).hexdigest()
        publish(work, folder)
    return HandOff(folder=folder, sha256=sha256, samples=trace.samples, steps=steps, spikes=trace.spikes())


def _plan(graph: QuantizedGraph, steps: int) -> LavaPlan:
    """Convolutions as such where they can be, as sparse matrices of narrow weights where not."""
    try:
        plan = lower(graph, steps=steps, convolution=Convolution.CONV)
    except UnsupportedError:
        return lower(graph, steps=steps)
    widest = max((int(np.abs(s.weight).max()) for s in plan.synapses if isinstance(s, ConvPlan)), default=0)
    return plan if widest <= KEPT_WEIGHT else lower(graph, steps=steps, convolution=Convolution.SPARSE)


def _require_free(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise InputError(
            f"cannot write bundle {str(folder)!r}: folder {str(folder.parent)!r} does not exist; make it or choose another --out"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"cannot write bundle {str(folder)!r}: it exists and is no empty folder; choose another --out")


def _save(path: Path, arrays: dict[str, Any]) -> None:  # Any: savez takes them as keywords, which numpy's stub mixes with its options
    np.savez_compressed(path, **arrays)


def _constant_arrays(graph: QuantizedGraph) -> dict[str, NDArray[np.int64]]:
    arrays: dict[str, NDArray[np.int64]] = {}
    for name in graph.populations:
        constants = graph.population(name).constants
        arrays |= {f"{name}/{field}": values for field in CODE_FIELDS if (values := getattr(constants, field)) is not None}
    return arrays | {f"{graph.readout}/bias": graph.readout_node().bias}


def _description(graph: QuantizedGraph, plan: LavaPlan, proof: RangeProof) -> dict[str, Any]:
    f = graph.number_format
    balance = balance_of(plan)
    depth = dict(balance.depth)
    return {
        "format": FORMAT,
        "written_by": f"qif-deploy {__version__}",
        "silicon": NEVER_RUN,
        "network": graph.content_hash,
        "number_format": {
            "name": f.name,
            "weight_bits": f.weight_bits,
            "coef_bits": f.coef_bits,
            "state_bits": f.state_bits,
            "product_bits": f.product_bits,
            "rounding": f.rounding.value,
        },
        "operators": {operator.name: operator.value for operator in Operator},
        "timing": {
            "steps": plan.steps,
            "latency": balance.latency,
            "depth": depth,
            "relays": [{"synapse": r.synapse, "source": r.source, "steps": r.steps, "neurons": r.neurons} for r in balance.relays],
            "relay_neurons": balance.relay_neurons,
            "proven_steps": proof.steps,
        },
        "inputs": {name: _input(graph, name) for name in graph.inputs},
        "populations": {name: _population(graph, name, proof) for name in graph.populations},
        "readout": {
            "name": graph.readout,
            "classes": int(graph.readout_node().bias.size),
            "reduce": graph.readout_node().reduce.value,
            "current": [operation.as_json() for operation in current_program(_branches(graph, graph.readout))],
            "bit_widths": bit_widths(proof.nodes[graph.readout]),
        },
        "synapses": {synapse.name: synapse_record(synapse) for synapse in plan.synapses},
    }


def _input(graph: QuantizedGraph, name: str) -> dict[str, Any]:
    node = graph.code_input(name)
    return {"shape": list(node.shape), "low": node.low, "high": node.high, "scale": node.scale}


def _population(graph: QuantizedGraph, name: str, proof: RangeProof) -> dict[str, Any]:
    constants = graph.population(name).constants
    return {
        "shape": list(graph.shapes[name]),
        "channels": constants.channels,
        "reset_mode": constants.reset_mode.value,
        "current": [operation.as_json() for operation in current_program(_branches(graph, name))],
        "step": [operation.as_json() for operation in step_program(constants)],
        "bit_widths": bit_widths(proof.nodes[name]),
    }


def _branches(graph: QuantizedGraph, name: str) -> dict[str, DenseCodes | Conv2dCodes]:
    nodes = {source: graph.nodes[source] for source in graph.sources(name)}
    return {source: node for source, node in nodes.items() if isinstance(node, DenseCodes | Conv2dCodes)}
