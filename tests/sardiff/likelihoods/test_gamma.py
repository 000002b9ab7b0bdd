import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, optimize, special, stats

from sardiff.likelihoods.base import Pixelwise, PseudoGaussian
from sardiff.likelihoods.gamma import GammaSpeckle, _log_wright_omega, log_speckle_moments

LOOKS = st.floats(0.5, 50)
VARIANCES = st.floats(-4, 1).map(lambda power: 10**power)


@st.composite
def yx(draw):
    """Two images of log-intensity, a few pixels, one not measured."""
    pixels = hnp.arrays(np.float64, (2, 1, 3, 2), elements=st.floats(-8, 8, width=32))
    y, x = torch.from_numpy(draw(pixels)), torch.from_numpy(draw(pixels))
    y[0, 0, 1, 1] = math.nan
    return y, x


def one(value, dtype=torch.float64):
    return torch.full((1, 1, 1, 1), float(value), dtype=dtype)


def exact(y, looks, mean, variance):
    """A fine grid, the density on it, mean and variance: the posterior by brute force."""

    def slope(u):
        return looks * -math.expm1(y - u) + (u - mean) / variance

    mode = optimize.brentq(slope, min(y, mean) - variance * looks - 1, max(y, mean) + 1)
    width = 1 / math.sqrt(looks * math.exp(y - mode) + 1 / variance)
    left = min(12 * width, 12.0)
    u = mode + np.linspace(-left, min(8 * math.sqrt(variance), 60 * width), 40001)
    log_density = -(looks * (np.exp(y - u) + u)) - (u - mean) ** 2 / (2 * variance)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    centre = (density * u).sum()
    return u, density, centre, (density * (u - centre) ** 2).sum()


@given(yx=yx(), looks=LOOKS)
def test_log_prob_is_the_log_gamma_density(yx, looks):
    y, x = yx
    z = (y - x + math.log(looks)).numpy()
    expected = np.nansum(stats.loggamma.logpdf(z, c=looks), axis=(1, 2, 3))
    np.testing.assert_allclose(GammaSpeckle(y, looks).log_prob(x), expected, rtol=1e-9, atol=1e-9)


@given(yx=yx(), looks=LOOKS)
def test_score_and_hessian_are_the_derivatives_of_log_prob(yx, looks):
    y, x = yx
    likelihood, x = GammaSpeckle(y, looks), x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(likelihood.log_prob(x).sum(), x)
    torch.testing.assert_close(likelihood.score(x), gradient)
    (curvature,) = torch.autograd.grad(-likelihood.score(x).sum(), x)
    torch.testing.assert_close(likelihood.hessian(x), curvature)
    assert gradient[0, 0, 1, 1] == curvature[0, 0, 1, 1] == 0  # an unmeasured pixel says nothing


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-15), (torch.float32, 2e-7)])
def test_log_wright_omega(dtype, tolerance):
    c = torch.cat([torch.linspace(-700, 1e5, 50001), torch.linspace(-40, 40, 50001)]).to(dtype)
    expected = np.log(special.wrightomega(c.double().numpy()))
    error = np.abs(_log_wright_omega(c).double().numpy() - expected)
    assert (error / (1 + np.abs(expected))).max() < tolerance
    tiny = torch.tensor([-1e3, -1e9, -math.inf], dtype=dtype)
    assert (_log_wright_omega(tiny).exp() == 0).all()


@given(y=st.floats(-8, 8), z=st.floats(-8, 8), looks=LOOKS, tau=VARIANCES)
def test_prox_is_the_minimiser(y, z, looks, tau):
    def objective(u):
        return looks * (math.exp(y - u) + u) + (u - z) ** 2 / (2 * tau)

    between = sorted((y, z))
    best = optimize.minimize_scalar(objective, bounds=(between[0] - 1, between[1] + 1), method="bounded")
    assert float(GammaSpeckle(one(y), looks).prox(one(z), tau)) == pytest.approx(best.x, abs=1e-4)


