"""DDFM: reverse diffusion whose clean image is replaced by one step of expectation maximisation."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sardiff.arrays import Images
from sardiff.likelihoods.laplace import FusionEnergy
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Noise, Step, renoise, start_from

__all__ = ["ddfm"]


def ddfm(
    denoise: Denoiser,
    energy: FusionEnergy,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    start: Images | None = None,
    eta: float = 1.0,
) -> Iterator[Step]:
    """Yield the steps of DDFM.

    Zhao et al. (2023), DDFM, arXiv:2303.06840, Algorithm 1: x0 = D(x; s); one EM step on the hierarchical model of
    section 3.2, in which a Laplace residual is a Gaussian one of exponential variance (`FusionEnergy.em`); then the
    step of DDPM from there. Where we differ: the scales of the Laplace terms are constants of the scene, not means over
    the image, which would tie a tile's pixels together; total variation is the model's own, not the quadratic penalty
    on periodic differences of the released code; the fused image is v + x as the model says, where that code
    returns i - x; it is the luminance as it is, not stretched image by image.
    """
    x = start_from(start, sigmas[0], noise)
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        x0 = energy.em(denoise(x, sigma))
        x = renoise(x, x0, sigma, lower, eta, noise(i + 1))
        yield Step(lower, x, x0)
