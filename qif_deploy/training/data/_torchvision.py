"""The one entry of torchvision (>= 0.18) for augmentation."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    from torchvision.transforms import v2
except ImportError:
    raise MissingDependencyError("augmentation needs torchvision; install it with: pip install 'qif-deploy[data]'") from None

__all__ = ["v2"]
