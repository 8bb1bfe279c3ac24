"""A model onto the disk: one file, or, above a size, a file and its weights beside it; both appear together or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from qif_deploy.atomic import atomic_path, require_writable
from qif_deploy.errors import InputError
from qif_export.onnx._onnx import onnx
from qif_export.onnx.load import tensors_of

DATA_SUFFIX = ".data"
SMALLEST_OUTSIDE = 256
"""Bytes of a tensor that is worth a place outside."""

ALIGNMENT = 64


class StoredModel(NamedTuple):
    """A written model that has not appeared yet: where it can be checked, and whether weights lie outside it."""

    path: Path
    outside: bool


@contextmanager
def stored(model: Any, path: Path, *, external_above: int) -> Iterator[StoredModel]:
    """Write ``model`` beside ``path``, yield it, and let it appear at ``path`` on success; on failure nothing is left.

    Above ``external_above`` bytes the values of ``model`` are moved into ``NAME.data``, and the model refers to it.

    Raises:
        InputError: nothing can be written there.
    """
    path = Path(path)
    if model.ByteSize() <= external_above:
        with atomic_path(path) as temporary:
            temporary.write_bytes(model.SerializeToString(deterministic=True))
            del model  # as large as the file, and what follows runs it
            yield StoredModel(temporary, outside=False)
        return
    require_writable(path)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            data = folder / (path.name + DATA_SUFFIX)
            _move_outside(model, data)
            (folder / path.name).write_bytes(model.SerializeToString(deterministic=True))
            del model
            yield StoredModel(folder / path.name, outside=True)
            # The weights first: a model without them would be damaged, weights without a model are only a file too many.
            data.replace(path.parent / data.name)
            (folder / path.name).replace(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}; free space or choose another --out") from None


def _move_outside(model: Any, data: Path) -> None:
    with data.open("wb") as stream:
        for tensor in tensors_of(model):
            size = len(tensor.raw_data)
            if size < SMALLEST_OUTSIDE:
                continue
            stream.write(bytes(-stream.tell() % ALIGNMENT))
            entries = {"location": data.name, "offset": str(stream.tell()), "length": str(size)}
            stream.write(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=value)


__all__ = ["DATA_SUFFIX", "StoredModel", "stored"]
