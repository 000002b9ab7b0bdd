"""Visual information fidelity in the pixel domain: of one image (VIF), and of a fusion (VIFF), which is another one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sardiff.metrics.grey import Grey, ScenePart, greys, owned, windowed

__all__ = ["VIFF_WEIGHTS", "fused_fidelity", "information_kept", "vif", "viff", "visual_information"]

SIZES = (17, 9, 5, 3)
"""Sides of the windows at the four scales, in pixels of the scale; Gaussian, with a deviation of a fifth of that."""

VIF_NOISE = 2.0
"""Variance of the eye's noise in VIF, in greys squared."""

VIFF_NOISE = 0.005 * 255**2
"""The same in VIFF."""

VIFF_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
"""Of the four scales, the finest first, .465, 0, .070, .465: those of the authors' program."""

VIFF_GUARD = 1e-7  # information that every window of VIFF is given, so that flat images compare as equal
FLAT = 1e-10  # variance, in greys squared, below which a window is flat


def vif(reference: ArrayLike, image: ArrayLike) -> float:
    """Visual information fidelity VIFp: information of the reference still seen in an image; more is better.

    In every window the image is taken for gain * reference + noise, and both are seen through a noise of variance 2:
    VIF = sum log(1 + g^2 s_r^2 / (s_v^2 + 2)) / sum log(1 + s_r^2 / 2), over all windows of four scales. From scale to
    scale the images are filtered and every second pixel is kept.

    Parameters
    ----------
    reference, image : array (rows, cols)
        Grey, 0 to 255; NaN in either: windows that see the pixel do not count.

    Returns
    -------
    float
        0: nothing is seen; 1: the same image; more than 1: with more contrast. NaN where the reference is flat or no
        window counts. Fusion tables report the sum over both sources.

    References
    ----------
    Sheikh and Bovik (2006), Image information and visual quality, IEEE TIP 15(2), eq. 12, and the authors'
    vifp_mscale: windows lie inside the image.
    """
    reference, image = greys(reference=reference, image=image)
    sums = np.zeros(2)
    for (channel,) in _channels((reference,), image, ScenePart.whole(reference.shape)):
        sums += channel.kept(VIF_NOISE).sum(), channel.had(VIF_NOISE).sum()
    return information_kept(sums)


def viff(a: ArrayLike, b: ArrayLike, f: ArrayLike, *, weights: Sequence[float] = VIFF_WEIGHTS) -> float:
    """Visual information fidelity for fusion; more is better. Not the sum of two VIFs.

    In every window of a scale the source with the smaller gain, which has more that F does not show, is the reference
    (B where gains are equal). VIFF = sum_k w_k sum FVID_k / sum FVIND_k, with FVID = log10(1 + g^2 s_r^2 / (s_v^2 + n))
    and FVIND = log10(1 + s_r^2 / n) in every window of scale k, 1e-7 added to each, and n = .005 * 255^2.

    Parameters
    ----------
    a, b, f : array (rows, cols)
        Two sources and their fusion, grey, 0 to 255; NaN in any: windows that see the pixel do not count.
    weights : sequence of four floats
        Of the scales, the finest first.

    Returns
    -------
    float
        0 to about 1, 1 if all three are the same; NaN if no window of some scale counts.

    References
    ----------
    Han, Cai, Cao and Xu (2013), A new image fusion performance metric based on visual information fidelity,
    Information Fusion 14(2). The choice of the source, n and the weights are those of the authors' VIFF_Public.
    """
    a, b, f = greys(a=a, b=b, f=f)
    return fused_fidelity(visual_information(a, b, f, ScenePart.whole(f.shape))[1], weights)


