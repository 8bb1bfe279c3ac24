"""Read an integer network back from the netx file that write.py makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.reading.limits import ALWAYS_READ, may_expand_to
from qif_export.chunks import MAX_CHUNKS, chunk_count
from qif_export.netx._h5py import h5py
from qif_export.netx.layers import to_layers
from qif_export.netx.seal import require_sealed
from qif_export.nir.global_heap import require_sound_heaps
from qif_export.plain_network import edges_from, format_from, nodes_from

FACTS = "qif"
SCHEMA = 1
LONGEST_TEXT = 4096
"""Letters of a name or type of a layer."""


def read_netx(path: Path) -> QuantizedGraph:
    """Return the network in ``path``.

    Raises:
        InputError: missing, unreadable, not such a file, or changed since it was written; one line.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError("it does not exist or is no file; give a netx file")
        require_sealed(path)
        require_sound_heaps(path.read_bytes())
        with h5py.File(path, "r") as file:
            return _read(file, may_expand_to(path.stat().st_size, always=ALWAYS_READ))
    except InputError as error:
        raise InputError(f"netx file {str(path)!r}: {error}") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InputError(f"netx file {str(path)!r}: it is truncated or damaged ({reason}); export the network again") from None


def _require_inside(group: Any) -> None:
    """Refuse links and values that lead out of the file."""
    for name in group:
        if type(group.get(name, getlink=True)) is not h5py.HardLink:
            raise InputError(f"{name!r} is a link, only values in the file itself are read; export the network again")
        item = group[name]
        if isinstance(item, h5py.Group):
            _require_inside(item)
        elif item.external is not None or item.is_virtual:
            raise InputError(f"the values of {name!r} lie outside the file; export the network again")
        elif item.compression not in (None, "gzip"):
            raise InputError(f"the values of {name!r} are packed by {item.compression!r}, ours by gzip; export the network again")


def _read(file: Any, allowance: int) -> QuantizedGraph:
    _require_inside(file)
    text = file.attrs.get(FACTS)
    if not isinstance(text, str):
        raise InputError("it is netx of another origin (no attribute 'qif'); only networks that qif-deploy wrote can be read")
    facts = json.loads(text)
    if facts["schema"] != SCHEMA:
        raise InputError(f"schema {facts['schema']!r} is not the {SCHEMA} that this version reads; upgrade qif-deploy or export again")
    weights = {
        _text(layer["name"]): layer["weight"] for layer in file["layer"].values() if isinstance(layer, h5py.Group) and "weight" in layer
    }

    def weight_of(name: str, shape: tuple[int, ...]) -> NDArray[np.int32]:
        stored = weights[name]
        if (
            stored.shape != shape
            or stored.dtype != np.int32
            or stored.size * 4 > allowance
            or chunk_count(shape, stored.chunks) > MAX_CHUNKS
        ):
            raise InputError(f"its weight is {stored.dtype} {stored.shape}, not int32 {shape}; export the network again")
        return np.asarray(stored[()])

    number_format = format_from(facts["number_format"])
    graph = QuantizedGraph(
        nodes=nodes_from(facts["network"]["nodes"], number_format, weight_of),
        edges=edges_from(facts["network"]["edges"]),
        number_format=number_format,
        steps=facts["steps"],
        provenance=facts["provenance"],
    )
    if graph.content_hash != facts["content_hash"]:
        raise InputError(
            f"its content hash is {graph.content_hash}, the recorded one {facts['content_hash']}; it was changed, export again"
        )
    layers = to_layers(graph)
    for number, layer in enumerate(layers):
        difference = _difference(layer, file[f"layer/{number}"], "")
        if difference is not None:
            raise InputError(f"layer {number}: field {difference!r} is not what its network asks for; it was changed, export again")
    if len(file["layer"]) != len(layers):
        raise InputError(f"it has {len(file['layer'])} layers, its network {len(layers)}; it was changed, export again")
    return graph


def _difference(expected: Mapping[str, Any], group: Any, prefix: str) -> str | None:
    """Return the first field that the file has otherwise, or not at all, or too much."""
    if not isinstance(group, h5py.Group):  # an array would be searched value by value
        return prefix or "its fields"
    keys: list[str] = [*expected, *(key for key in group if key not in expected)]
    for key in keys:
        if key not in expected or key not in group:
            return prefix + key
        value = expected[key]
        if isinstance(value, Mapping):
            inner = _difference(value, group[key], f"{prefix}{key}/")
            if inner is not None:
                return inner
        elif isinstance(value, str):
            if _text(group[key]) != value:
                return prefix + key
        elif group[key].shape != np.shape(value) or not np.array_equal(group[key][()], value):
            return prefix + key
    return None


def _text(dataset: Any) -> str:
    if dataset.shape != (1,) or dataset.dtype.kind != "S" or dataset.dtype.itemsize > LONGEST_TEXT:
        raise InputError("a text is not in the form of this project; export the network again")
    return str(dataset[()][0], "ascii")


__all__ = ["FACTS", "SCHEMA", "read_netx"]
