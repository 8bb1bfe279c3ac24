"""How many pieces an HDF5 array is stored in: each is looked up by itself, so that a small file of millions takes minutes."""

from __future__ import annotations

from math import prod

MAX_CHUNKS = 1 << 17
"""Of a file; some thirty microseconds each. HDF5's own choice is 8 kB or more, which makes 12,000 of the 100 MB of ResNet-34."""


def chunk_count(shape: tuple[int, ...], chunks: tuple[int, ...] | None) -> int:
    """Return the number of chunks that an array of ``shape`` has, 0 for one that is stored in one piece."""
    return 0 if chunks is None else prod(-(-extent // chunk) for extent, chunk in zip(shape, chunks, strict=True))


__all__ = ["MAX_CHUNKS", "chunk_count"]
