"""The equivalent number of looks of an image nobody described: from its calmest windows, with a doubt attached."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sardiff.metrics.windows import LAGS, Windows, autocorrelation, correlation_area, windows

__all__ = ["LooksEstimate", "estimate_looks", "looks_of_log_variance", "polygamma", "trigamma"]

FILTERED_LOOKS = 40.0
"""Above this many looks there is hardly any speckle left: averaged or filtered before."""

INDEPENDENT = 0.15
"""Correlation with the next pixel below which pixels are taken for independent."""

_CROWD = 10000  # windows of a size, at most
_WIDE_LAG = 0.35  # correlation three pixels away, along both axes: more than any impulse response we know leaves


@dataclass(frozen=True)
class LooksEstimate:
    """How much speckle an image has, and how sure we are.

    Parameters
    ----------
    looks : float
        Equivalent number of looks (mean^2 / variance of intensity where the ground is even). NaN: cannot be told.
    low, high : float
        About nine in ten, sampling and choice of windows together.
    correlation : tuple of two tuples of three floats
        Autocorrelation of intensity at lags 1 to 3, along rows and along cols, in homogeneous windows.
    windows : int
        How many homogeneous windows it rests on.
    certainty : {"high", "medium", "low"}
        "high": many even windows that agree. "low": look at the number before you trust it.
    already_filtered : bool
        The speckle looks filtered, or averaged until hardly any is left.
    reason : str
        One sentence for people.
    """

    looks: float
    low: float
    high: float
    correlation: tuple[tuple[float, float, float], tuple[float, float, float]]
    windows: int
    certainty: Literal["high", "medium", "low"]
    already_filtered: bool
    reason: str

    @property
    def correlated(self) -> bool | None:
        """Whether neighbouring pixels share their speckle; None where that cannot be told."""
        lag1 = max(self.lag1)
        return lag1 >= INDEPENDENT if math.isfinite(lag1) else None

    @property
    def area(self) -> float | None:
        """Pixels that vary as one, 1 where they are independent; None where that cannot be told."""
        if self.correlated is None:
            return None
        return correlation_area(np.array(self.correlation)) if self.correlated else 1.0

    @property
    def lag1(self) -> tuple[float, float]:
        """Correlation with the next pixel along rows and along cols."""
        return self.correlation[0][0], self.correlation[1][0]


def estimate_looks(intensity: ArrayLike) -> LooksEstimate:
    """Estimate the equivalent number of looks of a scene, texture and all.

    The variance of log-intensity in a window, less a plane, is that of log-speckle, psi_1(looks), plus whatever
    the ground adds: never less. Over many windows it is therefore distributed as the sampling noise of even windows,
    to the right of which lie the textured ones. A mixture of both is fitted to the histogram (even windows: a gamma
    law whose width follows from the looks, the window and the correlation; others: the same, convolved with
    exponentials), and psi_1 inverted at the even windows' mean. Taking the calmest windows alone would overrate the
    looks, the mean of all would underrate them.

    Windows have 16 pixels a side, and once more 8 where pixels are independent (small windows fit into small fields)
    or 24 where they are correlated (large windows keep more of slow speckle). Of two estimates that rest on enough
    windows the one with more looks is taken, since the ground can only take looks away.

    Parameters
    ----------
    intensity : array (rows, cols) or (bands, rows, cols)
        Linear; NaN, zero or negative: not measured. Of several bands the first is used.

    Returns
    -------
    LooksEstimate
        With `looks` NaN and certainty "low" where no window is measured.

    References
    ----------
    Anfinsen, Doulgeris and Eltoft (2009), Estimation of the equivalent number of looks in polarimetric SAR imagery,
    IEEE TGRS 47(11): the mode of many local estimates. Nicolas (2002), Introduction aux statistiques de deuxieme
    espece, Traitement du signal 19(3): log-moments.
    """
    image = np.asarray(intensity, dtype=np.float32)
    if image.ndim == 3:
        image = image[0]
    first = _estimate(image, 16)
    if first is None:
        small = _estimate(image, 8)
        return _nothing(image) if small is None else _report(small)
    independent = correlation_area(first.correlation) < 3  # Sentinel-1 at 10 m: 6 to 12
    second = _estimate(image, 8 if independent else 24)
    if second is not None and second.support > 15 and second.variance < first.variance:
        return _report(second)
    return _report(first)


def trigamma(x: ArrayLike) -> NDArray[np.float64]:
    """psi_1(x), the variance of log-speckle of x looks, x > 0; to about 1e-12."""
    return polygamma(x, order=1)


def looks_of_log_variance(variance: ArrayLike) -> NDArray[np.float64]:
    """The looks whose log-speckle has this variance: the inverse of `trigamma`, by Newton's method; variance > 0."""
    v = np.asarray(variance, dtype=np.float64)
    # 1 / psi_1 is convex and nearly straight: 0.5 + 1 / v above, steps in 1 / psi_1 converge from any start.
    looks = 0.5 + 1 / v
    for _ in range(12):
        value = trigamma(looks)
        looks = np.maximum(looks + value * (1 - value / v) / polygamma(looks, order=2), 1e-8)
    return np.asarray(looks)


