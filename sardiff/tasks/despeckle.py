"""Despeckling: settings, what happens to a few tiles, and lazily to a DataArray."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool2d

from sardiff.arrays import Images
from sardiff.blur import blurred, gaussian_window
from sardiff.device import choose_device
from sardiff.errors import SettingsError
from sardiff.likelihoods.gamma import REACH, GammaSpeckle
from sardiff.priors.base import Prior
from sardiff.priors.checkpoint import SHIPPED, load_prior
from sardiff.priors.schedule import karras
from sardiff.solvers import Step, diffpir, dps, finite, gibbs, last, moment, one_pass, posterior_samples, scoring
from sardiff.tasks.noise import PlaceNoise, check_draws
from sardiff.units import DB_PER_LOG
from tiling import Tile

__all__ = ["METHODS", "QUALITIES", "Despeckle", "DespeckleTiles", "Method", "Quality", "overlap_for"]

Method = Literal["auto", "one-pass", "scoring", "posterior", "moment", "sar-dps", "diffpir", "gibbs"]
METHODS: tuple[Method, ...] = ("auto", "one-pass", "scoring", "posterior", "moment", "sar-dps", "diffpir", "gibbs")
Quality = Literal["fast", "balanced", "best"]
QUALITIES: tuple[Quality, ...] = ("fast", "balanced", "best")
MEASURED = ("one-pass", "posterior")  # by a network that was trained with measurements, of correlated speckle too
ESTIMATES = ("one-pass", "scoring")  # these give one estimate and its uncertainty, the others samples

STEPS = {"posterior": 6, "moment": 6, "sar-dps": 100, "diffpir": 20, "gibbs": 15}
# Of the image, as `_turned` counts them. After half a turn what a network's stride leaves on every other row and
# column, where it sees what it was not trained for, has the other sign, and goes away in the mean.
ORIENTATIONS = {"fast": (0,), "balanced": (0, 2), "best": tuple(range(8))}
EFFORT = {"fast": 0.5, "balanced": 1.0, "best": 2.0}  # times the steps of samplers
FEW_LOOKS = 2.0  # below, a third pass of scoring by the prior alone pays; above, it changes nothing
FILLS = 4  # times 36 pixels: farther than a network looks
MOST_CORRELATED = 100  # pixels that vary as one: beyond, no network has seen such noise
TARGET = (5.0, 10.0)  # dB: where an estimate begins to be taken for a target, and is one
GLINT = (11.0, 14.0)  # dB: the same for the measurement of a pixel
POINT_AREA = 2.0  # pixels that vary as one, from which on a point is wider than three
MOST = 1.5  # natural log units
SURE = 0.1  # doubt below which all pixels count alike
VARIANCE = (0.01, 3.0)  # natural log units squared, of the posterior where power is kept
WINDOW = 12.0  # pixels: standard deviation of the Gaussian window within which radiometry is kept


@dataclass(frozen=True, kw_only=True)
class Despeckle:
    """Everything that decides a despeckled image, apart from the scene and the prior.

    Parameters
    ----------
    looks : float
        Equivalent number of looks of the product, > 0.
    method : str
        "auto" is "posterior" for several samples, or "moment" if the weights were not trained with measurements.
        For one estimate it is "one-pass", or "scoring" with such weights. "sar-dps" is the published method.
    quality : str
        How much is computed. "fast": estimates in one go. "balanced": their mean over two orientations of the image.
        "best": over all eight. Samplers take half or twice the steps, unless `steps` says how many.
    correlation : float, optional
        Autocorrelation area of the speckle: how many pixels vary as one, >= 1, and 1 where they are independent.
        None: not known, and taken for 1. It decides how much the measurement weighs in methods that have a
        likelihood (`GammaSpeckle.area`), and how far from their estimate samplers start; "one-pass" sees correlation
        for itself.
    steps : int, optional
        Passes of "scoring", by default 2, or 3 at less than `FEW_LOOKS` looks with weights that were not trained
        with measurements; noise levels of the others, by default those of `STEPS`, more or fewer with `quality`.
        "one-pass" has but one.
    samples : int
        Posterior samples to average, >= 1. "one-pass" and "scoring" give one estimate.
    uncertainty : bool
        Whether to give the posterior standard deviation too: the spread of the samples, what the network says
        of a pixel in "one-pass", or in "scoring" what the prior's calibration does
        (`sardiff.priors.variance.LocalVariance`).
    seed : int
        Of the noise; the same seed, the same image.
    """

    looks: float
    method: Method = "auto"
    quality: Quality = "balanced"
    correlation: float | None = None
    steps: int | None = None
    samples: int = 1
    uncertainty: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.looks > 0 and math.isfinite(self.looks)):
            raise SettingsError(f"looks must be a number > 0, got {self.looks}. A single-look product has 1.")
        if self.correlation is not None and not 1 <= self.correlation <= MOST_CORRELATED:
            raise SettingsError(
                f"correlation must be from 1 to {MOST_CORRELATED}, the number of pixels that vary as one, "
                f"got {self.correlation}."
            )
        if self.method not in METHODS:
            raise SettingsError(f"There is no method {self.method!r}; choose from {', '.join(METHODS)}.")
        if self.quality not in QUALITIES:
            raise SettingsError(f"There is no quality {self.quality!r}; choose from {', '.join(QUALITIES)}.")
        check_draws(self.steps, self.samples, self.seed)
        if self.method == "one-pass" and self.steps not in (None, 1):
            raise SettingsError(f"Method 'one-pass' has one step, not {self.steps}; leave steps out.")
        if self.method in ESTIMATES and self.samples > 1:
            raise SettingsError(f"Method {self.method!r} gives one estimate; for several samples choose 'posterior'.")
        if self.uncertainty and self.samples < 2 and self.method not in ("auto", *ESTIMATES):
            raise SettingsError(
                f"The uncertainty of {self.method!r} is the spread of its samples: ask for more, such as --samples 8."
            )

    def solver(self, prior: Prior) -> str:
        """The method that "auto" stands for with this prior.

        Raises
        ------
        SettingsError
            If the method needs what the prior does not have, or has no steps to choose.
        """
        able = prior.posterior is not None
        if self.method in MEASURED and not able:
            other = "scoring" if self.method == "one-pass" else "moment"
            raise SettingsError(
                f"The weights {prior.name} were not trained with measurements; choose method {other!r}."
            )
        if self.method != "auto":
            return self.method
        if self.samples > 1:
            return "posterior" if able else "moment"
        if able and self.steps not in (None, 1):
            raise SettingsError(
                f"The method is 'one-pass' here, which has one step, not {self.steps}; leave steps out, or choose "
                "method 'scoring' or several samples."
            )
        return "one-pass" if able else "scoring"

    def levels(self, prior: Prior) -> int:
        """Steps, with the method's default filled in."""
        solver = self.solver(prior)
        if solver == "one-pass":
            return 1
        if self.steps is not None:
            return self.steps
        if solver == "scoring":
            return 3 if self.looks < FEW_LOOKS and prior.posterior is None else 2
        return max(1, round(EFFORT[self.quality] * STEPS[solver]))


