"""The one entry of the optional packages onnx (>= 1.21) and onnxruntime (>= 1.20).

Older releases of onnx divide negative integers wrongly in their reference runtime. Importing this file without the packages
raises at once, so whoever writes or runs ONNX imports those modules when it is asked to.
"""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    import onnx
    import onnx.checker
    import onnx.helper
    import onnx.numpy_helper
    import onnx.shape_inference
    import onnxruntime
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise MissingDependencyError(
        f"ONNX files need the packages onnx >= 1.21 and onnxruntime >= 1.20 ({error}); install them with: pip install 'qif-deploy[onnx]'"
    ) from None

OPSET = 18
"""Oldest operator set with everything used here; runtimes lag behind the newest by years."""

IR_VERSION = 10
"""File format version that goes with it; the onnx package would stamp its newest, which older runtimes refuse."""

__all__ = ["IR_VERSION", "OPSET", "DecodeError", "onnx", "onnxruntime"]
