"""How far a denoised image is from the truth: calibrated by noise level and local contrast."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sardiff.arrays import Images
from sardiff.blur import blurred, gaussian_window

__all__ = ["CONTRAST_REACH", "LocalVariance", "local_contrast"]

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
        contrast = local_contrast(x0).clamp(self.contrasts[0], self.contrasts[-1]).log()
        right = torch.searchsorted(axis, contrast.contiguous()).clamp(1, len(axis) - 1)
        share = (contrast - axis[right - 1]) / (axis[right] - axis[right - 1])
        return torch.lerp(row[right - 1], row[right], share).exp()


def local_contrast(x: Images) -> Images:
    """Return the standard deviation of x within a Gaussian window around each pixel."""
    window = gaussian_window(CONTRAST_REACH, CONTRAST_DEVIATION)
    rim = (CONTRAST_REACH,) * 4
    inside = slice(CONTRAST_REACH, -CONTRAST_REACH)

    def mean(image: Images) -> Images:
        return blurred(F.pad(image, rim, mode="replicate"), window)[..., inside, inside]

    return mean((x - mean(x)) ** 2).sqrt()


def _interpolated(table: Tensor, axis: Tensor, at: float) -> Tensor:
    """Row of `table` at a place along its rising first axis; the end rows beyond the ends."""
    if at <= axis[0]:
        return table[0]
    if at >= axis[-1]:
        return table[-1]
    i = int(torch.searchsorted(axis, torch.tensor(at, dtype=axis.dtype)))
    return torch.lerp(table[i - 1], table[i], float((at - axis[i - 1]) / (axis[i] - axis[i - 1])))
