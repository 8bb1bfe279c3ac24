"""An HDF5 file into plain dictionaries, arrays and texts, with everything refused that a file of weights has no need of.

The stock ``hdf2dict`` follows external links into other files, loads filters from plugin folders and allocates whatever size a
header claims. Here every object is looked at before it is read: only hard links to groups and plain arrays, only the filters that
HDF5 itself brings, and no more bytes in all than a multiple of the file's own size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.reading.limits import ALWAYS_READ, may_expand_to
from qif_export.chunks import MAX_CHUNKS, chunk_count
from qif_export.nir._nir import h5py
from qif_export.nir.global_heap import HeapTexts

MAX_DEPTH = 32
"""Groups within groups; a node's metadata in a subgraph in a subgraph lies seven deep."""

MAX_OBJECTS = 32_768
"""Groups and datasets in all; a node has up to 30. Each takes about a third of a millisecond."""

MAX_RANK = 8
MAX_TEXT = 1 << 24
"""Bytes of one text: the metadata of a network, with all its provenance."""

BUILT_IN_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""By number; everything else would be loaded as a plugin from a folder that the environment names."""


def load_groups(path: Path, name: str) -> dict[str, Any]:
    """Return the group ``name`` of the HDF5 file ``path``: groups as dictionaries, texts as ``str``, the rest as NumPy values.

    Raises:
        InputError: missing, not HDF5, without that group, damaged, or holding what is not read; names the object.
    """
    if not path.exists():
        raise InputError("it does not exist; check the path")
    try:
        if not path.is_file() or not h5py.is_hdf5(path):
            raise InputError("it is not an HDF5 file; give a .nir file")
        with h5py.File(path, "r") as file:
            if file.get(name, getlink=True) is None:
                raise InputError(f"it is HDF5 but not NIR, group {name!r} is missing; give a .nir file")
            if file.userblock_size or file.id.get_create_plist().get_sizes() != (8, 8):
                raise InputError("it begins with a user block or has addresses of other than 8 bytes; write it as h5py does by default")
            reader = _Reader(allowance=may_expand_to(path.stat().st_size, always=ALWAYS_READ), texts=HeapTexts(path))
            found = reader.item(file, name, f"/{name}", depth=0)
    except InputError:
        raise
    except Exception as error:  # damage makes h5py raise nearly every built-in type, and newer versions add to them
        reason = (str(error).splitlines() or [""])[0][:160] or type(error).__name__
        raise InputError(f"it cannot be read and may be truncated or damaged ({reason}); copy or export it again") from None
    if not isinstance(found, dict):
        raise InputError(f"it is HDF5 but not NIR, {name!r} is no group; give a .nir file")
    return found


@dataclass(slots=True)
class _Reader:
    """What is left to read: bytes, and how many objects and chunks were seen."""

    allowance: int
    texts: HeapTexts
    objects: int = 0
    chunks: int = 0

    def item(self, parent: Any, key: str, where: str, *, depth: int) -> Any:
        """Return one object of ``parent``; h5py ships no types."""
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise InputError(f"it holds more than {MAX_OBJECTS} objects; no network that this project reads needs as many")
        if depth > MAX_DEPTH:
            raise InputError(f"group {where[:80]!r} lies deeper than {MAX_DEPTH} groups; flatten the subgraphs")
        link = parent.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise InputError(f"object {where[:80]!r} is a {type(link).__name__} to another place; copy the content into the file")
        found = parent[key]
        if h5py.h5o.get_info(found.id).rc > 1:  # a group within itself, or one that is there many times over
            raise InputError(f"object {where[:80]!r} is linked from several places; copy it to each")
        match found:
            case h5py.Group():
                return {str(child): self.item(found, child, f"{where}/{child}", depth=depth + 1) for child in _names(found, where)}
            case h5py.Dataset():
                return self._values(found, where)
            case _:
                raise InputError(f"object {where[:80]!r} is a {type(found).__name__}, neither group nor array; export the network again")

    def _values(self, data: Any, where: str) -> Any:
        _require_plain(data, where)
        text = h5py.check_string_dtype(data.dtype)
        if text is not None:
            return self._text(data, where, fixed=text.length)
        if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8:
            raise InputError(f"array {where[:80]!r} has dtype {str(data.dtype)[:60]}; give numbers of at most 8 bytes, or text")
        self._take(int(data.size) * data.dtype.itemsize, where, f"shape {data.shape}")
        self.chunks += chunk_count(data.shape, data.chunks)
        if self.chunks > MAX_CHUNKS:
            raise InputError(f"array {where[:80]!r} is one too many in small chunks, more than {MAX_CHUNKS} in all; write it contiguous")
        return data[()]

    def _text(self, data: Any, where: str, *, fixed: int | None) -> Any:
        """Return a ``str``, or for an array a list of them per row."""
        self._take(int(data.size) * (fixed or 16), where, f"shape {data.shape}")
        if fixed is not None:
            found = [bytes(value).rstrip(b"\0").decode("utf8") for value in np.asarray(data[()]).reshape(-1)]
        else:
            offset = data.id.get_offset()
            if offset is None:
                raise InputError(f"text {where[:80]!r} is stored in chunks or in a header; write it contiguous, as h5py does by default")
            found = self.texts.read(offset, int(data.size))
        size = sum(map(len, found))
        self._take(size, where, f"{size} letters of text")
        if any(len(text) > MAX_TEXT for text in found):
            raise InputError(f"text {where[:80]!r} is longer than {MAX_TEXT} letters; shorten it")
        return found[0] if data.shape == () else np.array(found, dtype=object).reshape(data.shape)

    def _take(self, size: int, where: str, what: str) -> None:
        if size > self.allowance:
            raise InputError(
                f"array {where[:80]!r} ({what[:80]}) needs {size} bytes, the {self.allowance} left are what a file of this size may hold; "
                "a compression bomb or damaged header, write it with less compression if it is neither"
            )
        self.allowance -= size


def _names(group: Any, where: str) -> Iterator[str]:
    for name in group:
        if not isinstance(name, str) or not name.isprintable():
            raise InputError(f"group {where[:80]!r} holds the name {name!r:.80}, which is not text; rename it")
        yield name


def _require_plain(data: Any, where: str) -> None:
    """Refuse what would read other files, load plugins, or allocate more than the array itself."""
    if data.shape is None:
        raise InputError(f"array {where[:80]!r} is empty; export the network again")
    if len(data.shape) > MAX_RANK:
        raise InputError(f"array {where[:80]!r} has {len(data.shape)} axes, more than {MAX_RANK}; no weight has")
    if data.is_virtual or data.external:
        raise InputError(f"array {where[:80]!r} takes its values from other files; copy them into this one")
    properties = data.id.get_create_plist()
    for position in range(properties.get_nfilters()):
        code = properties.get_filter(position)[0]
        if code not in BUILT_IN_FILTERS:
            raise InputError(
                f"array {where[:80]!r} is packed by filter {code}, which is a plugin; write it with {', '.join(BUILT_IN_FILTERS.values())}"
            )
    chunk = data.chunks
    whole = int(np.prod([max(n, 1) for n in data.shape], dtype=object))
    if chunk is not None and int(np.prod(chunk, dtype=object)) > max(whole, 1 << 16):
        raise InputError(
            f"array {where[:80]!r} of shape {data.shape} is stored in chunks of {chunk}; write it with chunks no larger than it"
        )


__all__ = ["MAX_DEPTH", "MAX_OBJECTS", "load_groups"]