@given(yx=yx(), looks=LOOKS, power=st.floats(-6, 5))
def test_zero_is_in_the_subgradient_at_the_prox(yx, looks, power):
    y, z = yx
    tau = 10**power
    likelihood = GammaSpeckle(y, looks)
    u = likelihood.prox(z, tau)
    residual = likelihood.score(u) - (u - z) / tau
    scale = likelihood.hessian(u) + 1 / tau
    torch.testing.assert_close(residual / scale, torch.zeros_like(u), rtol=0, atol=1e-10)
    assert u[0, 0, 1, 1] == z[0, 0, 1, 1]


@given(yx=yx(), looks=LOOKS, power=st.floats(-4, 5))
def test_prox_in_single_precision_stays_near_that_in_double(yx, looks, power):
    y, z = yx
    u = GammaSpeckle(y, looks).prox(z, 10**power)
    single = GammaSpeckle(y.float(), looks).prox(z.float(), 10**power)
    torch.testing.assert_close(single.double(), u, rtol=1e-5, atol=1e-5)


@given(yx=yx(), shift=yx(), looks=LOOKS, tau=VARIANCES)
def test_prox_is_firmly_nonexpansive(yx, shift, looks, tau):
    y, z = yx
    other = z + shift[1]
    likelihood = GammaSpeckle(y, looks)
    moved, apart = likelihood.prox(other, tau) - likelihood.prox(z, tau), other - z
    assert (moved**2 <= moved * apart + 1e-9).all()


def test_prox_takes_a_step_for_every_pixel_and_carries_its_gradient():
    y = torch.tensor([[[[-3.0, 0.0, 2.0, math.nan]]]], dtype=torch.float64)
    z = torch.zeros_like(y).requires_grad_()
    tau = torch.tensor([1e-3, 0.5, 20.0, 1.0], dtype=torch.float64).reshape(1, 1, 1, 4)
    likelihood = GammaSpeckle(y, 1.7)
    u = likelihood.prox(z, tau)
    for i in range(3):
        alone = GammaSpeckle(y[..., i : i + 1], 1.7).prox(z[..., i : i + 1], float(tau[..., i]))
        torch.testing.assert_close(u[..., i : i + 1], alone)
    (gradient,) = torch.autograd.grad(u.sum(), z)
    torch.testing.assert_close(gradient, 1 / (1 + tau * likelihood.hessian(u)))  # implicit function theorem


@given(y=st.floats(-8, 8), looks=LOOKS, variance=VARIANCES, dtype=st.sampled_from([torch.float64, torch.float32]))
def test_moments_are_those_of_the_posterior(y, looks, variance, dtype):
    mean, spread = GammaSpeckle(one(y, dtype), looks).moments(one(0, dtype), variance)
    _, _, expected_mean, expected_spread = exact(y, looks, 0.0, variance)
    assert float(mean) == pytest.approx(expected_mean, abs=1e-3 * math.sqrt(expected_spread))
    assert float(spread) == pytest.approx(expected_spread, rel=1e-3)


@pytest.mark.parametrize(
    ("looks", "variance", "y"), [(0.5, 10.0, -8), (1.0, 10.0, 8), (1.0, 1.0, 3), (50.0, 1e-4, 8), (50.0, 10.0, -8)]
)
def test_moments_against_adaptive_quadrature(looks, variance, y):
    def log_density(u):
        return -looks * (math.exp(y - u) + u) - u**2 / (2 * variance)

    mode = float(GammaSpeckle(one(y), looks).prox(one(0), variance))
    half = 10 * math.sqrt(variance)
    edges = [mode - min(half, 12), mode, mode + half]

    def moment(power):
        return sum(
            integrate.quad(
                lambda u: (u - mode) ** power * math.exp(log_density(u) - log_density(mode)), low, high, limit=200
            )[0]
            for low, high in pairwise(edges)
        )

    mass, first, second = moment(0), moment(1), moment(2)
    mean, spread = GammaSpeckle(one(y), looks).moments(one(0), variance)
    assert float(spread) == pytest.approx(second / mass - (first / mass) ** 2, rel=1e-4)
    assert float(mean) == pytest.approx(mode + first / mass, abs=1e-4 * math.sqrt(float(spread)))


