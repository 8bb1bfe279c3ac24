"""Quantisation after training as the verb offers it: from words and data set names to the passes below."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.api.loading import FloatModel, existing_file, open_for, shown
from qif_deploy.api.real_inputs import chosen_file
from qif_deploy.datasets.encoders import Encoder
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Input
from qif_deploy.passes.calibration import Calibration
from qif_deploy.passes.mixed_width import MixedWidths, choose_widths
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.passes.quantize_report import QuantizeReport
from qif_deploy.passes.scale_method import QuantizeOptions, ScaleMethod
from qif_deploy.reading.array_file import read_arrays
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.calibrate import calibrate
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.suggestion import require_member, unknown_word
from qif_deploy.version import __version__

if TYPE_CHECKING:
    from qif_hardware.target import Target

PERCENTILE, CALIBRATION_SAMPLES = 99.9, 256
"""What is taken where nothing else is said."""

ORDER_SEED = 0
"""Draws which samples calibrate; data sets may be sorted by class, so the first ones would be of few classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostTraining:
    """How to quantise after training.

    Args:
        scales: how far the codes of a channel reach.
        percentile: of the weight magnitudes, for PERCENTILE; None for ``PERCENTILE``.
        calibrate: data set whose training part calibrates, or a ``.npy``/``.npz`` of codes; None for the model's own data set.
        calibration_samples: how many of them; None for ``CALIBRATION_SAMPLES``.
        data_root: folder of data sets that no package carries.
        bias_correction: take the mean shift of each channel's current back in its bias.
        weight_bits: width of all weights, at most the target's; None for the target's.
        memory_budget: bytes that the weights may take; widths are then chosen per synapse. None for one width.

    Raises:
        InputError: values outside their limits and choices without use, all at once.
    """

    scales: ScaleMethod = ScaleMethod.MAX
    percentile: float | None = None
    calibrate: str | None = None
    calibration_samples: int | None = None
    data_root: Path | None = None
    bias_correction: bool = False
    weight_bits: int | None = None
    memory_budget: int | None = None

    def __post_init__(self) -> None:
        require_member("scales", self.scales, ScaleMethod)
        findings = []
        if self.calibration_samples is not None and self.calibration_samples < 1:
            findings.append(f"calibration_samples {self.calibration_samples} is below 1; ask for at least one, 256 is usual")
        if self.memory_budget is not None and self.memory_budget < 1:
            findings.append(f"memory_budget {self.memory_budget} bytes is below 1; give the bytes that the weights may take")
        if self.calibrate is not None and not self.needs_data:
            findings.append(
                f"calibrate {self.calibrate!r} has no use here; it serves bias correction and a memory budget, ask for one or leave it out"
            )
        if self.calibration_samples is not None and not self.needs_data:
            findings.append(
                f"calibration_samples {self.calibration_samples} has no use here; it serves bias correction and a memory budget, "
                "ask for one or leave it out"
            )
        if self.percentile is not None and self.scales is not ScaleMethod.PERCENTILE:
            findings.append(f"percentile {self.percentile:g} has no use here; it serves scales percentile, not {self.scales.value}")
        if self.data_root is not None and not self.needs_data:
            findings.append(
                f"data_root '{self.data_root}' has no use here; it serves training of codes, bias correction and a memory budget, "
                "ask for one or leave it out"
            )
        raise_findings(InputError, findings)
        self.options  # noqa: B018  # its own limits speak up now

    @property
    def needs_data(self) -> bool:
        """Whether anything asks for calibration data."""
        return self.bias_correction or self.memory_budget is not None

    @property
    def options(self) -> QuantizeOptions:
        """The part that the pass takes."""
        percentile = PERCENTILE if self.percentile is None else self.percentile
        return QuantizeOptions(scales=self.scales, percentile=percentile, bias_correction=self.bias_correction)

    @property
    def most_samples(self) -> int:
        """How many samples calibrate at most."""
        return CALIBRATION_SAMPLES if self.calibration_samples is None else self.calibration_samples

    def weights_of_qat(self) -> int | None:
        """Return the width for codes that are trained.

        Raises:
            InputError: a choice that only quantisation after training has.
        """
        mine = PostTraining(weight_bits=self.weight_bits)
        given = [f.name for f in fields(self) if getattr(self, f.name) != getattr(mine, f.name)]
        if given:
            raise InputError(
                f"{', '.join(given)}: choices of quantisation after training, but --qat trains the codes; leave out one of the two"
            )
        return self.weight_bits