def overlap_for(settings: Despeckle, prior: Prior) -> int:
    """How far tiles must look beyond their cores, in pixels, for the scene not to depend on them.

    Three quarters of the overlap are beyond the blending ramp. They hold the prior's measured reach (where
    one denoising pass fades below a fifth of 0.01 dB), once more for samplers, whose passes through the
    Jacobian or one after another reach farther, and the windows that keep radiometry, one upon the other: five of
    their standard deviations, beyond which what differs no longer counts; and one, beyond where the network differs.
    Checked as a law in `tests/scenes/test_one_image.py`.
    """
    reach = int(prior.card.get("reach", prior.receptive_field))
    passes = 1 if settings.solver(prior) in ESTIMATES else 2
    least = max(passes * reach, reach + WINDOW, 5 * WINDOW)
    return math.ceil(least * 4 / 3 / 16) * 16


@dataclass(frozen=True)
class DespeckleTiles:
    """Despeckle a few tiles: an `Apply` of `tiling`, and a pure function.

    Called with linear intensity (tiles, bands, n, n), NaN where not measured, and the tiles; returns the
    natural log of the despeckled intensity (tiles, bands, n, n), then, with uncertainty, as many bands of
    standard deviation in dB; NaN where nothing was measured. Logs, because that is where errors add when
    tiles are blended. Bands are despeckled one by one.

    Parameters
    ----------
    settings : Despeckle
    weights : Path or Prior
        The prior, or the file it is loaded from in each process.
    device : str
    """

    settings: Despeckle
    weights: Path | Prior = SHIPPED
    device: str = "auto"

    @property
    def prior(self) -> Prior:
        """The prior, loaded."""
        if isinstance(self.weights, Prior):
            return self.weights
        return load_prior(self.weights, choose_device(self.device))

    @property
    def intervals(self) -> Sequence[tuple[float, float]]:
        """(p, k): within k of its standard deviations in dB an estimate is right with probability p.

        Measured on simulated speckle; empty where it was not. The errors' tails are wider than a Gaussian's.
        """
        worth = self.prior.calibration
        return () if worth is None or self.settings.solver(self.prior) != "one-pass" else worth.intervals

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (
            type(self).__name__,
            tuple(asdict(self.settings).items()),
            self.prior.sha256,
            self.prior.name,
            self.device,
        )

    def __call__(self, intensity: NDArray[np.float32], tiles: Sequence[Tile]) -> NDArray[np.float32]:
        """Return log-intensity (and standard deviation in dB) of these tiles."""
        count, bands = intensity.shape[:2]
        out = np.full(
            (count, bands * (2 if self.settings.uncertainty else 1), *intensity.shape[2:]), np.nan, np.float32
        )
        busy = [i for i in range(count) if np.isfinite(intensity[i]).any()]
        for band in range(bands):
            alive = [i for i in busy if np.isfinite(intensity[i, band]).any()]
            if not alive:
                continue
            mean, deviation = self._despeckle(intensity[alive, band, None], [tiles[i] for i in alive], band)
            out[alive, band] = mean[:, 0]
            if deviation is not None:
                out[alive, bands + band] = deviation[:, 0]
        return out

    def _despeckle(
        self, intensity: NDArray[np.float32], tiles: Sequence[Tile], band: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        device = choose_device(self.device)
        pixels = torch.from_numpy(intensity).to(device)
        likelihood = GammaSpeckle.from_intensity(pixels, self.settings.looks, self.settings.correlation or 1.0)
        with torch.no_grad():
            mean, variance = self._estimate(likelihood, band, tiles)
            target = _targets(likelihood, mean)
            doubt = torch.expm1(variance.clamp(*VARIANCE))
            mean = mean + _log_gain(likelihood, mean, doubt, 1 - target)
            mean = _with_power(likelihood, mean, doubt, 1 - target)
            mean = torch.where(likelihood.measured, torch.lerp(mean, likelihood.y, target), torch.nan)
            if not self.settings.uncertainty:
                return mean.cpu().numpy(), None
            deviation = torch.where(likelihood.measured, DB_PER_LOG * variance.sqrt(), torch.nan)
        return mean.cpu().numpy(), deviation.cpu().numpy()

    def _estimate(self, likelihood: GammaSpeckle, band: int, tiles: Sequence[Tile]) -> tuple[Images, Images]:
        """Log-intensity, up to a smooth gain, and its variance."""
        solver = self.settings.solver(self.prior)
        if solver in ESTIMATES:
            return self._mean_over_orientations(likelihood)
        mean, variance = self._mean(likelihood, 1 if solver == "posterior" else 2)
        noises = [PlaceNoise(self.settings.seed, k, band, tiles, mean.device) for k in range(self.settings.samples)]
        samples = torch.stack([last(self.samples(likelihood, mean, variance, noise)).x0 for noise in noises])
        mean = torch.logsumexp(samples, dim=0) - math.log(len(samples))
        return mean, samples.var(dim=0) if len(samples) > 1 else variance

    def _mean_over_orientations(self, likelihood: GammaSpeckle) -> tuple[Images, Images]:
        """Mean of the estimates from the image turned and mirrored, and its variance.

        A network errs differently in each, by chance. Of errors e_i the square of the mean is the mean of the squares
        less their variance among each other.
        """
        passes, turns = self.settings.levels(self.prior), ORIENTATIONS[self.settings.quality]
        means, variances = [], []
        for turn in turns:
            turned = replace(likelihood, y=_turned(likelihood.y, turn))
            mean, variance = self._mean(turned, passes)
            means.append(_turned_back(mean, turn))
            variances.append(_turned_back(variance, turn))
        if len(turns) == 1:
            return means[0], variances[0]
        estimates, variance = torch.stack(means), torch.stack(variances).mean(dim=0)
        return estimates.mean(dim=0), torch.maximum(variance - estimates.var(dim=0, correction=0), variance / 4)

    def _mean(self, likelihood: GammaSpeckle, passes: int) -> tuple[Images, Images]:
        """Posterior mean and variance: the one pass of a network that can, then scoring by the prior."""
        prior, start = self.prior, _filled(likelihood)
        if prior.posterior is not None:
            start, variance = one_pass(prior.posterior, likelihood, start)
            passes -= 1
            if not passes:
                return finite(start), finite(variance)
        step = last(scoring(prior.denoise, likelihood, start, steps=passes, estimated=prior.posterior is not None))
        return step.x0, prior.pixel_variance(step.x0, step.sigma)

    def samples(self, likelihood: GammaSpeckle, start: Images, variance: Images, noise: PlaceNoise) -> Iterator[Step]:
        """Run a method that draws samples on one batch, from the estimate `start` and its variance."""
        prior, solver = self.prior, self.settings.solver(self.prior)
        sigma = first_sigma(prior, likelihood.looks / likelihood.area)
        sigmas = karras(sigma, sigma / 20, self.settings.levels(prior))
        if solver == "posterior" and prior.posterior is not None:
            return posterior_samples(prior.posterior, likelihood, sigmas, noise.normal, start=start, variance=variance)
        if solver == "moment":
            return moment(prior.denoise, likelihood, sigmas, noise.normal, start=start)
        if solver == "sar-dps":
            return dps(prior.denoise, likelihood, sigmas, noise.normal, start=start)
        if solver == "diffpir":
            return diffpir(prior.denoise, likelihood, sigmas, noise.normal, start=start)
        return gibbs(prior.denoise, likelihood, sigmas, noise.normal, noise.uniform, variance=prior.v, start=start)


def _turned(x: Images, turn: int) -> Images:
    """Turned by quarters, and for `turn` of 4 or more mirrored then."""
    x = torch.rot90(x, turn % 4, (2, 3))
    return x.flip(3) if turn >= 4 else x


def _turned_back(x: Images, turn: int) -> Images:
    return torch.rot90(x.flip(3) if turn >= 4 else x, -(turn % 4), (2, 3))


def first_sigma(prior: Prior, looks: float) -> float:
    """Noise level of the early start: 2.5 times the error of `scoring`, by the prior's variance table.

    Chung et al. (2022), arXiv:2112.05146: it must exceed the error of the cheap estimate.
    """
    return 2.5 * math.sqrt(prior.v(1.05 / math.sqrt(looks)))


def _filled(likelihood: GammaSpeckle) -> Images:
    """Debiased log-intensity; holes filled from their rims inwards, and beyond by the mean of what was measured."""
    known = likelihood.measured
    image, _ = likelihood.pseudo_observation(torch.zeros_like(likelihood.y), power=0.0)
    for _ in range(FILLS):
        if bool(known.all()):
            return image
        near = _local_mean(known.to(image), torch.ones_like(known), WINDOW) > 1e-6
        image = torch.where(known, image, _local_mean(image, known, WINDOW))
        known = known | near
    mean = (image * known).sum(dim=(1, 2, 3), keepdim=True) / known.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)
    return torch.where(known, image, mean)


