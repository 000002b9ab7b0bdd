"""Gap filling: settings, and what happens to a few tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic

from sardiff.arrays import Images
from sardiff.blur import filled
from sardiff.device import choose_device
from sardiff.errors import SettingsError
from sardiff.operators import Mask
from sardiff.priors.base import Prior
from sardiff.priors.checkpoint import SHIPPED, load_prior
from sardiff.priors.schedule import karras
from sardiff.solvers import ddnm, last
from sardiff.tasks.noise import PlaceNoise, check_draws
from sardiff.tasks.tones import Tones
from tiling import Tile

__all__ = ["METHODS", "Fill", "FillTiles", "overlap_for"]

METHODS = ("auto", "diffpir", "ddnm", "harmonic", "biharmonic")
STEPS = 24
SIGMAS = (1.5, 0.04)  # first and last noise level, natural log units: the first is above what a smooth filling errs by
RENEWED = {"diffpir": 1.0, "ddnm": 0.7}  # share of the noise that is drawn anew at each level
RUNS = 2  # of diffpir, whose mean is its estimate
SAMPLES = 8  # where an uncertainty is asked for without a number
RANGE = 2.0  # times what is measured: how far a biharmonic surface may leave it


@dataclass(frozen=True, kw_only=True)
class Fill:
    """Everything that decides what gaps are filled with, apart from the scene and the prior.

    Parameters
    ----------
    method : str
        "auto" is "diffpir", one estimate; or, where samples or an uncertainty are asked for, "ddnm". Both are reverse
        diffusion that keeps to what was measured. With all noise drawn anew at each level (DiffPIR, zeta = 1) it
        tends to the mean of what is plausible: smooth in the middle of wide gaps, and nearest to the truth. With a
        part of it kept (DDNM) it draws a sample, which has the texture of its surroundings. "harmonic": means of the
        surroundings, as smooth as they can be. "biharmonic": surfaces that keep slopes too (scikit-image).
    steps : int, optional
        Noise levels of diffusion; by default `STEPS`.
    samples : int, optional
        Of "ddnm", to average, >= 1, and 1 by default: the more, the nearer to the truth, and the smoother.
    uncertainty : bool
        Whether to give the standard deviation of the samples too.
    seed : int
        Of the noise; the same seed, the same image.
    """

    method: str = "auto"
    steps: int | None = None
    samples: int | None = None
    uncertainty: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(f"There is no method {self.method!r}; choose from {', '.join(METHODS)}.")
        check_draws(self.steps, self.drawn, self.seed)
        if self.solver not in RENEWED and self.steps is not None:
            raise SettingsError(f"Method {self.method!r} has no steps; leave these out.")
        if self.solver != "ddnm" and (self.samples is not None or self.uncertainty):
            raise SettingsError(f"Method {self.method!r} gives one estimate, without samples or spread: choose 'ddnm'.")
        if self.uncertainty and self.drawn < 2:
            raise SettingsError("The uncertainty is the spread of samples: ask for more, such as --samples 8.")

    @property
    def solver(self) -> str:
        """The method that "auto" stands for."""
        if self.method != "auto":
            return self.method
        return "diffpir" if self.samples is None and not self.uncertainty else "ddnm"

    @property
    def drawn(self) -> int:
        """Runs of the method, of which the result is the mean."""
        if self.samples is not None:
            return self.samples
        if self.solver == "ddnm":
            return SAMPLES if self.uncertainty else 1
        return RUNS if self.solver == "diffpir" else 1


def overlap_for(prior: Prior | None, widest: int) -> int:
    """How far tiles look beyond their cores, in pixels: the widest gap, or half of it and what a network sees."""
    least = widest if prior is None else widest / 2 + int(prior.card.get("reach", prior.receptive_field))
    return math.ceil(least * 4 / 3 / 16) * 16


@dataclass(frozen=True)
class FillTiles:
    """Fill the gaps of a few tiles: an `Apply` of `tiling`, and a pure function.

    Called with what `Gaps` gives (tiles, 2 bands, n, n), and the tiles; returns the log of what gaps are filled with
    (`Tones.log`) (tiles, bands, n, n), then, with uncertainty, as many bands of its standard deviation; NaN where
    nothing is to be filled. Bands are filled one by one, of noise that they share.

    Parameters
    ----------
    settings : Fill
    tones : Tones
        Of the whole scene.
    weights : Path or Prior
        The prior, or the file it is loaded from in each process.
    device : str
    """

    settings: Fill
    tones: Tones
    weights: Path | Prior = SHIPPED
    device: str = "auto"

    @property
    def prior(self) -> Prior | None:
        """The prior, loaded; None for a method without one."""
        if self.settings.solver not in RENEWED:
            return None
        return self.weights if isinstance(self.weights, Prior) else load_prior(self.weights, choose_device(self.device))

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        prior = self.prior
        about = ("", "") if prior is None else (prior.sha256, prior.name)
        return (type(self).__name__, tuple(asdict(self.settings).items()), self.tones, about, self.device)

    def __call__(self, pixels: NDArray[np.float32], tiles: Sequence[Tile]) -> NDArray[np.float32]:
        """Return the log (and its standard deviation) of what the gaps of these tiles are filled with."""
        bands = pixels.shape[1] // 2
        wanted = pixels[:, bands:] > 0
        count = 2 if self.settings.uncertainty else 1
        out = np.full((len(pixels), count * bands, *pixels.shape[2:]), np.nan, np.float32)
        log = self.tones.log(pixels[:, :bands])
        device = choose_device(self.device)
        for band in range(bands):
            seen = np.isfinite(log[:, band])
            busy = [i for i in range(len(pixels)) if wanted[i, band].any() and seen[i].any()]
            if not busy:
                continue
            image = torch.from_numpy(log[busy, band, None]).to(device)
            with torch.no_grad():
                mean, deviation = self._filled(image, [tiles[i] for i in busy])
            out[busy, band] = np.where(wanted[busy, band], mean.cpu().numpy()[:, 0], np.nan)
            if deviation is not None:
                out[busy, bands + band] = np.where(wanted[busy, band], deviation.cpu().numpy()[:, 0], np.nan)
        return out

    def _filled(self, image: Images, tiles: Sequence[Tile]) -> tuple[Images, Images | None]:
        known, settings, prior = image.isfinite(), self.settings, self.prior
        if settings.solver == "biharmonic":
            return _biharmonic(image), None
        start = filled(image)
        if prior is None:
            return start, None
        # Grey has half the contrast that backscatter has.
        first, final = (level * self.tones.slope for level in SIGMAS)
        sigmas = karras(first, final, settings.steps or STEPS)
        eta = RENEWED[settings.solver]
        noises = [PlaceNoise(settings.seed, k, 0, tiles, image.device) for k in range(settings.drawn)]
        samples = torch.stack(
            [
                last(ddnm(prior.denoise, Mask(known), image, sigmas, noise.normal, start=start, eta=eta)).x0
                for noise in noises
            ]
        )
        return samples.mean(dim=0), samples.std(dim=0) if settings.uncertainty else None


def _biharmonic(image: Images) -> Images:
    """The same by biharmonic surfaces, which swing: held within `RANGE` times what was measured."""
    filled = torch.empty_like(image)
    for i, one in enumerate(image[:, 0].cpu().numpy()):
        missing = np.isnan(one)
        known = one[~missing]
        surface = inpaint_biharmonic(np.where(missing, 0, one), missing)
        middle, half = (known.max() + known.min()) / 2, (known.max() - known.min()) / 2
        filled[i, 0] = torch.from_numpy(np.clip(surface, middle - RANGE * half, middle + RANGE * half)).to(image)
    return filled
