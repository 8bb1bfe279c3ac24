"""Write a sequential integer network in netx, lava-dl's exchange format (HDF5), and read it back before it appears.

What each layer holds: layers.py. The root attribute ``qif`` is the network as JSON, all but its weights, with its content hash.
``qif_hardware.lava.netx`` imports the file into Lava; lava-dl's own netx does not know the neuron.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.atomic import atomic_path
from qif_deploy.errors import BackendError, InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_export.export_report import Carried, ExportReport, FieldOutcome, sha256_of
from qif_export.netx._h5py import h5py
from qif_export.netx.layers import to_layers
from qif_export.netx.read import FACTS, SCHEMA, read_netx
from qif_export.netx.seal import BLOCK, seal
from qif_export.plain_network import describe_format, describe_network


def write_netx(graph: QuantizedGraph, path: Path) -> ExportReport:
    """Write ``graph`` to ``path``.

    Raises:
        UnsupportedError: it is not sequential; all findings at once.
        InputError: the file cannot be written there.
        BackendError: it reads back as another network.
    """
    path = Path(path)
    layers = to_layers(graph)
    with atomic_path(path) as temporary:
        made = io.BytesIO()  # libhdf5 neither reports a full disk as one nor lets go of the file then (see nir/stream.py)
        with h5py.File(made, "w", userblock_size=BLOCK) as file:
            file.attrs[FACTS] = json.dumps(_facts(graph), separators=(",", ":"))
            for number, layer in enumerate(layers):
                _put(file.create_group(f"layer/{number}"), layer)
        temporary.write_bytes(made.getvalue())
        seal(temporary)
        try:
            again = read_netx(temporary)
        except InputError as error:
            raise BackendError(f"netx file {str(path)!r} does not read back ({error}); nothing was written, please report this") from error
        if again != graph:
            raise BackendError(f"netx file {str(path)!r} reads back as another network; nothing was written, please report this")
        digest = sha256_of(temporary)
    return ExportReport(path=path, sha256=digest, outcomes=_OUTCOMES)


def _facts(graph: QuantizedGraph) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "number_format": describe_format(graph.number_format),
        "steps": graph.steps,
        "provenance": dict(sorted(graph.provenance.items())),
        "content_hash": graph.content_hash,
        "network": describe_network(graph),
    }


def _put(group: Any, fields: Mapping[str, Any]) -> None:
    """Texts as fixed-length bytes in an array of one, which is how lava-dl reads ``type``; group by group."""
    for key, value in fields.items():
        if isinstance(value, Mapping):
            _put(group.create_group(key), value)
        elif isinstance(value, str):
            group.create_dataset(key, data=np.array([value.encode("ascii")]), track_times=False)
        else:
            large = np.ndim(value) > 1
            options = {"compression": "gzip", "compression_opts": 1} if large else {}
            group.create_dataset(key, data=value, track_times=False, **options)


_OUTCOMES = (
    *(
        FieldOutcome(field=name, carried=Carried.EXACT)
        for name in ("weight", "shift", "geometry", "population codes", "readout", "input codes", "number format")
    ),
    *(FieldOutcome(field=name, carried=Carried.EXACT, reason="root attribute") for name in ("input scale", "delta", "steps", "provenance")),
)

__all__ = ["write_netx"]
