import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from skimage.restoration import denoise_tv_chambolle
from torch.nn import functional as F

from sardiff.likelihoods.base import Proximal
from sardiff.likelihoods.laplace import FusionEnergy, _differences, _differences_adjoint, median_prox

VALUES = st.floats(-3, 3)
WEIGHTS = st.one_of(st.just(0.0), st.floats(0, 5))
SHAPE = (2, 1, 6, 6)
SIZES, PADS = ((2, 5), (3, 5)), ((0, 0, 0, 1), (0, 1))  # of differences along rows and cols


def one(value):
    return torch.full((1, 1, 1, 1), float(value), dtype=torch.float64)


def random(seed, shape=SHAPE):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def energy(**settings):
    return FusionEnergy(random(1), random(2), **settings)


def holes():
    """Which pixels were measured: not all by either, one by neither."""
    optical, sar = torch.ones(SHAPE, dtype=torch.bool), torch.ones(SHAPE, dtype=torch.bool)
    optical[0, 0, 1:4, 2] = sar[0, 0, 3:5, 1:3] = sar[1, 0, 0, :] = False
    return optical, sar


def edges_from(name):
    """An image of its own, one pixel of it not measured, or the source that is named."""
    if name != "another":
        return name
    image = random(9)
    image[1, 0, 2, 2] = torch.nan
    return image


def by_hand(e, f, huber=0.0):
    """The energy pixel by pixel, in loops' stead: an independent reading of its definition."""

    def size(r):
        r = r.abs()
        return torch.where(r < huber, r**2 / (2 * huber), r - huber / 2) if huber else r

    full = torch.ones(e.optical.shape, dtype=torch.bool)
    known = [full if m is None else m for m in (e.measured_optical, e.measured_sar)]
    near = e.weight_optical * size(f - e.optical) * known[0] + e.weight_sar * size(f - e.sar) * known[1]
    image, mask = {"optical": (e.optical, known[0]), "sar": (e.sar, known[1])}.get(
        e.edges if isinstance(e.edges, str) else "another", (e.edges, None)
    )
    mask = image.isfinite() if mask is None else mask
    wanted = [
        F.pad(image.nan_to_num().diff(dim=axis) * mask.narrow(axis, 0, n) * mask.narrow(axis, 1, n), pad)
        for (axis, n), pad in zip(SIZES, PADS, strict=True)
    ]
    down, right = (F.pad(f.diff(dim=axis), pad) - of for (axis, _), pad, of in zip(SIZES, PADS, wanted, strict=True))
    tiny = 1e-24 if f.requires_grad else 0
    return (near + e.tv * size((down**2 + right**2 + tiny).sqrt())).sum(dim=(1, 2, 3))


def objective(e, f, z, tau):
    return e.energy(f) + ((f - z) ** 2 / (2 * tau)).sum(dim=(1, 2, 3))


def slow_prox(e, z, tau):
    """By L-BFGS on ever sharper square roots in place of absolute values."""
    shape, target, wo, ws, ref = z.shape, e._gradient.numpy(), e._weight_optical, e._weight_sar, z.numpy()
    terms = [(w.numpy(), y.numpy()) for w, y in ((wo, e._optical), (ws, e._sar))]
    tau = tau.numpy() if isinstance(tau, torch.Tensor) else tau

    def value(x, soft):
        f = x.reshape(shape)
        total, gradient = ((f - ref) ** 2 / (2 * tau)).sum(), (f - ref) / tau
        for w, y in terms:
            size = np.sqrt((f - y) ** 2 + soft**2)
            total, gradient = total + (w * size).sum(), gradient + w * (f - y) / size
        down = np.diff(f, axis=2, append=f[:, :, -1:]) - target[0]
        right = np.diff(f, axis=3, append=f[..., -1:]) - target[1]
        size = np.sqrt(down**2 + right**2 + soft**2)
        total += e.tv * size.sum()
        down, right = e.tv * down / size, e.tv * right / size
        down[:, :, -1], right[..., -1] = 0, 0
        gradient = gradient - np.diff(down, axis=2, prepend=0) - np.diff(right, axis=3, prepend=0)
        return total, gradient.ravel()

    x = ref.ravel().copy()
    for soft in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        found = optimize.minimize(
            value,
            x,
            args=(soft,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 2000, "maxfun": 3000, "ftol": 1e-15},
        )
        x = found.x
    return torch.from_numpy(x).reshape(shape)


