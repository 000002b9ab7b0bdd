"""How good an image is: against a known truth, by itself, or as the fusion of two."""

from sardiff.metrics.blind import (
    RatioStatistics,
    edge_preservation,
    enl,
    enl_map,
    homogeneous_windows,
    ratio_statistics,
)
from sardiff.metrics.compare import Comparison, compare
from sardiff.metrics.fidelity import VIFF_WEIGHTS, vif, viff
from sardiff.metrics.fusion import FUSION_BETTER, FusionStatistics, fusion_metrics, scd
from sardiff.metrics.gradients import average_gradient, qabf, spatial_frequency
from sardiff.metrics.grey import ScenePart, scene_parts, to_grey8
from sardiff.metrics.information import cross_entropy, entropy, mutual_information
from sardiff.metrics.looks import LooksEstimate, estimate_looks
from sardiff.metrics.reference import (
    amplitude_psnr,
    amplitude_ssim,
    bias_db,
    display_range,
    mae_db,
    psnr,
    rmse_db,
    ssim,
)
from sardiff.metrics.registration import LocalShift, Registration, combine, local_shifts
from sardiff.metrics.restored import compare_deblurred, compare_filled
from sardiff.metrics.windows import Windows, autocorrelation

__all__ = [
    "FUSION_BETTER",
    "VIFF_WEIGHTS",
    "Comparison",
    "FusionStatistics",
    "LocalShift",
    "LooksEstimate",
    "RatioStatistics",
    "Registration",
    "ScenePart",
    "Windows",
    "amplitude_psnr",
    "amplitude_ssim",
    "autocorrelation",
    "average_gradient",
    "bias_db",
    "combine",
    "compare",
    "compare_deblurred",
    "compare_filled",
    "cross_entropy",
    "display_range",
    "edge_preservation",
    "enl",
    "enl_map",
    "entropy",
    "estimate_looks",
    "fusion_metrics",
    "homogeneous_windows",
    "local_shifts",
    "mae_db",
    "mutual_information",
    "psnr",
    "qabf",
    "ratio_statistics",
    "rmse_db",
    "scd",
    "scene_parts",
    "spatial_frequency",
    "ssim",
    "to_grey8",
    "vif",
    "viff",
]
