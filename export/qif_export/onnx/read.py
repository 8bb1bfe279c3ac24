"""Read an integer network back from the ONNX file that write.py makes, in any profile and form.

Weights come from the operators' initialisers, everything else from the metadata. Then the model is made anew from the network that was
read, and has to be the one in the file, operator by operator and value by value: so the file computes that network and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_export.onnx._onnx import OPSET, onnx
from qif_export.onnx.integer_operands import WEIGHT_ZERO
from qif_export.onnx.load import graphs_of, load_model, tensor_values
from qif_export.onnx.metadata import PREFIX, SCHEMA, OnnxInterface, from_metadata
from qif_export.onnx.model import BODY, to_onnx
from qif_export.onnx.options import Profile
from qif_export.plain_network import edges_from, nodes_from


def read_onnx(path: Path) -> QuantizedGraph:
    """Return the network in ``path``, with the codes that were written.

    Raises:
        InputError: missing, unreadable, not such a file, or changed since it was written; one line.
    """
    path = Path(path)
    try:
        model = load_model(path)
        return network_of(model, interface_of(model), path)
    except InputError as error:
        raise InputError(f"ONNX file {str(path)!r}: {error}") from None


def is_exported(path: Path) -> bool:
    """Whether ``path`` says that it was exported by this project.

    Raises:
        InputError: missing, unreadable, or no ONNX.
    """
    try:
        return any(entry.key == PREFIX + "schema" for entry in load_model(Path(path)).metadata_props)
    except InputError as error:
        raise InputError(f"ONNX file {str(path)!r}: {error}") from None


def interface_of(model: Any) -> OnnxInterface:
    """Return what a model says of itself; InputError where it is not one of ours or not of a version that can be read."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    interface = from_metadata({entry.key: entry.value for entry in model.metadata_props})
    if opsets.get("") != OPSET:
        raise InputError(f"its operator set is {opsets.get('')}, ours is {OPSET}; export the network again")
    return interface


def network_of(model: Any, interface: OnnxInterface, path: Path) -> QuantizedGraph:
    """Return the network that ``model`` in ``path`` computes.

    Raises:
        InputError: the file is of a version that cannot be read back, damaged, or computes something else than it says.
    """
    if interface.schema != SCHEMA:
        raise InputError(f"schema {interface.schema} runs, but does not hold all codes, {SCHEMA} does; export the network again")
    weights = {tensor.name: tensor for graph in graphs_of(model.graph) for tensor in graph.initializer}

    def weight_of(name: str, shape: tuple[int, ...]) -> NDArray[np.int32]:
        tensor = weights.get(f"{BODY}{name}/weight")
        if tensor is None:
            raise InputError("its weights are missing; export the network again")
        return _codes(tensor_values(tensor, path), shape, interface.options.profile)

    try:
        graph = QuantizedGraph(
            nodes=nodes_from(interface.network["nodes"], interface.number_format, weight_of),
            edges=edges_from(interface.network["edges"]),
            number_format=interface.number_format,
            steps=interface.steps,
            provenance=interface.provenance,
        )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:160]
        raise InputError(f"its description of the network is damaged ({reason}); export the network again") from None
    if graph.content_hash != interface.content_hash:
        raise InputError(
            f"its content hash is {graph.content_hash}, the recorded one {interface.content_hash}; it was changed, export again"
        )
    if (interface.inputs, interface.populations, interface.readout) != (graph.inputs, graph.populations, graph.readout) or any(
        interface.code_input(name) != graph.code_input(name) for name in graph.inputs
    ):
        raise InputError("its metadata describes other inputs or populations than its network has; export the network again")
    difference = _first_difference(to_onnx(graph, interface.options, interface.width), model, path)
    if difference is not None:
        raise InputError(f"{difference} is not what the network in its metadata asks for; it was changed, export the network again")
    return graph


def _codes(values: NDArray[Any], shape: tuple[int, ...], profile: Profile) -> NDArray[np.int32]:
    """Return the weight codes of a stored weight; dense ones are stored as ``(in, out)``."""
    stored = shape if len(shape) == 4 else shape[::-1]
    dtype = {Profile.EXACT: np.uint8, Profile.FLOAT: np.float32, Profile.QDQ: np.int8}[profile]
    if values.shape != stored or values.dtype != dtype:
        raise InputError(f"its weight is {values.dtype} {values.shape}, not {np.dtype(dtype)} {stored}; export the network again")
    if profile is Profile.FLOAT and not (np.abs(values) < 2.0**24).all():
        raise InputError("its weight is not a whole number; export the network again")
    codes = values.astype(np.int32)
    if profile is Profile.EXACT:
        codes -= WEIGHT_ZERO
    return codes if len(shape) == 4 else codes.T


def _first_difference(expected: Any, found: Any, path: Path) -> str | None:
    """Return what differs between two models apart from their metadata, None when they compute the same."""
    for what, ours, theirs in zip(("graph", "body"), graphs_of(expected.graph), graphs_of(found.graph), strict=False):
        difference = _graph_difference(what, ours, theirs, path)
        if difference is not None:
            return difference
    if len(list(graphs_of(expected.graph))) != len(list(graphs_of(found.graph))):
        return "the number of subgraphs"
    if [f.SerializeToString(deterministic=True) for f in expected.functions] != [
        f.SerializeToString(deterministic=True) for f in found.functions
    ]:
        return "the function of its neurons"
    opsets = [sorted((entry.domain, entry.version) for entry in model.opset_import) for model in (expected, found)]
    return None if opsets[0] == opsets[1] and expected.ir_version == found.ir_version else "its operator set or IR version"


def _graph_difference(what: str, expected: Any, found: Any, path: Path) -> str | None:
    for kind in ("input", "output"):
        if [v.SerializeToString() for v in getattr(expected, kind)] != [v.SerializeToString() for v in getattr(found, kind)]:
            return f"the list of {kind}s of its {what}"
    if found.sparse_initializer or len(expected.initializer) != len(found.initializer):
        return f"the number of constants of its {what}"
    for ours, theirs in zip(expected.initializer, found.initializer, strict=True):
        if ours.name != theirs.name or not _same_tensor(ours, theirs, path):
            return f"constant {theirs.name[:80]!r}"
    for ours, theirs in zip(_plain_nodes(expected), _plain_nodes(found), strict=False):
        if ours.SerializeToString(deterministic=True) != theirs.SerializeToString(deterministic=True):
            return f"operator {theirs.name[:80] or theirs.op_type[:80]!r}"
    return None if len(expected.node) == len(found.node) else f"the number of operators of its {what}"


def _plain_nodes(graph: Any) -> Iterator[Any]:
    """Operators without the graphs within them, which are compared on their own."""
    for node in graph.node:
        if not any(attribute.HasField("g") for attribute in node.attribute):
            yield node
            continue
        plain = onnx.NodeProto()
        plain.CopyFrom(node)
        for attribute in plain.attribute:
            attribute.ClearField("g")
        yield plain


def _same_tensor(expected: Any, found: Any, path: Path) -> bool:
    if expected.data_type != found.data_type or list(expected.dims) != list(found.dims):
        return False
    return bool(np.array_equal(tensor_values(expected, path), tensor_values(found, path)))


__all__ = ["interface_of", "is_exported", "network_of", "read_onnx"]
