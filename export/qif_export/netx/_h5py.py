"""The one entry of the optional package h5py (>= 3.10) for netx files."""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    import h5py
except ImportError as error:
    raise MissingDependencyError(
        f"netx files need the package h5py >= 3.10 ({error}); install it with: pip install 'qif-deploy[nir]'"
    ) from None

__all__ = ["h5py"]
