"""The command line: parses, calls one public function per verb, prints. It computes nothing.

Exit codes: 0 done and holds; 1 ran, and a check does not hold; 2 bad input or usage; 130 interrupted.
"""

from __future__ import annotations

import json as json_module
import os
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TextIO

import typer

from qif_deploy.errors import BackendError, InputError, MissingDependencyError, QifError

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(
    name="qif-deploy",
    help="Trained QIF spiking networks to neuromorphic targets, bit for bit.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Typer has carried its own copy of click since 0.2x; the class that it raises is found through its public child.
UsageProblem: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

HOLDS, BROKEN, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; text for people goes to stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only (and the JSON object).")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more detail; for a failed backend also its traceback.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed, instead of the recipe's.")]
NoSeed = Annotated[int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="Taken by every verb; nothing here is random.")]
Network = Annotated[Path, typer.Argument(metavar="NET", help="Integer network (net.nir).")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Checkpoint (model.safetensors).")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Time steps; default: what the model or network was made for.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Use only the first N samples.")]
Data = Annotated[str | None, typer.Option("--data", help="Data set by name, or a .npy/.npz of codes; default: the network's own.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Folder that holds the folders of data sets that no package carries.")]
TargetName = Annotated[str, typer.Option("--target", help="Target profile by name, or the path of a .toml file.")]


def out_option(help_text: str) -> Any:
    """The ``--out`` option of a verb, with its own default told in the help."""
    return typer.Option("--out", "-o", help=help_text)


class Outcome(Protocol):
    """What every verb returns."""

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from qif_deploy.version import __version__

        typer.echo(f"qif-deploy {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)] = False,
) -> None:
    pass


