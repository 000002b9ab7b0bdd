"""Deblurring: settings, and what happens to a few tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sardiff.arrays import Images
from sardiff.blur import filled
from sardiff.device import choose_device
from sardiff.errors import SettingsError
from sardiff.likelihoods.base import Proximal
from sardiff.likelihoods.gaussian import LinearGaussian, OfLogLuminance
from sardiff.operators import Blur
from sardiff.priors.base import Prior
from sardiff.priors.checkpoint import SHIPPED, load_prior
from sardiff.priors.schedule import karras
from sardiff.solvers import Step, diffpir, dpir, last
from sardiff.tasks.kernels import kernel_of
from sardiff.tasks.noise import PlaceNoise, check_draws
from sardiff.tasks.tones import Tones
from tiling import Tile

__all__ = ["METHODS", "SAMPLES", "Deblur", "DeblurTiles", "overlap_for"]

METHODS = ("auto", "dpir", "diffpir")
STEPS = 12
WIDER = 15.0  # first over last noise level: the first is what blur has taken, the last the noise
WEIGHT = {"dpir": 0.35, "diffpir": 1.0}  # lambda of both papers
RENEWED = 0.3  # share of the noise that diffpir draws anew at each level
DEFECT = 100.0  # grey: brighter is no ground, and would drown the rest of a tile in rounding; it stays as it is
SAMPLES = 8  # where an uncertainty is asked for without a number


@dataclass(frozen=True, kw_only=True)
class Deblur:
    """Everything that decides a sharpened image, apart from the scene and the prior.

    Parameters
    ----------
    blur : str
        As `kernel_of` takes it.
    noise : tuple of float
        Standard deviation of each band's noise, in its units (decibels for backscatter), > 0.
    method : str
        "auto" is "dpir", a point estimate; or, for several samples or an uncertainty, "diffpir".
    steps : int, optional
        Noise levels; by default `STEPS`.
    samples : int
        To average, >= 1.
    uncertainty : bool
        Whether to give the standard deviation of the samples too: how far they differ, not a calibrated posterior.
    seed : int
        Of the noise; the same seed, the same image.
    """

    blur: str
    noise: tuple[float, ...]
    method: str = "auto"
    steps: int | None = None
    samples: int = 1
    uncertainty: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(f"There is no method {self.method!r}; choose from {', '.join(METHODS)}.")
        if not all(0 < sigma < math.inf for sigma in self.noise):
            raise SettingsError(f"noise must be > 0, in the image's units, got {self.noise}.")
        check_draws(self.steps, self.samples, self.seed)
        if self.method == "dpir" and (self.samples > 1 or self.uncertainty):
            raise SettingsError("Method 'dpir' is a point estimate, without samples or spread: choose 'diffpir'.")
        if self.uncertainty and self.samples < 2:
            raise SettingsError("The uncertainty is the spread of samples: ask for more, such as --samples 8.")

    @property
    def solver(self) -> str:
        """The method that "auto" stands for."""
        if self.method != "auto":
            return self.method
        return "diffpir" if self.samples > 1 else "dpir"


def overlap_for(prior: Prior, reach: int) -> int:
    """How far tiles look beyond their cores, in pixels: what blur carries, there and back, and a network sees twice."""
    least = 2 * int(prior.card.get("reach", prior.receptive_field)) + 2 * reach
    return math.ceil(least * 4 / 3 / 16) * 16


@dataclass(frozen=True)
class DeblurTiles:
    """Take the blur out of a few tiles: an `Apply` of `tiling`, and a pure function.

    Called with pixels (tiles, bands, n, n), NaN where not measured, and the tiles; returns the log (`Tones.log`) of the
    sharp image (tiles, bands, n, n), then, with uncertainty, as many bands of its standard deviation; NaN where nothing
    was measured. Beyond the scene, and where blur reaches out of a tile, nothing is taken for measured. Bands are
    treated one by one: each is blurred and noisy by itself.

    Parameters
    ----------
    settings : Deblur
    tones : Tones
        Of the whole scene.
    shape : (rows, cols)
        Of the scene.
    weights : Path or Prior
        The prior, or the file it is loaded from in each process.
    device : str
    """

    settings: Deblur
    tones: Tones
    shape: tuple[int, int]
    weights: Path | Prior = SHIPPED
    device: str = "auto"

    @property
    def prior(self) -> Prior:
        """The prior, loaded."""
        return self.weights if isinstance(self.weights, Prior) else load_prior(self.weights, choose_device(self.device))

    @cached_property
    def blur(self) -> Blur:
        """What blurs."""
        return Blur(torch.from_numpy(kernel_of(self.settings.blur)))

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        about = self.tones, self.shape, self.prior.sha256, self.prior.name, self.device
        return (type(self).__name__, tuple(asdict(self.settings).items()), self.blur.kernel.numpy().tobytes(), *about)

    def __call__(self, pixels: NDArray[np.float32], tiles: Sequence[Tile]) -> NDArray[np.float32]:
        """Return the log (and its standard deviation) of the sharp image."""
        bands = pixels.shape[1]
        count = 2 if self.settings.uncertainty else 1
        out = np.full((len(pixels), count * bands, *pixels.shape[2:]), np.nan, np.float32)
        grey = self.tones.grey(pixels)
        device = choose_device(self.device)
        for band in range(bands):
            grey[:, band] = np.where(np.abs(grey[:, band]) < DEFECT, grey[:, band], np.nan)
            seen = np.isfinite(grey[:, band])
            busy = [i for i in range(len(pixels)) if seen[i].any()]
            if not busy:
                continue
            image = torch.from_numpy(grey[busy, band, None]).to(device)
            with torch.no_grad():
                mean, deviation = self._sharpened(image, [tiles[i] for i in busy], band)
            out[busy, band] = np.where(seen[busy], mean.cpu().numpy()[:, 0], np.nan)
            if deviation is not None:
                out[busy, bands + band] = np.where(seen[busy], deviation.cpu().numpy()[:, 0], np.nan)
        return out

    def _sharpened(self, grey: Images, tiles: Sequence[Tile], band: int) -> tuple[Images, Images | None]:
        """Log of the sharp image, and perhaps its standard deviation, from the blurred one."""
        settings, prior = self.settings, self.prior
        noise = self.tones.grey_noise(settings.noise[band], band)
        inside = torch.stack([self._inside(tile).to(grey.device) for tile in tiles])[:, None]
        gaussian = LinearGaussian(self.blur, torch.where(inside, grey, torch.nan), noise)
        likelihood: Proximal = OfLogLuminance(gaussian) if self.tones.physical else gaussian
        start = self.tones.log_of_grey(filled(grey))
        sigma = noise / self.tones.slope
        sigmas = karras(WIDER * sigma, sigma, settings.steps or STEPS)
        weight = WEIGHT[settings.solver]
        if settings.solver == "dpir":
            return last(dpir(prior.denoise, likelihood, sigmas, start=start, weight=weight)).x0, None

        def sample(k: int) -> Iterator[Step]:
            draw = PlaceNoise(settings.seed, k, band, tiles, grey.device).normal
            return diffpir(prior.denoise, likelihood, sigmas, draw, start=start, weight=weight, zeta=RENEWED)

        samples = torch.stack([last(sample(k)).x0 for k in range(settings.samples)])
        return samples.mean(dim=0), samples.std(dim=0) if settings.uncertainty else None

    def _inside(self, tile: Tile) -> torch.Tensor:
        """(n, n): where a tile's pixels lie in the scene, and what was blurred into them in the tile."""
        reach = self.blur.reach
        inside = []
        for span, length in zip(tile.read, self.shape, strict=True):
            place = torch.arange(span.start, span.stop)
            within = (place >= max(0, span.start + reach)) & (place < min(length, span.stop - reach))
            inside.append(within)
        return inside[0][:, None] & inside[1][None]