@given(z=VALUES, a=VALUES, b=VALUES, wa=WEIGHTS, wb=WEIGHTS, power=st.floats(-3, 1))
def test_the_median_is_the_minimiser(z, a, b, wa, wb, power):
    tau = 10**power
    u = float(median_prox(one(z), tau, one(a), one(b), one(wa), one(wb)))

    def value(f):
        return wa * np.abs(f - a) + wb * np.abs(f - b) + (f - z) ** 2 / (2 * tau)

    grid = np.append(np.linspace(-4 - tau * 10, 4 + tau * 10, 20001), [a, b, z])
    assert value(u) <= value(grid).min() + 1e-12
    five = [z + tau * (wa + wb), a, z + tau * (wb - wa), b, z - tau * (wa + wb)]
    if a > b:
        five[2] = z + tau * (wa - wb)
    assert u == pytest.approx(float(np.median(five)), abs=1e-12)


def test_a_value_of_no_weight_has_no_say():
    z, other = random(3), random(4)
    zero, some = torch.zeros_like(z), torch.full_like(z, 0.7)
    for tau in (0.1, 3.0):
        soft = other + torch.sign(z - other) * ((z - other).abs() - 0.7 * tau).clamp_min(0)
        for silent in (-1e6, 0.5, 1e6):
            silenced = torch.full_like(z, silent)
            torch.testing.assert_close(median_prox(z, tau, silenced, other, zero, some), soft)
            torch.testing.assert_close(median_prox(z, tau, other, silenced, some, zero), soft)
            assert torch.equal(median_prox(z, tau, other, silenced, zero, zero), z)


@pytest.mark.parametrize("edges", ["optical", "sar", "another"])
def test_energy_is_its_definition(edges):
    optical, sar = holes()
    for masks in ({}, {"measured_optical": optical, "measured_sar": sar}):
        e = energy(weight_optical=0.3, weight_sar=0.9, tv=1.7, edges=edges_from(edges), **masks)
        torch.testing.assert_close(e.energy(random(5)), by_hand(e, random(5)))
        assert torch.equal(e.log_prob(random(5)), -e.energy(random(5)))


@pytest.mark.parametrize("edges", ["optical", "sar", "another"])
def test_score_is_the_gradient_of_hubers_energy(edges):
    optical, sar = holes()
    e = energy(weight_sar=0.9, edges=edges_from(edges), measured_optical=optical, measured_sar=sar, smoothing=0.1)
    x = random(5).requires_grad_()
    (gradient,) = torch.autograd.grad(-by_hand(e, x, huber=0.1).sum(), x)
    torch.testing.assert_close(e.score(x.detach()), gradient)


def test_score_is_the_gradient_of_log_prob_away_from_the_kinks():
    e, x = energy(smoothing=1e-6), random(5).requires_grad_()
    (gradient,) = torch.autograd.grad(e.log_prob(x).sum(), x)
    torch.testing.assert_close(e.score(x.detach()), gradient)
    (at_a_kink,) = torch.autograd.grad(e.log_prob(at := e.optical.clone().requires_grad_()).sum(), at)
    assert at_a_kink.isfinite().all()


def test_differences_and_their_adjoint():
    u, steps = random(1), random(2, (2, *SHAPE))
    torch.testing.assert_close((_differences(u) * steps).sum(), (u * _differences_adjoint(steps)).sum())


@pytest.mark.parametrize(
    ("edges", "masked", "tau", "weights", "tv"),
    [
        ("optical", False, 0.05, (0.5, 0.5), 0.5),
        ("optical", True, 0.3, (0.2, 0.9), 0.4),
        ("sar", True, 0.3, (0.9, 0.2), 0.4),
        ("another", True, 0.3, (0.2, 0.9), 0.4),
        ("optical", False, 1.0, (1.0, 0.0), 2.0),
    ],
)
def test_prox_agrees_with_a_slow_minimiser(edges, masked, tau, weights, tv):
    optical, sar = holes()
    masks = {"measured_optical": optical, "measured_sar": sar} if masked else {}
    e = energy(
        weight_optical=weights[0], weight_sar=weights[1], tv=tv, edges=edges_from(edges), iterations=400, **masks
    )
    z = random(3)
    u, slow = e.prox(z, tau), slow_prox(e, z, tau)
    torch.testing.assert_close(u, slow, rtol=0, atol=1e-2)
    best = objective(e, slow, z, tau)
    assert (objective(e, u, z, tau) <= best * (1 + 1e-4)).all()
    few = replace(e, iterations=30).prox(z, tau)
    assert (objective(e, few, z, tau) <= best * (1 + (1e-3 if tau < 1 else 2e-2))).all()


