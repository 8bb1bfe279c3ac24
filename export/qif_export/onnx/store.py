"""A model onto the disk: one file, or, above a size, a file and its weights beside it; both appear together or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from qif_deploy.atomic import atomic_folder, atomic_path, publish, require_writable
from qif_deploy.errors import InputError
from qif_export.onnx._onnx import onnx
from qif_export.onnx.load import is_external, load_model, tensors_of

DATA_SUFFIX = ".data"
SMALLEST_OUTSIDE = 256
"""Bytes of a tensor that is worth a place outside."""

ALIGNMENT = 64
HASH_LETTERS = 12


class StoredModel(NamedTuple):
    """A written model that has not appeared yet: where it can be checked, and where weights will lie that are outside it."""

    path: Path
    outside: Path | None


@contextmanager
def stored(model: Any, path: Path, *, external_above: int) -> Iterator[StoredModel]:
    """Write ``model`` beside ``path``, yield it, and let it appear at ``path`` on success; on failure nothing is left.

    Above ``external_above`` bytes the values of ``model`` are moved into ``NAME.HASH.data``, and the model refers to it. The name holds
    the hash of the content, so that an old model keeps its weights until the new one is in its place, however the process ends.

    Raises:
        InputError: nothing can be written there.
    """
    path = Path(path)
    if model.ByteSize() <= external_above:
        with atomic_path(path) as temporary:
            temporary.write_bytes(model.SerializeToString(deterministic=True))
            del model  # as large as the file, and what follows runs it
            yield StoredModel(temporary, outside=None)
        return
    require_writable(path)
    with atomic_folder(path) as folder:
        data = _move_outside(model, folder, path.name)
        (folder / path.name).write_bytes(model.SerializeToString(deterministic=True))
        del model
        yield StoredModel(folder / path.name, outside=path.parent / data.name)
        with _alone(path.parent):
            old = _data_of(path)
            # The weights first: a model without them would be damaged, weights without a model are only a file too many.
            publish(data, path.parent / data.name)
            publish(folder / path.name, path)
            for name in old - {data.name}:
                (path.parent / name).unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold off other processes that put a model and its weights into ``folder``."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _data_of(path: Path) -> set[str]:
    """Names of the files beside ``path`` that we wrote for the model in it; none where it is no model."""
    with suppress(InputError):
        outside = [entry for one in tensors_of(load_model(path)) if is_external(one) for entry in one.external_data]
        places = {entry.value for entry in outside if entry.key == "location"}
        return {name for name in places if name.startswith(f"{path.name}.") and name.endswith(DATA_SUFFIX)}
    return set()


def _move_outside(model: Any, folder: Path, name: str) -> Path:
    """Write the large tensors into one file, and let the model say where in it they are."""
    written, moved, digest = folder / name, [], hashlib.sha256()
    with written.open("wb") as stream:
        for tensor in tensors_of(model):
            size = len(tensor.raw_data)
            if size < SMALLEST_OUTSIDE:
                continue
            padding = bytes(-stream.tell() % ALIGNMENT)
            moved.append((tensor, stream.tell() + len(padding), size))
            for part in (padding, tensor.raw_data):
                stream.write(part)
                digest.update(part)
            tensor.ClearField("raw_data")
    data = written.rename(folder / f"{name}.{digest.hexdigest()[:HASH_LETTERS]}{DATA_SUFFIX}")
    for tensor, offset, size in moved:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", data.name), ("offset", str(offset)), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
    return data


__all__ = ["DATA_SUFFIX", "StoredModel", "stored"]
