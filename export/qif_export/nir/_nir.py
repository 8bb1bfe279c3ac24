"""The one entry of the optional packages nir (>= 1.0.8) and h5py (>= 3.10).

Importing this file without them raises at once, so whoever writes or reads NIR imports those modules when it is asked to.
"""

from __future__ import annotations

from qif_deploy.errors import MissingDependencyError

try:
    import h5py
    import nir
    from nir.ir.node import NIRNode
except ImportError as error:
    raise MissingDependencyError(
        f"NIR files need the packages nir >= 1.0.8 and h5py >= 3.10 ({error}); install them with: pip install 'qif-deploy[nir]'"
    ) from None

__all__ = ["NIRNode", "h5py", "nir"]