def test_prox_without_total_variation_is_the_median_exactly():
    z, weights = random(3), tuple(torch.full(SHAPE, w, dtype=torch.float64) for w in (0.3, 0.8))
    e = energy(weight_optical=0.3, weight_sar=0.8, tv=0.0, iterations=1)
    assert torch.equal(e.prox(z, 0.2), median_prox(z, 0.2, e.optical, e.sar, *weights))


def test_prox_of_total_variation_alone_is_that_of_rudin_osher_and_fatemi():
    z, silent = random(3, (1, 1, 7, 9)), torch.zeros(1, 1, 7, 9, dtype=torch.bool)
    e = FusionEnergy(z, z, tv=0.6, measured_optical=silent, measured_sar=silent, iterations=1000)
    expected = denoise_tv_chambolle(z[0, 0].numpy(), weight=0.6 * 0.25, eps=1e-12, max_num_iter=3000)
    np.testing.assert_allclose(e.prox(z, 0.25)[0, 0], expected, atol=2e-3)


def test_prox_takes_a_step_for_every_image_and_every_pixel():
    e, z = energy(iterations=300), random(3)
    a_step_each = torch.tensor([0.02, 0.4], dtype=torch.float64).reshape(2, 1, 1, 1)
    together = e.prox(z, a_step_each)
    for i in range(2):
        alone = FusionEnergy(e.optical[i : i + 1], e.sar[i : i + 1], iterations=300).prox(z[i : i + 1], a_step_each[i])
        torch.testing.assert_close(together[i : i + 1], alone)
    torch.testing.assert_close(e.prox(z, a_step_each.expand(SHAPE)), together, rtol=0, atol=5e-3)
    mixed = 0.02 + random(6)
    best = objective(e, slow_prox(e, z, mixed), z, mixed)
    assert (objective(e, e.prox(z, mixed), z, mixed) <= best * (1 + 1e-4)).all()


def test_prox_does_not_stretch():
    e, z, other = energy(iterations=400), random(3), random(4)
    u, v = e.prox(z, 0.2), e.prox(other, 0.2)
    for i in range(2):
        assert (u - v)[i].square().sum() <= ((u - v) * (z - other))[i].sum() + 1e-4


def test_the_value_of_what_was_not_measured_is_never_read():
    optical, sar = holes()
    e = energy(weight_sar=0.8, measured_optical=optical, measured_sar=sar)
    for fill in (math.nan, math.inf, -50.0):
        other = replace(e, optical=e.optical.where(optical, fill), sar=e.sar.where(sar, fill))
        for f, g in ((e.energy, other.energy), (e.score, other.score), (e.minimise, other.minimise)):
            assert torch.equal(f(random(3)), g(random(3)))
        assert torch.equal(e.prox(random(3), 0.3), other.prox(random(3), 0.3))
    told = replace(e, optical=e.optical.where(optical, math.nan), sar=e.sar.where(sar, math.nan))
    assert torch.equal(
        replace(told, measured_optical=None, measured_sar=None).prox(random(3), 0.3), e.prox(random(3), 0.3)
    )


def test_where_one_source_is_silent_the_other_and_the_total_variation_remain():
    optical = torch.ones(1, 1, 9, 9, dtype=torch.bool)
    optical[..., 3:6, 3:6] = False
    flat = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    sar = torch.where(optical, 0.0, 1.0)
    e = FusionEnergy(flat, sar.double(), 1.0, 0.5, 0.05, measured_optical=optical, iterations=300)
    f = e.minimise(flat)
    assert float(f[0, 0, 4, 4]) == pytest.approx(1, abs=1e-3)  # SAR speaks alone
    assert f[0, 0, 0].abs().max() < 1e-3  # the heavier one wins
    torn = replace(e, tv=5.0).minimise(flat)
    assert torn.abs().max() < 1e-3  # total variation holds the hole to what surrounds it


