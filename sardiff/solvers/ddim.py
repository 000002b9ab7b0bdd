"""The prior alone: DDPM, DDIM and Heun's method."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sardiff.arrays import Images
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Noise, Step, renoise, start_from

__all__ = ["ddim", "ddpm", "heun"]


def ddim(
    denoise: Denoiser, sigmas: Sequence[float], noise: Noise, *, eta: float = 0.0, start: Images | None = None
) -> Iterator[Step]:
    """Yield the steps of DDIM: Song et al. (2021), arXiv:2010.02502, Eq. 12; eta = 1 is DDPM."""
    x = start_from(start, sigmas[0], noise)
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        x = renoise(x, x0, sigma, lower, eta, noise(i + 1))
        yield Step(lower, x, x0)


def ddpm(denoise: Denoiser, sigmas: Sequence[float], noise: Noise, *, start: Images | None = None) -> Iterator[Step]:
    """Yield the ancestral steps of DDPM: Ho et al. (2020), arXiv:2006.11239, Algorithm 2, variance beta-tilde."""
    yield from ddim(denoise, sigmas, noise, eta=1.0, start=start)


def heun(denoise: Denoiser, sigmas: Sequence[float], noise: Noise, *, start: Images | None = None) -> Iterator[Step]:
    """Yield the steps of Heun's second-order method: Karras et al. (2022), arXiv:2206.00364, Algorithm 1."""
    x = start_from(start, sigmas[0], noise)
    for sigma, lower in pairwise(sigmas):
        x0 = denoise(x, sigma)
        slope = (x - x0) / sigma
        x_next = x + (lower - sigma) * slope
        if lower > 0:
            x0 = denoise(x_next, lower)
            slope = (slope + (x_next - x0) / lower) / 2
            x_next = x + (lower - sigma) * slope
        x = x_next
        yield Step(lower, x, x0)
