"""Guided-filter fusion: two scales, and weights that follow the edges of the source they belong to."""

import torch
from torch import Tensor

from sardiff.arrays import Images
from sardiff.blur import gaussian_window
from sardiff.classical.filters import padded, smoothed

__all__ = ["REACH", "box_mean", "guided", "guided_filter"]

_BASE = 15  # pixels: the base is the mean over 31 x 31
_SALIENCY = 5  # pixels: radius and deviation of the Gaussian
_BASE_WEIGHTS = (45, 0.3)  # radius in pixels; the variance, in luminance squared, from which on an edge is one
_DETAIL_WEIGHTS = (7, 1e-6)

REACH = 2 * _BASE_WEIGHTS[0] + _SALIENCY + 1  # pixels: the guided filter's two boxes, the saliency, its Laplacian


def guided(optical: Images, sar: Images, weight: float = 0.5) -> Images:
    """Return weighted base and weighted detail of both, the weights being guided-filtered maps of who is salient.

    Li, Kang and Hu (2013), Image fusion with guided filtering, IEEE TIP 22(7), with their parameters. Saliency is the
    blurred magnitude of the Laplacian; here SAR's counts `weight` times and the optical one's 1 - weight times: .5 is
    the textbook, 0 and 1 give back the sources. A despeckled image is smooth and rarely wins at .5: near .7 both have
    their share. The regularisation has the unit of luminance squared and expects a
    range of about 0..1: of all classical methods, this one changes when both sources are scaled.
    """
    lead = weight * _saliency(sar) - (1 - weight) * _saliency(optical)
    salient = (lead >= 0 if weight > 0.5 else lead > 0).double()  # at 0 nowhere, at 1 everywhere, also where it is flat
    o, s = optical.double(), sar.double()  # the variances below are small differences of large numbers
    base_o, base_s = box_mean(o, _BASE), box_mean(s, _BASE)
    base = base_o + _share(o, s, salient, *_BASE_WEIGHTS) * (base_s - base_o)
    detail_o, detail_s = o - base_o, s - base_s
    detail = detail_o + _share(o, s, salient, *_DETAIL_WEIGHTS) * (detail_s - detail_o)
    return (base + detail).to(optical)


def guided_filter(guide: Images, x: Images, radius: int, edge: float) -> Images:
    """Return x smoothed where the guide is flat: within each box the best a guide + b, a drawn to zero by `edge`.

    He, Sun and Tang (2013), Guided image filtering, IEEE TPAMI 35(6), Eqs. 5, 6 and 8.

    Parameters
    ----------
    guide, x : Images
        float64.
    radius : int
        Pixels, of square boxes; cut off at the rims.
    edge : float
        Variance of the guide, > 0, that counts as much as none.
    """
    mean_guide, mean_x = box_mean(guide, radius), box_mean(x, radius)
    covariance = box_mean(guide * x, radius) - mean_guide * mean_x
    variance = box_mean(guide * guide, radius) - mean_guide * mean_guide
    a = covariance / (variance + edge)
    b = mean_x - a * mean_guide
    return box_mean(a, radius) * guide + box_mean(b, radius)


def box_mean(x: Images, radius: int) -> Images:
    """Return the mean over a square box, cut off at the rims; by running sums, so float64 is wanted."""
    for axis in (2, 3):
        size = x.shape[axis]
        place = torch.arange(size, device=x.device)
        first, end = (place - radius).clamp_min(0), (place + radius + 1).clamp_max(size)
        zero = torch.zeros_like(x.narrow(axis, 0, 1))
        sums = torch.cat((zero, x.cumsum(axis)), axis)
        count = (end - first).to(x)
        x = (sums.index_select(axis, end) - sums.index_select(axis, first)) / (count[:, None] if axis == 2 else count)
    return x


def _share(optical: Images, sar: Images, salient: Images, radius: int, edge: float) -> Images:
    """SAR's share, 0..1: each map filtered along its own source, then both scaled to sum one."""
    of_optical = guided_filter(optical, 1 - salient, radius, edge).clamp_min(0)
    of_sar = guided_filter(sar, salient, radius, edge).clamp_min(0)
    return of_sar / (of_optical + of_sar).clamp_min(1e-6)


def _saliency(x: Images) -> Tensor:
    rows, cols = padded(x, 1, 2), padded(x, 1, 3)
    above, below, left, right = rows[:, :, :-2], rows[:, :, 2:], cols[..., :-2], cols[..., 2:]
    laplacian = (above + below) + (left + right) - 4 * x
    return smoothed(laplacian.abs(), gaussian_window(_SALIENCY, _SALIENCY).tolist())
