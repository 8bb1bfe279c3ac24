"""Write an interchange file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.api.files import destination
from qif_deploy.api.loading import load_network, read_inputs
from qif_deploy.api.results import ExportOutcome
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph

GOLDEN_SAMPLES, STEPS_OF_ANY = 32, 16
"""Samples of a bundle's golden vectors that are drawn, and their steps where the network's proof covers any number."""


def export(network: Path, *, to: str, out: Path | None = None, input: Path | None = None) -> ExportOutcome:  # noqa: A002  # the flag's name
    """Write an interchange file, verified before it is reported.

    Args:
        network: the integer network.
        to: nir, onnx, or loihi2-bundle (a folder for owners of the chip).
        out: the file or folder; default: beside the network.
        input: codes for the golden vectors of a bundle; default: drawn over the declared range, seeded.
    """
    if input is not None and to != "loihi2-bundle":
        raise InputError(
            f"--input {str(input)!r} is for golden vectors, which --to {to} has none of; leave it out or use --to loihi2-bundle"
        )
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
        case "loihi2-bundle":
            return ExportOutcome(report=_bundle(graph, Path(network).with_suffix(".loihi2") if out is None else out, input))
        case _:
            raise InputError(f"format {to!r} is unknown; use one of nir, onnx, loihi2-bundle")


def _bundle(graph: QuantizedGraph, folder: Path, input_file: Path | None) -> dict[str, Any]:
    from qif_hardware.handoff.bundle import write_hand_off

    codes = _drawn(graph) if input_file is None else read_inputs(graph, input_file, steps=None, encode=False)
    written = write_hand_off(graph, folder, codes)
    fields = [{"field": name, "carried": "exact", "reason": f"sha256 {digest}"} for name, digest in written.sha256.items()]
    return written.as_json() | {"fields": fields}


def _drawn(graph: QuantizedGraph) -> dict[str, NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    steps = STEPS_OF_ANY if graph.steps is None else graph.steps
    nodes = {name: graph.code_input(name) for name in graph.inputs}
    return {name: rng.integers(node.low, node.high + 1, (steps, GOLDEN_SAMPLES, *node.shape)) for name, node in nodes.items()}
