"""What grey images have in common, in bits: from histograms of 256 greys, which add up over the parts of a scene."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sardiff.metrics.grey import Grey, greys

__all__ = [
    "cross_entropy",
    "divergence_bits",
    "entropy",
    "entropy_bits",
    "joint_histogram",
    "mutual_bits",
    "mutual_information",
]

Counts = NDArray[np.int64]


def mutual_information(a: ArrayLike, f: ArrayLike) -> float:
    """Mutual information I(A; F) = H(A) + H(F) - H(A, F) of two images, in bits; more is better.

    Parameters
    ----------
    a, f : array (rows, cols)
        Grey, 0 to 255, counted in 256 bins of the nearest whole number; NaN in either: the pixel does not count.

    Returns
    -------
    float
        0 to 8 bits, H(A) if F tells A; NaN if no pixel counts.

    References
    ----------
    Qu, Zhang and Yan (2002), Information measure for performance of image fusion, Electronics Letters 38(7), eq. 2:
    there summed over both sources.
    """
    return mutual_bits(joint_histogram(*greys(a=a, f=f)))


def cross_entropy(a: ArrayLike, b: ArrayLike, f: ArrayLike) -> float:
    """Cross entropy of a fused image, [D(A || F) + D(B || F)] / 2 in bits; less is better.

    D(A || F) = sum_i h_A(i) log2(h_A(i) / h_F(i)) over 256 greys: what is lost when A's greys are told in a code made
    for F's. Half a pixel is added to every bin of every histogram, so that greys F lacks cost much, but not all.

    Parameters
    ----------
    a, b, f : array (rows, cols)
        Grey, 0 to 255, rounded; NaN in any of them: the pixel does not count.

    Returns
    -------
    float
        >= 0, 0 if all three have one histogram, wherever the greys lie; NaN if no pixel counts.

    References
    ----------
    Bulanon, Burks and Alchanatis (2009), Image fusion of visible and thermal images for fruit detection, Biosystems
    Engineering 103(1): the mean of both. The half pixel is ours (Krichevsky and Trofimov, 1981); there, empty bins
    are left out.
    """
    a, b, f = greys(a=a, b=b, f=f)
    of_a, of_b = joint_histogram(a, f), joint_histogram(b, f)
    fused = of_a.sum(axis=0)
    return (divergence_bits(of_a.sum(axis=1), fused) + divergence_bits(of_b.sum(axis=1), fused)) / 2


def entropy(f: ArrayLike) -> float:
    """Entropy H = -sum_i h(i) log2 h(i) of an image's 256 greys, in bits; more is taken for better.

    Noise raises it as detail does.

    Parameters
    ----------
    f : array (rows, cols)
        Grey, 0 to 255, rounded; NaN: not measured.

    Returns
    -------
    float
        0 to 8; NaN if no pixel counts.
    """
    (f,) = greys(f=f)
    return entropy_bits(joint_histogram(f, f).sum(axis=0))


def joint_histogram(a: Grey, f: Grey) -> Counts:
    """Count pairs of greys, (256, 256) with A down and F across; NaN in both at once does not count."""
    known = np.isfinite(a)
    rounded = (np.rint(x[known]).astype(np.int64) for x in (a, f))
    down, across = rounded
    return np.asarray(np.bincount(256 * down + across, minlength=256 * 256).reshape(256, 256), dtype=np.int64)


def entropy_bits(counts: Counts) -> float:
    """Entropy of a histogram of any shape, in bits."""
    total = int(counts.sum())
    if not total:
        return math.nan
    share = counts[counts > 0] / total
    return abs(float(share @ np.log2(share)))  # one bin: 0, not -0


def mutual_bits(joint: Counts) -> float:
    """Mutual information of a joint histogram, in bits."""
    single = entropy_bits(joint.sum(axis=1)) + entropy_bits(joint.sum(axis=0))
    return max(single - entropy_bits(joint), 0.0) if joint.any() else math.nan


def divergence_bits(source: Counts, fused: Counts) -> float:
    """Kullback-Leibler divergence of two histograms, half a count added to every bin, in bits."""
    if not source.any() or not fused.any():
        return math.nan
    p, q = (counts + 0.5 for counts in (source, fused))
    p, q = p / p.sum(), q / q.sum()
    return max(float(p @ np.log2(p / q)), 0.0)
