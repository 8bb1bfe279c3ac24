"""Texts of variable length in an HDF5 file, read without libhdf5, which loops for ever over a damaged global heap (2.0.0).

On disk such a text is 16 bytes: length (4), address of a heap collection (8), index in it (4). A collection is ``GCOL``, version 1, three
reserved bytes, its size (8), then objects: index (2), references (2), reserved (4), size (8), data padded to 8 bytes; index 0 is what is
free. All little endian. Source: HDF5 File Format Specification 3.0, III.E "Global Heap", IV.B "Variable-Length" storage.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from qif_deploy.errors import InputError

REFERENCE = struct.Struct("<IQI")
COLLECTION = struct.Struct("<4sB3xQ")
OBJECT = struct.Struct("<HHIQ")
MAX_COLLECTION = 1 << 26
"""Bytes; a collection is as large as its largest text, and no metadata are longer."""


@dataclass(slots=True)
class HeapTexts:
    """Reads texts of one file; collections are kept, since many texts share one."""

    path: Path
    collections: dict[int, dict[int, bytes]] = field(default_factory=dict)

    def read(self, offset: int, count: int) -> list[str]:
        """Return ``count`` texts whose references lie at ``offset``.

        Raises:
            InputError: a reference or a collection that is none.
        """
        with self.path.open("rb") as stream:
            stream.seek(offset)
            references = stream.read(REFERENCE.size * count)
        if len(references) < REFERENCE.size * count:
            raise InputError("a text lies beyond the end of the file; copy or export it again")
        return [self._text(*reference) for reference in REFERENCE.iter_unpack(references)]

    def _text(self, length: int, address: int, index: int) -> str:
        if length == 0:
            return ""
        if address not in self.collections:
            self.collections[address] = self._collection(address)
        found = self.collections[address].get(index)
        if found is None or len(found) < length:
            raise InputError("a text is not where the file says; copy or export it again")
        try:
            return found[:length].rstrip(b"\0").decode("utf8")
        except UnicodeDecodeError:
            raise InputError("a text is not UTF-8; copy or export it again") from None

    def _collection(self, address: int) -> dict[int, bytes]:
        size_of_file = self.path.stat().st_size
        if address + COLLECTION.size > size_of_file:
            raise InputError("a heap of texts lies beyond the end of the file; copy or export it again")
        with self.path.open("rb") as stream:
            stream.seek(address)
            signature, version, size = COLLECTION.unpack(stream.read(COLLECTION.size))
            if signature != b"GCOL" or version != 1 or not COLLECTION.size <= size <= min(MAX_COLLECTION, size_of_file - address):
                raise InputError("a heap of texts is damaged; copy or export it again")
            data = stream.read(size - COLLECTION.size)
        return _objects(data)


def require_sound_heaps(data: bytes) -> None:
    """Refuse a file in which a heap has an object without end, over which libhdf5 loops: for texts that it has to read itself.

    Raises:
        InputError: that.
    """
    at = data.find(b"GCOL")
    while at >= 0:
        if len(data) - at >= COLLECTION.size:  # anywhere: libhdf5 follows a reference to an odd address, too
            _, version, size = COLLECTION.unpack_from(data, at)
            if version == 1 and not _walks(data[at + COLLECTION.size : at + size]):
                raise InputError("a heap of texts is damaged; copy or export it again")
        at = data.find(b"GCOL", at + 1)


def _walks(heap: bytes) -> bool:
    """Whether every object of a heap ends before the next, and the last with the heap; what is free counts its own header."""
    at = 0
    while at + OBJECT.size <= len(heap):
        index, _references, _reserved, size = OBJECT.unpack_from(heap, at)
        step = size if index == 0 else OBJECT.size + (size + 7) // 8 * 8
        if step < OBJECT.size or step > len(heap) - at:
            return False
        at += step
    return True


def _objects(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at + OBJECT.size <= len(data):
        index, _references, _reserved, size = OBJECT.unpack_from(data, at)
        if index == 0:
            break
        start = at + OBJECT.size
        if size > len(data) - start:
            raise InputError("a heap of texts is damaged; copy or export it again")
        found[index] = data[start : start + size]
        at = start + (size + 7) // 8 * 8
    return found


__all__ = ["HeapTexts", "require_sound_heaps"]
