"""One function per verb. The command line only parses, calls these and prints what they return."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qif_deploy.analysis.check_network import CheckReport, Finding, Severity, check_network
from qif_deploy.analysis.observed_range import ObservedRange, observe
from qif_deploy.api.backends import Backend, Execution, check_backend, count_run, execute
from qif_deploy.api.loading import FloatModel, RealInputs, dataset_inputs, existing_file, load_float_model, load_network, read_inputs
from qif_deploy.api.quantization import PostTraining, narrowed, quantize_after_training
from qif_deploy.api.quantize_aware import quantize_aware
from qif_deploy.api.results import ExportOutcome, QuantizeOutcome, RunOutcome, TargetsOutcome, TrainOutcome, VerifyOutcome
from qif_deploy.atomic import require_writable, write_text
from qif_deploy.errors import InputError, QifError
from qif_deploy.fidelity import Fidelity, compare_fidelity
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.passes.quantize_report import QuantizeReport
from qif_deploy.pricing.estimate import EnergyEstimate, estimate_energy
from qif_deploy.pricing.price_list import load_price_list
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.reference import run_reference

if TYPE_CHECKING:
    from qif_deploy.training.qat.options import QatOptions
    from qif_deploy.training.run_options import RunOptions
    from qif_hardware.target import Target

Progress = Callable[[float], None]
CHECKED_SAMPLES, CHECKED_AT_ONCE = 64, 16
"""Samples that ``check`` runs where ``samples`` says nothing else, and how many of them are held in memory together."""

COMPARED = (Backend.BATCHED, Backend.ONNX, Backend.NIR, Backend.LAVA)


def train(
    recipe: str,
    *,
    out: Path,
    seed: int | None = None,
    epochs: int | None = None,
    data_root: Path | None = None,
    how: RunOptions | None = None,
    progress: Progress | None = None,
) -> TrainOutcome:
    """Train a network; write ``model.safetensors`` and ``metrics.json`` into the folder ``out``.

    Args:
        recipe: name of a builtin recipe, or the path of a ``.toml`` file.
        out: folder for the results; with ``how`` given also for the state of the unfinished run.
        seed: instead of the recipe's.
        epochs: instead of the recipe's.
        data_root: instead of the recipe's.
        how: where to run, whether to resume, which logs; its folder is ``out``. None for the CPU and no further files.
        progress: called with the share done, 0..1.
    """
    from qif_deploy.datasets.dataset import STREAMS, load_dataset, open_dataset
    from qif_deploy.training.checkpoint import save_checkpoint
    from qif_deploy.training.recipe import load_recipe
    from qif_deploy.training.trainer import fit, frames_of

    loaded = load_recipe(recipe)
    loaded = replace(loaded, seed=loaded.seed if seed is None else seed, epochs=loaded.epochs if epochs is None else epochs)
    root = data_root or (None if loaded.data_root is None else Path(loaded.data_root))
    load = open_dataset if loaded.dataset in STREAMS else load_dataset
    dataset = load(loaded.dataset, root=root, frames=frames_of(loaded))
    folder = make_folder(out)
    options = None if how is None else replace(how, folder=folder)
    network, metrics = fit(loaded, dataset, progress=progress, options=options)
    model, metrics_file = folder / "model.safetensors", folder / "metrics.json"
    save_checkpoint(model, network, loaded, metrics)
    write_json(metrics_file, metrics.as_json())
    if options is not None and options.state_file is not None:
        options.state_file.unlink(missing_ok=True)  # the run is complete
    return TrainOutcome(model=model, metrics_file=metrics_file, metrics=metrics.as_json())


def training_options(
    *, accelerator: str = "auto", devices: int = 1, nodes: int = 1, threads: int = 1, workers: int = 0, folder: Path, resume: bool = False
) -> RunOptions:
    """Return how a training of its own runs: it keeps its state and logs in ``folder``.

    Raises:
        InputError: an unknown accelerator, or a number outside its limits.
    """
    from qif_deploy.training.run_options import Accelerator, RunOptions

    known = [kind.value for kind in Accelerator]
    if accelerator not in known:
        raise InputError(f"accelerator {accelerator!r} is unknown; use one of {', '.join(known)}")
    return RunOptions(
        accelerator=Accelerator(accelerator),
        devices=devices,
        nodes=nodes,
        threads=threads,
        workers=workers,
        folder=Path(folder),
        resume=resume,
        logs=True,
    )


def quantize(
    model: Path,
    *,
    target: str,
    out: Path | None = None,
    steps: int | None = None,
    how: PostTraining | None = None,
    qat: QatOptions | None = None,
    data: str | None = None,
    data_root: Path | None = None,
    progress: Progress | None = None,
) -> QuantizeOutcome:
    """Turn a checkpoint into the integer artefact ``net.nir``, beside the model unless ``out`` names a file.

    Args:
        model: checkpoint.
        target: profile by name, or the path of one.
        out: the artefact.
        steps: T, None for the model's.
        how: width of the weights, and the choices of quantisation after training.
        qat: train the codes on the training part of the model's data set; None quantises as it is.
        data: data set for ``qat``, instead of the model's own.
        data_root: folder of data sets that no package carries, for ``qat``.
        progress: called with the share of the training done, 0..1.
    """
    from qif_export.nir.write import write_nir
    from qif_hardware.target import load_target

    profile = load_target(target)
    path = destination(out, default=Path(model).parent / "net.nir")
    how = PostTraining() if how is None else how
    if qat is not None:
        profile = replace(profile, number_format=narrowed(profile.number_format, how.weights_of_qat()))
        return quantize_aware(model, profile, path, options=qat, steps=steps, data=data, data_root=data_root, progress=progress)
    if data is not None or data_root is not None:
        raise InputError(
            "--data and --data-root name data to train codes on; add --qat, or give --calibrate for quantisation after training"
        )
    source = load_float_model(model)
    found = quantize_after_training(source, profile, steps=steps, how=how)
    write_nir(found.network, path)
    residual = max(source.fold.residual.values(), default=0.0)
    return QuantizeOutcome(path=path, network=found.network, report=found.report, widths=found.widths, fold_residual=residual)


def quantize_model(source: FloatModel, target: Target, *, steps: int | None = None) -> tuple[QuantizedGraph, QuantizeReport]:
    """Quantise a loaded model for a target with the default choices."""
    found = quantize_after_training(source, target, steps=steps, how=PostTraining())
    return found.network, found.report


def check(
    path: Path,
    *,
    target: str | None = None,
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
) -> CheckReport:
    """List everything that can be said of a file without running it; a checkpoint is quantised for the target first.

    With ``data`` (a data set by name, or a ``.npy``/``.npz`` of codes) the reference also runs its first ``samples`` samples, and the
    report says how far the proven ranges reach beyond what these reached.

    Raises:
        InputError: the file cannot be read, the target is unknown, or the data do not fit the network.
    """
    from qif_hardware.target import load_target

    path = existing_file(path)
    profile = None if target is None else load_target(target)
    match path.suffix:
        case ".nir":
            return _check_with_data(load_network(path), None if profile is None else profile.number_format, data, data_root, samples)
        case ".safetensors":
            source, profile = load_float_model(path), load_target("loihi2") if profile is None else profile
            try:
                network, _ = quantize_model(source, profile)
            except QifError as error:
                finding = Finding(
                    rule="quantize", severity=Severity.ERROR, object=path.name, value=str(error), limit=profile.name,
                    remedy="use a wider target, fewer steps, or train with smaller weights or a lower clamp",
                )  # fmt: skip
                return CheckReport(findings=(finding,), ranges={}, resolution={})
            return _check_with_data(network, profile.number_format, data, data_root, samples)
        case ".onnx":
            if data is not None:
                raise InputError(f"file {str(path)!r} is an exported ONNX file, --data needs the network; give the .nir")
            return _check_onnx(path)
        case _:
            raise InputError(f"file {str(path)!r} is none of .nir, .safetensors, .onnx; give a network or a checkpoint")


def _check_with_data(
    graph: QuantizedGraph, target_format: NumberFormat | None, data: str | None, data_root: Path | None, samples: int | None
) -> CheckReport:
    if data is None:
        if samples is not None:
            raise InputError(f"--samples {samples} says how many samples of --data to run, and no --data is given; give both or neither")
        return check_network(graph, target_format=target_format)
    shown = CHECKED_SAMPLES if samples is None else samples
    real = real_inputs(graph, data=data, input_file=None, samples=shown, data_root=data_root)
    total = next(iter(real.codes.values())).shape[1]
    observed: ObservedRange | None = None
    for start in range(0, total, CHECKED_AT_ONCE):
        part = {name: codes[:, start : start + CHECKED_AT_ONCE] for name, codes in real.codes.items()}
        found = observe(graph, run_reference(graph, part))
        observed = found if observed is None else observed.merged(found)
    return check_network(graph, target_format=target_format, observed=observed, observed_on=f"{total} samples of {real.source}")


def _check_onnx(path: Path) -> CheckReport:
    """An exported file carries its own proof; reading it checks the layout and the metadata."""
    from qif_export.onnx.run import read_onnx_interface

    facts = read_onnx_interface(path)
    finding = Finding(
        rule="onnx_profile", severity=Severity.INFO, object=path.name, value="exact", limit=None,
        remedy=f"inputs {sorted(facts.inputs)}; compare it with its network by `qif-deploy verify`",
    )  # fmt: skip
    return CheckReport(findings=(finding,), ranges={}, resolution={})


def run(
    network: Path,
    *,
    backend: str,
    input: Path,  # noqa: A002  # the flag's name
    out: Path | None = None,
    steps: int | None = None,
    encode: bool = False,
    how: Execution | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Execute an integer network (or, for onnx, its exported file) and write ``vectors.npz``."""
    how = Execution() if how is None else how
    chosen = parse_backend(backend)
    path = existing_file(network)
    vectors = destination(out, default=path.parent / "vectors.npz")
    start = time.perf_counter()
    if path.suffix == ".onnx":
        if chosen is not Backend.ONNX:
            raise InputError(f"file {str(path)!r} is an exported ONNX file, backend {backend!r} needs the .nir; use --backend onnx")
        from qif_deploy.simulate.trace import load_arrays
        from qif_export.onnx.run import run_onnx

        if encode:
            raise InputError("--encode needs the .nir, which knows the value of an input code; give the .nir or integer codes")
        trace = run_onnx(path, load_arrays(existing_file(input)), steps=steps)
    else:
        graph = load_network(path)
        trace = execute(chosen, graph, read_inputs(graph, input, steps=steps, encode=encode), how=how, progress=progress)
    seconds = time.perf_counter() - start
    trace.save(vectors)
    classes = tuple(int(c) for c in trace.readout.argmax(axis=1))
    return RunOutcome(
        backend=chosen.value,
        vectors=vectors,
        samples=trace.samples,
        steps=trace.steps,
        spikes=trace.spikes(),
        classes=classes,
        seconds=seconds,
    )


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


def verify(
    network: Path,
    *,
    data: str | None = None,
    data_root: Path | None = None,
    input: Path | None = None,  # noqa: A002  # the flag's name
    samples: int | None = 64,
    backends: tuple[str, ...] | None = None,
    out: Path | None = None,
    how: Execution | None = None,
    progress: Progress | None = None,
) -> VerifyOutcome:
    """Run every backend on real input and compare all arrays with the reference; write ``verify.json``."""
    how = Execution() if how is None else how
    chosen = COMPARED if backends is None else tuple(parse_backend(name) for name in backends)
    graph = load_network(network)
    path = destination(out, default=Path(network).parent / "verify.json")
    real = real_inputs(graph, data=data, input_file=input, samples=samples, data_root=data_root)
    reference = run_reference(graph, real.codes)
    checks = {}
    for done, backend in enumerate(chosen):
        if progress is not None:
            progress(done / len(chosen))
        checks[backend.value] = check_backend(backend, graph, real.codes, reference, how=how)
    outcome = VerifyOutcome(backends=checks, source=real.source)
    write_json(path, outcome.as_json())
    return outcome


def export(network: Path, *, to: str, out: Path | None = None) -> ExportOutcome:
    """Write an interchange file, verified before it is reported."""
    graph = load_network(network)
    match to:
        case "onnx":
            from qif_export.onnx.write import write_onnx

            path = destination(out, default=Path(network).with_suffix(".onnx"))
            return ExportOutcome(report=write_onnx(graph, path).as_json())
        case "nir":
            from qif_export.nir.write import write_nir

            if out is None:
                raise InputError("export to nir writes the artefact anew; name the new file with --out")
            path = destination(out, default=Path(network))
            return ExportOutcome(report=write_nir(graph, path).as_json())
        case _:
            raise InputError(f"format {to!r} is unknown; use one of nir, onnx")


