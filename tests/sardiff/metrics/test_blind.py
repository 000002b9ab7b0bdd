import math

import numpy as np
import pytest
from scipy import ndimage

from sardiff.metrics import edge_preservation, enl, enl_map, homogeneous_windows, ratio_statistics
from sardiff.simulate import landscape, speckle


def test_enl_is_squared_mean_over_variance():
    y = np.array([[1.0, 3.0], [np.nan, 5.0]])
    assert enl(y) == pytest.approx(9 / 4)
    assert enl(np.ones(5)) == math.inf
    assert math.isnan(enl([np.nan, 1.0]))


@pytest.mark.parametrize("size", [4, 7])
def test_enl_map_is_enl_of_each_window(size):  # an oracle: one window at a time
    y = speckle((30, 25), 3, np.random.default_rng(0)) * 1e4
    y[3:6, 10:20] = np.nan
    found = enl_map(y, size)
    for r, c in ((15, 12), (0, 0), (29, 24), (4, 11), (2, 20)):
        inside = y[max(r - size // 2, 0) : r - size // 2 + size, max(c - size // 2, 0) : c - size // 2 + size]
        if np.isfinite(inside).sum() < 0.5 * size**2:
            assert math.isnan(found[r, c])
        else:
            assert found[r, c] == pytest.approx(enl(inside), rel=1e-6)
    assert (enl_map(np.full((9, 9), 0.3), 4)[2:7, 2:7] == math.inf).all()


def test_homogeneous_windows_lie_on_even_ground():
    rng = np.random.default_rng(0)
    x = np.ones((200, 200))
    x[:, 100:] = np.exp(rng.normal(0, 1, (200, 100)))  # rough on the right
    even = homogeneous_windows(x * speckle(x.shape, 4, rng), looks=4)
    assert len(even) > 50
    assert (even.cols + even.size <= 108).all()
    # Without even ground the calmest are given all the same.
    assert len(homogeneous_windows(np.exp(rng.normal(0, 3, (100, 100))), looks=4)) >= 4


def test_the_ratio_of_a_perfect_result_is_speckle():
    x = np.nan_to_num(landscape((300, 300), seed=1).intensity, nan=-1)
    y = x * speckle(x.shape, 2.5, np.random.default_rng(0))
    ratio = ratio_statistics(y, x)
    assert ratio.pixels == (x > 0).sum()
    assert ratio.mean == pytest.approx(1, abs=0.01)
    assert ratio.variance == pytest.approx(1 / 2.5, rel=0.03)
    assert ratio.looks == pytest.approx(2.5, rel=0.03)
    assert max(map(abs, (*ratio.lag1, ratio.structure))) < 0.02


def test_the_ratio_shows_what_blurring_took_and_what_doing_nothing_left():
    x = np.nan_to_num(landscape((300, 300), seed=1).intensity, nan=0.05)
    y = x * speckle(x.shape, 4, np.random.default_rng(0))
    blurred = ratio_statistics(y, ndimage.gaussian_filter(x, 4))
    assert min(blurred.lag1) > 0.1
    assert blurred.variance > 1.2 / 4
    same = ratio_statistics(y, y)
    assert same.mean == 1
    assert same.looks == math.inf
    assert math.isnan(same.structure)
    assert ratio_statistics(y, x * np.sqrt(x)).structure < -0.3
    assert ratio_statistics(x, np.sqrt(x)).structure > 0.9
    assert math.isnan(ratio_statistics(y * np.nan, y).mean)


def test_edges_are_kept_by_the_truth_and_lost_by_blurring():
    x = np.nan_to_num(landscape((300, 300), seed=1).intensity, nan=0.05)
    y = x * speckle(x.shape, 4, np.random.default_rng(0))
    assert edge_preservation(x, x) == pytest.approx(1)
    assert edge_preservation(x, x**2) == pytest.approx(2, rel=0.35)
    assert 0.75 < edge_preservation(y, x) < 1.0
    values = [edge_preservation(x, ndimage.gaussian_filter(x, s), x) for s in (1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5
    assert math.isnan(edge_preservation(np.ones((30, 30)), np.ones((30, 30))))


def test_a_step_of_known_height_keeps_its_share():  # closed form
    x = np.ones((40, 40))
    x[:, 20:] = 9.0
    assert edge_preservation(x, np.sqrt(x)) == pytest.approx(0.5, abs=0.02)
    assert edge_preservation(x, 1 / x) == pytest.approx(-1, abs=0.02)  # turned round is not preserved


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        ratio_statistics(np.ones((3, 3)), np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"^share must lie"):
        edge_preservation(np.ones((9, 9)), np.ones((9, 9)), share=0)
