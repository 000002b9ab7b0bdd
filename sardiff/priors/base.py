"""What a prior has to provide: a denoiser, and a record of how to feed it."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from sardiff.arrays import Images, PerImage
from sardiff.priors.variance import Calibration, LocalVariance

__all__ = ["UNKNOWN", "Denoiser", "Given", "Posterior", "Prior", "level", "tabulate"]

UNKNOWN = -1.0
"""Correlation of speckle, where it is not told."""


@runtime_checkable
class Denoiser(Protocol):
    """E[x_0 | x_0 + sigma z = x], for z standard normal: all that a solver asks of a prior.

    `x` and the result are natural-log intensity; `sigma` > 0 is in the same unit, one number for all images or
    one number each. Differentiable in `x`; one image never sways another.
    """

    def __call__(self, x: Images, sigma: float | PerImage) -> Images:
        """Return D(x; sigma)."""
        ...


@dataclass(frozen=True)
class Given:
    """Speckled images, as a denoiser that was trained with the measurement takes them.

    Parameters
    ----------
    y : Images
        Log-intensity less the bias of log-speckle; finite everywhere, holes filled.
    variance : PerImage
        Of log-speckle; infinity where an image has no measurement.
    holes : Images
        1 where nothing was measured, 0 elsewhere.
    correlation : Tensor (images, 2)
        Autocorrelation of speckle (intensity) at lag 1 along rows and along cols; `UNKNOWN` where not told.
    """

    y: Images
    variance: PerImage
    holes: Images
    correlation: Tensor


@runtime_checkable
class Posterior(Protocol):
    """Mean and variance of x_0, pixel by pixel, given speckled images and perhaps x = x_0 + sigma z.

    With sigma infinite (`x` then says nothing, but must be finite) these are E[x_0 | y] and Var[x_0 | y] in
    one pass. With sigma finite it is the denoiser of the posterior: any sampler that it drives draws from
    p(x_0 | y), without a gradient. The amortised counterpart of a prior with a likelihood.
    """

    def __call__(self, x: Images, sigma: float | PerImage, given: Given) -> tuple[Images, Images]:
        """Return E[x_0 | x, given] and Var[x_0 | x, given], natural log units."""
        ...


@dataclass(frozen=True)
class Prior:
    """A denoiser, and what a caller must know to use it.

    Parameters
    ----------
    denoise : Denoiser
        D(x; sigma) on natural-log intensity.
    bands : int
        Bands of the images, >= 1.
    receptive_field : int
        Pixels: what a pixel becomes depends on no pixel farther away than this, along either axis. >= 0. Of a prior
        that is not `local` a convention, from which the overlap of tiles is chosen.
    stride : int
        Pixels: sizes must be multiples of it, and the denoiser commutes with shifts by multiples of it. >= 1.
    variance : tuple of (sigma, v)
        Calibrated table of v(sigma) = E|x_0 - D(x_0 + sigma z; sigma)|^2 per pixel, natural log units squared,
        by rising sigma; at least one row.
    name : str
        For people.
    sha256 : str
        Fingerprint of the weights; empty for a prior without any.
    units : str
        Always "log_intensity".
    card : mapping
        What else is known of it: data, licence, training.
    local_variance : LocalVariance, optional
        The same variance by pixel, from the local contrast of D.
    posterior : Posterior, optional
        What the same network says of speckled images, if it was trained with them.
    calibration : Calibration, optional
        What the variances of `posterior`, which are calibrated by it already, are worth in intervals.
    local : bool
        Whether `receptive_field` is true. Attention, and normalisation over a whole tile, see everything: then the
        result depends on how a scene is cut into tiles.

    Raises
    ------
    ValueError
        If any of these is out of its range.
    """

    denoise: Denoiser
    bands: int
    receptive_field: int
    stride: int
    variance: tuple[tuple[float, float], ...]
    name: str
    sha256: str = ""
    units: str = "log_intensity"
    card: Mapping[str, Any] = field(default_factory=dict)
    local_variance: LocalVariance | None = None
    posterior: Posterior | None = None
    calibration: Calibration | None = None
    local: bool = True

    def __post_init__(self) -> None:
        if self.units != "log_intensity":
            raise ValueError(f"units of a prior must be 'log_intensity', got {self.units!r}")
        for part, least in (("bands", 1), ("receptive_field", 0), ("stride", 1)):
            if getattr(self, part) < least:
                raise ValueError(f"{part} must be >= {least}, got {getattr(self, part)}")
        sigmas = [sigma for sigma, _ in self.variance]
        if not sigmas or sigmas != sorted(set(sigmas)):
            raise ValueError(f"variance must be a table of rising sigma, got sigma = {sigmas}")
        if not all(0 < number < math.inf for row in self.variance for number in row):
            raise ValueError("variance must be a table of positive finite (sigma, v)")

    def v(self, sigma: float) -> float:
        """Return the variance of x_0 given x_0 + sigma z, per pixel, natural log units squared.

        Interpolates log v in log sigma. Below the table v falls as sigma^2, above it stays constant, and it is
        nowhere more than sigma^2, which doing nothing would give.
        """
        if sigma <= 0:
            return 0.0
        row = bisect_right(self.variance, (sigma, math.inf))
        if row == 0:
            first, v = self.variance[0]
            v *= (sigma / first) ** 2
        elif row == len(self.variance):
            v = self.variance[-1][1]
        else:
            (low, v_low), (high, v_high) = self.variance[row - 1 : row + 1]
            part = math.log(sigma / low) / math.log(high / low)
            v = v_low ** (1 - part) * v_high**part
        return min(v, sigma**2)

    def pixel_variance(self, x0: Images, sigma: float) -> Images:
        """Return the variance of the truth around each pixel of x0 = D(x; sigma); v(sigma) without a local table."""
        if self.local_variance is None:
            return torch.full_like(x0, self.v(sigma))
        return self.local_variance(x0, sigma)


def level(sigma: float | PerImage, x: Images) -> Tensor:
    """Return sigma as a tensor of x's dtype and device that broadcasts against x."""
    if isinstance(sigma, Tensor):
        return sigma.to(x).reshape(-1, 1, 1, 1)
    return x.new_full((1, 1, 1, 1), float(sigma))


def tabulate(v: Callable[[float], float]) -> tuple[tuple[float, float], ...]:
    """Return the variance table of an exact prior: interpolated, it is right to 0.2 %."""
    sigmas = [10 ** (k / 20) for k in range(-60, 41)]  # 1e-3 to 1e2
    return tuple((sigma, v(sigma)) for sigma in sigmas)
