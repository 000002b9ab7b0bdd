"""Fusion: settings, and what happens to a few tiles of an optical and SAR pair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_opening, distance_transform_edt

from sardiff.arrays import Images
from sardiff.classical import CLASSICAL
from sardiff.classical.restored_mean import restored_mean
from sardiff.device import choose_device
from sardiff.errors import SettingsError
from sardiff.likelihoods.gamma import GammaSpeckle
from sardiff.likelihoods.joint import JointEnergy
from sardiff.likelihoods.laplace import FusionEnergy
from sardiff.priors.base import Prior
from sardiff.priors.checkpoint import SHIPPED, load_prior
from sardiff.priors.schedule import karras
from sardiff.solvers import Step, ddfm, diffpir, last, one_pass, reddiff
from sardiff.tasks.levels import Levels
from sardiff.tasks.noise import PlaceNoise, check_draws
from sardiff.units import grey_from_log_luminance, log_luminance_from_grey
from tiling import Tile

__all__ = ["DIFFUSION", "METHODS", "MODES", "SAMPLES", "TILE", "Fuse", "FuseTiles", "overlap_for", "prior_for"]

DIFFUSION = ("dps", "vds", "ddfm", "joint")
METHODS = ("auto", *DIFFUSION, *CLASSICAL)
STEPS = {"dps": 6, "vds": 30, "ddfm": 6, "joint": 6}
SIGMAS = {
    "dps": (0.3, 0.03),
    "vds": (0.6, 0.06),
    "ddfm": (0.3, 0.03),
    "joint": (0.6, 0.06),
}  # first and last noise level
TRUST = 20.0  # of the energy against the prior: its proximal point is taken with tau = TRUST sigma^2
LAPLACE = 0.75  # weight of both Laplace terms together
EDGES = 2.0  # weight of total variation
ITERATIONS = 60  # of the proximal point: at the first levels it is within 1.5 % of its energy, at the last exact
SMOOTHING = {"vds": 0.1}  # luminance: sharper kinks than twice its step make it leap about, and tiles differ
REACHES = {"vds": 2.5}  # of the prior, that tiles look beyond their cores; 2 for the others
FEATHER = 16  # pixels within which a fusion becomes the optical image where SAR ends
RENEWED = 0.3  # share of the noise that is drawn anew at each level, without which samples would not differ
SAMPLES = 8  # where an uncertainty is asked for without a number
TILE = 768  # pixels
MODES = ("auto", "colour", "intensity")


@dataclass(frozen=True, kw_only=True)
class Fuse:
    """Everything that decides a fused luminance, apart from the scenes and the prior.

    Parameters
    ----------
    method : str
        "auto" is "dps": reverse diffusion whose clean image is corrected at every step by the proximal point of the
        Laplace and total-variation energy (DPS in its proximal form; the steps are those of DiffPIR). "vds": the same
        energy, minimised with a diffusion prior (RED-diff). "ddfm": the energy's EM step. "joint": the gamma likelihood
        of speckled SAR in place of its Laplace term. The others have no prior: `sardiff.classical`.
    weight : float
        0: like the optical image. 1: like the SAR image. Share of the SAR image in the start, and in the Laplace terms;
        in "joint" twice the weight of the likelihood, which at .5 counts as it should.
    steps : int, optional
        Noise levels; by default `STEPS`.
    samples : int
        To average, >= 1; more than one for `uncertainty`.
    uncertainty : bool
        Whether to give the standard deviation of the samples too: how far they differ, not a calibrated posterior; 0
        where SAR was not measured, since the optical image stays there.
    seed : int
        Of the noise; the same seed, the same image.
    looks, correlation : float
        Of the SAR image's speckle, for "joint".
    """

    method: str = "auto"
    weight: float = 0.4
    steps: int | None = None
    samples: int = 1
    uncertainty: bool = False
    seed: int = 0
    looks: float = 1.0
    correlation: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(f"There is no method {self.method!r}; choose from {', '.join(METHODS)}.")
        if not 0 <= self.weight <= 1:
            raise SettingsError(f"weight must be from 0 (optical) to 1 (SAR), got {self.weight}.")
        check_draws(self.steps, self.samples, self.seed)
        if self.solver not in DIFFUSION and (self.steps is not None or self.samples > 1 or self.uncertainty):
            raise SettingsError(f"Method {self.method!r} has no steps, samples or uncertainty; leave these out.")
        if self.uncertainty and self.solver == "vds":
            raise SettingsError("Method 'vds' is a point estimate, of no spread that means anything: choose 'dps'.")
        if self.uncertainty and self.samples < 2:
            raise SettingsError("The uncertainty is the spread of samples: ask for more, such as --samples 8.")

    @property
    def solver(self) -> str:
        """The method that "auto" stands for."""
        return "dps" if self.method == "auto" else self.method

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Noise levels of a diffusion method."""
        first, final = SIGMAS[self.solver]
        return karras(first, final, self.steps or STEPS[self.solver])