@given(y=st.floats(-8, 8), looks=LOOKS, variance=VARIANCES, dtype=st.sampled_from([torch.float64, torch.float32]))
def test_sample_inverts_the_distribution_function(y, looks, variance, dtype):
    levels = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    uniform = levels.reshape(1, 1, 20, 20).to(dtype)
    draw = GammaSpeckle(torch.full_like(uniform, y), looks).sample(torch.zeros_like(uniform), variance, uniform)
    assert (draw.flatten().diff() >= 0).all()  # a rising function of the uniform numbers
    u, density, _, _ = exact(y, looks, 0.0, variance)
    reached = np.interp(draw.flatten().double().numpy(), u, np.cumsum(density))
    assert np.abs(reached - levels.numpy()).max() < 1e-3


def test_samples_of_random_numbers_have_the_moments():
    uniform = torch.rand(1, 1, 400, 400, dtype=torch.float64)
    likelihood = GammaSpeckle(torch.full_like(uniform, 2.0), 1.0)
    draw = likelihood.sample(torch.zeros_like(uniform), 0.8, uniform)
    mean, variance = likelihood.moments(torch.zeros_like(uniform), 0.8)
    assert float(draw.mean()) == pytest.approx(float(mean.mean()), abs=5 * math.sqrt(0.8 / 160000))
    assert float(draw.var()) == pytest.approx(float(variance.mean()), rel=0.02)


@given(uniform=st.sampled_from([0.0, 1e-30, 0.5, 1 - 2**-24, 1.0]), looks=LOOKS, variance=VARIANCES)
def test_sample_is_finite_whatever_the_uniform_number(uniform, looks, variance):
    y = torch.tensor([[[[-8.0, 8.0, math.nan]]]])
    draw = GammaSpeckle(y, looks).sample(torch.zeros_like(y), variance, torch.full_like(y, uniform))
    assert draw.isfinite().all()


def test_where_nothing_was_measured_the_gaussian_stays_as_it_was():
    y = torch.full((1, 1, 1, 2), math.nan, dtype=torch.float64)
    likelihood, mean = GammaSpeckle(y, 2.0), torch.tensor([[[[1.0, -3.0]]]], dtype=torch.float64)
    variance = torch.tensor([[[[0.5, 2.0]]]], dtype=torch.float64)
    uniform = torch.tensor([[[[0.2, 0.9]]]], dtype=torch.float64)
    for got, came in zip(likelihood.moments(mean, variance), (mean, variance), strict=True):
        torch.testing.assert_close(got, came)
    expected = stats.norm.ppf(uniform.numpy(), mean.numpy(), variance.sqrt().numpy())
    np.testing.assert_allclose(likelihood.sample(mean, variance, uniform), expected, rtol=1e-9)
    assert likelihood.log_prob(mean).item() == 0
    torch.testing.assert_close(likelihood.pseudo_observation(mean)[0], mean)


@given(looks=LOOKS, power=st.sampled_from([0.0, 0.01, 0.25, 0.5, 1.0]))
def test_pseudo_observation_is_unbiased_at_the_truth_with_the_variance_it_tells(looks, power):
    speckle = stats.loggamma(c=looks, loc=-math.log(looks))
    y = np.linspace(speckle.ppf(1e-13), speckle.isf(1e-13), 20001)
    weight = speckle.pdf(y) / speckle.pdf(y).sum()
    x = torch.zeros(1, 1, 1, y.size, dtype=torch.float64, requires_grad=True)
    z, variance = GammaSpeckle(torch.from_numpy(y).reshape(1, 1, 1, -1), looks).pseudo_observation(x, power)
    (derivative,) = torch.autograd.grad(z.sum(), x)
    values = z.detach().numpy().ravel()
    cut = 1e-3 if looks >= 1 else 3e-2  # what is cut off beyond `REACH`
    assert (weight * values).sum() == pytest.approx(0, abs=cut)
    assert (weight * values**2).sum() == pytest.approx(variance, rel=cut)
    assert (weight * derivative.numpy().ravel()).sum() == pytest.approx(0, abs=cut)


