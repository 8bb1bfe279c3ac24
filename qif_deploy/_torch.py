"""The entry of torch (>= 2.3) for the trainer; lightning and safetensors of the same extra enter where they are used."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

INSTALL = "install it with: pip install 'qif-deploy[train]'"

try:
    import torch
except ImportError:
    raise MissingDependencyError(f"training needs torch; {INSTALL}") from None

__all__ = ["INSTALL", "torch"]
