"""Compare the float model with the integer network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qif_deploy.api.files import destination, write_json
from qif_deploy.api.loading import FloatModel, RealInputs, load_float_model, load_network
from qif_deploy.api.real_inputs import real_inputs
from qif_deploy.errors import InputError
from qif_deploy.fidelity import Fidelity, compare_fidelity
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.reference import run_reference


def diff(
    model: Path,
    network: Path,
    *,
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
    out: Path | None = None,
) -> Fidelity:
    """Compare float and integer network on a data set (or a ``.npy`` of codes); write ``fidelity.json``."""
    source, graph = load_float_model(model), load_network(network)
    path = destination(out, default=Path(network).parent / "fidelity.json")
    real = real_inputs(graph, data=data, input_file=None, samples=samples, data_root=data_root)
    found = fidelity_of(source, graph, real)
    write_json(path, found.as_json())
    return found


def fidelity_of(source: FloatModel, graph: QuantizedGraph, real: RealInputs) -> Fidelity:
    """Run float64, float32 and the reference on the same inputs and compare."""
    if source.graph.populations != graph.populations:
        raise InputError(
            f"the model has populations {list(source.graph.populations)}, the network {list(graph.populations)}; they are not of one origin"
        )
    exact, single = run_float(source.graph, real.codes), run_float(source.graph, real.codes, dtype=np.float32)
    return compare_fidelity(source.graph, graph, exact, run_reference(graph, real.codes), labels=real.labels, single=single)