def scale_method(word: str) -> ScaleMethod:
    """Return the scale method called ``word``."""
    known = [method.value for method in ScaleMethod]
    if word not in known:
        raise unknown_word("scales", word, known)
    return ScaleMethod(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedModel:
    """An integer network, how it came about, and the widths where a memory budget chose them."""

    network: QuantizedGraph
    report: QuantizeReport
    widths: MixedWidths | None


def quantize_after_training(source: FloatModel, target: Target, *, steps: int | None, how: PostTraining) -> QuantizedModel:
    """Quantise a loaded model for a target; data set, choices and what bound each channel travel as provenance."""
    steps = source.steps if steps is None else steps
    number_format = narrowed(target.number_format, how.weight_bits)
    options, widths = how.options, None
    if how.needs_data and steps is None:
        raise InputError("the model names no number of time steps, and calibration runs it; give --steps N")
    calibration = calibration_for(source, how, steps=steps) if how.needs_data and steps is not None else None
    if how.memory_budget is not None:
        assert calibration is not None
        widths = choose_widths(source.graph, number_format, budget_bytes=how.memory_budget, calibration=calibration, options=options)
        options = replace(options, weight_bits=widths.weight_bits)
    network, report = quantize_graph(source.graph, number_format, steps=steps, options=options, calibration=calibration)
    provenance = _provenance(source, target, how, report, widths)
    told = QuantizedGraph(
        nodes=network.nodes, edges=network.edges, number_format=network.number_format, steps=network.steps, provenance=provenance
    )
    return QuantizedModel(network=told, report=report, widths=widths)


def narrowed(number_format: NumberFormat, weight_bits: int | None) -> NumberFormat:
    """Return the format with narrower weights, named so.

    Raises:
        InputError: wider than the format holds, or too narrow for any.
    """
    if weight_bits is None or weight_bits == number_format.weight_bits:
        return number_format
    if weight_bits > number_format.weight_bits:
        raise InputError(
            f"weight_bits {weight_bits} exceeds the {number_format.weight_bits} of target {number_format.name!r}; "
            "give a smaller width or a wider target"
        )
    return replace(number_format, weight_bits=weight_bits, name=f"{number_format.name}-w{weight_bits}")


def calibration_for(source: FloatModel, how: PostTraining, *, steps: int) -> Calibration:
    """Run the float model on samples of the training part and keep the statistics of its synapses' inputs.

    Raises:
        InputError: no data set is known, or its samples do not fit the model.
    """
    name = source.dataset if how.calibrate is None else how.calibrate
    if name is None:
        raise InputError("the model names no data set to calibrate on; give one with --calibrate, by name or as .npy of codes")
    declared = _Declared(graph=source.graph, steps=steps)
    file = chosen_file(data=name, input_file=None, samples=how.most_samples, data_root=how.data_root)
    if file is not None:
        codes = prepare_inputs(declared, read_arrays(existing_file(file)), steps=steps)
        chosen: dict[str, InputCodes] = {key: value[:, : how.most_samples] for key, value in codes.items()}
        return calibrate(source.graph, chosen, source=name)
    if len(source.graph.inputs) != 1:
        raise InputError(f"data set {name!r} feeds one input, the model has {list(source.graph.inputs)}; give an .npz with --calibrate")
    samples = training_samples(name, how.most_samples, encoder=source.encoder, steps=steps, root=how.data_root)
    arrays = {source.graph.inputs[0]: samples}
    return calibrate(source.graph, prepare_inputs(declared, arrays, steps=steps), source=f"{name}, training part")


def training_samples(name: str, samples: int, *, encoder: Encoder, steps: int, root: Path | None = None) -> NDArray[Any]:
    """Return codes of up to ``samples`` samples of the training part, drawn over all classes; time first where there is time."""
    dataset = open_for(name, steps=steps, root=root)
    order = np.random.default_rng(ORDER_SEED).permutation(len(dataset.train))[:samples]
    return shown(dataset, dataset.train, order.tolist(), encoder=encoder, steps=steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    """A float graph as ``prepare_inputs`` wants to see a network."""

    graph: Graph
    steps: int | None

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.graph.inputs

    def code_input(self, name: str) -> CodeInput:
        node = self.graph.nodes[name]
        assert isinstance(node, Input)
        return CodeInput(shape=node.shape, low=node.low, high=node.high, scale=node.scale)


def _provenance(
    source: FloatModel, target: Target, how: PostTraining, report: QuantizeReport, widths: MixedWidths | None
) -> dict[str, str]:
    """Text facts of the artefact; choices are named where they are not the defaults."""
    found = dict(source.provenance) | {"tool": f"qif-deploy {__version__}", "target": target.name} | provenance_bounds(report)
    if source.dataset is not None:
        found["dataset"] = source.dataset
        found["encoder"] = source.encoder.value
    if how.scales is not ScaleMethod.MAX:
        found["scales"] = f"{how.scales.value} {how.options.percentile}" if how.scales is ScaleMethod.PERCENTILE else how.scales.value
    if how.bias_correction:
        found["bias_correction"] = str(report.calibrated_on)
    if widths is not None:
        found["weight_bits"] = json.dumps(dict(widths.weight_bits), sort_keys=True)
    return found


def provenance_bounds(report: QuantizeReport) -> dict[str, str]:
    """Return what bound the channels of each population, as ``check`` reads it from an artefact."""
    bounds = {name: entry.as_json()["bound_by"] for name, entry in report.populations.items()}
    return {"bound_by": json.dumps(bounds, sort_keys=True)}
