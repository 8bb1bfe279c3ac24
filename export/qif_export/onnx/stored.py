"""What an ONNX file holds, tensor by tensor, and where it differs from the network that it should hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_export.onnx._onnx import onnx
from qif_export.onnx.load import load_model, tensor_values
from qif_export.onnx.metadata import DIGEST, PREFIX, from_metadata
from qif_export.onnx.model import to_onnx
from qif_export.onnx.options import OnnxOptions
from qif_export.stored_difference import StoredDifference, first_difference

NO_PART = (DIGEST, PREFIX + "measured")
"""Entries that are no part of the network: what an approximation was measured to be off by, and the hash over the others."""


def onnx_difference(path: Path, graph: QuantizedGraph) -> StoredDifference | None:
    """Return the first tensor, operator or fact of ``path`` that differs from the exporter's model of ``graph``.

    That model is made with the choices (profile, form, recorded states) that the file says it was made with, or with the defaults
    where it says nothing that can be read.

    Raises:
        InputError: the file cannot be read as ONNX.
        UnsupportedError: ONNX cannot carry the network, so no file can be its export.
    """
    try:
        model = load_model(path)
        found = _entries(model, path)
    except InputError as error:
        raise InputError(f"ONNX file {str(path)!r}: {error}") from None
    return first_difference(_entries(to_onnx(graph, _options(model, graph)), path), found)


def _options(model: Any, graph: QuantizedGraph) -> OnnxOptions:
    """Return the choices that the file names; a damaged or foreign file, or one of other populations, names none."""
    try:
        options = from_metadata({entry.key: entry.value for entry in model.metadata_props}).options
        options.recorded(graph)
    except InputError:
        return OnnxOptions()
    return options


def _entries(model: Any, path: Path) -> dict[str, Any]:
    """Everything in ``model``; values that lie outside it are looked for beside ``path``."""
    found: dict[str, Any] = {f"metadata {entry.key}": entry.value for entry in model.metadata_props if entry.key not in NO_PART}
    for place, graph in _graphs(model.graph, ""):
        for tensor in graph.initializer:
            found[f"{place}tensor {tensor.name}"] = tensor_values(tensor, path)
        for number, node in enumerate(graph.node):
            found[f"{place}operator {number:05} {node.name or node.op_type}"] = _text(node)
    for function in model.functions:
        for number, node in enumerate(function.node):
            found[f"function {function.name} operator {number:05}"] = _text(node)
    return found


def _graphs(graph: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The graph and all that its operators hold."""
    yield place, graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g, f"{place}{node.name or node.op_type}/")


def _text(node: Any) -> str:
    """The operator with its plain attributes; graphs are compared by themselves."""
    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    kept = [attribute for attribute in plain.attribute if attribute.type != onnx.AttributeProto.GRAPH]
    del plain.attribute[:]
    plain.attribute.extend(sorted(kept, key=lambda attribute: str(attribute.name)))
    return str(plain.SerializeToString(deterministic=True).hex())


__all__ = ["onnx_difference"]
