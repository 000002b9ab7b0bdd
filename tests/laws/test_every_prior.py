"""What every prior keeps to; a new one joins by one line."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn

from sardiff.priors.base import Denoiser, Prior
from sardiff.priors.gaussian import GaussianPrior, InverseGammaPrior, StationaryGaussianPrior
from sardiff.priors.mixture import GaussianMixturePrior
from sardiff.priors.network import LocalUNet
from sardiff.priors.parametrize import edm, log_intensity

SIDE = 4  # of the images that the exact priors are asked about


def spectrum():
    frequency = torch.fft.fftfreq(SIDE, dtype=torch.float64)
    return 2 / (0.05 + frequency[:, None] ** 2 + frequency**2)


def preconditioned(sigma_data=0.5, scale=2.0, offset=-1.0):
    """A perfect network for white Gaussian images, in units and with a preconditioning of its own."""
    white = GaussianPrior(0.2, 0.3)

    def network(x, c_noise):
        s = (4 * c_noise).exp().reshape(-1, 1, 1, 1)
        total = (s**2 + sigma_data**2).sqrt()
        return (white.denoise(total * x, s.reshape(-1)) - sigma_data**2 / total * x) * total / (s * sigma_data)

    denoise = log_intensity(edm(network, sigma_data), offset=offset, scale=scale)
    return replace(GaussianPrior(offset + scale * 0.2, scale**2 * 0.3).prior(), denoise=denoise)


EXACT = {
    "white": GaussianPrior(0.5, 0.8).prior(),
    "stationary": StationaryGaussianPrior(-1.0, spectrum()).prior(),
    "mixture": GaussianMixturePrior((0.4, 0.6), (-1.0, 1.0), (0.05, 0.3)).prior(),
    "inverse gamma": InverseGammaPrior(2.0, 1.5).prior(),
    "preconditioned": preconditioned(),
}


def network(widths=(8, 16), depths=(1, 2), bands=1, mean_radius=4):
    """A LocalUNet whose every layer speaks: those that start at zero are drawn anew."""
    unet = LocalUNet(bands=bands, widths=widths, depths=depths, mean_radius=mean_radius).double()
    for part in unet.modules():
        if isinstance(part, nn.Conv2d | nn.Linear) and not part.weight.any():
            nn.init.normal_(part.weight, std=0.3 / math.sqrt(part.weight[0].numel()))
    return unet.requires_grad_(False)


def record(unet: LocalUNet) -> Prior:
    def denoise(x, sigma):
        levels = torch.as_tensor(sigma, dtype=x.dtype).expand(x.shape[0])
        return unet(x, levels)

    return Prior(denoise, unet.config["bands"], unet.receptive_field, unet.stride, ((1.0, 0.5),), name="network")


ALL = EXACT | {"network": record(network())}


@pytest.fixture(params=EXACT.values(), ids=EXACT.keys())
def exact(request):
    return request.param


@pytest.fixture(params=ALL.values(), ids=ALL.keys())
def prior(request):
    return request.param


def images(count=2, side=SIDE, bands=1):
    return torch.randn(count, bands, side, side, dtype=torch.float64)


def test_it_is_a_denoiser_of_the_same_shape_and_type(prior):
    assert isinstance(prior.denoise, Denoiser)
    x = images()
    d = prior.denoise(x, 0.7)
    assert d.shape == x.shape
    assert d.dtype == x.dtype


def test_without_noise_the_image_stays(prior):
    x = images()
    torch.testing.assert_close(prior.denoise(x, 1e-5), x, rtol=0, atol=1e-4)


def test_an_image_does_not_feel_its_batch(prior):
    x = images(3)
    sigmas = torch.tensor([0.1, 1.0, 5.0], dtype=torch.float64)
    together = prior.denoise(x, sigmas)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], prior.denoise(x[i : i + 1], float(sigmas[i])))


@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0])
def test_jacobian_is_symmetric_and_positive(exact, sigma):
    jacobian = torch.autograd.functional.jacobian(lambda x: exact.denoise(x, sigma), images(1))
    jacobian = jacobian.reshape(SIDE**2, SIDE**2)
    torch.testing.assert_close(jacobian, jacobian.T)
    assert torch.linalg.eigvalsh(jacobian).min() > -1e-9  # sigma^2 J is a covariance


def test_variance_is_at_most_that_of_doing_nothing_and_rises_with_the_noise(prior):
    sigmas = [10 ** (k / 10) for k in range(-40, 31)]
    variances = [prior.v(sigma) for sigma in sigmas]
    assert all(0 < v <= sigma**2 for v, sigma in zip(variances, sigmas, strict=True))
    assert variances == sorted(variances)


@pytest.mark.parametrize("bands", [1, 2])
def test_network_carries_a_gain_through(bands):
    prior = record(network(bands=bands))
    x = images(2, 16, bands)
    for gain in (-7.0, 0.3, 20.0):
        torch.testing.assert_close(prior.denoise(x + gain, 0.8), prior.denoise(x, 0.8) + gain, rtol=0, atol=1e-10)


NETWORKS = {
    "one level": {"widths": (6,), "depths": (1,), "mean_radius": 2},
    "two levels": {"widths": (6, 8), "depths": (1, 2), "mean_radius": 3},
    "three levels": {"widths": (4, 6, 8), "depths": (2, 1, 1), "mean_radius": 5},
    "mostly mean": {"widths": (4,), "depths": (1,), "mean_radius": 24},
}


def reach(unet: LocalUNet) -> int:
    """How far, in pixels along an axis, a change of one pixel is felt, were nothing to cancel or to fade.

    With positive weights, no biases and no dependence on the level, an image of zeros stays zero, and whatever a
    single bright pixel can touch becomes positive.
    """
    for part in unet.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            part.weight.abs_()
            part.bias.zero_()
        if isinstance(part, nn.Linear):
            part.weight.zero_()
            part.bias.zero_()
    prior = record(unet)
    start = math.ceil((prior.receptive_field + 8) / prior.stride) * prior.stride
    farthest = 0
    for row, col in product({0, prior.stride // 2, prior.stride - 1}, repeat=2):  # every place in the stride differs
        x = torch.zeros(1, 1, 2 * start + prior.stride, 2 * start + prior.stride, dtype=torch.float64)
        x[..., start + row, start + col] = 1e6
        rows, cols = torch.nonzero(prior.denoise(x, 1.0)[0, 0], as_tuple=True)
        farthest = max(farthest, int(torch.cat([rows - start - row, cols - start - col]).abs().max()))
    return farthest


@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS.keys())
def test_network_sees_as_far_as_its_receptive_field_says(shape):
    unet = network(**shape)
    assert 0.8 * unet.receptive_field < reach(unet) <= unet.receptive_field  # more would only cost overlap


@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS.keys())
def test_what_lies_outside_the_receptive_field_changes_nothing(shape):
    prior = record(network(**shape))
    start = math.ceil((prior.receptive_field + 8) / prior.stride) * prior.stride
    x = images(1, 2 * start + prior.stride)
    window = slice(start - prior.receptive_field, start + prior.stride + prior.receptive_field)
    other = 100 * torch.randn_like(x)
    other[..., window, window] = x[..., window, window]
    core = slice(start, start + prior.stride)
    expected = prior.denoise(x, 1.0)[..., core, core]
    torch.testing.assert_close(prior.denoise(other, 1.0)[..., core, core], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", NETWORKS.values(), ids=NETWORKS.keys())
def test_network_commutes_with_shifts_by_its_stride(shape):
    prior = record(network(**shape))
    margin = math.ceil(prior.receptive_field / prior.stride) * prior.stride
    side = 2 * margin + 4 * prior.stride
    x = images(1, side + prior.stride)
    here = prior.denoise(x[..., :side, :side], 0.5)
    there = prior.denoise(x[..., prior.stride :, prior.stride :], 0.5)
    inside, again = slice(margin + prior.stride, side - margin), slice(margin, side - margin - prior.stride)
    torch.testing.assert_close(there[..., again, again], here[..., inside, inside])