def _targets(likelihood: GammaSpeckle, mean: Images) -> Images:
    """How far each pixel is a target, 0 to 1: a corner reflector has no speckle, its measurement is its value.

    A pixel is a target where the measurement is brighter than speckle can explain, its ratio y / x more than
    `REACH` standard deviations of speckle above 1; or where the estimate itself stands out by `TARGET` dB, or the
    measurement by `GLINT` dB (more at less than one look), over the morphological opening of the estimate by 3 x 3
    pixels, which only what is narrower than three pixels does; the measurement over 5 x 5 pixels where speckle is
    correlated, since there the impulse response makes a point that wide. The change-over is gradual, so that rounding
    cannot flip a pixel. The first is the rule of the enhanced filters of Lopes et al. (1990), IEEE TGRS 28(6), with a
    soft edge.
    """
    residual = torch.where(likelihood.measured, likelihood.y - mean, 0.0)
    missed = residual - math.log1p(REACH / math.sqrt(likelihood.looks))
    seen = _between(mean - _opened(mean, 3), TARGET)
    level = _opened(mean, 5 if likelihood.area >= POINT_AREA else 3) - min(math.log(likelihood.looks), 0.0)
    glint = _between(residual + mean - level, GLINT)
    share = torch.maximum(missed, torch.maximum(seen, glint)).clamp(0, 1)
    return share**2 * (3 - 2 * share)


