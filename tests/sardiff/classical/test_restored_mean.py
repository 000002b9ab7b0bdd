import numpy as np
import pytest
import torch

from sardiff.classical.filters import BINOMIAL, smoothed
from sardiff.classical.restored_mean import LEVELS, REACH, restored_mean


def image(seed, size=96):
    return torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_an_image_with_itself_stays_as_it_is(weight):
    torch.testing.assert_close(restored_mean(image(1), image(1), weight), image(1))


def test_weights_of_nought_and_one_are_the_sources():
    torch.testing.assert_close(restored_mean(image(1), image(2), 0.0), image(1))
    torch.testing.assert_close(restored_mean(image(1), image(2), 1.0), image(2))


def test_at_equal_weights_neither_source_comes_first():
    torch.testing.assert_close(restored_mean(image(1), image(2), 0.5), restored_mean(image(2), image(1), 0.5))


def test_it_commutes_with_negatives_and_offsets():
    fused = restored_mean(image(1), image(2), 0.4)
    torch.testing.assert_close(restored_mean(1 - image(1), 1 - image(2), 0.4), 1 - fused)
    torch.testing.assert_close(restored_mean(image(1) + 0.2, image(2) + 0.2, 0.4), fused + 0.2)


def test_unlike_details_keep_the_contrast_that_their_mean_loses():
    """Of two independent noises of one contrast s the mean has s / 2^.5."""
    fused = restored_mean(image(1, 256), image(2, 256), 0.5)
    mean = (image(1, 256) + image(2, 256)) / 2

    def contrast(x):
        return float((x - smoothed(x, BINOMIAL, 1)).std())

    assert contrast(mean) / contrast(image(1, 256)) == pytest.approx(0.5**0.5, abs=0.02)
    assert contrast(fused) / contrast(image(1, 256)) == pytest.approx(1, abs=0.06)


def test_where_both_are_flat_nothing_appears():
    optical, sar = image(1), image(2)
    optical[..., 40:], sar[..., 40:] = 0.3, 0.7
    fused = restored_mean(optical, sar, 0.4)
    far = 40 + 2 * (2**LEVELS - 1)
    np.testing.assert_allclose(fused[..., far:], 0.6 * 0.3 + 0.4 * 0.7, atol=1e-12)


def test_it_sees_as_far_as_it_says():
    optical, sar = image(1, 160), image(2, 160)
    other = optical.clone()
    other[..., 80, 80] += 0.5
    changed = (restored_mean(other, sar, 0.4) != restored_mean(optical, sar, 0.4))[0, 0].nonzero()
    farthest = int((changed - 80).abs().max())
    assert farthest <= REACH
    assert farthest > REACH // 2
