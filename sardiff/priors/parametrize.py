"""From what a network was trained to predict (noise, v, or the image) to a denoiser D(x; sigma)."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from sardiff.arrays import Images, PerImage
from sardiff.priors.base import Denoiser, level
from sardiff.priors.local_mean import local_mean, mean_window

__all__ = ["PREDICTIONS", "Network", "edm", "grey", "log_intensity", "variance_preserving"]

Network: TypeAlias = Callable[[Images, PerImage], Images]
"""From scaled images and their places in the noise schedule to a prediction of the images' shape."""

PREDICTIONS = ("epsilon", "v_prediction", "sample")


def variance_preserving(network: Network, alphas_cumprod: Tensor, prediction: str = "epsilon") -> Denoiser:
    """Return D of a network that was trained on x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) z.

    Ho et al. (2020), arXiv:2006.11239, Eq. 4, their alpha-bar written a. Divided by sqrt(a_t) it is x_0 + sigma z with
    sigma^2 = (1 - a_t) / a_t: the network sees x / sqrt(1 + sigma^2), at a t between timesteps, straight in
    log sigma. Then x_0 = x - sigma eps (their Eq. 15), x_0 = sqrt(a_t) x_t - sqrt(1 - a_t) v (Salimans and Ho 2022,
    arXiv:2202.00512, section 4), or what the network gives.

    Parameters
    ----------
    network : Network
        Of x_t and t, counted from 0.
    alphas_cumprod : Tensor (timesteps,)
        a_t, falling, from below 1; those of 0, pure noise, are left out. Outside their sigma see `_within`.
    prediction : str
        One of `PREDICTIONS`.

    Raises
    ------
    ValueError
        If there is no such prediction, or alphas_cumprod does not fall.
    """
    _require(prediction, PREDICTIONS)
    kept = alphas_cumprod.double()[alphas_cumprod > 0]
    if len(kept) < 2 or not kept[0] < 1 or not bool((kept.diff() < 0).all()):
        raise ValueError("alphas_cumprod must fall from below 1")
    sigmas = ((1 - kept) / kept).sqrt()

    def denoise(x: Images, sigma: float | PerImage) -> Images:
        s = level(sigma, x)
        signal, noise = (1 + s**2).rsqrt(), s * (1 + s**2).rsqrt()
        predicted = network(signal * x, _place(s, sigmas).expand(len(x)))
        if prediction == "epsilon":
            return x - s * predicted
        return predicted if prediction == "sample" else signal * (signal * x) - noise * predicted

    return _within(denoise, float(sigmas[0]), float(sigmas[-1]))


def edm(
    network: Network,
    sigma_data: float = 0.5,
    sigma_range: tuple[float, float] = (0.002, 80.0),
    prediction: str = "epsilon",
) -> Denoiser:
    """Return D of a network with the preconditioning of Karras et al. (2022), arXiv:2206.00364, Eq. 7 and Table 1.

    D = c_skip x + c_out F(c_in x, ln(sigma) / 4). "epsilon" is theirs; with "v_prediction" F has the other sign.

    Raises
    ------
    ValueError
        If there is no such prediction, or a number is out of range.
    """
    _require(prediction, PREDICTIONS[:2])
    if not (sigma_data > 0 and 0 < sigma_range[0] < sigma_range[1]):
        raise ValueError(f"sigma_data and sigma_range must be > 0 and rise, got {sigma_data} and {sigma_range}")
    sign = 1 if prediction == "epsilon" else -1

    def denoise(x: Images, sigma: float | PerImage) -> Images:
        s = level(sigma, x)
        total = (s**2 + sigma_data**2).sqrt()
        predicted = network(x / total, (s.log() / 4).reshape(-1).expand(len(x)))
        return (sigma_data / total) ** 2 * x + sign * s * sigma_data / total * predicted

    return _within(denoise, *sigma_range)


def grey(denoise: Denoiser, bands: int) -> Denoiser:
    """Return D of single-band images by a denoiser of `bands`, which sees the image in each of them; their mean.

    Its noise is independent from band to band, and the mean of n bands with noise of sigma sqrt(n) has noise of
    sigma: so that is the level it is told. Exact for Gaussian images whose bands are alike, however correlated.
    """

    def mean_of_bands(x: Images, sigma: float | PerImage) -> Images:
        return denoise(x.repeat(1, bands, 1, 1), math.sqrt(bands) * sigma).mean(dim=1, keepdim=True)

    return denoise if bands == 1 else mean_of_bands


def log_intensity(denoise: Denoiser, *, offset: float, scale: float, mean_radius: int | None = None) -> Denoiser:
    """Return D of log-intensity x by a denoiser of (x - offset) / scale.

    With `mean_radius`, of (x - m - offset) / scale, m the Gaussian local mean of x (`local_mean`): then a gain only
    moves m, and D(x + c; sigma) = D(x; sigma) + c. A mean over a whole tile would do that too, but differ from
    tile to tile.
    """
    window = None if mean_radius is None else mean_window(mean_radius)

    def in_log_intensity(x: Images, sigma: float | PerImage) -> Images:
        centre = offset if window is None else local_mean(x, window) + offset
        return centre + scale * denoise((x - centre) / scale, sigma / scale)

    return in_log_intensity


def _place(sigma: Tensor, sigmas: Tensor) -> PerImage:
    """Where each sigma lies among `sigmas`, which rise: 0 at the first, straight in log sigma between them."""
    at, nodes = sigma.reshape(-1).log(), sigmas.log().to(sigma)
    after = torch.searchsorted(nodes, at).clamp(1, len(nodes) - 1)
    low, high = nodes[after - 1], nodes[after]
    return after - 1 + ((at - low) / (high - low)).clamp(0, 1)


def _within(denoise: Denoiser, least: float, most: float) -> Denoiser:
    """Return D for any sigma > 0 by a denoiser that knows sigma from `least` to `most`.

    Below, the score (D - x) / sigma^2 stays that of `least`, so that D becomes x. Above, x is scaled by
    most / sigma: its noise is what the denoiser knows, the image in it fainter.
    """

    def anywhere(x: Images, sigma: float | PerImage) -> Images:
        s = level(sigma, x).expand(len(x), 1, 1, 1)
        known = s.clamp(least, most)
        d = denoise(x * (known / s).clamp(max=1), known.reshape(-1))
        return torch.lerp(x, d, (s / known).clamp(max=1) ** 2)

    return anywhere


def _require(prediction: str, known: tuple[str, ...]) -> None:
    if prediction not in known:
        raise ValueError(f"prediction must be one of {', '.join(known)}, got {prediction!r}")