def _opened(x: Images, side: int) -> Images:
    """Morphological opening by a square of odd side."""
    eroded = -max_pool2d(-x, side, stride=1, padding=side // 2)
    return max_pool2d(eroded, side, stride=1, padding=side // 2)


def _between(x: Images, ends_db: tuple[float, float]) -> Images:
    """Where log-intensities lie from one end (0) to the other (1), not clamped."""
    low, high = (level / DB_PER_LOG for level in ends_db)
    return (x - low) / (high - low)


def _log_gain(likelihood: GammaSpeckle, mean: Images, doubt: Images, ground: Images) -> Images:
    """Log of the local mean of measured over that of despeckled intensity: adding it to the log estimate keeps power.

    The mean of the log is not the log of the mean: e^E[u] lies below E[e^u], by the posterior variance, which
    differs from place to place. Power is kept where, within a Gaussian window, both images have the same
    mean. (The mean of the ratio y / x would do on even ground; elsewhere its darkest pixels, of which the
    estimate knows least, would decide about the bright ones.) No pixel counts for more than `MOST` above
    its surroundings, the less the more it is in doubt, and no ratio for more than six standard deviations of speckle;
    a target says nothing of the ground around it. `doubt` is the posterior variance of intensity over the squared
    estimate, `ground` the share of a pixel that is no target.
    """
    measured = likelihood.measured
    weight = (mean - _local_mean(mean, measured, WINDOW)).clamp(max=MOST).exp() * ground / (SURE + doubt)
    ratio = (likelihood.y - mean).exp().clamp(max=1 + 6 / math.sqrt(likelihood.looks))
    gain = _local_mean(weight * ratio, measured, WINDOW) / _local_mean(weight, measured, WINDOW).clamp_min(1e-30)
    return gain.clamp(0.5, 2.0).log()


def _with_power(likelihood: GammaSpeckle, mean: Images, doubt: Images, ground: Images) -> Images:
    """The log estimate, but with local means of intensity nearer to those of the measurement.

    What a Gaussian window lacks or has too much goes to its pixels in proportion to their posterior variance, in
    intensity: given the sum of Gaussian variables, that is how their means change. So it goes where bright
    structure is uncertain and not over the ground around it. `doubt` and `ground` are those of `_log_gain`: targets,
    which are as measured, lack nothing. Iterated, since no pixel is changed by more than a factor of two at once.
    """
    measured = likelihood.measured
    window = gaussian_window(math.ceil(3 * WINDOW), WINDOW)
    x = torch.where(measured, mean.exp(), 0.0)
    scale = x.sum(dim=(1, 2, 3), keepdim=True) / measured.sum(dim=(1, 2, 3), keepdim=True)  # for float32 to hold x^2
    x, y = x / scale, torch.where(measured, likelihood.y.exp(), 0.0) / scale
    for _ in range(2):
        variance = doubt * x**2
        share = blurred(ground * (y - x), window) / blurred(ground * variance, window).clamp_min(1e-30)
        x = x + (share * variance).clamp(-0.5 * x, x)
    return torch.where(measured, (x * scale).log(), mean)


def _local_mean(x: Images, measured: torch.Tensor, deviation: float) -> Images:
    """Gaussian-weighted mean of the measured pixels near each, 0 where there is none; window of 3 `deviation`."""
    window = gaussian_window(math.ceil(3 * deviation), deviation)
    weight = blurred(measured.to(x), window)
    return torch.where(weight > 1e-6, blurred(torch.where(measured, x, 0.0), window) / weight.clamp_min(1e-6), 0.0)
