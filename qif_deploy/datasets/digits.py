"""scikit-learn's 1,797 handwritten digits of 8x8 pixels, codes 0..16, in a fixed stratified split.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998), test part.
"""

from __future__ import annotations

import numpy as np

from qif_deploy.datasets._sklearn import digits_arrays
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.datasets.split import stratified

TEST_SHARE = 0.25
"""Share of every class that is held out: 450 samples, so that one error is 0.22 points of accuracy."""


def load_digits(*, split_seed: int = 0) -> Dataset:
    """Return the digits; 1,347 training and 450 test samples, every class in the same share.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    images, labels = digits_arrays()
    codes = np.rint(images).astype(np.int64)[:, np.newaxis]
    test = stratified(labels, TEST_SHARE, np.random.default_rng(split_seed))
    return Dataset(
        name="digits",
        shape=(1, 8, 8),
        low=0,
        high=16,
        scale=1 / 16,
        classes=10,
        x_train=codes[~test],
        y_train=labels[~test],
        x_test=codes[test],
        y_test=labels[test],
    )