def prior_for(settings: Fuse, weights: Path | Prior, device: str) -> Prior | None:
    """Load the prior that a method needs, if it needs one.

    Raises
    ------
    SettingsError
        If it cannot serve the method.
    PriorError
        If it cannot be loaded.
    """
    if settings.solver not in DIFFUSION:
        return None
    prior = weights if isinstance(weights, Prior) else load_prior(weights, choose_device(device))
    if settings.solver == "joint" and prior.posterior is None:
        raise SettingsError(f"Method 'joint' needs weights trained with measurements, which {prior.name} is not.")
    return prior


def overlap_for(settings: Fuse, prior: Prior | None) -> int:
    """How far tiles look beyond their cores, in pixels, for the scene not to depend on them; see `despeckle`."""
    if prior is None:
        least = CLASSICAL[settings.solver].reach
    else:
        reach = int(prior.card.get("reach", prior.receptive_field))
        least = round(REACHES.get(settings.solver, 2) * reach)
    return math.ceil(max(least, FEATHER) * 4 / 3 / 16) * 16


@dataclass(frozen=True)
class FuseTiles:
    """Fuse a few tiles: an `Apply` of `tiling`, and a pure function.

    Called with what `Pair` gives (tiles, bands + 2, n, n), and the tiles; returns the fused log-luminance (tiles, 1, n,
    n), then, with uncertainty, its standard deviation. Where only the optical image was measured the result is that
    image; where only SAR was and a cloud hides the ground, it is what SAR and the prior say; elsewhere NaN.

    Parameters
    ----------
    settings : Fuse
    levels : Levels
        Of the whole pair.
    weights : Path or Prior
        The prior, or the file it is loaded from in each process.
    device : str
    """

    settings: Fuse
    levels: Levels
    weights: Path | Prior = SHIPPED
    device: str = "auto"

    @property
    def prior(self) -> Prior | None:
        """The prior, loaded; None for a method without one."""
        return prior_for(self.settings, self.weights, self.device)

    @property
    def stride(self) -> int:
        """Tiles begin at multiples of this."""
        prior = self.prior
        return CLASSICAL[self.settings.solver].stride if prior is None else prior.stride

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        prior = self.prior
        about = ("", "") if prior is None else (prior.sha256, prior.name)
        return (type(self).__name__, tuple(asdict(self.settings).items()), self.levels, about, self.device)

    def __call__(self, pixels: NDArray[np.float32], tiles: Sequence[Tile]) -> NDArray[np.float32]:
        """Return log-luminance (and its standard deviation) of these tiles."""
        count, size = len(pixels), pixels.shape[2:]
        out = np.full((count, 2 if self.settings.uncertainty else 1, *size), np.nan, np.float32)
        grey = self.levels.grey(pixels)
        clouded = pixels[:, -1] > 0
        seen = [np.isfinite(image) for image in grey]
        wanted = seen[0] | (clouded & seen[1])
        alive = [i for i in range(count) if wanted[i].any()]
        if not alive:
            return out
        device = choose_device(self.device)
        optical, sar = (torch.from_numpy(image[alive, None]).to(device) for image in grey)
        with torch.no_grad():
            mean, deviation = self._fuse(optical, sar, pixels[alive, -2], [tiles[i] for i in alive])
        own = log_luminance_from_grey(grey[0][alive])
        fused = mean.cpu().numpy()[:, 0]
        share = np.where(seen[0][alive], _away_from_holes(seen[1][alive]), 1.0)
        result = np.where(seen[1][alive], np.where(seen[0][alive], own + share * (fused - own), fused), own)
        out[alive, 0] = np.where(wanted[alive], result, np.nan)
        if deviation is not None:
            spread = np.where(seen[1][alive], share * deviation.cpu().numpy()[:, 0], 0.0)
            out[alive, 1] = np.where(wanted[alive], spread, np.nan)
        return out

    def _fuse(
        self, optical: Images, sar: Images, log_intensity: NDArray[np.float32], tiles: Sequence[Tile]
    ) -> tuple[Images, Images | None]:
        seen, settings, prior = (optical.isfinite(), sar.isfinite()), self.settings, self.prior
        filled = _filled(optical, sar), _filled(sar, optical)
        if prior is None:
            return log_luminance_from_grey(CLASSICAL[settings.solver].fuse(*filled, settings.weight)), None
        light, radar = (log_luminance_from_grey(image) for image in filled)
        start = log_luminance_from_grey(restored_mean(*filled, settings.weight))
        energy = FusionEnergy(
            optical=light,
            sar=radar,
            weight_optical=LAPLACE * (1 - settings.weight),
            weight_sar=LAPLACE * settings.weight,
            tv=EDGES,
            edges=start,
            iterations=ITERATIONS,
            smoothing=SMOOTHING.get(settings.solver, 0.01),
            measured_optical=seen[0],
            measured_sar=seen[1],
        )
        if settings.solver == "joint":
            energy = self._joint(prior, energy, torch.from_numpy(log_intensity[:, None]).to(light))
            start = log_luminance_from_grey(
                restored_mean(filled[0], grey_from_log_luminance(energy.sar), settings.weight)
            )
            energy = replace(energy, edges=start)
        noises = [PlaceNoise(settings.seed, k, 0, tiles, light.device) for k in range(settings.samples)]
        samples = torch.stack([last(self._steps(prior, energy, start, noise)).x0 for noise in noises])
        return samples.mean(dim=0), samples.std(dim=0) if settings.uncertainty else None

    def _steps(self, prior: Prior, energy: FusionEnergy, start: Images, noise: PlaceNoise) -> Iterator[Step]:
        sigmas, solver = self.settings.sigmas, self.settings.solver
        if solver == "vds":
            return reddiff(prior.denoise, energy, sigmas, noise.normal, start=start)
        if solver == "ddfm":
            return ddfm(prior.denoise, energy, sigmas, noise.normal, start=start)
        return diffpir(prior.denoise, energy, sigmas, noise.normal, start=start, weight=1 / TRUST, zeta=RENEWED)

    def _joint(self, prior: Prior, energy: FusionEnergy, log_intensity: Images) -> JointEnergy:
        """The same energy with the likelihood of speckle, on luminance that is linear in log-intensity."""
        assert prior.posterior is not None
        dark = log_luminance_from_grey(0.0)
        low, high = self.levels.sar
        slope = (high - low) / -dark
        intercept = low - slope * dark
        speckle = GammaSpeckle(log_intensity, self.settings.looks, self.settings.correlation)
        clean, _ = one_pass(prior.posterior, speckle, intercept + slope * energy.sar)
        return JointEnergy(
            optical=energy.optical,
            sar=(clean - intercept) / slope,
            weight_optical=energy.weight_optical,
            weight_sar=2 * self.settings.weight,
            tv=energy.tv,
            edges=energy.edges,
            iterations=energy.iterations,
            measured_optical=energy.measured_optical,
            measured_sar=energy.measured_sar,
            speckle=speckle,
            slope=slope,
            intercept=intercept,
        )


def _away_from_holes(seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """0 where SAR's coverage ends, 1 from `FEATHER` pixels inside on: no seam to the optical image beyond.

    Holes into which no 3 x 3 pixels fit are none.
    """
    shares = np.ones(seen.shape, np.float32)
    for share, known in zip(shares, seen, strict=True):
        holes = binary_opening(~known, np.ones((3, 3)))
        if holes.any():
            share[:] = np.clip(distance_transform_edt(~holes) / FEATHER, 0, 1)
    return shares


def _filled(image: Images, other: Images) -> Images:
    """One image of a pair with its holes as the other has them, or middle grey."""
    return torch.where(image.isfinite(), image, torch.where(other.isfinite(), other, 0.5))
