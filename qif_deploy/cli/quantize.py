"""``qif-deploy quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import DataRoot, Json, Model, Quiet, Seed, Steps, TargetName, Verbose, out_option, word_option
from qif_deploy.cli.output import show, stages
from qif_deploy.cli.values import DATA_SETS, SCALES


def quantize(
    model: Model,
    target: TargetName = "loihi2",
    out: Annotated[Path | None, out_option("The integer network (.nir); default: net.nir beside the model.")] = None,
    steps: Steps = None,
    weight_bits: Annotated[
        int | None, typer.Option("--weight-bits", metavar="BITS", help="Width of all weights, 2 to the target's; default: the target's.")
    ] = None,
    scales: Annotated[
        str, word_option("--scales", SCALES, "Weight that gets a channel's largest code: max, percentile, or mse (least squared error).")
    ] = "max",
    percentile: Annotated[
        float | None,
        typer.Option("--percentile", metavar="P", help="Percentile of the weight magnitudes, for --scales percentile; default: 99.9."),
    ] = None,
    bias_correction: Annotated[
        bool, typer.Option("--bias-correction", help="Take back in the bias what weight rounding adds to mean currents; needs data.")
    ] = False,
    memory_budget: Annotated[
        int | None, typer.Option("--memory-budget", metavar="BYTES", help="Choose a width for each synapse, so that all weights fit.")
    ] = None,
    calibrate: Annotated[
        str | None,
        word_option(
            "--calibrate",
            DATA_SETS,
            "Data set, or .npy of codes, for --bias-correction and --memory-budget; default: the model's own.",
            metavar="NAME|FILE",
        ),
    ] = None,
    calibration_samples: Annotated[
        int | None, typer.Option("--calibration-samples", metavar="N", help="How many samples of it at most; default: 256.")
    ] = None,
    qat: Annotated[bool, typer.Option("--qat", help="Quantisation-aware training: go on training with the codes in place.")] = False,
    qat_epochs: Annotated[
        int | None, typer.Option("--qat-epochs", metavar="N", help="Its passes over the training data; default: 4.")
    ] = None,
    qat_learning_rate: Annotated[
        float | None,
        typer.Option("--qat-learning-rate", metavar="RATE", help="Its peak rate, in units of the largest code; default: 0.003."),
    ] = None,
    data: Annotated[str | None, word_option("--data", DATA_SETS, "Labelled data set of --qat, by name; default: the model's own.")] = None,
    data_root: DataRoot = None,
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn a float network into integers, under a range proof.

    Writes net.nir, the one artefact that all later verbs read. Weights are rounded after training; where that costs accuracy, try
    --scales mse and --bias-correction, then --qat.
    """
    from qif_deploy.api.quantization import PostTraining, scale_method
    from qif_deploy.api.quantize import quantize as run_quantize
    from qif_deploy.api.quantize_aware import qat_options
    from qif_deploy.presentation.quantize import quantize_table

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
    show(outcome, lambda: quantize_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS
