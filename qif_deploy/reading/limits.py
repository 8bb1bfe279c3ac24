"""How large and how deep a file may be before it is refused. Each limit lies well above what a network needs, and says what that is."""

from __future__ import annotations

MAX_TEXT_FILE = 1 << 24
"""Bytes of a recipe, profile or price list; the longest packaged one has 12 kB."""

MAX_JSON_FILE = 1 << 28
"""Bytes of a result that is read back. A placement has some 100 bytes per piece; ResNet-34 on Loihi 2 has some thousand pieces."""

MAX_DEPTH = 64
"""Tables in tables, lists in lists; a profile nests three deep, a placement four. Python's own parsers end at about 1000 by an error."""

MAX_WHOLE = 2**62
"""Magnitude of a whole number in a text file; what is computed from two of them by adding still fits int64."""

MAX_ARRAYS = 1 << 14
"""Arrays of one ``.npz``: three per population and one per input; a network of 1024 nodes has below 4096."""

ALWAYS_READ = 1 << 28
"""Bytes that an HDF5 file may expand to, however small it is."""

ALWAYS_READ_ARRAYS = 1 << 30
"""Bytes that a ``.npz`` may expand to, however small it is: states of a silent network are packed several hundred times."""

MAX_EXPANSION = 64
"""Beyond that a file may expand to so many times its size; deflate gains 2 to 6 on weights and states, 1000 on a bomb."""

MAX_TIME_US = 2**40
"""Latest event of a recording, 12 days; frames are cut in int64 by ``time * frames``."""


def may_expand_to(size: int, *, always: int) -> int:
    """Return how many bytes may be read out of a packed file of ``size`` bytes."""
    return max(always, MAX_EXPANSION * size)
