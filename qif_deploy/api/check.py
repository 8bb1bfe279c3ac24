"""Say everything that can be said of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qif_deploy.analysis.check_network import CheckReport, Finding, Severity, check_network
from qif_deploy.analysis.observed_range import ObservedRange, observe
from qif_deploy.api.loading import existing_file, load_float_model, load_network
from qif_deploy.api.quantize import quantize_model
from qif_deploy.api.real_inputs import real_inputs
from qif_deploy.errors import InputError, QifError, UnsupportedError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.reference import run_reference

if TYPE_CHECKING:
    from qif_hardware.target import Target

CHECKED_SAMPLES, CHECKED_AT_ONCE = 64, 16
"""Samples that ``check`` runs where ``samples`` says nothing else, and how many of them are held in memory together."""


def check(
    path: Path,
    *,
    target: str | Path | None = None,
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
) -> CheckReport:
    """List everything that can be said of a file without running it; a float model is quantised for the target first.

    Args:
        path: ``net.nir``, a float model, or an ONNX file that was exported from a network.
        target: profile whose widths and cores are compared, by name or path; None for the network's own widths (a float model: ``loihi2``).
        data: data set by name, or a ``.npy``/``.npz`` of codes, that the reference runs, so that the report says how far the proven ranges
            reach beyond what real inputs reach; None runs nothing.
        data_root: folder of data sets that no package carries.
        samples: how many samples of the data.

    Raises:
        InputError: the file cannot be read, the target is unknown, or the data do not fit the network.
    """
    from qif_hardware.target import load_target

    path = existing_file(path)
    profile = None if target is None else load_target(target)
    match path.suffix:
        case ".nir" if _holds_codes(path):
            return _check_with_data(load_network(path), profile, data, data_root, samples)
        case ".onnx" if _exported(path):
            report = _check_with_data(load_network(path), profile, data, data_root, samples)
            return replace(report, findings=(*report.findings, _onnx_finding(path)))
        case ".nir" | ".safetensors" | ".onnx":
            return _check_float(path, load_target("loihi2") if profile is None else profile, data, data_root, samples)
        case _:
            raise InputError(f"file {str(path)!r} is none of .nir, .safetensors, .onnx; give a network or a checkpoint")


def _holds_codes(path: Path) -> bool:
    from qif_export.nir.read import holds_codes

    return holds_codes(path)


def _check_float(path: Path, profile: Target, data: str | None, data_root: Path | None, samples: int | None) -> CheckReport:
    """Quantise with the default choices and check that; what keeps it from being represented or quantised is the finding."""
    try:
        source = load_float_model(path)
    except UnsupportedError as error:
        found = [_finding("convert", path.name, line, None, "see the value; `qif-deploy convert` takes choices for foreign files")
                 for line in error.findings or (str(error),)]  # fmt: skip
        return CheckReport(findings=tuple(found), ranges={}, resolution={})
    try:
        network, _ = quantize_model(source, profile)
    except QifError as error:
        remedy = "use a wider target, fewer steps, or train with smaller weights or a lower clamp"
        return CheckReport(findings=(_finding("quantize", path.name, str(error), profile.name, remedy),), ranges={}, resolution={})
    return _check_with_data(network, profile, data, data_root, samples)


def _finding(rule: str, name: str, value: str, limit: str | None, remedy: str) -> Finding:
    return Finding(rule=rule, severity=Severity.ERROR, object=name, value=value, limit=limit, remedy=remedy)


def _check_with_data(
    graph: QuantizedGraph, target: Target | None, data: str | None, data_root: Path | None, samples: int | None
) -> CheckReport:
    """Check the arithmetic, and the design rules of the cores where the target describes any."""
    report = _check_arithmetic(graph, None if target is None else target.number_format, data, data_root, samples)
    if target is None or target.chip is None:
        return report
    from qif_hardware.mapping.fit import placement_findings

    return replace(report, findings=(*report.findings, *placement_findings(graph, target.chip)))


def _check_arithmetic(
    graph: QuantizedGraph, target_format: NumberFormat | None, data: str | None, data_root: Path | None, samples: int | None
) -> CheckReport:
    if data is None:
        if samples is not None:
            raise InputError(f"--samples {samples} says how many samples of --data to run, and no --data is given; give both or neither")
        if data_root is not None:
            raise InputError(f"--data-root {str(data_root)!r} says where --data is read from, and no --data is given; give both or neither")
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


def _exported(path: Path) -> bool:
    """Whether an ONNX file was exported by us; any other is read as a float model."""
    from qif_export.onnx.read import is_exported

    return is_exported(path)


def _onnx_finding(path: Path) -> Finding:
    """Say which profile and form an exported file is of."""
    from qif_export.onnx.run import read_onnx_interface

    facts = read_onnx_interface(path)
    value = f"{facts.options.profile.value}, {facts.options.form.value}"
    remedy = f"inputs {sorted(facts.inputs)}; compare it with its network by `qif-deploy verify`"
    return Finding(rule="onnx_profile", severity=Severity.INFO, object=path.name, value=value, limit=None, remedy=remedy)
