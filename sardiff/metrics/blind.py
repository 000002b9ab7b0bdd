"""How good a despeckled image is when nobody knows the truth: even ground, the ratio image, edges."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from sardiff.metrics.looks import looks_of_log_variance, trigamma
from sardiff.metrics.windows import Windows, windows

__all__ = ["RatioStatistics", "edge_preservation", "enl", "enl_map", "homogeneous_windows", "ratio_statistics"]


def enl(intensity: ArrayLike) -> float:
    """Equivalent number of looks of one even area: mean^2 / variance of intensity.

    Parameters
    ----------
    intensity : array
        Linear, any shape; NaN: not measured.

    Returns
    -------
    float
        > 0; infinite for a constant, NaN with fewer than two pixels.
    """
    values = np.asarray(intensity, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size < 2:
        return math.nan
    variance = values.var(ddof=1)
    return math.inf if variance == 0 else float(values.mean() ** 2 / variance)


def enl_map(intensity: ArrayLike, size: int = 16) -> NDArray[np.float64]:
    """Local equivalent number of looks: mean^2 / variance in the window around each pixel.

    Parameters
    ----------
    intensity : array (rows, cols)
        Linear; NaN: not measured.
    size : int
        Side of the window in pixels, >= 2; at the rim it is cut off.

    Returns
    -------
    ndarray (rows, cols)
        NaN where less than half of a full window is measured, infinite where it is constant.
    """
    image = np.asarray(intensity, dtype=np.float64)
    known = np.isfinite(image)
    # Sums of squares lose digits when the values are far from one: a common scale keeps them.
    scale = image[known].mean() if known.any() else 1.0
    values = np.where(known, image, 0) / (scale or 1.0)
    count = _box_sum(known.astype(np.float64), size)
    safe = np.maximum(count, 2)
    mean = _box_sum(values, size) / safe
    variance = (_box_sum(values**2, size) - safe * mean**2) / (safe - 1)
    variance = np.where(variance <= 1e-12 * mean**2, 0, variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        looks = mean**2 / variance
    return np.where(count >= 0.5 * size**2, looks, np.nan)


def homogeneous_windows(intensity: ArrayLike, *, looks: float | None = None, size: int = 16) -> Windows:
    """Windows over ground so even that speckle alone explains what varies.

    A window counts if its log-intensity, less a plane, varies no more than log-speckle does on average, psi_1(looks):
    about half of the even windows and few others. At least the calmest twentieth is returned, down to four windows,
    even ground or not.

    Parameters
    ----------
    intensity : array (rows, cols)
        Linear; NaN, zero or negative: not measured.
    looks : float, optional
        Expected equivalent number of looks; by default that of the calmest tenth.
    size : int
        Side of a window in pixels.
    """
    laid = windows(intensity, size)
    laid = laid.pick(laid.variance > 0)
    if not len(laid):
        return laid
    order = np.argsort(laid.variance)
    expected = laid.variance[order[len(order) // 10]] if looks is None else float(trigamma(looks))
    enough = min(len(order), max(4, len(order) // 20))
    count = max(enough, int((laid.variance <= expected).sum()))
    return laid.pick(np.sort(order[:count]))


@dataclass(frozen=True)
class RatioStatistics:
    """What a despeckler took away: measured over despeckled intensity, ideally nothing but speckle.

    Parameters
    ----------
    mean : float
        1 where radiometry is kept.
    variance : float
        1 / looks if all the speckle and nothing else went; less means too timid, more too bold.
    looks : float
        Robust: the looks of the variance of its logarithm.
    lag1 : tuple of float
        Autocorrelation along rows and along cols: that of the speckle if nothing of the ground went with it.
    structure : float
        Correlation of log-ratio and log-despeckled, -1 to 1: 0 ideally. Positive: contrasts were flattened and are
        found in the ratio; negative: they were overdone.
    pixels : int
        How many were measured in both.
    """

    mean: float
    variance: float
    looks: float
    lag1: tuple[float, float]
    structure: float
    pixels: int


def ratio_statistics(before: ArrayLike, after: ArrayLike) -> RatioStatistics:
    """Statistics of the ratio image before / after.

    Parameters
    ----------
    before, after : array (rows, cols)
        Linear intensity; NaN, zero or negative in either: the pixel is left out.

    Returns
    -------
    RatioStatistics
        All NaN where fewer than two pixels are measured; `looks` infinite and correlations NaN for a constant ratio.

    References
    ----------
    Gomez, Ospina and Frery (2017), Unassisted quantitative evaluation of despeckling filters, arXiv:1704.05952.
    """
    a, b = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"before and after must be images of one shape (rows, cols), got {a.shape} and {b.shape}")
    both = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    if both.sum() < 2:
        return RatioStatistics(math.nan, math.nan, math.nan, (math.nan, math.nan), math.nan, int(both.sum()))
    ratio = np.where(both, a, 1) / np.where(both, b, 1)
    mean, variance = float(ratio[both].mean()), float(ratio[both].var(ddof=1))
    log = np.log(ratio[both])
    spread = float(log.var(ddof=1))
    looks = math.inf if spread < 1e-14 else float(looks_of_log_variance(spread))
    lag1 = tuple(_lag1(np.where(both, ratio - mean, 0), both, axis) for axis in (0, 1))
    structure = _correlation(log, np.log(b[both]))
    return RatioStatistics(mean, variance, looks, (lag1[0], lag1[1]), structure, int(both.sum()))


def edge_preservation(
    before: ArrayLike, after: ArrayLike, truth: ArrayLike | None = None, *, size: int = 7, share: float = 0.03
) -> float:
    """Edge preservation index: contrast across edges after despeckling, over the contrast before.

    Contrast is |log(mean / mean)| of the two halves of a window on either side of a pixel (ratio of averages), the
    larger of the vertical and the horizontal one. Edges are the `share` of pixels where it is largest; both sums run
    over the same pixels and directions.

    Parameters
    ----------
    before, after : array (rows, cols)
        Linear intensity; NaN: not measured.
    truth : array (rows, cols), optional
        Where known, edges are sought there, and `before` may be the truth itself. Otherwise they are sought in
        `before`, where a few are speckle: a good despeckler then stays somewhat below 1.
    size : int
        Length of a half in pixels; its depth is half of that, rounded down.
    share : float
        Of the pixels, in (0, 1].

    Returns
    -------
    float
        1: edges as strong as before; 0: none left; NaN where nothing can be compared.

    References
    ----------
    Han et al. (2002), Edge preservation evaluation of digital speckle filters, IGARSS 2002: the index as a ratio
    of sums along edges. Touzi, Lopes and Bousquet (1988), A statistical and geometrical edge detector for SAR
    images, IEEE TGRS 26(6): ratio of averages, whose false alarms do not depend on brightness.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    contrasts = [_contrast(image, size) for image in (before, after, before if truth is None else truth)]
    known = np.isfinite(contrasts[0]) & np.isfinite(contrasts[1]) & np.isfinite(contrasts[2])
    sought = np.where(known, np.abs(contrasts[2]), -1.0)
    direction = sought.argmax(axis=0)[None]
    strength = np.take_along_axis(sought, direction, axis=0)[0]
    if not (strength > 0).any():
        return math.nan
    edges = strength >= max(np.quantile(strength[strength >= 0], 1 - share), 1e-12)
    # Signs are kept: an edge that turned round is not preserved.
    old, new, sign = (np.take_along_axis(c, direction, axis=0)[0][edges] for c in contrasts)
    total = float((old * np.sign(sign)).sum())
    return float((new * np.sign(sign)).sum()) / total if total > 0 else math.nan


