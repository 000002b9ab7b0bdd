import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sardiff.priors.base import Prior
from sardiff.priors.gaussian import GaussianPrior, InverseGammaPrior, StationaryGaussianPrior

SIGMAS = st.floats(-3, 2).map(lambda power: 10**power)
PAIRS = [(0.6, 0.3), (2.0, 1.5), (9.0, 40.0)]


def psd(h=6, w=5, correlation=2.0, variance=1.3):
    """A Gaussian-shaped spectrum of the given variance a pixel."""
    rows, cols = torch.fft.fftfreq(h, dtype=torch.float64), torch.fft.fftfreq(w, dtype=torch.float64)
    shape = torch.exp(-0.5 * (2 * math.pi * correlation) ** 2 * (rows[:, None] ** 2 + cols**2) / 4) + 0.01
    return variance * shape / shape.mean()


def covariance(spectrum):
    """The dense (h w, h w) covariance that a spectrum stands for, lag by lag."""
    h, w = spectrum.shape
    lags = torch.fft.ifft2(spectrum).real
    place = torch.arange(h * w)
    rows, cols = place // w, place % w
    return lags[(rows[:, None] - rows) % h, (cols[:, None] - cols) % w]


@given(sigma=SIGMAS, mean=st.floats(-3, 3), variance=st.floats(0.01, 9))
def test_white_gaussian_is_the_precision_weighted_mean(sigma, mean, variance):
    prior = GaussianPrior(mean, variance)
    x = torch.randn(2, 1, 3, 3, dtype=torch.float64)
    precision = 1 / variance + 1 / sigma**2
    torch.testing.assert_close(prior.denoise(x, sigma), (mean / variance + x / sigma**2) / precision)
    assert prior.posterior(x, sigma**2)[1] == pytest.approx(1 / precision) == prior.v(sigma)


@given(sigma=SIGMAS)
def test_stationary_gaussian_agrees_with_dense_linear_algebra(sigma):
    spectrum = psd()
    prior = StationaryGaussianPrior(0.4, spectrum)
    x = torch.randn(2, 1, 6, 5, dtype=torch.float64)
    dense = covariance(spectrum)
    noisy = dense + sigma**2 * torch.eye(30, dtype=torch.float64)
    gain = torch.linalg.solve(noisy, dense).T
    expected = 0.4 + (x.reshape(2, 30) - 0.4) @ gain.T
    mean, spread = prior.posterior(x, sigma**2)
    torch.testing.assert_close(prior.denoise(x, sigma).reshape(2, 30), expected)
    torch.testing.assert_close(mean.reshape(2, 30), expected)
    torch.testing.assert_close(covariance(spread), dense - gain @ dense)
    assert prior.v(sigma) == pytest.approx(float((dense - gain @ dense).diagonal().mean()), rel=1e-6)


def test_stationary_samples_have_the_covariance():
    spectrum = psd(4, 4)
    images = StationaryGaussianPrior(-2.0, spectrum).sample(torch.randn(40000, 1, 4, 4, dtype=torch.float64))
    flat = images.reshape(-1, 16)
    torch.testing.assert_close(flat.mean(0), torch.full((16,), -2.0, dtype=torch.float64), rtol=0, atol=0.03)
    torch.testing.assert_close(torch.cov(flat.T), covariance(spectrum), rtol=0, atol=0.04)


def brute(a, b, x, sigma):
    """Mean and variance of log InvGamma(a, b) given itself plus noise, on one fine grid."""
    u = np.linspace(-20, 60, 400001) if sigma > 0.05 else x + sigma * np.linspace(-12, 12, 20001)
    log_density = -a * u - b * np.exp(-u) - (u - x) ** 2 / (2 * sigma**2)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    mean = (density * u).sum()
    return mean, (density * (u - mean) ** 2).sum()


