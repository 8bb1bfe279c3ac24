"""The names of the ways on which a network is run; in a file of their own, since what runs them takes seconds to import."""

from __future__ import annotations

import enum


class Way(enum.Enum):
    """How a network is run; the values are the names in the counts."""

    ORACLE = "oracle"
    COMPILED = "batched"
    TORCH = "batched_torch"
    STREAM = "stream"
    ONNX = "onnx"
    ONNX_STEP = "onnx_step"
    ONNX_FLOAT = "onnx_float"
    NIR = "nir"
    LAVA_IN_PROCESS = "lava_in_process"
    LAVA = "lava"
