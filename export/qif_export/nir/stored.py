"""What a NIR file holds, entry by entry, and where it differs from the network that it should hold."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_export.nir.hdf5 import load_groups
from qif_export.nir.write import write_nir
from qif_export.stored_difference import StoredDifference, first_difference


def nir_difference(path: Path, graph: QuantizedGraph) -> StoredDifference | None:
    """Return the first entry of ``path`` that differs from what ``write_nir`` writes for ``graph``; None where all are equal.

    The file is read without a look at its hashes, so a changed weight is found although ``read_nir`` refuses the file.

    Raises:
        InputError: the file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="qif_deploy_") as folder:
        expected = Path(folder) / "net.nir"
        write_nir(graph, expected)
        return first_difference(_entries(expected), _entries(Path(path)))


def _entries(path: Path) -> dict[str, Any]:
    try:
        return dict(_leaves(load_groups(path, "node"), "node"))
    except InputError as error:
        raise InputError(f"NIR file {str(path)!r}: {error}") from None


def _leaves(group: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    for name, item in group.items():
        if isinstance(item, dict):
            yield from _leaves(item, f"{where}/{name}")
        else:
            yield f"{where}/{name}", item


__all__ = ["nir_difference"]
