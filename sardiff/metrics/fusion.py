"""How good a fused image is, against its two sources: metrics of single-band grey images, summed up over any scene."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sardiff.metrics.fidelity import fused_fidelity, information_kept, visual_information
from sardiff.metrics.gradients import edges_kept, frequency_of, gradient_of, ratio, step_sums
from sardiff.metrics.grey import Grey, ScenePart, greys, owned, windowed
from sardiff.metrics.information import Counts, divergence_bits, entropy_bits, joint_histogram, mutual_bits

__all__ = ["FUSION_BETTER", "FusionStatistics", "fusion_metrics", "scd"]

FUSION_BETTER: Mapping[str, Literal["higher", "lower"]] = MappingProxyType(
    {
        "mi": "higher",
        "nmi": "higher",
        "ce": "lower",
        "psnr": "higher",
        "psnr_a": "higher",
        "psnr_b": "higher",
        "ssim": "higher",
        "ssim_a": "higher",
        "ssim_b": "higher",
        "vif": "higher",
        "vif_a": "higher",
        "vif_b": "higher",
        "viff": "higher",
        "qabf": "higher",
        "scd": "higher",
        "en": "higher",
        "sd": "higher",
        "sf": "higher",
        "ag": "higher",
    }
)
"""Which way each metric is better, in the order of `FusionStatistics.metrics`."""

PEAK = 255.0
SSIM_SIDE = 7
FLAT = 1e-10  # variance, in greys squared, of what is constant but for rounding
CENTRE = 128.0  # sums of squares of whole numbers from here stay exact


def fusion_metrics(a: ArrayLike, b: ArrayLike, f: ArrayLike) -> dict[str, float]:
    """Judge the fusion F of two sources A and B.

    For images in memory; scenes are summed up from parts, see `FusionStatistics`.

    Parameters
    ----------
    a, b, f : array (rows, cols)
        Grey, 0 to 255, each scaled once for the whole image (`to_grey8`); NaN in any of them: not measured.

    Returns
    -------
    dict
        As `FusionStatistics.metrics`.
    """
    return FusionStatistics.of(a, b, f).metrics()


def scd(a: ArrayLike, b: ArrayLike, f: ArrayLike) -> float:
    """Sum of the correlations of differences, corr(F - B, A) + corr(F - A, B); more is better.

    Parameters
    ----------
    a, b, f : array (rows, cols)
        Grey, 0 to 255; NaN in any of them: the pixel does not count.

    Returns
    -------
    float
        -2 to 2; NaN where a source, or its difference from F, is constant (as where F equals one of them).

    References
    ----------
    Aslantas and Bendes (2015), A new image quality metric for image fusion: the sum of the correlations of
    differences, AEU 69(12), eq. 4 to 6.
    """
    a, b, f = greys(a=a, b=b, f=f)
    return _scd(_moments(a, b, f, ScenePart.whole(f.shape)))


@dataclass(frozen=True, eq=False)
class FusionStatistics:
    """Sums from which every fusion metric follows: those of the parts of a scene add up to those of the scene.

    ::

        total = reduce(add, (FusionStatistics.of(a[p.read], b[p.read], f[p.read], p) for p in scene_parts(a.shape)))
        total.metrics()

    A pixel is measured if it is finite in A, B and F. Counts of single pixels run over the measured ones. A window (of
    SSIM, VIF, VIFF, Sobel's operator, a step to the next pixel) counts if all its pixels are measured and lie in the
    scene, and belongs to the part whose core holds its centre (a step: its first pixel). Nothing is filled in.

    Parameters
    ----------
    histograms : ndarray (2, 256, 256), int64
        Pairs of greys of A and F, and of B and F; sources down.
    moments : ndarray (4, 4)
        Products of 1, A, B and F, greys counted from 128.
    errors : ndarray (2,)
        Squared differences of F from A and from B.
    ssim : ndarray (2, 2)
        For A and B: the local indices, and how many windows.
    fidelity : ndarray (2, 2)
        Of VIF, for A and B: information kept, and information there was.
    fused_fidelity : ndarray (4, 3)
        Of VIFF, at each scale: FVID, FVIND and how many windows.
    edges : ndarray (2,)
        Of Qabf: edges kept, and edges there were.
    steps : ndarray (3, 2)
        Squared steps down and across and gradients of F, and how many.
    """

    histograms: Counts
    moments: NDArray[np.float64]
    errors: NDArray[np.float64]
    ssim: NDArray[np.float64]
    fidelity: NDArray[np.float64]
    fused_fidelity: NDArray[np.float64]
    edges: NDArray[np.float64]
    steps: NDArray[np.float64]

    @classmethod
    def of(cls, a: ArrayLike, b: ArrayLike, f: ArrayLike, part: ScenePart | None = None) -> "FusionStatistics":
        """Sum up one part of a scene.

        Parameters
        ----------
        a, b, f : array (rows, cols)
            The pixels of `part.read`: grey, 0 to 255, on a scale that is the same for all parts; NaN: not measured.
        part : ScenePart, optional
            By default the images are the whole scene.

        Raises
        ------
        ValueError
            If the images are not grey, not of one shape, or not of the shape to read for the part.
        """
        a, b, f = greys(a=a, b=b, f=f)
        part = ScenePart.whole(f.shape) if part is None else part
        wanted = tuple(span.stop - span.start for span in part.read)
        if f.shape != wanted:
            raise ValueError(f"this part needs the pixels of its `read` window, {wanted}, got {f.shape}")
        fidelity, fused = visual_information(a, b, f, part)
        core_a, core_b, core_f = (x[part.core] for x in (a, b, f))
        return cls(
            histograms=np.stack([joint_histogram(core_a, core_f), joint_histogram(core_b, core_f)]),
            moments=_moments(a, b, f, part),
            errors=np.array([np.nansum((source - core_f) ** 2) for source in (core_a, core_b)]),
            ssim=np.stack([_ssim(a, f, part), _ssim(b, f, part)]),
            fidelity=fidelity,
            fused_fidelity=fused,
            edges=edges_kept(a, b, f, part),
            steps=step_sums(f, part),
        )

    def __add__(self, other: "FusionStatistics") -> "FusionStatistics":
        """Both together."""
        return FusionStatistics(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def pixels(self) -> int:
        """How many are measured."""
        return int(self.moments[0, 0])

    def metrics(self) -> dict[str, float]:
        """Return every metric by name, in the order of `FUSION_BETTER`.

        All but `ce` are better when higher. Those of F alone (`en`, `sd`, `sf`, `ag`) rise with noise too. A metric
        that cannot be told is NaN: nothing counts, or what it divides by is constant.

        mi
            Mutual information I(A; F) + I(B; F), in bits; see `mutual_information`.
        nmi
            2 [I(A; F) / (H(A) + H(F)) + I(B; F) / (H(B) + H(F))], 0 to 2 (Hossny, Nahavandi and Creighton, 2008).
        ce
            Cross entropy, lower is better; see `cross_entropy`.
        psnr, psnr_a, psnr_b
            10 log10(255^2 / MSE) in dB, with MSE the mean of those against A and against B, and with each alone;
            infinite where F is the same.
        ssim, ssim_a, ssim_b
            Mean structural similarity with A and with B, and each alone (Wang et al., 2004): windows of 7 x 7, sample
            variances, range 255, as scikit-image's `structural_similarity`.
        vif, vif_a, vif_b
            VIF against A plus VIF against B, and each alone; see `vif`.
        viff
            Visual information fidelity for fusion; see `viff`.
        qabf
            Edges kept; see `qabf`.
        scd
            Correlations of differences; see `scd`.
        en, sd
            Entropy in bits (see `entropy`) and standard deviation of F's greys.
        sf, ag
            Spatial frequency and average gradient of F; see `spatial_frequency` and `average_gradient`.
        """
        of_a, of_b = self.histograms
        greys_a, greys_b, greys_f = of_a.sum(axis=1), of_b.sum(axis=1), of_a.sum(axis=0)
        bits_f = entropy_bits(greys_f)
        shared = [mutual_bits(of_a), mutual_bits(of_b)]
        both = [entropy_bits(greys_a) + bits_f, entropy_bits(greys_b) + bits_f]
        similar = [ratio(sums) for sums in self.ssim]
        seen = [information_kept(sums) for sums in self.fidelity]
        found = {
            "mi": shared[0] + shared[1],
            "nmi": 2 * sum(ratio(np.array(pair)) for pair in zip(shared, both, strict=True)),
            "ce": (divergence_bits(greys_a, greys_f) + divergence_bits(greys_b, greys_f)) / 2,
            "psnr": _psnr(float(self.errors.mean()), self.pixels),
            "psnr_a": _psnr(float(self.errors[0]), self.pixels),
            "psnr_b": _psnr(float(self.errors[1]), self.pixels),
            "ssim": (similar[0] + similar[1]) / 2,
            "ssim_a": similar[0],
            "ssim_b": similar[1],
            "vif": seen[0] + seen[1],
            "vif_a": seen[0],
            "vif_b": seen[1],
            "viff": fused_fidelity(self.fused_fidelity),
            "qabf": ratio(self.edges),
            "scd": _scd(self.moments),
            "en": bits_f,
            "sd": math.sqrt(max(_covariances(self.moments)[2, 2], 0)) if self.pixels else math.nan,
            "sf": frequency_of(self.steps),
            "ag": gradient_of(self.steps),
        }
        return {name: found[name] for name in FUSION_BETTER}


def _psnr(squares: float, pixels: int) -> float:
    if not pixels:
        return math.nan
    return math.inf if squares == 0 else 10 * math.log10(PEAK**2 * pixels / squares)


def _ssim(x: Grey, y: Grey, part: ScenePart) -> NDArray[np.float64]:
    """The sum of local indices over the windows of a part, and how many there are."""
    own = owned(part, SSIM_SIDE // 2)
    weights = np.full(SSIM_SIDE, 1 / SSIM_SIDE)
    mean_x, mean_y, xx, yy, xy = (windowed(image, weights)[own] for image in (x, y, x * x, y * y, x * y))
    sample = SSIM_SIDE**2 / (SSIM_SIDE**2 - 1)
    v_x, v_y, v_xy = (
        sample * (square - product)
        for square, product in ((xx, mean_x * mean_x), (yy, mean_y * mean_y), (xy, mean_x * mean_y))
    )
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * v_xy + c2) / (v_x + v_y + c2)
    local = light * structure
    return np.array([np.nansum(local), np.isfinite(local).sum()], dtype=np.float64)


def _moments(a: Grey, b: Grey, f: Grey, part: ScenePart) -> NDArray[np.float64]:
    known = np.isfinite(f[part.core])
    ones = np.ones(int(known.sum()))
    z = np.stack([ones, *(x[part.core][known] - CENTRE for x in (a, b, f))])
    return np.asarray(z @ z.T)


def _covariances(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of A, B and F, (3, 3)."""
    mean = moments[0, 1:] / moments[0, 0]
    return np.asarray(moments[1:, 1:] / moments[0, 0] - np.outer(mean, mean))


def _scd(moments: NDArray[np.float64]) -> float:
    if not moments[0, 0]:
        return math.nan
    c = _covariances(moments)
    total = 0.0
    for one, other in ((0, 1), (1, 0)):  # F - other against one
        power = (c[2, 2] - 2 * c[2, other] + c[other, other]), c[one, one]
        if min(power) < FLAT:
            return math.nan
        total += float(np.clip((c[2, one] - c[other, one]) / math.sqrt(power[0] * power[1]), -1, 1))
    return total
