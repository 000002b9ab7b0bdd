"""One image before and after its gaps were filled, or a blur was taken out: the rows of a score."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_dilation, maximum_filter
from scipy.signal import fftconvolve

from sardiff.metrics.compare import Comparison
from sardiff.metrics.reference import psnr, ssim

__all__ = ["compare_deblurred", "compare_filled", "filled_pixels"]

RIM = 16  # pixels: how far from a gap the ground is that its filling should resemble
QUANTILES = (0.01, 0.99)  # of the truth, between which the data range of PSNR and SSIM lies
NINETY = 1.645  # standard deviations to either side that hold 90 % of a normal distribution

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]


def compare_filled(
    before: ArrayLike,
    after: ArrayLike,
    truth: ArrayLike | None = None,
    spread: ArrayLike | None = None,
    *,
    filled: NDArray[np.bool_] | None = None,
    unit: str = "",
) -> dict[str, Comparison]:
    """Score one band before and after its gaps were filled.

    Parameters
    ----------
    before, after, truth : array (rows, cols)
        Any values, such as reflectance or decibels; NaN: not known.
    spread : array (rows, cols), optional
        The standard deviation that is stated for `after`.
    filled : array of bool (rows, cols), optional
        Which pixels were filled. By default those that differ: what was measured is the same before and after, and a
        gap that a mask named differs too, but where it came out as it was.
    unit : str
        Of the values.

    Returns
    -------
    dict
        Name to `Comparison`, in the order to print: [psnr, ssim, rmse, bias, [held],] gaps, filled, texture, seam.
        Errors are those of filled pixels alone.
    """
    a, b, t, s = _alike(before, after, truth, spread)
    filled = filled_pixels(a, b) if filled is None else filled
    rows: dict[str, Comparison] = {}
    if t is not None:
        rows |= _errors(None, b, t, filled, unit, "of filled pixels")
        error = (b - t)[filled & np.isfinite(t)]
        bias = float(error.mean()) if error.size else math.nan
        rows["bias"] = Comparison(math.nan, bias, 0, unit, "mean error of filled pixels")
        if s is not None:
            judged = filled & np.isfinite(t) & np.isfinite(s)
            held = (np.abs(b - t) <= NINETY * s)[judged]
            share = float(held.mean()) if held.size else math.nan
            meaning = f"share of the truth within {NINETY} of the stated standard deviations"
            rows["held"] = Comparison(math.nan, share, 0.9, "", meaning)
    gaps = [100 * float(gap.mean()) for gap in (~np.isfinite(a) | filled, ~np.isfinite(b))]
    rows["gaps"] = Comparison(gaps[0], gaps[1], 0, "%", "pixels without a value, or that a mask named and were filled")
    rows["filled"] = Comparison(math.nan, 100 * float(filled.mean()), math.nan, "%", "pixels that were given one")
    known = np.isfinite(b) & ~filled
    near = known & binary_dilation(filled, iterations=RIM)
    usual = _step(b, near, near)
    inside, across = (_step(b, filled, other) / usual if usual > 0 else math.nan for other in (filled, near))
    about = f"of those measured within {RIM} pixels"
    rows["texture"] = Comparison(math.nan, inside, 1, "", f"mean step between filled pixels, in units {about}")
    rows["seam"] = Comparison(math.nan, across, 1, "", f"mean step over the rims of gaps, in units {about}")
    return rows


def compare_deblurred(
    before: ArrayLike,
    after: ArrayLike,
    truth: ArrayLike | None = None,
    *,
    kernel: NDArray[np.float64] | None = None,
    noise: float | None = None,
    unit: str = "",
) -> dict[str, Comparison]:
    """Score one band before and after a blur was taken out.

    Parameters
    ----------
    before, after, truth : array (rows, cols)
        Any values, such as reflectance or decibels; NaN: not known.
    kernel : array (rows, cols), optional
        What blurred `before`: with it `after` is blurred again, and should differ from `before` by noise alone.
    noise : float, optional
        Standard deviation of the noise in `before`, as it was estimated or given.
    unit : str
        Of the values.

    Returns
    -------
    dict
        Name to `Comparison`, in the order to print: [psnr, ssim, rmse,] step, mean, [residual, residual_lag1_rows,
        residual_lag1_cols].
    """
    a, b, t, _ = _alike(before, after, truth, None)
    rows = {} if t is None else _errors(a, b, t, np.ones(a.shape, bool), unit, "")
    both = np.isfinite(a) & np.isfinite(b)
    ideal = math.nan if t is None else _step(t, both, both)
    first, last = _step(a, both, both), _step(b, both, both)
    rows["step"] = Comparison(first, last, ideal, unit, "mean step from pixel to pixel: sharpness, and noise")
    moved = float((b - a)[both].mean()) if both.any() else math.nan
    rows["mean"] = Comparison(math.nan, moved, 0, unit, "mean of after - before")
    if kernel is None:
        return rows
    residual = np.where(both, a - _blurred(b, kernel), np.nan)
    seen = np.isfinite(residual)
    size = math.sqrt(float(np.mean(residual[seen] ** 2))) if seen.any() else math.nan
    ideal = math.nan if noise is None else noise
    rows["residual"] = Comparison(
        math.nan, size, ideal, unit, "root mean square of before - after, blurred again; ideally the noise"
    )
    for axis, name in enumerate(("rows", "cols")):
        meaning = f"its autocorrelation along {name}"
        rows[f"residual_lag1_{name}"] = Comparison(math.nan, _lag1(residual, axis), 0, "", meaning)
    return rows


def filled_pixels(before: NDArray[np.floating], after: NDArray[np.floating]) -> Mask:
    """Return where a pixel has a value that it did not have before."""
    return np.asarray(np.isfinite(after) & (before != after))


def _alike(*images: ArrayLike | None) -> list[Image]:
    """The images as float64; None stays None.

    Raises
    ------
    ValueError
        If they do not have one shape (rows, cols).
    """
    found = [None if image is None else np.asarray(image, np.float64) for image in images]
    shapes = [image.shape for image in found if image is not None]
    if len(shapes[0]) != 2 or len(set(shapes)) > 1:
        raise ValueError(f"images to compare must have one shape (rows, cols), got {', '.join(map(str, shapes))}")
    return found  # type: ignore[return-value]


def _errors(before: Image | None, after: Image, truth: Image, where: Mask, unit: str, of: str) -> dict[str, Comparison]:
    """Rows psnr, ssim and rmse; those before are NaN without an image before."""
    known = truth[np.isfinite(truth)]
    low, high = (float(q) for q in np.quantile(known, QUANTILES)) if known.size else (math.nan, math.nan)
    peak = high - low
    rows = {}

    def put(name: str, distance: object, ideal: float, unit: str, meaning: str) -> None:
        first, last = (math.nan if x is None else distance(x) for x in (before, after))  # type: ignore[operator]
        rows[name] = Comparison(first, last, ideal, unit, ", ".join(filter(None, (meaning, of))))

    if peak > 0:
        stated = f"data range {peak:.4g}"
        put(
            "psnr", lambda x: psnr(x, truth, data_range=peak, where=where), math.inf, "dB",
            f"peak signal-to-noise ratio, {stated}",
        )  # fmt: skip
        if min(truth.shape) >= 7:
            put(
                "ssim", lambda x: ssim(x, truth, data_range=peak, where=where), 1, "",
                f"structural similarity, {stated}",
            )  # fmt: skip

    def rmse(x: Image) -> float:
        counts = where & np.isfinite(x) & np.isfinite(truth)
        return math.sqrt(float(np.mean((x - truth)[counts] ** 2))) if counts.any() else math.nan

    put("rmse", rmse, 0, unit, "root mean square error")
    return rows


def _step(image: Image, one: Mask, other: Mask) -> float:
    """Mean absolute difference between neighbours of which one is in `one` and one in `other`; NaN without any."""
    total, count = 0.0, 0
    for axis in (0, 1):
        (first, second), (a, b), (c, d) = (_neighbours(x, axis) for x in (image, one, other))
        pairs = (a & d) | (c & b)
        total += float(np.abs(first - second)[pairs].sum())
        count += int(pairs.sum())
    return total / count if count else math.nan


def _lag1(image: Image, axis: int) -> float:
    known = image[np.isfinite(image)]
    if known.size < 2 or not known.var() > 0:
        return math.nan
    first, second = _neighbours(image - known.mean(), axis)
    products = first * second
    products = products[np.isfinite(products)]
    return float(products.mean() / known.var()) if products.size else math.nan


def _neighbours(image: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every pixel but the last along an axis, and the one after each."""
    return (image[:-1], image[1:]) if axis == 0 else (image[:, :-1], image[:, 1:])


def _blurred(image: Image, kernel: NDArray[np.float64]) -> Image:
    """The convolution; NaN where the kernel reaches beyond what is known."""
    unknown = ~np.isfinite(image)
    beyond = maximum_filter(unknown, size=kernel.shape, mode="constant", cval=True)
    return np.where(beyond, np.nan, fftconvolve(np.where(unknown, 0, image), kernel, mode="same"))
