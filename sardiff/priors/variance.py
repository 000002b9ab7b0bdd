"""How far a denoised image is from the truth: calibrated by noise level and local contrast."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sardiff.arrays import Images
from sardiff.blur import blurred, gaussian_window

__all__ = ["CONTRAST_REACH", "Calibration", "LocalVariance", "local_contrast"]

CONTRAST_DEVIATION = 3.0  # pixels: of the Gaussian window
CONTRAST_REACH = 9  # pixels: its radius


@dataclass(frozen=True)
class LocalVariance:
    """E[(x_0 - D(x_0 + sigma z; sigma))^2] of a pixel, given sigma and the local contrast of D.

    A denoiser errs at edges and in texture, hardly in the middle of a field, and its own output shows
    which is which. Measured on clean images that it was not trained on, so calibrated for images alike.

    Parameters
    ----------
    sigmas : sequence of float
        Noise levels, rising, natural log units.
    contrasts : sequence of float
        Standard deviations of D within `local_contrast`'s window, rising, natural log units, all > 0.
    table : sequence of sequence of float
        Variance at each sigma (rows) and contrast (columns), > 0.
    """

    sigmas: Sequence[float]
    contrasts: Sequence[float]
    table: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        for axis in (self.sigmas, self.contrasts):
            if len(axis) < 2 or list(axis) != sorted(set(axis)) or not axis[0] > 0:
                raise ValueError(f"a local variance table needs rising positive sigmas and contrasts, got {axis}")
        if len(self.table) != len(self.sigmas) or any(len(row) != len(self.contrasts) for row in self.table):
            raise ValueError("a local variance table needs a row for each sigma and a column for each contrast")
        if not all(0 < v < math.inf for row in self.table for v in row):
            raise ValueError("a local variance table must be positive and finite")

    def __call__(self, x0: Images, sigma: float) -> Images:
        """Return the variance of each pixel of `x0` = D(x; sigma), natural log units squared."""
        table = torch.tensor(self.table, dtype=torch.float64).log()
        row = _interpolated(table, torch.tensor(self.sigmas, dtype=torch.float64).log(), math.log(sigma)).to(x0)
        axis = torch.tensor(self.contrasts, dtype=torch.float64).log().to(x0)
        return _curve(axis, row, local_contrast(x0).clamp_min(self.contrasts[0]).log()).exp()


@dataclass(frozen=True)
class Calibration:
    """What a network's own standard deviation of a pixel is worth, measured on speckled images of known truth.

    A network that was trained for the likelihood of its errors is right on average over what it was trained on; it
    is too sure where texture is hidden in speckle. And its errors have wider tails than a Gaussian's.

    Parameters
    ----------
    deviations : sequence of float
        Stated standard deviations, rising, natural log units, all > 0.
    factors : sequence of float
        By how much the root mean square of the error is larger, at each; > 0.
    intervals : sequence of (float, float)
        (p, k): a share p of the errors is less than k calibrated standard deviations; both rising.
    """

    deviations: Sequence[float]
    factors: Sequence[float]
    intervals: Sequence[tuple[float, float]]

    def __post_init__(self) -> None:
        if len(self.deviations) < 2 or list(self.deviations) != sorted(set(self.deviations)):
            raise ValueError(f"a calibration needs rising deviations, got {self.deviations}")
        numbers = (*self.deviations, *self.factors, *(k for _, k in self.intervals))
        if len(self.factors) != len(self.deviations) or not all(0 < n < math.inf for n in numbers):
            raise ValueError("a calibration needs a positive factor for each deviation, and positive intervals")
        shares, widths = [p for p, _ in self.intervals], [k for _, k in self.intervals]
        if shares != sorted(shares) or widths != sorted(widths) or not all(0 < p < 1 for p in shares):
            raise ValueError(f"intervals hold rising shares between 0 and 1, got {self.intervals}")

    def __call__(self, variance: Images) -> Images:
        """Return the calibrated variance."""
        table = torch.tensor([self.deviations, self.factors], dtype=torch.float64)
        axis, factors = table.log().to(variance)
        return variance * (2 * _curve(axis, factors, variance.log() / 2)).exp()


def local_contrast(x: Images) -> Images:
    """Return the standard deviation of x within a Gaussian window around each pixel."""
    window = gaussian_window(CONTRAST_REACH, CONTRAST_DEVIATION)
    rim = (CONTRAST_REACH,) * 4
    inside = slice(CONTRAST_REACH, -CONTRAST_REACH)

    def mean(image: Images) -> Images:
        return blurred(F.pad(image, rim, mode="replicate"), window)[..., inside, inside]

    return mean((x - mean(x)) ** 2).sqrt()


def _curve(axis: Tensor, values: Tensor, at: Images) -> Images:
    """The polygon through (axis, values), constant beyond its ends."""
    at = at.clamp(axis[0], axis[-1])
    right = torch.searchsorted(axis, at.contiguous()).clamp(1, len(axis) - 1)
    share = (at - axis[right - 1]) / (axis[right] - axis[right - 1])
    return torch.lerp(values[right - 1], values[right], share)


def _interpolated(table: Tensor, axis: Tensor, at: float) -> Tensor:
    """Row of `table` at a place along its rising first axis; the end rows beyond the ends."""
    if at <= axis[0]:
        return table[0]
    if at >= axis[-1]:
        return table[-1]
    i = int(torch.searchsorted(axis, torch.tensor(at, dtype=axis.dtype)))
    return torch.lerp(table[i - 1], table[i], float((at - axis[i - 1]) / (axis[i] - axis[i - 1])))
