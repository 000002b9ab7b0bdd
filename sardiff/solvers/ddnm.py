"""DDNM: what was measured is put into the clean image at every level; the prior decides the rest."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sardiff.arrays import Images
from sardiff.operators import Mask
from sardiff.priors.base import Denoiser
from sardiff.solvers.base import Noise, Step, start_from

__all__ = ["ddnm"]


def ddnm(
    denoise: Denoiser,
    mask: Mask,
    y: Images,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    start: Images | None = None,
    eta: float = 0.85,
) -> Iterator[Step]:
    """Yield the steps of the denoising diffusion null-space model for gaps: y = A x without noise, A a mask.

    Wang et al. (2023), arXiv:2212.00490, Algorithm 1: x0 = A^+ y + (1 - A^+ A) D(x; s), which for a mask is what was
    measured, and D elsewhere; then x = x0 + s' (sqrt(1 - eta^2) e + eta z), e the noise that D implies, x before it
    was corrected. Their eta is .85. With eta = 1 this is DiffPIR with zeta = 1 (Zhu et al. 2023, arXiv:2305.08995,
    their choice for gaps), which contracts to the mean of what is plausible. Where we differ: an early start, sigmas[0]
    being a few times the error of `start`.
    """
    x = start_from(start, sigmas[0], noise)
    measured = mask.adjoint(y)
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        clean = denoise(x, sigma)
        x0: Images = measured + (clean - mask.adjoint(mask.forward(clean)))
        implied = (x - clean) / sigma
        x = x0 + lower * (math.sqrt(1 - eta**2) * implied + eta * noise(i + 1))
        yield Step(lower, x, x0)
