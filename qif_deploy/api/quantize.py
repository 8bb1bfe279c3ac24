"""Turn a model into the integer artefact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qif_deploy.api.files import destination, keep
from qif_deploy.api.loading import FloatModel, load_float_model
from qif_deploy.api.quantization import PostTraining, narrowed, quantize_after_training
from qif_deploy.api.quantize_aware import quantize_aware
from qif_deploy.api.results import QuantizeOutcome
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.passes.quantize_report import QuantizeReport
from qif_deploy.progress import Progress

if TYPE_CHECKING:
    from qif_deploy.training.qat.options import QatOptions
    from qif_hardware.target import Target


DEFAULT_TARGET = "loihi2"
"""Its number format is asked for where nothing else is named; which cores a network takes is the question of ``map``."""


def quantize(
    model: Path,
    *,
    target: str | Path = DEFAULT_TARGET,
    out: Path | None = None,
    steps: int | None = None,
    how: PostTraining | None = None,
    qat: QatOptions | None = None,
    data: str | None = None,
    data_root: Path | None = None,
    progress: Progress | None = None,
) -> QuantizeOutcome:
    """Turn a checkpoint, or a float NIR file, into the integer artefact ``net.nir``, beside the model unless ``out`` names a file.

    Args:
        model: checkpoint, or float NIR file of this or another tool; what a foreign one leaves open ``convert`` takes options for.
        target: profile by name, or the path of one.
        out: the artefact.
        steps: T, None for the model's.
        how: width of the weights, and the choices of quantisation after training.
        qat: train the codes on the training part of the model's data set; None quantises as it is.
        data: data set for ``qat``, instead of the model's own.
        data_root: folder of data sets that no package carries.
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
    if data is not None:
        raise InputError("--data names data to train codes on; add --qat, or give --calibrate for quantisation after training")
    how = how if data_root is None else replace(how, data_root=data_root)
    source = load_float_model(model)
    keep(path, model)
    found = quantize_after_training(source, profile, steps=steps, how=how)
    write_nir(found.network, path)
    residual = max(source.fold.residual.values(), default=0.0)
    return QuantizeOutcome(path=path, network=found.network, report=found.report, widths=found.widths, fold_residual=residual)


def quantize_model(source: FloatModel, target: Target, *, steps: int | None = None) -> tuple[QuantizedGraph, QuantizeReport]:
    """Quantise a loaded model for a target with the default choices."""
    found = quantize_after_training(source, target, steps=steps, how=PostTraining())
    return found.network, found.report