@app.command()
def demo(
    out: Annotated[Path, out_option("Folder for the results.")] = Path("runs/demo"),
    recipe: Annotated[str, typer.Option("--recipe", help="Training recipe by name, or the path of a .toml file.")] = "digits",
    target: TargetName = "loihi2",
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Go the whole way on real digits: train, quantise, run on every backend, compare bit by bit, count energy."""
    from qif_deploy.api.demonstration import STAGES
    from qif_deploy.api.demonstration import demo as run_demo
    from qif_deploy.presentation import demo_table

    with stages(STAGES, shown=not quiet) as report:
        outcome = run_demo(out=out, recipe=recipe, target=target, seed=seed, progress=report)
    show(outcome, lambda: demo_table(outcome), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN


@app.command()
def train(
    recipe: Annotated[str, typer.Option("--recipe", help="Training recipe by name, or the path of a .toml file.")],
    out: Annotated[Path | None, out_option("Folder for model.safetensors and metrics.json; default: runs/RECIPE.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the data, instead of the recipe's.")] = None,
    data_root: DataRoot = None,
    accelerator: Annotated[str, typer.Option("--accelerator", help="auto (a GPU if there is one), cpu or gpu.")] = "auto",
    devices: Annotated[int, typer.Option("--devices", min=1, help="Devices, one process each; on each of --nodes.")] = 1,
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Machines; start this command on each by torchrun or SLURM.")] = 1,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads per process on the CPU; 1 repeats to the bit anywhere.")] = 1,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes per device that read and augment samples.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last whole epoch in --out.")] = False,
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Train a network by a recipe."""
    from qif_deploy.api.verbs import train as run_train
    from qif_deploy.api.verbs import training_options
    from qif_deploy.presentation import train_table

    folder = Path("runs") / Path(recipe).stem if out is None else out
    how = training_options(
        accelerator=accelerator, devices=devices, nodes=nodes, threads=threads, workers=workers, folder=folder, resume=resume
    )
    with stages(("train",), shown=not quiet and how.is_first) as report:
        outcome = run_train(
            recipe, out=folder, seed=seed, epochs=epochs, data_root=data_root, how=how, progress=lambda share: report("train", share)
        )
    show(outcome, lambda: train_table(outcome), json=json, quiet=quiet)
    return HOLDS


@app.command()
def quantize(
    model: Model,
    target: TargetName = "loihi2",
    out: Annotated[Path | None, out_option("The artefact; default: net.nir beside the model.")] = None,
    steps: Steps = None,
    weight_bits: Annotated[int | None, typer.Option("--weight-bits", help="Width of all weights; default: the target's.")] = None,
    scales: Annotated[
        str, typer.Option("--scales", help="Weight that gets a channel's largest code: max, percentile, or mse (least squared error).")
    ] = "max",
    percentile: Annotated[float, typer.Option("--percentile", help="Percentile of the weight magnitudes, for --scales percentile.")] = 99.9,
    bias_correction: Annotated[
        bool, typer.Option("--bias-correction", help="Take back in the bias what weight rounding adds to mean currents; needs data.")
    ] = False,
    memory_budget: Annotated[
        int | None, typer.Option("--memory-budget", metavar="BYTES", help="Choose the width of each synapse so that the weights fit.")
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option("--calibrate", metavar="DATA", help="Data set, or .npy of codes, to calibrate on; default: the model's own."),
    ] = None,
    calibration_samples: Annotated[int, typer.Option("--calibration-samples", help="Samples of its training part.")] = 256,
    qat: Annotated[bool, typer.Option("--qat", help="Train the codes on the training data (quantisation-aware training).")] = False,
    qat_epochs: Annotated[int | None, typer.Option("--qat-epochs", help="Passes over the training data.")] = None,
    qat_learning_rate: Annotated[float | None, typer.Option("--qat-learning-rate", help="Peak rate, in units of the largest code.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="Data set for --qat, by name; default: the model's own.")] = None,
    data_root: DataRoot = None,
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn a trained model into an integer network with a range proof."""
    from qif_deploy.api.quantization import PostTraining, scale_method
    from qif_deploy.api.quantize_aware import qat_options
    from qif_deploy.api.verbs import quantize as run_quantize
    from qif_deploy.presentation import quantize_table

    how = PostTraining(
        scales=scale_method(scales),
        percentile=percentile,
        calibrate=calibrate,
        calibration_samples=calibration_samples,
        bias_correction=bias_correction,
        weight_bits=weight_bits,
        memory_budget=memory_budget,
    )
    options = qat_options(wanted=qat, epochs=qat_epochs, learning_rate=qat_learning_rate, seed=seed)
    with stages(("train",), shown=qat and not quiet) as report:
        outcome = run_quantize(
            model,
            target=target,
            out=out,
            steps=steps,
            how=how,
            qat=options,
            data=data,
            data_root=data_root,
            progress=lambda share: report("train", share),
        )
    show(outcome, lambda: quantize_table(outcome), json=json, quiet=quiet)
    return HOLDS


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="net.nir, model.safetensors or net.onnx.")],
    target: Annotated[str | None, typer.Option("--target", help="Also compare with this target profile.")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Data set by name, or a .npy/.npz of codes: report how far the proof reaches beyond it.")
    ] = None,
    data_root: DataRoot = None,
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Run only the first N samples of --data; default: 64.")] = None,
    out: Annotated[Path | None, out_option("Also write the JSON object to this file.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Prove ranges and list every finding; nothing is run unless --data asks for it."""
    from qif_deploy.api.verbs import check as run_check
    from qif_deploy.api.verbs import write_json
    from qif_deploy.presentation import check_table

    outcome = run_check(file, target=target, data=data, data_root=data_root, samples=samples)
    if out is not None:
        write_json(out, outcome.as_json())
    show(outcome, lambda: check_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return BROKEN if outcome.verdict == "fail" else HOLDS


@app.command()
def run(
    network: Annotated[Path, typer.Argument(metavar="NET", help="net.nir, or for --backend onnx also the exported net.onnx.")],
    input: Annotated[Path, typer.Option("--input", help="Integer codes (T,B,...), or (B,...) to hold; .npz for several inputs.")],
    backend: Annotated[str, typer.Option("--backend", help="reference, batched, onnx or lava.")] = "reference",
    out: Annotated[Path | None, out_option("Vectors; default: vectors.npz beside the network.")] = None,
    steps: Steps = None,
    encode: Annotated[bool, typer.Option("--encode", help="The input holds floats: turn them into codes.")] = False,
    device: Annotated[str, typer.Option("--device", help="torch device of the batched engine.")] = "cpu",
    time_limit: Annotated[float, typer.Option("--time-limit", min=1.0, help="Seconds after which a Lava run is ended.")] = 300.0,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Execute an integer network and write every state of every step."""
    from qif_deploy.api.backends import Execution
    from qif_deploy.api.verbs import run as run_run
    from qif_deploy.presentation import run_table

    how = Execution(device=device, time_limit_s=time_limit)
    with stages((backend,), shown=not quiet) as report:
        outcome = run_run(
            network,
            backend=backend,
            input=input,
            out=out,
            steps=steps,
            encode=encode,
            how=how,
            progress=lambda share: report(backend, share),
        )
    show(outcome, lambda: run_table(outcome), json=json, quiet=quiet)
    return HOLDS


@app.command()
def diff(
    model: Model,
    network: Network,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    out: Annotated[Path | None, out_option("Result; default: fidelity.json beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Compare the float model with the integer network, layer by layer."""
    from qif_deploy.api.verbs import diff as run_diff
    from qif_deploy.presentation import diff_table

    outcome = run_diff(model, network, data=data, data_root=data_root, samples=samples, out=out)
    show(outcome, lambda: diff_table(outcome), json=json, quiet=quiet)
    return HOLDS


@app.command()
def verify(
    network: Network,
    data: Data = None,
    data_root: DataRoot = None,
    input: Annotated[Path | None, typer.Option("--input", help="Integer codes to verify on, instead of a data set.")] = None,
    samples: Samples = 64,
    backend: Annotated[list[str] | None, typer.Option("--backend", help="Only this backend; may be given several times.")] = None,
    out: Annotated[Path | None, out_option("Result; default: verify.json beside the network.")] = None,
    device: Annotated[str, typer.Option("--device", help="torch device of the batched engine.")] = "cpu",
    time_limit: Annotated[float, typer.Option("--time-limit", min=1.0, help="Seconds after which the Lava run is ended.")] = 300.0,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Run every backend on real input and compare all arrays with the reference, bit by bit."""
    from qif_deploy.api.backends import Execution
    from qif_deploy.api.verbs import verify as run_verify
    from qif_deploy.presentation import verify_table

    how = Execution(device=device, time_limit_s=time_limit)
    with stages(("verify",), shown=not quiet) as report:
        outcome = run_verify(
            network,
            data=data,
            data_root=data_root,
            input=input,
            samples=samples,
            backends=None if not backend else tuple(backend),
            out=out,
            how=how,
            progress=lambda share: report("verify", share),
        )
    show(outcome, lambda: verify_table(outcome), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN


@app.command()
def export(
    network: Network,
    to: Annotated[str, typer.Option("--to", help="nir or onnx.")],
    out: Annotated[Path | None, out_option("The file; default: beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Write an interchange file; it is verified before success is reported."""
    from qif_deploy.api.verbs import export as run_export
    from qif_deploy.presentation import export_table

    outcome = run_export(network, to=to, out=out)
    show(outcome, lambda: export_table(outcome), json=json, quiet=quiet)
    return HOLDS


@app.command()
def energy(
    network: Network,
    input: Annotated[Path | None, typer.Option("--input", help="Integer codes to count on, instead of a data set.")] = None,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    prices: Annotated[str, typer.Option("--prices", help="Price list by name, or the path of a .toml file.")] = "loihi1",
    out: Annotated[Path | None, out_option("Result; default: energy.json beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Count operations from real spikes and price them: low, typical and high, every constant with its source."""
    from qif_deploy.api.verbs import energy as run_energy
    from qif_deploy.presentation import energy_table

    outcome = run_energy(network, input=input, data=data, data_root=data_root, samples=samples, prices=prices, out=out)
    show(outcome, lambda: energy_table(outcome), json=json, quiet=quiet)
    return HOLDS


@app.command()
def targets(
    out: Annotated[Path | None, out_option("Also write the JSON object to this file.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """List target and energy profiles with the source of every number."""
    from qif_deploy.api.verbs import targets as run_targets
    from qif_deploy.api.verbs import write_json
    from qif_deploy.presentation import targets_table

    outcome = run_targets()
    if out is not None:
        write_json(out, outcome.as_json())
    show(outcome, lambda: targets_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS


def show(outcome: Outcome, table: Callable[[], Any], *, json: bool, quiet: bool) -> None:
    """Print the table for people (to stderr when stdout is for JSON) and the JSON object."""
    if not quiet:
        from rich.console import Console

        with _reader_may_leave(sys.stderr if json else sys.stdout):
            Console(stderr=json, highlight=False).print(table())
    if json:
        with _reader_may_leave(sys.stdout):
            typer.echo(json_module.dumps(outcome.as_json(), indent=2, allow_nan=False))


@contextmanager
def _reader_may_leave(stream: TextIO) -> Iterator[None]:
    """Let ``| head`` end without an error and without changing the exit code; rich and typer would make it a 1."""
    try:
        yield
    except (BrokenPipeError, SystemExit):  # rich turns the one into the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def stages(names: tuple[str, ...], *, shown: bool) -> Iterator[Callable[[str, float], None]]:
    """A progress bar per stage on stderr, on a terminal only; yields ``report(stage, share)``."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _stage, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {name: progress.add_task(name, total=1.0, start=False) for name in names}

        def report(stage: str, share: float) -> None:
            if not progress.tasks[tasks[stage]].started:
                progress.start_task(tasks[stage])
            progress.update(tasks[stage], completed=share)

        yield report


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a verb and turns every expected failure into one line and an exit code."""
    sys.exit(_guarded(sys.argv[1:] if arguments is None else arguments))


def _guarded(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, _terminate)  # so that `finally` blocks clean up on SIGTERM as on Ctrl-C
    try:
        code = app(args=arguments, prog_name="qif-deploy", standalone_mode=False)
    except UsageProblem as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.ctx.get_help())
            return HOLDS
        return _say(error.format_message(), BAD_INPUT)
    except (InputError, MissingDependencyError) as error:
        return _say(str(error), BAD_INPUT)
    except BackendError as error:
        if error.__cause__ is not None and not {"-v", "--verbose"}.isdisjoint(arguments):
            typer.echo(str(error.__cause__), err=True)
        return _say(str(error), BROKEN)
    except QifError as error:
        return _say(str(error), BROKEN)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except MemoryError:
        return _say("out of memory; use fewer --samples", BROKEN)
    except OSError as error:
        return _say(f"{error.filename or 'file system'}: {error.strerror or error}; free space or check permissions", BAD_INPUT)
    if code == INTERRUPTED:  # newer typer hands Ctrl-C on as this code, without a word
        return _say("interrupted; no half-written file is left", INTERRUPTED)
    return code if isinstance(code, int) else HOLDS


def _say(message: str, code: int) -> int:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    return code


def _terminate(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
