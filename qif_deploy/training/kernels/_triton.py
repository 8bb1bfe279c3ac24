"""The one entry of triton (>= 2.3). torch's own wheels bring it on Linux; elsewhere the eager step serves."""

from __future__ import annotations

import os

from qif_deploy.errors import MissingDependencyError

try:
    import triton  # type: ignore[import-untyped, unused-ignore]  # ships no types
    import triton.language as tl  # type: ignore[import-untyped, unused-ignore]
except ImportError:
    raise MissingDependencyError(
        "the fused neuron kernel needs triton; install it with: pip install triton, or use the eager step"
    ) from None

unrolled = range if os.environ.get("TRITON_INTERPRET") == "1" else tl.static_range
"""``tl.static_range``, which the interpreter of triton 2.3 does not know."""

__all__ = ["tl", "triton", "unrolled"]
