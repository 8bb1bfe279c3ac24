"""Changes to a valid file: to its bytes, or to one of its fields while the file around it stays well formed."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import struct
import tempfile
import zipfile
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from typing_extensions import assert_never

from tests.fuzz.mutate_tree import changed_tree, odd_value, to_toml
from tests.fuzz.reader import Structure

HDF5_S = 5.0
"""Seconds for a change of one object, which takes some milliseconds."""

MOST_BYTES = 1 << 20
"""A changed file is cut here, so that one that is doubled again and again stays small."""

NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 2**15, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


def mutated(data: bytes, structure: Structure, rng: Random, *, other: bytes = b"") -> bytes:
    """Return a changed copy of ``data``; ``other`` is a second file to take parts from.

    A third of all changes are to bytes; the rest keep the form of the file, and fall back to bytes where it has lost it.
    """
    for _ in range(1 + min(rng.getrandbits(2), rng.getrandbits(2))):
        if structure is Structure.BYTES or rng.randrange(3) == 0:
            data = changed_bytes(data, rng, other)
        else:
            try:
                data = _changed_fields(data, structure, rng)
            except Exception:  # it is no file of that form any more, which every library says in its own way
                data = changed_bytes(data, rng, other)
    return data[:MOST_BYTES]


def changed_bytes(data: bytes, rng: Random, other: bytes = b"") -> bytes:
    """Flip, overwrite, remove, repeat, move, cut or join bytes."""
    found = bytearray(data)
    if not found:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(64)))
    at = rng.randrange(len(found))
    length = min(len(found) - at, 1 << rng.randrange(9))
    match rng.randrange(9):
        case 0:
            found[at] ^= 1 << rng.randrange(8)
        case 1:
            found[at : at + length] = bytes(rng.randrange(256) for _ in range(length))
        case 2:
            del found[at : at + length]
        case 3:
            found[at:at] = found[at : at + length] * (1 + rng.randrange(4))
        case 4:
            kind = rng.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
            value = struct.pack(kind, rng.choice(NUMBERS) % 256 ** struct.calcsize(kind))
            found[at : at + len(value)] = value
        case 5:
            del found[at:]
        case 6:
            found[at : at + length] = bytes(length)
        case 7:
            found[at:at] = other[: 1 << rng.randrange(9)] if other else b"\xff"
        case _:
            start = rng.randrange(len(found))
            found[at : at + length] = found[start : start + length]
    return bytes(found)


def _changed_fields(data: bytes, structure: Structure, rng: Random) -> bytes:
    match structure:
        case Structure.JSON:
            return json.dumps(changed_tree(json.loads(data), rng)).encode()
        case Structure.TOML:
            import tomli

            return to_toml(changed_tree(tomli.loads(data.decode()), rng)).encode()
        case Structure.NPY:
            return _npy(data, rng)
        case Structure.NPZ:
            return _npz(data, rng)
        case Structure.HDF5:
            return _hdf5(data, rng)
        case Structure.PROTOBUF:
            return _protobuf(data, rng)
        case Structure.SAFETENSORS:
            return _safetensors(data, rng)
        case Structure.BYTES:
            return changed_bytes(data, rng)
        case _:
            assert_never(structure)


def odd_array(rng: Random) -> np.ndarray[Any, Any]:
    """An array of a kind, shape or content that nobody expects."""
    dtype = rng.choice(("i1", "u1", "<i4", ">i4", "i8", "u8", "f2", "<f4", "f8", "c16", "?", "U3", "S4", "M8[s]", "V3", "i4,f4", "O", "g"))
    shape = rng.choice(((), (0,), (1,), (3, 2), (3, 2, 2, 6, 6), (2, 0, 3), (1,) * 12, (4, 4, 1, 1), (40,)))
    if dtype == "O":
        return np.full(shape, None, object)
    if dtype in ("f2", "<f4", "f8", "g"):
        return np.full(shape, rng.choice((0.0, -1.5, np.nan, np.inf, -np.inf, 1e30, 3.0)), "f8").astype(dtype)
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        return np.full(shape, rng.choice((0, 1, limits.max, limits.min)), dtype)
    return np.zeros(shape, dtype)


def _loaded(data: bytes) -> np.ndarray[Any, Any]:
    found = np.load(io.BytesIO(data), allow_pickle=False)
    if found.dtype.itemsize not in range(1, 65) or found.nbytes > MOST_BYTES:
        raise ValueError("too large to be changed")
    return np.asarray(found)


def _npy(data: bytes, rng: Random) -> bytes:
    stream = io.BytesIO()
    match rng.randrange(4):
        case 0:
            np.save(stream, odd_array(rng), allow_pickle=True)
        case 1:
            array = _loaded(data).copy()
            flat = array.reshape(-1)
            value = rng.choice((-1, 2**31, 2**62, -(2**63), 1e300, np.nan, np.inf, 255))
            with np.errstate(all="ignore"):
                flat[rng.randrange(flat.size)] = np.asarray(value).astype(flat.dtype)
            np.save(stream, array)
        case 2:  # a header of any text, in front of the data
            shape = rng.choice(
                ("(2**9,)", "(99999999999,)", "(-1, 4)", "(3, 2)", "()", "(1.5,)", "'x'", "(True,)", "(" * 90, "(4611686018427387904, 4)")
            )
            descr = rng.choice(("'<i8'", "'|O'", "'|V0'", "[('a', '<i4')]", "'<U999999999'", "None", "'<i4'", "('<i4', (3,))"))
            text = f"{{'descr': {descr}, 'fortran_order': {rng.choice(('False', 'True', '3'))}, 'shape': {shape}, }}\n".encode("latin1")
            stream.write(b"\x93NUMPY" + bytes((rng.choice((1, 1, 2, 3, 9)), 0)) + struct.pack("<H", len(text)) + text + data[128:])
        case _:
            array = _loaded(data)
            np.save(stream, rng.choice((array.T, array[:0], array[..., :1], array[np.newaxis], array.astype("f4"), array.astype(">i2"))))
    return stream.getvalue()


def _npz(data: bytes, rng: Random) -> bytes:
    """Change one member, its name, its packing, or what the archive says of it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = rng.randrange(len(members))
    name, content = members[at]
    match rng.randrange(6):
        case 0 | 1:
            members[at] = (name, _npy(content, rng))
        case 2:
            members[at] = (
                rng.choice(("../x.npy", "/etc/x.npy", "x", "", "a/b/c.npy", "input/.npy", "/.npy", name[:-4], "readout.npy")),
                content,
            )
        case 3:
            members.append(members[rng.randrange(len(members))])
        case 4:
            del members[at]
        case _:
            members.append((f"{rng.choice(('q', 'input', 'x/y'))}/{rng.choice('ius')}.npy", content))
    stream = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, packing)
    return stream.getvalue()


