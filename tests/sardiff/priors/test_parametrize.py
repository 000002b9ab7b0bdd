"""From predictions of noise, v or the image to D: for Gaussian images the answer is known."""

import math

import numpy as np
import pytest
import torch

from sardiff.priors.gaussian import GaussianPrior
from sardiff.priors.local_mean import local_mean, mean_window
from sardiff.priors.parametrize import PREDICTIONS, edm, grey, log_intensity, variance_preserving

ABAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
LEAST, MOST = (float(((1 - a) / a).sqrt()) for a in ABAR[[0, -1]])
EXACT = GaussianPrior(0.2, 0.5)


def sigma_at(t):
    """Noise level at t between timesteps, straight in its logarithm."""
    log_sigmas = np.log(np.sqrt((1 - ABAR.numpy()) / ABAR.numpy()))
    return torch.from_numpy(np.exp(np.interp(t.numpy(), np.arange(1000), log_sigmas))).reshape(-1, 1, 1, 1)


def predictor(prediction, exact=EXACT):
    """What a perfect network makes of x_t = alpha x_0 + s z, for white Gaussian images."""

    def network(x_t, t):
        sigma = sigma_at(t)
        alpha, s = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
        x0 = exact.denoise(x_t / alpha, sigma.reshape(-1))
        eps = (x_t - alpha * x0) / s
        return {"epsilon": eps, "v_prediction": alpha * eps - s * x0, "sample": x0}[prediction]

    return network


def images(count=2, bands=1, side=8):
    return torch.randn(count, bands, side, side, dtype=torch.float64)


@pytest.mark.parametrize("sigma", [1.01 * LEAST, 0.1, 0.5, 3.0, 0.99 * MOST])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_perfect_network_gives_the_wiener_filter(prediction, sigma):
    x = images()
    d = variance_preserving(predictor(prediction), ABAR, prediction)(x, sigma)
    torch.testing.assert_close(d, EXACT.denoise(x, sigma), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sigma", [0.003, 0.5, 60.0])
def test_so_does_one_with_the_preconditioning_of_karras(prediction, sigma):
    sign = 1 if prediction == "epsilon" else -1

    def network(x, c_noise):
        s = (4 * c_noise).exp().reshape(-1, 1, 1, 1)
        total = (s**2 + 0.6**2).sqrt()
        x = x * total
        return sign * (EXACT.denoise(x, s.reshape(-1)) - 0.6**2 / total**2 * x) / (s * 0.6 / total)

    x = images()
    torch.testing.assert_close(edm(network, 0.6, prediction=prediction)(x, sigma), EXACT.denoise(x, sigma))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_an_image_does_not_feel_its_batch_nor_its_type(prediction):
    denoise = variance_preserving(predictor(prediction), ABAR, prediction)
    x, sigmas = images(3), torch.tensor([0.001, 0.7, 500.0], dtype=torch.float64)
    together = denoise(x, sigmas)
    for i, sigma in enumerate(sigmas.tolist()):
        torch.testing.assert_close(denoise(x[i : i + 1], sigma), together[i : i + 1])


def test_single_precision_is_kept_and_enough():
    def network(x_t, t):
        assert x_t.dtype == t.dtype == torch.float32
        return predictor("epsilon")(x_t.double(), t.double()).float()

    x = images()
    d = variance_preserving(network, ABAR, "epsilon")(x.float(), 0.5)
    assert d.dtype == torch.float32
    torch.testing.assert_close(d.double(), EXACT.denoise(x, 0.5), rtol=0, atol=1e-5)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_below_the_least_level_the_score_stays_and_above_the_greatest_the_noise(prediction):
    denoise = variance_preserving(predictor(prediction), ABAR, prediction)
    x = images()
    score = (EXACT.denoise(x, LEAST) - x) / LEAST**2
    torch.testing.assert_close(denoise(x, LEAST / 10), x + (LEAST / 10) ** 2 * score)
    fainter = EXACT.denoise(x / 10, MOST)
    torch.testing.assert_close(denoise(x, 10 * MOST), fainter, rtol=1e-6, atol=1e-6)


def test_pure_noise_at_the_end_of_a_schedule_is_no_level():
    zero_snr = torch.cat([ABAR, torch.zeros(1, dtype=torch.float64)])
    x = images()
    d = variance_preserving(predictor("epsilon"), zero_snr)(x, 2 * MOST)
    torch.testing.assert_close(d, variance_preserving(predictor("epsilon"), ABAR)(x, 2 * MOST))


def test_three_bands_that_are_alike_see_the_noise_of_one():
    rgb = torch.full((3, 3), 0.3, dtype=torch.float64) + 0.2 * torch.eye(3, dtype=torch.float64)

    def denoise(x, sigma):
        gain = rgb @ torch.linalg.inv(rgb + sigma**2 * torch.eye(3, dtype=torch.float64))
        return torch.einsum("ij,bjhw->bihw", gain, x)

    x = images()
    mean_of_bands = GaussianPrior(0.0, float(rgb.mean()))
    torch.testing.assert_close(grey(denoise, 3)(x, 0.4), mean_of_bands.denoise(x, 0.4))
    assert grey(denoise, 1) is denoise


def test_units_are_those_of_log_intensity():
    denoise = log_intensity(EXACT.denoise, offset=-2.0, scale=3.0)
    x = images()
    expected = GaussianPrior(-2.0 + 3.0 * EXACT.mean, 9.0 * EXACT.variance).denoise(x, 0.8)
    torch.testing.assert_close(denoise(x, 0.8), expected)
    torch.testing.assert_close(denoise(x, torch.tensor([0.8, 0.8], dtype=torch.float64)), expected)


def test_around_the_local_mean_a_gain_is_carried_through():
    denoise = log_intensity(EXACT.denoise, offset=0.3, scale=2.0, mean_radius=3)
    x = images(side=16)
    for gain in (-7.0, 20.0):
        torch.testing.assert_close(denoise(x + gain, 0.8), denoise(x, 0.8) + gain, rtol=0, atol=1e-5)
    centre = local_mean(x, mean_window(3)) + 0.3
    torch.testing.assert_close(denoise(x, 0.8), centre + 2 * EXACT.denoise((x - centre) / 2, 0.4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: variance_preserving(predictor("sample"), ABAR, "flow"), "prediction must be one of epsilon"),
        (lambda: variance_preserving(predictor("sample"), ABAR.flip(0)), "alphas_cumprod must fall"),
        (lambda: variance_preserving(predictor("sample"), torch.tensor([1.0, 0.5])), "alphas_cumprod must fall"),
        (lambda: edm(predictor("sample"), prediction="sample"), "prediction must be one of epsilon, v_prediction,"),
        (lambda: edm(predictor("sample"), math.nan), "must be > 0"),
    ],
)
def test_what_cannot_be_read_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