@given(looks=LOOKS)
def test_pseudo_observation_runs_from_the_debiased_log_to_fisher_scoring(looks):
    y, x = one(1.0), one(0.4)
    bias, variance = log_speckle_moments(looks)
    z, spread = GammaSpeckle(y, looks).pseudo_observation(x, 0.0)
    assert (z.item(), spread) == (pytest.approx(1.0 - bias), pytest.approx(variance))
    z, spread = GammaSpeckle(y, looks).pseudo_observation(x, 1.0)
    assert (z.item(), spread) == (pytest.approx(0.4 + math.expm1(0.6)), pytest.approx(1 / looks))
    # Efficiency rises with the power: no pseudo-observation tells more than the Fisher information.
    spreads = [GammaSpeckle(y, looks).pseudo_observation(x, p)[1] for p in (0.0, 1e-3, 0.01, 0.3, 0.7, 1.0)]
    assert all(a >= b * (1 - 1e-4) for a, b in pairwise(spreads))


@given(looks=st.floats(0.1, 200))
def test_log_speckle_moments(looks):
    mean, variance = log_speckle_moments(looks)
    speckle = stats.loggamma(c=looks, loc=-math.log(looks))
    assert mean == pytest.approx(speckle.mean(), abs=1e-10)
    assert variance == pytest.approx(speckle.var(), rel=1e-8)


def test_intensity_amplitude_and_complex_pixels_are_one_measurement():
    slc = torch.tensor([[[[3 + 4j, 1j, 0]]]], dtype=torch.complex128)
    expected = torch.tensor([[[[math.log(25), 0, math.nan]]]], dtype=torch.float64)
    likelihood = GammaSpeckle.from_complex(slc)
    assert likelihood.looks == 1
    torch.testing.assert_close(likelihood.y, expected, equal_nan=True)
    torch.testing.assert_close(GammaSpeckle.from_amplitude(slc.abs(), 1.0).y, expected, equal_nan=True)
    torch.testing.assert_close(GammaSpeckle.from_intensity(slc.abs() ** 2, 1.0).y, expected, equal_nan=True)


def test_it_answers_the_protocols():
    likelihood = GammaSpeckle(torch.zeros(1, 1, 2, 2), 1.0)
    assert isinstance(likelihood, Pixelwise)
    assert isinstance(likelihood, PseudoGaussian)


@pytest.mark.parametrize("looks", [0.0, -1.0, math.nan, math.inf])
def test_looks_must_be_positive(looks):
    with pytest.raises(ValueError, match=r"^looks must be > 0, got"):
        GammaSpeckle(torch.zeros(1, 1, 2, 2), looks)
    with pytest.raises(ValueError, match=r"^looks must be > 0, got"):
        log_speckle_moments(looks)


def test_power_must_lie_between_the_two_limits():
    with pytest.raises(ValueError, match=r"^power must be from 0 to 1, got 1.5"):
        GammaSpeckle(torch.zeros(1, 1, 2, 2), 1.0).pseudo_observation(torch.zeros(1, 1, 2, 2), 1.5)


@pytest.mark.parametrize("looks", [1.0, 4.4])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_bright_target_is_no_brighter_than_it_was_measured(looks, power):
    """However far the estimate lies below a target, its pseudo-observation ends at the debiased measurement."""
    over = torch.linspace(0, 25, 400, dtype=torch.float64).reshape(1, 1, 20, 20)  # ln units: up to 108 dB
    z, _ = GammaSpeckle(over, looks).pseudo_observation(torch.zeros_like(over), power)
    bias, _ = log_speckle_moments(looks)
    z, over = z.flatten(), over.flatten()
    assert (z.diff() >= 0).all()
    assert (z <= torch.maximum(over - bias, torch.full_like(over, 10 / looks**0.5 + 1e-9))).all()
    torch.testing.assert_close(z[-1], over[-1] - bias)