def energy(
    network: Path,
    *,
    input: Path | None = None,  # noqa: A002  # the flag's name
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
    prices: str = "loihi1",
    out: Path | None = None,
) -> EnergyEstimate:
    """Count the operations of a run on real input and price them; write ``energy.json``."""
    graph = load_network(network)
    price_list = load_price_list(prices)
    path = destination(out, default=Path(network).parent / "energy.json")
    real = real_inputs(graph, data=data, input_file=input, samples=samples, data_root=data_root)
    estimate = estimate_energy(count_run(graph, real.codes), price_list)
    write_json(path, estimate.as_json())
    return estimate


def targets() -> TargetsOutcome:
    """Return every packaged target and price list with its sources."""
    from qif_deploy.pricing.price_list import PRICES
    from qif_hardware.target import list_targets

    lists = [load_price_list(path.stem) for path in sorted(PRICES.glob("*.toml"))]
    return TargetsOutcome(targets=tuple(target.as_json() for target in list_targets()), energy=tuple(y.as_json() for y in lists))


def real_inputs(
    graph: QuantizedGraph, *, data: str | None, input_file: Path | None, samples: int | None, data_root: Path | None = None
) -> RealInputs:
    """Inputs from a file of codes or a data set; ``data`` may be the name of one or the path of a ``.npy``/``.npz``."""
    if samples is not None and samples < 1:
        raise InputError(f"samples {samples} is below 1; ask for at least one")
    if input_file is not None and data is not None:
        raise InputError(f"both --input {str(input_file)!r} and --data {data!r} are given; give one of them")
    if data is not None and Path(data).suffix in (".npy", ".npz"):
        input_file = Path(data)
    if input_file is None:
        return dataset_inputs(graph, data, samples=samples, root=data_root)
    codes = read_inputs(graph, input_file, steps=None, encode=False)
    return RealInputs(codes={name: x[:, :samples] for name, x in codes.items()}, labels=None, source=str(input_file))


def parse_backend(name: str) -> Backend:
    """Return the backend called ``name``."""
    known = [backend.value for backend in Backend]
    if name not in known:
        raise InputError(f"backend {name!r} is unknown; use one of {', '.join(known)}")
    return Backend(name)


def destination(out: Path | None, *, default: Path) -> Path:
    """Return where to write: ``out``, or ``default``; asked before any work, so that no result is computed for nothing.

    Raises:
        InputError: nothing can be written there, or the file would not be of the kind that ``default`` names.
    """
    path = default if out is None else Path(out)
    if path.suffix != default.suffix:
        raise InputError(f"output {str(path)!r} does not end in {default.suffix}; name it so, as the verbs that read it ask for that")
    require_writable(path)
    return path


def make_folder(path: Path) -> Path:
    """Make a folder for results."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make folder {str(path)!r}: {error.strerror}; choose another --out") from None
    return Path(path)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON atomically; not a number is not JSON, so it raises instead of writing one."""
    write_text(destination(path, default=Path("result.json")), json.dumps(value, indent=2, allow_nan=False) + "\n")
