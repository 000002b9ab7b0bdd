"""Distances between an estimate and a known truth: of any values, of amplitude (PSNR, SSIM), or in decibels."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.metrics import structural_similarity

__all__ = ["amplitude_psnr", "amplitude_ssim", "bias_db", "display_range", "mae_db", "psnr", "rmse_db", "ssim"]

# Every function takes images of any shape (..., rows, cols): any values for `psnr` and `ssim`, linear intensity (power)
# for the others. A pixel counts where both images are measured: finite, of intensity >= 0, for decibels > 0. Where no
# pixel counts the answer is NaN.


def psnr(estimate: ArrayLike, truth: ArrayLike, *, data_range: float, where: ArrayLike = True) -> float:
    """Peak signal-to-noise ratio, 20 log10(range / rms error), in dB.

    Parameters
    ----------
    estimate, truth : array (..., rows, cols)
        Any values; NaN: not measured.
    data_range : float
        The peak, > 0: state it wherever the number is printed.
    where : array of bool
        Pixels that count; all by default.

    Returns
    -------
    float
        dB; infinite if both agree everywhere, NaN if no pixel counts.
    """
    a, b, both = _measured(estimate, truth, data_range, where)
    if not both.any():
        return math.nan
    error = math.sqrt(float(np.mean((a[both] - b[both]) ** 2)))
    return math.inf if error == 0 else 20 * math.log10(data_range / error)


def ssim(estimate: ArrayLike, truth: ArrayLike, *, data_range: float, where: ArrayLike = True) -> float:
    """Structural similarity, by scikit-image with its defaults (uniform 7 x 7 windows).

    Pixels that are not measured are filled with the truth's mean in both images, and the local index is averaged over
    those that count alone; like scikit-image's, the average leaves out a rim of 3 pixels. Bands are averaged.

    Raises
    ------
    ValueError
        If the image is smaller than 7 x 7.

    References
    ----------
    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity, IEEE TIP 13(4).
    """
    a, b, both = _measured(estimate, truth, data_range, True)
    if min(a.shape[-2:]) < 7:
        raise ValueError(f"SSIM needs at least 7 x 7 pixels, got {a.shape[-2:]}")
    counts = both & np.broadcast_to(where, both.shape)
    if not counts.any():
        return math.nan
    values = []
    flat = (-1, *a.shape[-2:])
    for one, other, known, counted in zip(*(x.reshape(flat) for x in (a, b, both, counts)), strict=True):
        if counted.any():
            fill = other[known].mean()
            pair = np.where(known, one, fill), np.where(known, other, fill)
            _, local = structural_similarity(*pair, data_range=data_range, full=True)
            inner = counted[3:-3, 3:-3]
            values.append(local[3:-3, 3:-3][inner].mean() if inner.any() else math.nan)
    return float(np.mean(values))


def amplitude_psnr(estimate: ArrayLike, truth: ArrayLike, *, data_range: float, clip: bool = False) -> float:
    """Peak signal-to-noise ratio of the amplitude, 20 log10(range / rms error), in dB.

    Parameters
    ----------
    estimate, truth : array (..., rows, cols)
        Linear intensity; NaN: not measured.
    data_range : float
        The peak, in amplitude, > 0: state it wherever the number is printed.
    clip : bool
        Cut both amplitudes at `data_range` first, as a display does; else bright points decide the figure.

    Returns
    -------
    float
        dB; infinite if both agree everywhere, NaN if no pixel counts.
    """
    return psnr(*_amplitudes(estimate, truth, data_range, clip), data_range=data_range)


def amplitude_ssim(estimate: ArrayLike, truth: ArrayLike, *, data_range: float, clip: bool = False) -> float:
    """Structural similarity (`ssim`) of the amplitude, cut at `data_range` first with `clip`.

    Raises
    ------
    ValueError
        If the image is smaller than 7 x 7.
    """
    return ssim(*_amplitudes(estimate, truth, data_range, clip), data_range=data_range)


def rmse_db(estimate: ArrayLike, truth: ArrayLike) -> float:
    """Root mean square difference of 10 log10 intensity, in dB."""
    return math.sqrt(float(np.mean(_difference_db(estimate, truth) ** 2)))


def mae_db(estimate: ArrayLike, truth: ArrayLike) -> float:
    """Mean absolute difference of 10 log10 intensity, in dB."""
    return float(np.mean(np.abs(_difference_db(estimate, truth))))


def bias_db(estimate: ArrayLike, truth: ArrayLike) -> float:
    """Radiometric bias 10 log10(mean estimate / mean truth), in dB: 0 where total power is kept."""
    a, b = _arrays(estimate, truth)
    both = np.isfinite(a) & np.isfinite(b) & (a >= 0) & (b >= 0)
    if not both.any() or a[both].sum() <= 0 or b[both].sum() <= 0:
        return math.nan
    return 10 * math.log10(a[both].mean() / b[both].mean())


def display_range(intensity: ArrayLike, share: float = 0.98) -> float:
    """Amplitude below which `share` of the measured pixels lie: a data range that bright points do not set."""
    values = np.asarray(intensity, dtype=np.float64)
    values = values[np.isfinite(values) & (values >= 0)]
    return float(np.sqrt(np.quantile(values, share))) if values.size else math.nan


def _arrays(estimate: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(estimate, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"estimate and truth must have one shape, got {a.shape} and {b.shape}")
    return a, b


def _measured(
    estimate: ArrayLike, truth: ArrayLike, data_range: float, where: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    if not 0 < data_range < math.inf:
        raise ValueError(f"data_range must be > 0 and finite, got {data_range}")
    a, b = _arrays(estimate, truth)
    return a, b, np.isfinite(a) & np.isfinite(b) & np.broadcast_to(where, a.shape)


def _amplitudes(
    estimate: ArrayLike, truth: ArrayLike, data_range: float, clip: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as amplitudes; NaN: not measured."""
    a, b = (np.sqrt(np.where(np.isfinite(x) & (x >= 0), x, np.nan)) for x in _arrays(estimate, truth))
    return (np.minimum(a, data_range), np.minimum(b, data_range)) if clip else (a, b)


def _difference_db(estimate: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    a, b = _arrays(estimate, truth)
    both = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    if not both.any():
        return np.array([math.nan])
    return np.asarray(10 * np.log10(a[both] / b[both]))
