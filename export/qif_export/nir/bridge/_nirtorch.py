"""The one entry of the optional packages nirtorch (>= 2.6) and torch, for networks as torch modules."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    import nirtorch
    import torch
    from nirtorch.torch_tracer import NIRTorchTracer
except ImportError as error:
    raise MissingDependencyError(
        f"NIR as torch modules needs torch and nirtorch >= 2.6 ({error}); install them with: pip install 'qif-deploy[nirtorch]'"
    ) from None

__all__ = ["NIRTorchTracer", "nirtorch", "torch"]
