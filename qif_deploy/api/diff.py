"""Compare the float model with the integer network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from qif_deploy.api.backends import prepared
from qif_deploy.api.files import destination, write_json
from qif_deploy.api.input_batches import Labelled, batch_for, input_batches
from qif_deploy.api.loading import FloatModel, RealInputs, load_float_model, load_network
from qif_deploy.errors import InputError, MissingDependencyError
from qif_deploy.fidelity.compare import Comparing, compare_fidelity
from qif_deploy.fidelity.noise import NoiseRun, in_parts
from qif_deploy.fidelity.report import Fidelity
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.progress import Progress
from qif_deploy.simulate.float_sim import run_float

FLOAT32_RUN = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What ``diff`` compares beside float64 with integer.

    Args:
        device: of torch, for the integer network and the float runs that are not NumPy's.
        noise: every precision of the device, another batch size and the other device too, instead of float32 alone.
        accuracy_by_layer: also run the float network once per layer with that layer in integers.
    """

    device: str = "cpu"
    noise: bool = False
    accuracy_by_layer: bool = True


def diff(
    model: Path,
    network: Path,
    *,
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
    out: Path | None = None,
    how: Comparison | None = None,
    progress: Progress | None = None,
) -> Fidelity:
    """Compare float and integer network on real data, batch by batch; write ``fidelity.json``.

    Args:
        model: the float model: checkpoint, or float NIR file.
        network: the integer network that was made of it.
        data: data set by name, or a ``.npy`` of codes; None for the network's own.
        data_root: folder of data sets that no package carries.
        samples: how many, from the start; None for all.
        out: the result; None for ``fidelity.json`` beside the network.
        how: device, noise floor, accuracy by layer.
        progress: called with the share done, 0..1.

    Raises:
        InputError: a file or name that does not fit, or a model and a network of different shape.
    """
    source, graph = load_float_model(model), load_network(network)
    path = destination(out, default=Path(network).parent / "fidelity.json")
    inputs = input_batches(graph, data=data, samples=samples, data_root=data_root)
    batches = _reported(inputs.labelled(), -(-inputs.samples // inputs.compared_at_once), progress)
    found = compare_models(source, graph, batches, how=Comparison() if how is None else how, name=inputs.source)
    write_json(path, found.as_json())
    return found


def fidelity_of(source: FloatModel, graph: QuantizedGraph, real: RealInputs) -> Fidelity:
    """Compare float64, float32 and the integer network on inputs that are in memory."""
    steps, total = next(iter(real.codes.values())).shape[:2]
    size = batch_for(graph, steps)
    batches = (
        (
            {name: codes[:, start : start + size] for name, codes in real.codes.items()},
            None if real.labels is None else real.labels[start : start + size],
        )
        for start in range(0, total, size)
    )
    return compare_models(source, graph, batches, how=Comparison(), name=real.source)


def compare_models(source: FloatModel, graph: QuantizedGraph, batches: Iterable[Labelled], *, how: Comparison, name: str) -> Fidelity:
    """Compare a loaded model with a network."""
    comparing = Comparing(
        prepare=partial(prepared, device=how.device),
        noise=noise_runs(source.graph, how) if how.noise or how.device != "cpu" else None,
        accuracy_by_layer=how.accuracy_by_layer,
        expected_format=_target_format(graph),
    )
    return compare_fidelity(source.graph, graph, batches, how=comparing, source=name)


def noise_runs(graph: Graph, how: Comparison) -> tuple[NoiseRun, ...]:
    """Return the float runs of the noise floor: NumPy's float32, one sample at a time, and every precision of torch on the device.

    Raises:
        InputError: the device does not exist.
        MissingDependencyError: torch is not installed.
    """
    single = NoiseRun(name=FLOAT32_RUN, run=partial(run_float, graph, dtype=np.float32))
    try:
        from qif_deploy.simulate.engine.float_run import FloatPrecision, available_precisions, run_float_torch
    except ImportError:
        raise MissingDependencyError("the noise floor needs torch; install it with: pip install 'qif-deploy[engine]'") from None
    runs = [single, NoiseRun(name="float32, one sample at a time", run=in_parts(single.run, 1), against=FLOAT32_RUN)]
    for device in dict.fromkeys(("cpu", how.device)):
        runs += [
            NoiseRun(name=f"{precision.value}, torch, {device}", run=partial(run_float_torch, graph, precision=precision, device=device))
            for precision in available_precisions(device)
            if precision is not FloatPrecision.FLOAT64 or device != "cpu"
        ]
    return tuple(runs)


def _target_format(graph: QuantizedGraph) -> NumberFormat | None:
    """Return the number format of the target that the network's provenance names, None where there is none of that name."""
    from qif_hardware.target import load_target

    name = graph.provenance.get("target")
    try:
        return None if name is None else load_target(name).number_format
    except InputError:
        return None


def _reported(batches: Iterable[Labelled], total: int, progress: Progress | None) -> Iterable[Labelled]:
    for done, batch in enumerate(batches):
        if progress is not None:
            progress(done / total)
        yield batch
