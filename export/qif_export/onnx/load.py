"""A file into an onnx.ModelProto, refusing what is damaged or hostile before any of it is used.

Weights that lie outside the file are looked at before they are opened: only a plain file beside the model is read, no link, nothing by
an absolute path or a parent's, and nothing beyond its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_export.onnx._onnx import DecodeError, onnx
from qif_export.onnx.wire import require_bounded

LARGEST_FILE = 2**31 - 1
"""Bytes; protobuf's own limit."""

DEEPEST = 8
"""Subgraphs within subgraphs that are looked into; a model of ours has one, deeper ones are refused."""


def load_model(path: Path) -> Any:
    """Return the ``ModelProto`` in ``path``; external weights are checked, and not loaded (``tensor_values`` does).

    Raises:
        InputError: missing, too large, not ONNX, nested too deeply, or with weights where none may be; one line, without the path.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("it does not exist or is no file; check the path")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"it holds {path.stat().st_size} bytes, ONNX ends at {LARGEST_FILE}; give a model with external data")
    data = path.read_bytes()
    require_bounded(data)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise InputError(f"it is not ONNX, truncated or damaged ({first_line(error)}); copy or export it again") from None
    if not model.HasField("graph"):
        raise InputError("it holds no graph; give an ONNX model")
    for tensor in tensors_of(model):
        _require_sound(tensor, path)
    return model


def graphs_of(graph: Any, depth: int = 0) -> Iterator[Any]:
    """Yield ``graph`` and the graphs within its operators.

    Raises:
        InputError: nested too deeply.
    """
    if depth > DEEPEST:
        raise InputError(f"its subgraphs are nested more than {DEEPEST} deep; give a flatter model")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from graphs_of(inner, depth + 1)


def tensors_of(model: Any) -> Iterator[Any]:
    """Yield every stored tensor of a model."""
    for graph in graphs_of(model.graph):
        yield from graph.initializer
        yield from _attribute_tensors(graph.node)
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for function in model.functions:
        yield from _attribute_tensors(function.node)


def _attribute_tensors(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def tensor_values(tensor: Any, path: Path) -> NDArray[Any]:
    """Return the values of a stored tensor of the model in ``path``; InputError where they are none."""
    try:
        if not is_external(tensor):
            return np.asarray(onnx.numpy_helper.to_array(tensor))
        entries = _external(tensor)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        with (Path(path).parent / entries["location"]).open("rb") as stream:
            stream.seek(int(entries.get("offset", "0")))
            data = stream.read(prod(tensor.dims) * dtype.itemsize)
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(tuple(tensor.dims))
    except (OSError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise InputError(f"tensor {tensor.name[:80]!r} cannot be read ({first_line(error)}); export the network again") from None


def is_external(tensor: Any) -> bool:
    """Whether the values lie in a file of their own."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _external(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _require_sound(tensor: Any, path: Path) -> None:
    """Refuse a tensor whose size is not that of its values, or whose values lie where they may not."""
    name = tensor.name[:80]
    if any(n < 0 for n in tensor.dims):
        raise InputError(f"tensor {name!r}: shape {list(tensor.dims)} is negative; export the network again")
    try:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        raise InputError(f"tensor {name!r}: type {tensor.data_type} is unknown; export the network again") from None
    size = prod(tensor.dims) * itemsize
    if not is_external(tensor):
        if tensor.HasField("raw_data") and len(tensor.raw_data) != size and tensor.data_type in _PLAIN:
            raise InputError(f"tensor {name!r}: {len(tensor.raw_data)} bytes where its shape needs {size}; export the network again")
        return
    entries = _external(tensor)
    location = entries.get("location", "")
    plain = location and "\x00" not in location and Path(location).name == location and location not in (".", "..") and "\\" not in location
    if not plain:
        raise InputError(f"tensor {name!r}: its values lie in {location[:80]!r}, only a file beside the model is read; export it again")
    file = path.parent / location
    if file.is_symlink() or not file.is_file():
        raise InputError(f"tensor {name!r}: the file {location[:80]!r} is missing or a link; copy it beside the model")
    offset, length = _extent(entries.get("offset", "0")), _extent(entries.get("length", str(size)))
    if offset is None or length != size or offset + size > file.stat().st_size:
        raise InputError(
            f"tensor {name!r}: its values do not lie within {location[:80]!r}, {file.stat().st_size} bytes; copy both files again"
        )


def _extent(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


_PLAIN = {
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.INT8,
    onnx.TensorProto.UINT8,
    onnx.TensorProto.INT32,
    onnx.TensorProto.INT64,
}
"""Types whose raw bytes are one item after another."""


def first_line(error: BaseException) -> str:
    """Return the first line of a message, shortened."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


__all__ = ["first_line", "graphs_of", "is_external", "load_model", "tensor_values", "tensors_of"]