def visual_information(a: Grey, b: Grey, f: Grey, part: ScenePart) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of VIF and VIFF over the windows whose centre lies in a part's core.

    Returns
    -------
    ndarray (2, 2)
        For A and B: information kept in F, and information it had (VIF).
    ndarray (4, 3)
        At each scale FVID, FVIND and the number of windows (VIFF).
    """
    of_vif, of_viff = np.zeros((2, 2)), np.zeros((len(SIZES), 3))
    for scale, (first, second) in enumerate(_channels((a, b), f, part)):
        for sums, channel in zip(of_vif, (first, second), strict=True):
            sums += channel.kept(VIF_NOISE).sum(), channel.had(VIF_NOISE).sum()
        smaller = first.gain < second.gain
        kept = np.where(smaller, first.kept(VIFF_NOISE), second.kept(VIFF_NOISE))
        had = np.where(smaller, first.had(VIFF_NOISE), second.had(VIFF_NOISE))
        of_viff[scale] = kept.sum(), had.sum(), kept.size
    return of_vif, of_viff


def information_kept(sums: NDArray[np.float64]) -> float:
    """VIF from the information kept and the information there was."""
    kept, had = (float(value) for value in sums)
    return kept / had if had > 0 else math.nan


def fused_fidelity(sums: NDArray[np.float64], weights: Sequence[float] = VIFF_WEIGHTS) -> float:
    """VIFF from FVID, FVIND and the number of windows at each scale, (4, 3)."""
    if len(weights) != len(SIZES):
        raise ValueError(f"VIFF has {len(SIZES)} scales, got {len(weights)} weights")
    kept, had, windows = sums.T
    if not windows.all():
        return math.nan
    return float(np.asarray(weights) @ ((kept + VIFF_GUARD * windows) / (had + VIFF_GUARD * windows)))


@dataclass(frozen=True, eq=False)
class _Channel:
    """F as gain * source + rest in windows of one scale: gain, and the variances of source and rest, each (n,)."""

    gain: NDArray[np.float64]
    source: NDArray[np.float64]
    rest: NDArray[np.float64]

    @classmethod
    def of(cls, source: NDArray[np.float64], fused: NDArray[np.float64], both: NDArray[np.float64]) -> "_Channel":
        """From the variances of both and their covariance."""
        source, fused = np.maximum(source, 0), np.maximum(fused, 0)
        gain = both / (source + FLAT)
        rest = fused - gain * both
        flat = source < FLAT
        gain, rest, source = np.where(flat, 0, gain), np.where(flat, fused, rest), np.where(flat, 0, source)
        empty = fused < FLAT
        gain, rest = np.where(empty, 0, gain), np.where(empty, 0, rest)
        turned = gain < 0  # bright became dark: nothing of the source
        gain, rest = np.where(turned, 0, gain), np.where(turned, fused, rest)
        return cls(gain, source, np.maximum(rest, FLAT))

    def kept(self, noise: float) -> NDArray[np.float64]:
        """Information of the source that is seen in F, in each window."""
        return np.asarray(np.log10(1 + self.gain**2 * self.source / (self.rest + noise)))

    def had(self, noise: float) -> NDArray[np.float64]:
        """Information that is seen in the source, in each window."""
        return np.asarray(np.log10(1 + self.source / noise))


def _channels(sources: Sequence[Grey], f: Grey, part: ScenePart) -> Iterator[list[_Channel]]:
    """Yield at each scale the channel from every source to F, in the measured windows of a part."""
    images = [*sources, f]
    # Where pixels of the scale lie in what was read. It starts at a multiple of 8 of the scene, and so at a pixel that
    # every scale of the whole scene keeps: pixels 2i + 4, 4i + 8 and 8i + 12.
    first, step = 0, 1
    for scale, size in enumerate(SIZES):
        window, reach = _gaussian(size), size // 2
        if scale:
            images = [windowed(image, window)[::2, ::2] for image in images]
            first, step = first + reach * step, 2 * step
        own = owned(part, first + reach * step, step)
        means = [windowed(image, window)[own] for image in images]
        known = np.isfinite(means[-1])
        means = [mean[known] for mean in means]
        variances = [
            windowed(image**2, window)[own][known] - mean**2 for image, mean in zip(images, means, strict=True)
        ]
        shared = [
            windowed(image * images[-1], window)[own][known] - mean * means[-1]
            for image, mean in zip(images[:-1], means[:-1], strict=True)
        ]
        yield [_Channel.of(v, variances[-1], both) for v, both in zip(variances[:-1], shared, strict=True)]


def _gaussian(size: int) -> NDArray[np.float64]:
    offset = np.arange(size) - size // 2
    weights = np.exp(-0.5 * (offset / (size / 5)) ** 2)
    return np.asarray(weights / weights.sum())
