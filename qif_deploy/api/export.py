"""Write an interchange file."""

from __future__ import annotations

from pathlib import Path

from qif_deploy.api.files import destination
from qif_deploy.api.loading import load_network
from qif_deploy.api.results import ExportOutcome
from qif_deploy.errors import InputError


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
