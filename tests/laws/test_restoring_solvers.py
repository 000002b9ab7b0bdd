"""DPIR, DiffPIR and DDNM behind a linear operator, where the answer is known; and what holds for all of them."""

import math

import pytest
import torch

from sardiff.likelihoods.gaussian import LinearGaussian
from sardiff.operators import Blur, Mask
from sardiff.priors.gaussian import GaussianPrior
from sardiff.priors.schedule import karras
from sardiff.solvers import ddnm, diffpir, dpir, last
from sardiff.tasks.kernels import kernel_of

SHAPE, SIGMA = (2, 1, 9, 8), 0.3
PRIOR = GaussianPrior(0.4, 0.7)
BLUR = Blur(torch.from_numpy(kernel_of("motion:4,20")))


def noise(shape=SHAPE, scale=1.0):
    def of_step(step):
        generator = torch.Generator().manual_seed(step)
        return scale * torch.stack(
            [torch.randn(shape[1:], dtype=torch.float64, generator=generator) for _ in range(shape[0])]
        )

    return of_step


@pytest.fixture
def y():
    y = torch.randn(SHAPE, dtype=torch.float64)
    y[0, 0, 0, 0] = y[1, 0, 3, :] = math.nan
    return y


def posterior_mean(y):
    """Of white Gaussian images behind the blur, by dense linear algebra, image by image."""
    size = SHAPE[2] * SHAPE[3]
    a = BLUR.forward(torch.eye(size, dtype=torch.float64).reshape(size, 1, *SHAPE[2:])).reshape(size, size).T
    found = []
    for one in y.reshape(len(y), -1):
        rows = a[one.isfinite()]
        precision = rows.T @ rows / SIGMA**2 + torch.eye(size, dtype=torch.float64) / PRIOR.variance
        pull = rows.T @ one[one.isfinite()] / SIGMA**2 + PRIOR.mean / PRIOR.variance
        found.append(torch.linalg.solve(precision, pull))
    return torch.stack(found).reshape(y.shape)


@pytest.mark.parametrize("solver", ["dpir", "diffpir"])
def test_one_step_from_pure_noise_is_the_exact_posterior_mean(y, solver):
    """The denoiser gives the prior's mean there, and with tau its variance the proximal point is the mean."""
    s, likelihood, start = 1e4, LinearGaussian(BLUR, y, SIGMA), torch.zeros(SHAPE, dtype=torch.float64)
    settings = {"start": start, "weight": s**2 / PRIOR.variance}
    if solver == "dpir":
        x0 = last(dpir(PRIOR.denoise, likelihood, (s, 0.0), **settings)).x0
    else:
        x0 = last(diffpir(PRIOR.denoise, likelihood, (s, 0.0), noise(scale=0.0), **settings)).x0
    wanted = posterior_mean(y)
    assert float((x0 - wanted).norm()) <= 0.011 * float((wanted - PRIOR.mean).norm())


@pytest.mark.parametrize(("eta", "share"), [(1.0, 0.5), (0.7, 0.85)])
def test_ddnm_keeps_what_was_measured_and_finds_the_mean_of_the_rest(eta, share):
    shape = (1, 1, 96, 96)
    y, known = torch.randn(shape, dtype=torch.float64), torch.rand(shape) < 0.5
    sigmas = [5.0 * 0.93**k for k in range(90)] + [0.0]
    steps = ddnm(PRIOR.denoise, Mask(known), torch.where(known, y, math.nan), sigmas, noise(shape), eta=eta)
    x0 = last(steps).x0
    assert (x0[known] == y[known]).all()
    rest = x0[~known]
    assert float(rest.mean()) == pytest.approx(PRIOR.mean, abs=0.05)
    # Known bias: noise that is drawn anew takes variance away, half of it if all noise is.
    assert float(rest.var()) == pytest.approx(share * PRIOR.variance, rel=0.2)


SOLVERS = {
    "dpir": lambda y, z: dpir(PRIOR.denoise, LinearGaussian(BLUR, y, SIGMA), karras(1.0, 0.1, 3), start=z(9)),
    "diffpir": lambda y, z: diffpir(PRIOR.denoise, LinearGaussian(BLUR, y, SIGMA), karras(1.0, 0.1, 3), z),
    "ddnm": lambda y, z: ddnm(PRIOR.denoise, Mask(y.isfinite()), y, karras(1.0, 0.1, 3), z),
}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
def test_an_image_does_not_feel_its_batch_and_the_same_noise_gives_the_same_image(y, solver):
    draw = noise()
    together = last(solver(y, draw)).x0
    assert torch.equal(together, last(solver(y, draw)).x0)
    alone = last(solver(y[1:], lambda step: draw(step)[1:])).x0
    torch.testing.assert_close(alone, together[1:])