@pytest.mark.parametrize(("a", "b"), PAIRS)
@given(sigma=st.floats(-2, 1.3).map(lambda power: 10**power), place=st.floats(-4, 4))
def test_inverse_gamma_denoiser_and_its_slope(a, b, sigma, place):
    prior = InverseGammaPrior(a, b)
    x = torch.full((1, 1, 1, 1), prior.mean, dtype=torch.float64)
    x = (x + place * math.sqrt(prior.variance + sigma**2)).requires_grad_()
    mean = prior.denoise(x, sigma)
    (slope,) = torch.autograd.grad(mean.sum(), x)
    expected_mean, expected_variance = brute(a, b, x.item(), sigma)
    scale = math.sqrt(expected_variance)
    assert mean.item() == pytest.approx(expected_mean, abs=1e-4 * scale)
    assert slope.item() == pytest.approx(expected_variance / sigma**2, rel=2e-3, abs=1e-5)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_inverse_gamma_moments_and_average_variance(a, b):
    prior = InverseGammaPrior(a, b)
    u = np.log(stats.invgamma(a, scale=b).rvs(200_000, random_state=0))
    assert prior.mean == pytest.approx(u.mean(), abs=5 * u.std() / math.sqrt(u.size))
    assert prior.variance == pytest.approx(u.var(), rel=0.03)
    for sigma in (0.1, 0.7, 3.0):
        x0 = torch.from_numpy(u).reshape(1, 1, 400, 500)
        error = x0 - prior.denoise(x0 + sigma * torch.randn_like(x0), sigma)
        assert prior.v(sigma) == pytest.approx(float(error.square().mean()), rel=0.03)


@given(looks=st.floats(0.5, 20), y=st.floats(-4, 4))
def test_inverse_gamma_posterior_under_gamma_speckle(looks, y):
    a, b = 2.5, 1.7
    prior = InverseGammaPrior(a, b)
    mean, variance = prior.posterior(torch.full((1, 1, 1, 1), y, dtype=torch.float64), looks)
    u = np.linspace(-20, 30, 200001)
    log_density = stats.invgamma(a, scale=b).logpdf(np.exp(u)) + u
    log_density += stats.loggamma(c=looks, loc=-math.log(looks)).logpdf(y - u)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    centre = (density * u).sum()
    assert mean.item() == pytest.approx(centre, abs=1e-7)
    assert variance == pytest.approx((density * (u - centre) ** 2).sum(), rel=1e-6)


def test_inverse_gamma_stays_sane_far_outside_its_table():
    prior = InverseGammaPrior(2.0, 1.0)
    x = torch.linspace(-3000, 3000, 601, dtype=torch.float64).reshape(1, 1, 1, -1)
    for sigma in (1e-3, 1.0, 80.0):
        d = prior.denoise(x, sigma)
        assert d.isfinite().all()
        assert (d.flatten().diff() >= 0).all()


@given(sigma=st.floats(-4, 3).map(lambda power: 10**power))
def test_table_of_the_record_interpolates_the_exact_variance(sigma):
    exact = GaussianPrior(0.0, 0.8)
    expected = exact.v(sigma)
    assert exact.prior().v(sigma) == pytest.approx(expected, rel=2e-3)


def test_variance_below_above_and_between_the_rows_of_a_table():
    prior = Prior(GaussianPrior().denoise, 1, 0, 1, ((0.1, 0.009), (1.0, 0.4), (10.0, 0.9)), name="table")
    assert prior.v(0.0) == 0
    assert prior.v(0.01) == pytest.approx(0.009 / 100)  # falls as sigma^2
    assert prior.v(0.1) == pytest.approx(0.009)
    assert prior.v(math.sqrt(10)) == pytest.approx(math.sqrt(0.4 * 0.9))  # halfway in the logarithm
    assert prior.v(1e4) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": "db"}, r"^units of a prior must be 'log_intensity', got 'db'"),
        ({"bands": 0}, r"^bands must be >= 1, got 0"),
        ({"stride": 0}, r"^stride must be >= 1, got 0"),
        ({"receptive_field": -1}, r"^receptive_field must be >= 0, got -1"),
        ({"variance": ()}, r"^variance must be a table of rising sigma"),
        ({"variance": ((1.0, 0.1), (0.5, 0.1))}, r"^variance must be a table of rising sigma"),
        ({"variance": ((1.0, math.nan),)}, r"^variance must be a table of positive finite"),
    ],
)
def test_a_record_out_of_range_is_refused(change, message):
    record = {"bands": 1, "receptive_field": 0, "stride": 1, "variance": ((1.0, 0.5),), "name": "x"} | change
    with pytest.raises(ValueError, match=message):
        Prior(GaussianPrior().denoise, **record)


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^variance must be > 0, got 0"):
        GaussianPrior(0.0, 0.0)
    with pytest.raises(ValueError, match=r"^a and b must be > 0, got nan and 1"):
        InverseGammaPrior(math.nan, 1.0)
    with pytest.raises(ValueError, match=r"^psd must be symmetric"):
        StationaryGaussianPrior(0.0, torch.rand(4, 4))
    with pytest.raises(ValueError, match=r"^psd must be \(h, w\), >= 0"):
        StationaryGaussianPrior(0.0, torch.full((4, 4), -1.0))
