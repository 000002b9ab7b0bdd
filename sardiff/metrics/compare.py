"""One image before and after despeckling, side by side: the rows of a score."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sardiff.metrics.blind import edge_preservation, enl, homogeneous_windows, ratio_statistics
from sardiff.metrics.looks import estimate_looks
from sardiff.metrics.reference import amplitude_psnr, amplitude_ssim, bias_db, display_range, mae_db, rmse_db
from sardiff.metrics.windows import autocorrelation

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """One row of a score.

    Parameters
    ----------
    before, after : float
        NaN: says nothing here (a ratio image needs both images, so its rows have no `before`), or cannot be told.
    ideal : float
        What a perfect result has; infinite where more is always better.
    unit : str
        "dB" or empty.
    meaning : str
        A short phrase for people.
    """

    before: float
    after: float
    ideal: float
    unit: str
    meaning: str


def compare(
    before: ArrayLike,
    after: ArrayLike,
    truth: ArrayLike | None = None,
    looks: float | None = None,
    *,
    data_range: float | None = None,
) -> dict[str, Comparison]:
    """Score one band before and after despeckling.

    Parameters
    ----------
    before, after : array (rows, cols)
        Linear intensity; NaN: not measured.
    truth : array (rows, cols), optional
        Noise-free intensity. With it the rows psnr, ssim, rmse, mae and bias are given, and edges are sought there.
    looks : float, optional
        Equivalent number of looks of `before`; estimated by default.
    data_range : float, optional
        Peak amplitude of PSNR and SSIM. By default the truth's 98 percent quantile, at which amplitudes are then cut.

    Returns
    -------
    dict
        Name to `Comparison`, in the order to print: [psnr, ssim, rmse, mae, bias,] power, enl, ratio_mean,
        ratio_variance, ratio_lag1_rows, ratio_lag1_cols, ratio_structure, edges.
    """
    a, b = np.asarray(before, dtype=np.float32), np.asarray(after, dtype=np.float32)
    if a.ndim != 2 or a.shape != b.shape or (truth is not None and np.shape(truth) != a.shape):
        shapes = [a.shape, b.shape] + ([] if truth is None else [np.shape(truth)])
        raise ValueError(f"images to compare must have one shape (rows, cols), got {', '.join(map(str, shapes))}")
    rows: dict[str, Comparison] = {}
    if truth is not None:
        t = np.asarray(truth, dtype=np.float32)
        peak = display_range(t) if data_range is None else data_range
        cut = data_range is None
        stated = f"of amplitude, data range {peak:.4g}" + (", cut there" if cut else "")
        if peak > 0:
            first, last = (amplitude_psnr(x, t, data_range=peak, clip=cut) for x in (a, b))
            rows["psnr"] = Comparison(first, last, math.inf, "dB", f"peak signal-to-noise ratio {stated}")
            if min(a.shape) >= 7:
                first, last = (amplitude_ssim(x, t, data_range=peak, clip=cut) for x in (a, b))
                rows["ssim"] = Comparison(first, last, 1, "", f"structural similarity {stated}")
        rows["rmse"] = Comparison(rmse_db(a, t), rmse_db(b, t), 0, "dB", "root mean square error of backscatter")
        rows["mae"] = Comparison(mae_db(a, t), mae_db(b, t), 0, "dB", "mean absolute error of backscatter")
        rows["bias"] = Comparison(bias_db(a, t), bias_db(b, t), 0, "dB", "of mean power")

    both = np.isfinite(a) & np.isfinite(b)
    total = float(a[both].sum(dtype=np.float64))
    power = float(b[both].sum(dtype=np.float64)) / total if total > 0 else math.nan
    rows["power"] = Comparison(math.nan, power, 1, "", "mean intensity after / before")

    if looks is None:
        looks = estimate_looks(a).looks
    even = homogeneous_windows(a, looks=looks if math.isfinite(looks) else None)
    local = [[enl(window) for window in even.of(x)] for x in (a, b)]
    medians = [float(np.median(values)) if values else math.nan for values in local]
    rows["enl"] = Comparison(
        medians[0], medians[1], math.inf, "", f"equivalent looks, median of {len(even)} even windows"
    )
    ratio = ratio_statistics(a, b)
    speckle = autocorrelation(even, lags=1)[:, 0]
    none = math.nan
    rows["ratio_mean"] = Comparison(none, ratio.mean, 1, "", "mean of before / after")
    rows["ratio_variance"] = Comparison(
        none,
        ratio.variance,
        1 / looks,
        "",
        f"its variance; ideally 1 / {looks:.3g}, of the looks" if math.isfinite(looks) else "its variance",
    )
    for axis, name in enumerate(("rows", "cols")):
        rows[f"ratio_lag1_{name}"] = Comparison(
            none, ratio.lag1[axis], float(speckle[axis]), "", f"its autocorrelation along {name}; ideally the speckle's"
        )
    rows["ratio_structure"] = Comparison(none, ratio.structure, 0, "", "its correlation with the despeckled image")
    reference = t if truth is not None else a
    kept = edge_preservation(reference, b, reference)
    unfiltered = edge_preservation(reference, a, reference)
    source = "the truth's" if truth is not None else "those before, some of them speckle"
    rows["edges"] = Comparison(unfiltered, kept, 1, "", f"contrast across edges over {source}")
    return rows
