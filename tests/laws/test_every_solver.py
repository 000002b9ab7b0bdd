"""What the exact posterior says of every solver, and what holds for all of them."""

import math
from itertools import pairwise

import pytest
import torch

from sardiff.errors import SardiffError
from sardiff.likelihoods.gamma import GammaSpeckle, log_speckle_moments
from sardiff.operators import solve_shifted
from sardiff.priors.gaussian import GaussianPrior, InverseGammaPrior, StationaryGaussianPrior
from sardiff.priors.schedule import betas_to_sigmas, karras
from sardiff.solvers import (
    SOLVERS,
    ddim,
    ddpm,
    diffpir,
    dps,
    gibbs,
    heun,
    last,
    measurement,
    moment,
    one_pass,
    posterior_samples,
    scoring,
)


def noise(seed, shape=(1, 1, 64, 64), draw=torch.randn):
    def of_step(step):
        generator = torch.Generator().manual_seed(1000 * seed + step)
        return draw(shape, dtype=torch.float64, generator=generator)

    return of_step


def uniform(seed, shape=(1, 1, 64, 64)):
    draws = noise(seed, shape, torch.rand)
    return lambda step: draws(step).clamp(1e-6, 1 - 1e-6)


def run(name, prior, likelihood, sigmas, seed=1, **settings):
    shape = likelihood.y.shape
    if name == "scoring":
        start = torch.where(likelihood.measured, likelihood.y, 0.0)
        return last(scoring(prior.denoise, likelihood, start, **settings)).x0
    if name == "gibbs":
        draws = uniform(seed + 50, shape)
        return last(gibbs(prior.denoise, likelihood, sigmas, noise(seed, shape), draws, variance=prior.v)).x0
    return last(SOLVERS[name](prior.denoise, likelihood, sigmas, noise(seed, shape), **settings)).x0


# One pixel of speckle under an inverse-gamma prior; the exact posterior of log-intensity has mean .382 and variance
# .133 at 4 looks, .286 and .221 at 1. The others are known biases: of an explicit gradient, of proximal points that
# seek the mode, of a splitting without variance.
EXACT = {4.0: (2.0, 0.382, 0.133), 1.0: (3.0, 0.286, 0.221)}
SCALAR = [
    ("gibbs", 4.0, 0.37, 0.132, {}, karras(10, 0.01, 15)),
    ("gibbs", 1.0, 0.27, 0.21, {}, karras(10, 0.01, 15)),
    ("moment", 4.0, 0.356, 0.12, {}, karras(10, 0.01, 30)),
    ("moment", 1.0, 0.235, 0.21, {}, karras(10, 0.01, 30)),
    ("sar-dps", 4.0, 0.569, 0.10, {}, karras(10, 0.01, 100)),
    ("sar-dps", 1.0, 0.388, 0.20, {}, karras(10, 0.01, 100)),
    ("diffpir", 4.0, 0.36, 0.06, {"weight": 1.0}, karras(10, 0.01, 100)),
    ("scoring", 4.0, 0.355, 0.0, {"steps": 8}, None),
    ("scoring", 1.0, 0.253, 0.0, {"steps": 8}, None),
]


