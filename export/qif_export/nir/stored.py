"""What a NIR file holds, entry by entry, and where it differs from the network that it should hold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_export.nir._nir import h5py
from qif_export.nir.write import write_nir
from qif_export.stored_difference import StoredDifference, first_difference


def nir_difference(path: Path, graph: QuantizedGraph) -> StoredDifference | None:
    """Return the first entry of ``path`` that differs from what ``write_nir`` writes for ``graph``; None where all are equal.

    The file is read as it lies, so a changed weight is found although ``read_nir`` refuses the file.

    Raises:
        InputError: the file cannot be read as HDF5.
    """
    with tempfile.TemporaryDirectory(prefix="qif_deploy_") as folder:
        expected = Path(folder) / "net.nir"
        write_nir(graph, expected)
        return first_difference(_entries(expected), _entries(Path(path)))


def _entries(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(take)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # what damage makes h5py raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InputError(f"NIR file {str(path)!r}: it cannot be read ({reason}); copy or export it again") from None
    return found


__all__ = ["nir_difference"]
