import numpy as np
import pytest
import torch
from scipy import ndimage

from sardiff.classical.filters import BINOMIAL, padded, smoothed


@pytest.mark.parametrize("spacing", [1, 2, 8])
def test_smoothing_is_the_correlation_with_holes(spacing):
    x = torch.rand(2, 1, 11, 14, dtype=torch.float64)
    window = np.zeros(4 * spacing + 1)
    window[::spacing] = (1, 2, 3, 4, 5)  # of no symmetry
    for image, got in zip(x, smoothed(x, (1, 2, 3, 4, 5), spacing), strict=True):
        expected = image[0].numpy()
        for axis in (0, 1):
            expected = ndimage.correlate1d(expected, window, axis=axis, mode="nearest")
        np.testing.assert_allclose(got[0], expected)


def test_the_binomial_window_has_unit_sum():
    assert sum(BINOMIAL) == 1


def test_padding_repeats_the_rims():
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert padded(x, 2, 2)[0, 0, :, 0].tolist() == [0, 0, 0, 3, 3, 3]
    assert padded(x, 1, 3)[0, 0, 1].tolist() == [3, 3, 4, 5, 5]
