import numpy as np
import pytest

from sardiff.metrics.windows import autocorrelation, correlation_area, windows
from sardiff.simulate import ImpulseResponse, correlated_speckle


def test_residual_and_variance_are_those_of_a_least_squares_plane():  # an oracle: numpy's lstsq
    image = np.random.default_rng(0).gamma(2, size=(40, 33))
    laid = windows(image, 12)
    v, u = np.mgrid[:12, :12]
    plane = np.stack([np.ones(144), v.ravel(), u.ravel()], axis=1)
    for k in (0, 5, len(laid) - 1):
        log = np.log(image[laid.rows[k] : laid.rows[k] + 12, laid.cols[k] : laid.cols[k] + 12]).ravel()
        fitted, squares, *_ = np.linalg.lstsq(plane, log, rcond=None)
        np.testing.assert_allclose(laid.residual[k].ravel(), log - plane @ fitted, atol=1e-5)
        assert laid.variance[k] == pytest.approx(squares[0] / (144 - 3), rel=1e-5)


def test_a_gain_that_grows_exponentially_is_no_variance():
    v, u = np.mgrid[:30, :30]
    assert windows(np.exp(0.3 * v - 0.2 * u), 8).variance.max() < 1e-9


def test_windows_with_holes_are_left_out_or_mended():
    image = np.random.default_rng(0).gamma(4, size=(64, 64))
    image[:, 40:] = np.nan
    image[::9, ::9] = 0
    laid = windows(image, 16)
    assert len(laid)
    assert (laid.cols + 16 <= 41).all()
    assert np.isnan(laid.residual).any()
    full = windows(np.where(image > 0, image, np.nan)[:, :40], 16)
    np.testing.assert_allclose(np.median(laid.variance), np.median(full.variance), rtol=0.1)
    np.testing.assert_array_equal(laid.of(image)[0], image[:16, :16])


@pytest.mark.parametrize("size", [16, 24])
def test_autocorrelation_is_that_of_the_impulse_response(size):
    response = ImpulseResponse(looks=3, bandwidth=(0.7, 0.4))
    n = correlated_speckle((512, 512), np.random.default_rng(2), looks=3, bandwidth=(0.7, 0.4))
    found = autocorrelation(windows(n, size))
    expected = [[response.correlation(lag, axis) for lag in (1, 2, 3)] for axis in (0, 1)]
    np.testing.assert_allclose(found, expected, atol=0.04)


def test_correlation_area():
    assert correlation_area(np.zeros((2, 3))) == 1
    assert correlation_area(np.array([[0.5, 0, 0], [0.25, 0.25, 0]])) == pytest.approx(2 * 2)


def test_a_small_image_has_no_windows_and_a_stack_is_refused():
    assert len(windows(np.ones((5, 50)), 8)) == 0
    assert np.isnan(autocorrelation(windows(np.ones((5, 50)), 8))).all()
    with pytest.raises(ValueError, match=r"one band \(rows, cols\)"):
        windows(np.ones((2, 20, 20)), 8)