@dataclass(frozen=True, eq=False)
class _Fit:
    """What windows of one size say."""

    size: int
    variance: float  # of log-speckle
    low: float
    high: float
    share: float  # of windows that are even
    support: float  # even windows, counting each pixel once
    kept: float  # of the variance, after a plane is taken out of correlated pixels
    correlation: NDArray[np.float64]
    even: int  # windows taken for even


def _estimate(image: NDArray[np.float32], size: int) -> _Fit | None:
    """Fit the mixture to windows of one size, and measure the correlation in those it takes for even, by turns."""
    laid = windows(image, size, at_most=_CROWD)
    laid = laid.pick(laid.variance > 1e-10)  # constant fill is no measurement
    if len(laid) < 4:
        return None
    even = laid.variance <= np.quantile(laid.variance, 0.15)
    for _ in range(3):
        fit = _fit(laid, autocorrelation(_at_most(laid.pick(even), 2000)), int(even.sum()))
        even = _even(laid, fit)
    return fit


def _fit(laid: Windows, correlation: NDArray[np.float64], even: int) -> _Fit:
    """Maximum likelihood of the even windows' variance over a grid, with the mixture's shares by EM."""
    kept = 1 - min(3 * (correlation_area(correlation) - 1) / (laid.size**2 - 3), 0.5)
    observed = np.sort(laid.variance / kept)
    # Half the even windows lie below their mean: a candidate below which hardly any lies is none.
    lowest, highest = np.quantile(observed, (0.5 * _LEAST_EVEN, 0.75))
    candidates = np.geomspace(lowest, 1.05 * highest, 60)
    spread = _relative_variance(candidates, laid.size, correlation)
    edges = np.searchsorted(observed, np.multiply.outer(candidates, _BINS))
    edges[:, 0], edges[:, -1] = 0, len(observed)
    likelihood, share = _mixture(np.diff(edges, axis=1).astype(np.float64), spread)
    # Overlapping windows say the same thing several times.
    distinct = min(1.0, (laid.stride / laid.size) ** 2)
    likelihood *= distinct
    best = int(np.argmax(likelihood))
    inside = candidates[likelihood > likelihood[best] - 1.35]  # 90 percent, chi-square with one degree of freedom
    centre = candidates[best]
    if 0 < best < candidates.size - 1:  # the top of a parabola through three points of the logarithmic grid
        left, top, right = likelihood[best - 1 : best + 2]
        bend = left - 2 * top + right
        if bend < 0:
            centre *= (candidates[1] / candidates[0]) ** float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
    support = len(laid) * distinct * float(share[best])
    interval = float(inside[0]), float(inside[-1])
    return _Fit(laid.size, float(centre), *interval, float(share[best]), support, kept, correlation, even)


_BINS = np.geomspace(0.05, 20.0, 161)  # of variance over a candidate; the first and last take what lies beyond
_TEXTURE = -np.log(1 - (np.arange(24) + 0.5) / 24)  # quantiles of an exponential
_TEXTURE_SCALES = (0.4, 1.5, 6.0)
_LEAST_EVEN = 0.04  # of the windows: else textured ones alone explain any histogram


