"""Blurring by a separable window."""

import pytest
import torch
from torch.nn import functional as F

from sardiff.blur import blurred, gaussian_window


@pytest.mark.parametrize("shape", [(40, 24), (5, 70)])
def test_it_is_the_convolution_with_zeros_beyond_the_rims(shape):
    x = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = gaussian_window(7, 3.0).double()
    flat = x.reshape(-1, 1, *shape)  # an oracle: torch's own convolution
    expected = F.conv2d(F.conv2d(flat, w[None, None, None], padding=(0, 7)), w[None, None, :, None], padding=(7, 0))
    torch.testing.assert_close(blurred(x, w.float()), expected.reshape(x.shape))


def test_it_never_loses_digits_to_autocast():
    x = torch.full((1, 1, 32, 32), 1000.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(blurred(x, gaussian_window(3, 1.0))[0, 0, 16, 16]) == pytest.approx(1000.1, rel=1e-6)


def test_a_window_has_unit_sum_even_when_it_is_a_point():
    assert gaussian_window(0, 0.0).tolist() == [1.0]
    assert float(gaussian_window(9, 3.0).sum()) == pytest.approx(1)