@pytest.mark.parametrize(("a", "looks"), [(2.0, 4.0), (3.0, 1.0)])
def test_one_pass_of_the_exact_posterior_is_exact(a, looks):
    b, y = 0.5, torch.linspace(-3, 3, 16, dtype=torch.float64).reshape(1, 1, 4, 4)
    bias = math.log(looks) - float(torch.digamma(torch.tensor(looks, dtype=torch.float64)))

    def conjugate(x, sigma, given):  # inverse gamma stays inverse gamma under gamma speckle
        assert sigma == math.inf
        rate = b + looks * torch.exp(given.y - bias)
        shape = torch.full_like(rate, a + looks)
        return rate.log() - torch.digamma(shape), torch.polygamma(1, shape)

    likelihood = GammaSpeckle(y, looks)
    mean, variance = one_pass(conjugate, likelihood, torch.zeros_like(y))
    u = torch.linspace(-20, 20, 40001, dtype=torch.float64)[:, None]
    weight = torch.softmax(-a * u - b * torch.exp(-u) - looks * (torch.exp(y.reshape(1, -1) - u) + u), dim=0)
    expected = (weight * u).sum(0)
    torch.testing.assert_close(mean.flatten(), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(variance.flatten(), (weight * (u - expected) ** 2).sum(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("looks", [4.0, 1.0])
def test_samples_of_the_exact_posterior_have_its_mean_and_variance(looks):
    intensity, mean, variance = EXACT[looks]
    likelihood = GammaSpeckle.from_intensity(torch.full((1, 1, 64, 64), intensity, dtype=torch.float64), looks)
    conjugate = InverseGammaPrior(4.0 + looks, 3.0 + looks * intensity)  # what is known of x_0 once y is

    def posterior(x, sigma, given):
        assert sigma < math.inf
        assert float(given.variance) == pytest.approx(log_speckle_moments(looks)[1])
        torch.testing.assert_close(given.y, likelihood.y - log_speckle_moments(looks)[0])
        assert not given.holes.any()
        return conjugate.denoise(x, sigma), torch.full_like(x, conjugate.v(sigma))

    start = torch.full_like(likelihood.y, conjugate.mean)
    steps = posterior_samples(
        posterior, likelihood, karras(1.0, 0.02, 8), noise(1),
        start=start, variance=torch.full_like(start, conjugate.variance),
    )  # fmt: skip
    x0 = last(steps).x0
    assert float(x0.mean()) == pytest.approx(mean, abs=0.01)
    assert float(x0.var()) == pytest.approx(variance, rel=0.04)


def test_holes_are_named_to_the_posterior():
    y = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    y[..., 0] = math.nan
    given = measurement(GammaSpeckle(y, 2.0), torch.full_like(y, 5.0))
    assert (given.holes[..., 0] == 1).all()
    assert (given.holes[..., 1:] == 0).all()
    assert (given.y[..., 0] == 5).all()
    assert given.variance.item() == pytest.approx(0.6449, abs=1e-4)
    correlated = measurement(GammaSpeckle(y, 2.0, area=7.0), torch.full_like(y, 5.0))
    assert correlated.variance.item() == pytest.approx(0.6449, abs=1e-4)  # that of speckle, however it is weighed


@pytest.mark.parametrize(("name", "looks", "mean", "variance", "settings", "sigmas"), SCALAR)
def test_on_one_pixel_of_speckle(name, looks, mean, variance, settings, sigmas):
    intensity, exact_mean, exact_variance = EXACT[looks]
    oracle = InverseGammaPrior(4.0, 3.0)
    likelihood = GammaSpeckle.from_intensity(torch.full((1, 1, 64, 64), intensity, dtype=torch.float64), looks)
    posterior = oracle.posterior(likelihood.y, looks)
    assert float(posterior[0].mean()) == pytest.approx(exact_mean, abs=1e-3)
    assert float(posterior[1]) == pytest.approx(exact_variance, abs=1e-3)
    x0 = run(name, oracle.prior(), likelihood, sigmas, **settings)
    assert float(x0.mean()) == pytest.approx(mean, abs=0.02)
    assert float(x0.var()) == pytest.approx(variance, abs=0.015)


def correlated_scene(looks=60.0, side=32):
    """Images of long waves with many looks, where speckle is Gaussian and the exact posterior is known."""
    rows, cols = torch.meshgrid(*(torch.fft.fftfreq(side, dtype=torch.float64),) * 2, indexing="ij")
    psd = 0.5 * torch.exp(-((rows**2 + cols**2) / (2 * 0.06**2))) + 1e-3
    oracle = StationaryGaussianPrior(0.0, psd)
    truth = oracle.sample(noise(3, (8, 1, side, side))(0))
    gamma = torch.distributions.Gamma(looks, looks)
    y = truth + gamma.sample(truth.shape).double().log()
    return oracle, GammaSpeckle(y, looks), truth


def test_moment_matching_finds_mean_and_variance_of_a_correlated_posterior():
    oracle, likelihood, _ = correlated_scene()
    mean, spectrum = oracle.posterior(likelihood.y, 1 / likelihood.looks)
    samples = torch.stack(
        [
            run("moment", oracle.prior(), likelihood, karras(3, 0.005, 40), seed=s, iterations=4, power=1.0)
            for s in range(8)
        ]
    )
    spread = samples.var(dim=0).mean()
    # The missing variance is that of finite steps: 100 levels of MMPS leave 13 % of it out, 40 a little more.
    assert float(spread) == pytest.approx(0.85 * float(spectrum.mean()), rel=0.12)
    off = samples.mean(dim=0) - mean
    assert float(off.square().mean()) < 0.35 * float(spectrum.mean())  # of which 1/8 is the samples' own


def test_a_variance_per_pixel_lets_speckle_through_on_correlated_images():
    oracle, likelihood, truth = correlated_scene()
    mean, _ = oracle.posterior(likelihood.y, 1 / likelihood.looks)
    exact = float((mean - truth).square().mean())
    sigmas = karras(3, 0.005, 15)
    errors = {
        name: float((run(name, oracle.prior(), likelihood, sigmas) - truth).square().mean())
        for name in ("moment", "gibbs")
    }
    assert errors["moment"] < 2.5 * exact  # one sample: twice the error of the mean, at best
    assert errors["gibbs"] > 1.5 * errors["moment"]


def test_scoring_reaches_the_posterior_mean_where_speckle_is_gaussian():
    oracle, likelihood, _ = correlated_scene(looks=400.0)
    mean, spectrum = oracle.posterior(likelihood.y, 1 / likelihood.looks)
    x0 = run("scoring", oracle.prior(), likelihood, None, steps=4)
    assert float((x0 - mean).square().mean()) < 0.02 * float(spectrum.mean())


@pytest.mark.parametrize("name", SOLVERS)
def test_an_image_does_not_feel_its_batch(name):
    oracle = GaussianPrior(0.0, 0.5)
    y = noise(7, (3, 1, 8, 8))(0)
    y[1, 0, 2, 2] = math.nan
    sigmas = karras(2, 0.05, 5)
    together = run(name, oracle.prior(), GammaSpeckle(y, 2.0), sigmas)

    def only(draws, i):
        return lambda step: draws(step)[i : i + 1]

    likelihood = GammaSpeckle(y[1:2], 2.0)
    solver = SOLVERS[name]
    draws = only(noise(1, y.shape), 1)
    if name == "scoring":
        alone = run(name, oracle.prior(), likelihood, sigmas)
    elif name == "gibbs":
        uniforms = only(uniform(51, y.shape), 1)
        alone = last(gibbs(oracle.denoise, likelihood, sigmas, draws, uniforms, variance=oracle.prior().v)).x0
    else:
        alone = last(solver(oracle.denoise, likelihood, sigmas, draws)).x0
    torch.testing.assert_close(together[1:2], alone)


# Without a likelihood the last estimate has the prior's variance, .5, less what 60 levels lose, and for full renoising
# (DiffPIR with zeta = 1) half of it.
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("moment", 0.4, 0.55), ("sar-dps", 0.4, 0.55), ("gibbs", 0.4, 0.55), ("diffpir", 0.15, 0.3)],
)
def test_where_nothing_was_measured_the_prior_decides(name, least, most):
    oracle = GaussianPrior(0.3, 0.5)
    likelihood = GammaSpeckle(torch.full((1, 1, 64, 64), math.nan, dtype=torch.float64), 1.0)
    x0 = run(name, oracle.prior(), likelihood, karras(10, 0.01, 60))
    assert float(x0.mean()) == pytest.approx(0.3, abs=0.05)
    assert least < float(x0.var()) < most


@pytest.mark.parametrize("name", ["moment", "sar-dps", "diffpir", "gibbs"])
def test_the_same_noise_gives_the_same_image(name):
    oracle = GaussianPrior(0.0, 0.5)
    likelihood = GammaSpeckle(noise(7, (1, 1, 8, 8))(0), 1.0)
    first, again, other = (run(name, oracle.prior(), likelihood, karras(2, 0.05, 5), seed=s) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize(
    ("sampler", "sigmas", "tolerance"),
    [(ddpm, betas_to_sigmas(), 0.05), (ddim, karras(20, 0.01, 200), 0.08), (heun, karras(20, 0.002, 18), 0.12)],
)
def test_samplers_draw_from_the_prior(sampler, sigmas, tolerance):
    oracle = GaussianPrior(0.3, 1.0)
    x0 = last(sampler(oracle.denoise, sigmas, noise(4))).x0
    assert float(x0.mean()) == pytest.approx(0.3, abs=0.05)
    assert float(x0.var()) == pytest.approx(1.0, abs=tolerance)


def test_the_error_of_heun_falls_with_the_square_of_the_step():
    oracle, start = GaussianPrior(0.0, 1.0), torch.ones(1, 1, 1, 1, dtype=torch.float64)
    exact = math.sqrt((1 + 0.05**2) / (1 + 2**2))  # x / sqrt(1 + sigma^2) stays what it is along the ODE

    def error(steps):
        sigmas = [2 * (0.05 / 2) ** (i / steps) for i in range(steps + 1)]
        x = last(heun(oracle.denoise, sigmas, lambda step: 0 * start, start=start)).x
        return abs(float(x) - exact)

    for coarse, fine in pairwise((8, 16, 32)):
        assert error(coarse) / error(fine) == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize(("low", "high", "iterations"), [(1.0, 2.0, 6), (0.2, 3.0, 25)])
def test_chebyshev_solves_the_shifted_system(low, high, iterations):
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(40, 40, dtype=torch.float64, generator=generator))
    v = basis @ torch.diag(torch.linspace(0, high - low, 40, dtype=torch.float64)) @ basis.T
    b = torch.randn(40, 1, dtype=torch.float64, generator=generator)
    w = solve_shifted(lambda x: v @ x, b, low, high, iterations)
    exact = torch.linalg.solve(low * torch.eye(40, dtype=torch.float64) + v, b)
    assert float((w - exact).norm() / exact.norm()) < 1e-3


def test_a_solver_that_diverges_says_so():
    prior = GaussianPrior(0.0, 1.0)
    likelihood = GammaSpeckle(torch.zeros(1, 1, 2, 2, dtype=torch.float64), 1.0)
    steps = dps(lambda x, sigma: x * math.inf, likelihood, karras(1, 0.1, 3), noise(1, (1, 1, 2, 2)))
    with pytest.raises(SardiffError, match="diverged"):
        last(steps)
    with pytest.raises(SardiffError, match="at least one step"):
        last(diffpir(prior.denoise, likelihood, (1.0,), noise(1, (1, 1, 2, 2))))


def test_moment_matching_solves_with_fixed_coefficients():
    """Scaling one image's data does not change another's: no inner product over the batch or the tile."""
    oracle, likelihood, _ = correlated_scene()
    y = likelihood.y.clone()
    y[0] += 20
    shouted = GammaSpeckle(y, likelihood.looks)
    sigmas = karras(1, 0.1, 4)
    calm, loud = (last(moment(oracle.denoise, lik, sigmas, noise(1, y.shape))).x0 for lik in (likelihood, shouted))
    torch.testing.assert_close(calm[1:], loud[1:])