def _hdf5(data: bytes, rng: Random) -> bytes:
    """Change one object, in a process of its own: on a file that was damaged before, libhdf5 may not come back."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_send_changed_hdf5, args=(sending, data, rng.getrandbits(64)))
    child.start()
    sending.close()
    try:
        if not receiving.poll(HDF5_S):
            raise TimeoutError("libhdf5 does not come back from this file")
        return receiving.recv_bytes()  # EOFError where it could not be changed
    finally:
        child.kill()
        child.join()
        receiving.close()


def _send_changed_hdf5(sending: Connection, data: bytes, seed: int) -> None:
    with contextlib.suppress(Exception):
        sending.send_bytes(_changed_hdf5(data, Random(seed)))
    os._exit(0)  # nothing of the fuzzer's own is to end with it


def _changed_hdf5(data: bytes, rng: Random) -> bytes:
    """Replace, remove, copy or link one object; a JSON text is changed within."""
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        path.write_bytes(data)
        with h5py.File(path, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            if "qif" in file.attrs and rng.randrange(2):
                file.attrs["qif"] = json.dumps(changed_tree(json.loads(file.attrs["qif"]), rng))
            else:
                _change_object(h5py, file, rng.choice(names), rng)
        return path.read_bytes()


def _change_object(h5py: Any, file: Any, name: str, rng: Random) -> None:
    item = file[name]
    value = item[()] if isinstance(item, h5py.Dataset) else None
    if isinstance(value, bytes) and value[:1] in (b"{", b"[") and rng.randrange(4):
        del file[name]
        file[name] = json.dumps(changed_tree(json.loads(value), rng))
        return
    action = rng.randrange(7)
    if action == 0:
        file.move(name, name.rpartition("/")[0] + "/" + rng.choice(("x", "type", "weight", "nodes", "ä", "input")))
        return
    del file[name]
    match action:
        case 1:
            pass
        case 2:
            file[name] = h5py.SoftLink("/node") if rng.randrange(2) else h5py.ExternalLink("/etc/passwd", "/x")
        case 3:
            file.create_dataset(name, (1 << rng.randrange(50),), "f4", chunks=(64,), compression=rng.choice((None, "gzip", "lzf")))
        case 4 if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "iuf":
            changed = value.copy()
            changed.reshape(-1)[rng.randrange(value.size)] = (
                rng.choice((0, 1, -1, 100)) if value.dtype.kind != "f" else rng.choice((np.nan, np.inf, -1.0, 1e38))
            )
            file[name] = changed
        case 5:
            array = odd_array(rng)
            file[name] = np.zeros(3) if array.dtype.kind in "OUMVg" else array
        case _:
            value = odd_value(rng)
            file[name] = (
                value if isinstance(value, int | float | str | bool) and "\0" not in str(value) and abs(_size(value)) < 2**63 else "x"
            )


def _size(value: Any) -> float:
    return value if isinstance(value, int) else 0


def _protobuf(data: bytes, rng: Random) -> bytes:
    """Change one field of one message within the model; metadata of ours get a digest that fits."""
    import onnx

    model = onnx.ModelProto()
    model.ParseFromString(data)
    if model.metadata_props and rng.randrange(3) == 0:
        from qif_export.onnx.metadata import sealed

        entries = {entry.key: entry.value for entry in model.metadata_props}
        key = rng.choice(sorted(entries))
        entries[key] = json.dumps(changed_tree(json.loads(entries[key]), rng))
        onnx.helper.set_model_props(model, sealed(entries))
        return bytes(model.SerializeToString())
    messages = [model]
    for message in messages:
        for field, value in message.ListFields():
            if field.message_type is not None:
                messages += list(value) if hasattr(value, "append") or hasattr(value, "add") else [value]
    message = rng.choice(messages)
    present = message.ListFields()
    if present:
        _change_field(message, *rng.choice(present), rng)
    return bytes(model.SerializeToString())


def _change_field(message: Any, field: Any, value: Any, rng: Random) -> None:
    repeated = hasattr(value, "append") or hasattr(value, "add")
    if rng.randrange(4) == 0:
        message.ClearField(field.name)
    elif repeated and len(value):
        at = rng.randrange(len(value))
        if field.message_type is not None or rng.randrange(2):
            value.append(value[at]) if rng.randrange(2) else value.pop(at)
        else:
            value[at] = _scalar(value[at], rng)
    elif field.message_type is None:
        setattr(message, field.name, _scalar(value, rng))


def _scalar(value: Any, rng: Random) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return rng.choice((0, 1, -1, 2, 7, 11, 16, 255, 2**31 - 1, -(2**31)))
        case float():
            return rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38))
        case str():
            return rng.choice(("", "x", value + "x", value[::-1], "Loop", "If", "../x", "ai.onnx.ml", "\u00e9\n"))
        case _:
            return changed_bytes(bytes(value), rng)


def _safetensors(data: bytes, rng: Random) -> bytes:
    """Change the JSON header, or the JSON within it, and keep the length in front of it right."""
    length = int.from_bytes(data[:8], "little")
    header, payload = json.loads(data[8 : 8 + length]), data[8 + length :]
    if rng.randrange(2) and "__metadata__" in header:
        inner = json.loads(header["__metadata__"]["qif_deploy"])
        header["__metadata__"]["qif_deploy"] = json.dumps(changed_tree(inner, rng))
    else:
        header = changed_tree(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + payload


__all__ = ["MOST_BYTES", "changed_bytes", "mutated"]
