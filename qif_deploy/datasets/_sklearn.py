"""The one entry of scikit-learn (>= 1.4): it carries the digits inside its wheel, so nothing is downloaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import MissingDependencyError


def digits_arrays() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return images ``(sample, 8, 8)`` of whole numbers 0..16 and labels ``(sample,)``.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingDependencyError("data set 'digits' needs scikit-learn; install it with: pip install 'qif-deploy[data]'") from None
    bunch = load_digits()
    return np.asarray(bunch.images, np.float64), np.asarray(bunch.target, np.int64)
