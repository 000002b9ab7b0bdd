"""The mean of both images, scale by scale, with the contrast that averaging took restored."""

import torch

from sardiff.arrays import Images
from sardiff.classical.filters import BINOMIAL, smoothed

__all__ = ["LEVELS", "REACH", "restored_mean"]

LEVELS = 4
REACH = 4 * 2**LEVELS - 2  # pixels: 2 (1 + 2 + ... + 2^(LEVELS - 1)) to the planes, twice 2^LEVELS to their contrasts
MOST_GAIN = 2.0  # what two unlike details of equal contrast lose in their mean is 2^.5; beyond, they cancel
NOISE = 0.03  # of 0..1: contrast below which nobody is the stronger
LEAST = 3e-3  # of 0..1: contrast below which there is nothing to restore


def restored_mean(optical: Images, sar: Images, weight: float) -> Images:
    """Return the base (1 - weight) optical + weight sar, and of each scale the mean detail with its contrast restored.

    Where images disagree their mean is dull, and to choose one of them loses the other. With w_i the weights and s_i
    the local standard deviations of two details d_i (planes of the a trous transform, as in `atrous`), the detail is
    m = sum w_i s_i d_i / sum w_i s_i, brought to the variance sum w_i s_i^4 / sum w_i s_i^2, near that of the stronger,
    by a gain of 1 / `MOST_GAIN` to `MOST_GAIN`. Both are seen, the busier more; an image with itself stays as it is.
    The method is ours; no published one is meant.

    Parameters
    ----------
    optical, sar : Images
        Finite, of one scale of about 0..1.
    weight : float
        0 gives back the optical image, 1 the SAR image.
    """
    fused = torch.zeros_like(optical)
    for level in range(LEVELS):
        spacing = 2**level
        lows = [smoothed(x, BINOMIAL, spacing) for x in (optical, sar)]
        fused = fused + _detail(optical - lows[0], sar - lows[1], weight, spacing)
        optical, sar = lows
    return fused + (1 - weight) * optical + weight * sar


def _detail(optical: Images, sar: Images, weight: float, spacing: int) -> Images:
    variances = [smoothed(x.square(), BINOMIAL, spacing) for x in (optical, sar)]
    say = [w * (v + NOISE**2) for w, v in zip((1 - weight, weight), variances, strict=True)]
    by_contrast = [w * (v + NOISE**2).sqrt() for w, v in zip((1 - weight, weight), variances, strict=True)]
    mean = (by_contrast[0] * optical + by_contrast[1] * sar) / (by_contrast[0] + by_contrast[1])
    wanted = (say[0] * variances[0] + say[1] * variances[1]) / (say[0] + say[1])
    found = smoothed(mean.square(), BINOMIAL, spacing)
    return mean * ((wanted + LEAST**2) / (found + LEAST**2)).sqrt().clamp(1 / MOST_GAIN, MOST_GAIN)
