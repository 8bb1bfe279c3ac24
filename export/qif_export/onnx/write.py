"""Write an integer network as ONNX and prove the file before it appears.

How it is carried: model.py (forms, states, names), network_step.py (nodes), integer_operands.py and float_operands.py (profiles),
neuron_function.py (the neuron), widths.py (dtypes), metadata.py and plain_network.py (everything else). In words: docs/onnx.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from qif_deploy.ir.graph import QuantizedGraph
from qif_export.export_report import Carried, ExportReport, FieldOutcome, sha256_of
from qif_export.onnx._onnx import onnx
from qif_export.onnx.load import load_model
from qif_export.onnx.metadata import PREFIX, dump, sealed
from qif_export.onnx.model import to_onnx
from qif_export.onnx.options import OnnxOptions, Profile
from qif_export.onnx.store import stored
from qif_export.onnx.verify import Probe, Verified, verify


def write_onnx(graph: QuantizedGraph, path: Path, options: OnnxOptions | None = None, *, real: Probe | None = None) -> ExportReport:
    """Write ``graph`` to ``path``; check the file and run it. It appears only when all is as it should be.

    Args:
        graph: the network.
        path: the file; weights above the size in ``options`` go beside it.
        options: profile, form and the rest; None for the defaults.
        real: inputs of the kind that the network is for, besides the random ones.

    Raises:
        UnsupportedError: ONNX cannot carry what the network needs; all findings at once.
        InputError: the file cannot be written there.
        BackendError: the file fails ONNX's checker, does not load, or computes something else than the reference; says where.
    """
    options = OnnxOptions() if options is None else options
    path = Path(path)
    if options.recorded(graph) != graph.populations:
        _verify_all_states(graph, path, options, real)
    with stored(to_onnx(graph, options), path, external_above=options.external_above) as written:
        verified = verify(graph, written.path, path, real)
        measured = {one.source: one.measured for one in verified if one.measured is not None}
        if measured:
            _put_measured(written.path, measured)
        digest = sha256_of(written.path)
    details = _details(options, path, written.outside, verified)
    return ExportReport(path=path, sha256=digest, outcomes=_outcomes(options.profile), details=details)


def _put_measured(path: Path, measured: Mapping[str, Any]) -> None:
    """Let the file say itself how far it is from the integer network."""
    model = load_model(path)
    entries = {entry.key: entry.value for entry in model.metadata_props} | {PREFIX + "measured": dump(measured)}
    onnx.helper.set_model_props(model, sealed(entries))
    path.write_bytes(model.SerializeToString(deterministic=True))


def _verify_all_states(graph: QuantizedGraph, path: Path, options: OnnxOptions, real: Probe | None) -> None:
    """A file that records less is proven through its twin that records everything, since a state that is not seen may differ."""
    with tempfile.TemporaryDirectory(prefix="qif_deploy_") as folder:
        twin = Path(folder) / path.name
        full = replace(options, record=None)
        with stored(to_onnx(graph, full), twin, external_above=full.external_above) as written:
            verify(graph, written.path, path, real)


def _details(options: OnnxOptions, path: Path, outside: Path | None, verified: tuple[Verified, ...]) -> dict[str, Any]:
    return {
        "profile": options.profile.value,
        "form": options.form.value,
        "exact": options.profile is not Profile.QDQ,
        "files": [str(path), *([] if outside is None else [str(outside)])],
        "verified": [one.as_json() for one in verified],
    }


def _outcomes(profile: Profile) -> tuple[FieldOutcome, ...]:
    """Say how each field is carried; the network's codes are in the metadata whatever the operators do with them."""
    weight = {
        Profile.EXACT: "uint8 with zero point 128",
        Profile.FLOAT: "whole numbers in float32",
        Profile.QDQ: "int8 behind DequantizeLinear, scale a power of two",
    }
    neuron = {
        Profile.EXACT: FieldOutcome(field="arithmetic", carried=Carried.EXACT, reason="integer operators"),
        Profile.FLOAT: FieldOutcome(field="arithmetic", carried=Carried.EXACT, reason="whole numbers in floats, within the range proof"),
        Profile.QDQ: FieldOutcome(
            field="arithmetic",
            carried=Carried.WITHIN_BOUND,
            reason="a float32 neuron that neither rounds nor saturates; what differs is under 'verified', measured",
        ),
    }
    metadata = ("population codes", "input codes and scale", "readout", "number format", "steps", "delta", "provenance")
    return (
        FieldOutcome(field="weight", carried=Carried.EXACT, reason=weight[profile]),
        FieldOutcome(field="shift", carried=Carried.EXACT),
        FieldOutcome(field="geometry", carried=Carried.EXACT),
        neuron[profile],
        *(FieldOutcome(field=name, carried=Carried.EXACT, reason="metadata") for name in metadata),
    )


__all__ = ["Probe", "write_onnx"]
