"""The one entry of triton (>= 2.3) here. torch's own wheels bring it on Linux; elsewhere the step itself runs, in torch."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    import triton  # type: ignore[import-untyped, unused-ignore]  # ships no types
    import triton.language as tl  # type: ignore[import-untyped, unused-ignore]
except ImportError:
    raise MissingDependencyError("the neuron kernel for GPUs needs triton; install it with: pip install triton") from None

__all__ = ["tl", "triton"]