def test_the_sources_can_change_places():
    e = energy(weight_optical=0.2, weight_sar=0.7, edges="sar")
    swapped = FusionEnergy(e.sar, e.optical, 0.7, 0.2, edges="optical")
    z = random(3)
    assert torch.equal(e.energy(z), swapped.energy(z))
    assert torch.equal(e.prox(z, 0.1), swapped.prox(z, 0.1))


def test_an_image_does_not_feel_its_batch():
    e, z = energy(), random(3)
    alone = FusionEnergy(e.optical[:1], e.sar[:1])
    for name in ("energy", "score", "minimise"):
        torch.testing.assert_close(getattr(e, name)(z)[:1], getattr(alone, name)(z[:1]))
    torch.testing.assert_close(e.prox(z, 0.1)[:1], alone.prox(z[:1], 0.1))


@pytest.mark.parametrize("name", ["prox", "minimise"])
def test_it_sees_as_many_pixels_far_as_it_iterates(name):
    o, s, z = (random(i, (1, 1, 30, 30)) for i in range(3))
    e = FusionEnergy(o, s, iterations=10, tv=2.0, weight_sar=0.2)
    steps = (torch.full_like(z, 0.5),) if name == "prox" else ()
    whole = getattr(e, name)(z, *steps)
    changed = z.clone()
    changed[..., 4, 4] += 1
    far = torch.ones(30, 30, dtype=torch.bool)
    far[:15, :15] = False
    for other in (getattr(e, name)(changed, *steps), getattr(replace(e, optical=o + (changed - z)), name)(z, *steps)):
        assert torch.equal(other[0, 0][far], whole[0, 0][far])
        assert not torch.equal(other, whole)


def test_minimise_without_total_variation_is_the_weighted_median():
    z = 3 * random(3) - 1
    heavy = energy(weight_sar=0.6, tv=0.0)
    assert torch.equal(heavy.minimise(z), heavy.sar)
    even = energy(tv=0.0)
    low, high = torch.minimum(even.optical, even.sar), torch.maximum(even.optical, even.sar)
    assert torch.equal(even.minimise(z), torch.minimum(torch.maximum(z, low), high))
    assert torch.equal(energy(weight_optical=0.0, weight_sar=0.0, tv=0.0).minimise(z), z)


def test_minimise_finds_what_a_weak_quadratic_finds():
    e = energy(weight_optical=0.1, weight_sar=0.8, tv=0.7, iterations=500)
    slow = slow_prox(e, e.sar, 1e4)
    assert (e.energy(e.minimise(random(3))) <= e.energy(slow) * (1 + 1e-4)).all()


def test_a_step_of_expectation_maximisation_never_climbs():
    e, x = energy(weight_sar=0.8, iterations=500, smoothing=1e-4), random(3)
    for _ in range(5):
        after = e.em(x)
        assert (e.energy(after) <= e.energy(x) * (1 + 1e-3)).all()
        x = after
    best = e.energy(e.minimise(x))
    assert (e.energy(x) <= 1.1 * best).all()


def test_expectation_maximisation_without_total_variation_is_a_weighted_mean():
    e, x = energy(weight_optical=0.3, weight_sar=0.8, tv=0.0, smoothing=0.05), random(3)
    of_optical, of_sar = (w / (x - y).abs().clamp_min(0.05) for w, y in ((0.3, e.optical), (0.8, e.sar)))
    expected = (of_optical * e.optical + of_sar * e.sar) / (of_optical + of_sar)
    torch.testing.assert_close(e.em(x), expected)


def test_it_answers_the_protocol():
    assert isinstance(energy(), Proximal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_sar": -0.1}, r"^weight_sar must be >= 0 and finite, got -0.1"),
        ({"tv": math.nan}, r"^tv must be >= 0 and finite, got nan"),
        ({"weight_optical": math.inf}, r"^weight_optical must be >= 0 and finite, got inf"),
        ({"edges": "none"}, r"^edges must be 'optical', 'sar' or an image, got 'none'"),
        ({"iterations": 0}, r"^iterations must be >= 1, got 0"),
        ({"smoothing": 0.0}, r"^smoothing must be > 0, got 0"),
        (
            {"measured_sar": torch.ones(1, 1, 6, 6, dtype=torch.bool)},
            r"^measured_sar must have the shape of optical, \(2, 1, 6, 6\), got \(1, 1, 6, 6\)",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        energy(**settings)