def _contrast(intensity: ArrayLike, size: int) -> NDArray[np.float64]:
    """Log ratio of the means below and above, and right and left, (2, rows, cols); NaN at rims and holes."""
    image = np.asarray(intensity, dtype=np.float64)
    depth = max(size // 2, 1)
    result = np.full((2, *image.shape), np.nan)
    if min(image.shape) < max(2 * depth + 1, size):
        return result
    for axis in (0, 1):
        turned = image if axis == 0 else image.T
        means = sliding_window_view(turned, (depth, size)).mean(axis=(2, 3))
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(means)
            ratio = log[depth + 1 :] - log[: -depth - 1]
        out = result[0] if axis == 0 else result[1].T
        side = size // 2
        out[depth : depth + ratio.shape[0], side : side + ratio.shape[1]] = ratio
    return np.where(np.isfinite(result), result, np.nan)


def _box_sum(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Sum over the window around each pixel, cut off at the rim."""
    before, after = size // 2, size - size // 2
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows, cols = (np.arange(side) for side in values.shape)
    top, bottom = np.maximum(rows - before, 0), np.minimum(rows + after, values.shape[0])
    left, right = np.maximum(cols - before, 0), np.minimum(cols + after, values.shape[1])
    below, above = sums[bottom], sums[top]
    return np.asarray(below[:, right] - below[:, left] - above[:, right] + above[:, left])


def _lag1(deviation: NDArray[np.float64], known: NDArray[np.bool_], axis: int) -> float:
    values, pairs = np.moveaxis(deviation, axis, 0), np.moveaxis(known, axis, 0)
    power = float((deviation**2).sum()) / max(int(known.sum()), 1)
    count = int((pairs[1:] & pairs[:-1]).sum())
    if not count or power < 1e-14:
        return math.nan
    return float((values[1:] * values[:-1]).sum()) / count / power


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    power = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / power if power > 1e-12 * a.size else math.nan
