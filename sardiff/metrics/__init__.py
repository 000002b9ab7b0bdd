"""How good an image is: against a known truth, or by itself."""

from sardiff.metrics.blind import (
    RatioStatistics,
    edge_preservation,
    enl,
    enl_map,
    homogeneous_windows,
    ratio_statistics,
)
from sardiff.metrics.compare import Comparison, compare
from sardiff.metrics.looks import LooksEstimate, estimate_looks
from sardiff.metrics.reference import amplitude_psnr, amplitude_ssim, bias_db, display_range, mae_db, rmse_db
from sardiff.metrics.windows import Windows, autocorrelation

__all__ = [
    "Comparison",
    "LooksEstimate",
    "RatioStatistics",
    "Windows",
    "amplitude_psnr",
    "amplitude_ssim",
    "autocorrelation",
    "bias_db",
    "compare",
    "display_range",
    "edge_preservation",
    "enl",
    "enl_map",
    "estimate_looks",
    "homogeneous_windows",
    "mae_db",
    "ratio_statistics",
    "rmse_db",
]
