"""The whole way on real data: train, fold, quantise, check, run every backend, export, map, count energy, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from qif_deploy.analysis.check_network import check_network
from qif_deploy.api.backends import Backend, BackendCheck, Execution, check_backend
from qif_deploy.api.diff import fidelity_of
from qif_deploy.api.energy import DEFAULT_PRICES
from qif_deploy.api.files import make_folder, write_json
from qif_deploy.api.loading import dataset_inputs, load_float_model, load_network
from qif_deploy.api.map import DEFAULT_TARGET
from qif_deploy.api.quantize import quantize_model
from qif_deploy.api.report import report as write_report
from qif_deploy.api.report import require_report
from qif_deploy.api.results import DemoOutcome, VerifyOutcome
from qif_deploy.api.train import train
from qif_deploy.datasets.folder import FROM_FOLDER
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.pricing.deployment import Deployment
from qif_deploy.pricing.energy_report import CountedNetwork, EnergyReport, energy_report
from qif_deploy.pricing.neurobench_metrics import neurobench_metrics
from qif_deploy.pricing.price_list import PriceList, load_price_list
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.op_counts import count_operations, tally
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace

StageProgress = Callable[[str, float], None]

STAGES = ("train", "quantize", "check", "reference", "batched", "onnx", "lava", "map", "energy", "report")
"""Stages in order, as ``progress`` names them."""


def demo(
    *,
    out: Path = Path("runs/demo"),
    recipe: str = "digits",
    target: str | Path = "loihi2",
    seed: int | None = None,
    progress: StageProgress | None = None,
) -> DemoOutcome:
    """Run every stage on scikit-learn's digits and write all results into the folder ``out``.

    Every file is read back from disk before the next stage uses it, so that what is compared is what was written.

    Args:
        out: folder for the results.
        recipe: training recipe.
        target: number format to quantise to.
        seed: instead of the recipe's.
        progress: called with a stage of STAGES and the share of it that is done.
    """
    from qif_export.nir.write import write_nir
    from qif_hardware.mapping.mapping import map_network
    from qif_hardware.target import load_target

    def report(stage: str, share: float) -> None:
        if progress is not None:
            progress(stage, share)

    require_report()
    start = time.perf_counter()
    profile, price_list = load_target(target), load_price_list(DEFAULT_PRICES)
    _require_data(recipe)
    folder = make_folder(out)
    trained = train(recipe, out=folder, seed=seed, progress=partial(report, "train"))
    report("train", 1.0)

    source = load_float_model(trained.model)
    network, quantized = quantize_model(source, profile)
    paths = {name: folder / file for name, file in FILES.items()}
    write_nir(network, paths["network"])
    graph = load_network(paths["network"])
    report("quantize", 1.0)
    findings = check_network(graph, target_format=profile.number_format)
    write_json(paths["check"], findings.as_json() | {"quantize": {n: r.as_json() for n, r in quantized.populations.items()}})
    report("check", 1.0)

    real = dataset_inputs(graph, None, samples=None)
    trace = run_reference(graph, real.codes)
    trace.save(paths["vectors"])
    fidelity = fidelity_of(source, graph, real)
    write_json(paths["fidelity"], fidelity.as_json())
    report("reference", 1.0)

    checks = _against_backends(graph, real.codes, trace, onnx=paths["onnx"], report=report)
    write_json(paths["verify"], VerifyOutcome(backends=checks, source=real.source, content_hash=graph.content_hash).as_json())

    source_of_spikes = f"counted on {trace.samples} samples of {real.source}"
    mapping = map_network(graph, load_target(DEFAULT_TARGET).cores(), tallies=tally(graph, trace), source=source_of_spikes, grow=True)
    write_json(paths["placement"], mapping.as_json())
    report("map", 1.0)
    priced = _priced(graph, trace, price_list, source=real.source, accuracy=fidelity.accuracy_integer)
    write_json(paths["energy"], priced.as_json())
    report("energy", 1.0)
    page = write_report(folder)
    report("report", 1.0)
    outcome = DemoOutcome(
        fidelity=fidelity,
        backends=checks,
        check=findings,
        energy=priced.estimate,
        artefacts={"model": trained.model, "metrics": trained.metrics_file, **paths, "report": page.path},
        seconds=time.perf_counter() - start,
    )
    write_json(folder / "demo.json", outcome.as_json())
    return outcome


def _require_data(recipe: str) -> None:
    """Refuse a recipe whose data lie in a folder that it does not name; the demonstration has no way to be told."""
    from qif_deploy.training.recipe import load_recipe

    loaded = load_recipe(recipe)
    if loaded.dataset in FROM_FOLDER and loaded.data_root is None:
        raise InputError(
            f"recipe {recipe!r}: data set {loaded.dataset!r} is read from a folder, which the demonstration is not told; "
            "use `qif-deploy train --data-root`, or a recipe with data_root"
        )


def _against_backends(
    graph: QuantizedGraph, codes: Mapping[str, InputCodes], reference: Trace, *, onnx: Path, report: StageProgress
) -> dict[str, BackendCheck]:
    """Compare every backend with ``reference``; ONNX runs the file ``onnx``, which is written here."""
    from qif_export.onnx.write import write_onnx

    checks: dict[str, BackendCheck] = {}
    for backend in (Backend.BATCHED, Backend.ONNX, Backend.LAVA):
        if backend is Backend.ONNX:
            write_onnx(graph, onnx)
        stage = backend.value
        checks[stage] = check_backend(backend, graph, codes, reference, how=Execution(), exported=onnx, progress=partial(report, stage))
        report(stage, 1.0)
    return checks


def _priced(graph: QuantizedGraph, trace: Trace, prices: PriceList, *, source: str, accuracy: float | None) -> EnergyReport:
    """Count the operations of a run and price them."""
    counted = CountedNetwork(graph=graph, layers=count_operations(graph, trace), steps=trace.steps, source=source, accuracy=accuracy)
    return energy_report(counted, prices, Deployment(), neurobench=neurobench_metrics(graph, [trace]))


FILES = {
    "network": "net.nir",
    "check": "check.json",
    "vectors": "vectors.npz",
    "fidelity": "fidelity.json",
    "onnx": "net.onnx",
    "verify": "verify.json",
    "placement": "placement.json",
    "energy": "energy.json",
}
"""Artefact name to file name in the run folder."""