def _mixture(
    counts: NDArray[np.float64], spread: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood of each candidate's histogram (k, bins), and the share of even windows in it."""
    middle, width = np.sqrt(_BINS[1:] * _BINS[:-1]), np.diff(_BINS)
    shape = (1 / spread)[:, None, None]  # a gamma law of this relative variance, as a sum of squares has

    def law(means: NDArray[np.float64]) -> NDArray[np.float64]:
        relative = middle / means[:, None]
        density = (shape - 1) * np.log(relative) - shape * relative - np.log(means)[:, None]
        density = np.exp(density - density.max(axis=-1, keepdims=True)) * width
        return np.asarray((density / density.sum(axis=-1, keepdims=True)).mean(axis=1))

    anything = np.full(counts.shape, 1 / middle.size)
    laws = np.stack([law(np.ones(1)), *(law(1 + scale * _TEXTURE) for scale in _TEXTURE_SCALES), anything], axis=1)
    laws += 1e-12
    weights = np.tile([0.4, 0.2, 0.2, 0.15, 0.05], (len(counts), 1))
    total = counts.sum(axis=1, keepdims=True)
    for _ in range(60):
        joint = weights[:, :, None] * laws
        weights = ((joint / joint.sum(axis=1, keepdims=True)) @ counts[:, :, None])[:, :, 0] / total
        weights[:, 0] = np.maximum(weights[:, 0], _LEAST_EVEN)
        weights[:, -1] = np.minimum(weights[:, -1], 0.02)
        weights /= weights.sum(axis=1, keepdims=True)
    density = np.einsum("kp,kpb->kb", weights, laws)
    return np.asarray((counts * np.log(density)).sum(axis=1)), weights[:, 0]


def _even(laid: Windows, fit: _Fit) -> NDArray[np.bool_]:
    """Windows that the fit takes for even: about its variance, and no further above than half a deviation."""
    relative = laid.variance / (fit.variance * fit.kept) - 1
    width = math.sqrt(float(_relative_variance(fit.variance, laid.size, fit.correlation)))
    even = (relative > -2.5 * width) & (relative < 0.5 * width)
    if even.sum() < 4:
        even = np.zeros(len(laid), bool)
        even[np.argsort(np.abs(relative))[:4]] = True
    return even


def _at_most(laid: Windows, count: int) -> Windows:
    return laid if len(laid) <= count else laid.pick(np.linspace(0, len(laid) - 1, count).astype(int))


def _relative_variance(variance: ArrayLike, size: int, correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of a window's sample variance over its square: (kurtosis - 1) / pixels that count."""
    looks = looks_of_log_variance(variance)
    kurtosis = 3 + polygamma(looks, order=3) / trigamma(looks) ** 2
    # Of squares of correlated pixels the correlation is that of the pixels, squared.
    return (kurtosis - 1) * correlation_area(correlation**2) / (size**2 - 3)


def _report(fit: _Fit) -> LooksEstimate:
    """Put numbers into words."""
    looks, low, high = (float(looks_of_log_variance(v)) for v in (fit.variance, fit.high, fit.low))
    # Never surer than this: fine texture that is everywhere is in no mixture, and has lowered the looks.
    low, high = min(low, 0.95 * looks), max(high, 1.12 * looks)
    spread = math.log(high / low)
    certainty: Literal["high", "medium", "low"] = "low"
    if fit.support >= 40 and spread < 0.3 and fit.share > 0.1:
        certainty = "high"
    elif fit.support >= 8 and spread < 0.7:
        certainty = "medium"
    wide = bool(np.nanmin(fit.correlation[:, LAGS - 1]) > _WIDE_LAG)
    said = f"{looks:.3g} looks ({low:.3g} to {high:.3g}) from {fit.even} even windows of {fit.size} x {fit.size} pixels"
    if looks > FILTERED_LOOKS:
        said += ": hardly any speckle is left, the image was averaged or filtered before"
    elif wide:
        said += f": pixels {LAGS} apart still go together, as after a speckle filter or strong resampling"
    elif certainty == "low":
        said += ": few windows are even or they disagree, so better give the looks yourself"
    along_rows, along_cols = ((float(c[0]), float(c[1]), float(c[2])) for c in fit.correlation)
    filtered = looks > FILTERED_LOOKS or wide
    return LooksEstimate(looks, low, high, (along_rows, along_cols), fit.even, certainty, filtered, said + ".")


def _nothing(image: NDArray[np.float32]) -> LooksEstimate:
    measured = float((np.isfinite(image) & (image > 0)).mean()) if image.size else 0.0
    why = (
        f"Looks cannot be told: too few windows of 8 x 8 pixels are measured and hold more than a constant "
        f"({measured:.0%} of {image.shape[0]} x {image.shape[1]} pixels are measured)."
    )
    none = (math.nan, math.nan, math.nan)
    return LooksEstimate(math.nan, math.nan, math.nan, (none, none), 0, "low", False, why)


def polygamma(x: ArrayLike, order: int) -> NDArray[np.float64]:
    """psi_n(x) for n = 1, 2, 3 and x > 0: recurrence up to 12, then the asymptotic series (DLMF 5.15.8)."""
    z = np.array(x, dtype=np.float64)
    sign = 1.0 if order % 2 else -1.0
    total = np.zeros_like(z)
    for _ in range(12):
        small = z < 12
        total += np.where(small, sign * math.factorial(order) / z ** (order + 1), 0)
        z = np.where(small, z + 1, z)
    series = math.factorial(order - 1) / z**order + math.factorial(order) / (2 * z ** (order + 1))
    for k, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730), start=1):
        series += bernoulli * math.factorial(2 * k + order - 1) / (math.factorial(2 * k) * z ** (2 * k + order))
    return np.asarray(total + sign * series)
