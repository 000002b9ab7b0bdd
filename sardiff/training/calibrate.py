"""How well a trained denoiser does: the variance tables that go on its card."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sardiff.arrays import Images
from sardiff.priors.network import LocalUNet
from sardiff.priors.variance import Calibration, LocalVariance, local_contrast
from sardiff.training.speckled import Speckled

__all__ = ["SIGMAS", "calibration", "local_variance_table", "variance_table"]

SIGMAS = tuple(float(s) for s in np.geomspace(0.02, 20, 19))
LOCAL_SIGMAS = tuple(float(s) for s in np.geomspace(0.1, 1.6, 7))
CONTRASTS = tuple(float(c) for c in np.geomspace(0.02, 1.5, 12))
INTERVALS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)
DEVIATIONS = 12  # classes of the calibration
LEAST = 2000  # pixels a cell of the local table must have, else it takes its neighbour's value


@torch.no_grad()
def variance_table(network: LocalUNet, x0: Images) -> list[tuple[float, float]]:
    """(sigma, v) pairs: v(sigma) is the mean of (x0 - D(x0 + sigma z; sigma))^2 over clean images."""
    return [(sigma, float((d - x0).square().mean())) for sigma, d in _denoised(network, x0, SIGMAS)]


@torch.no_grad()
def local_variance_table(network: LocalUNet, x0: Images) -> LocalVariance:
    """The same by local contrast of D; rims of the images, where the network sees less, are left out."""
    width = min(16, x0.shape[-1] // 4)
    rim = slice(width, -width)
    table = []
    for _, denoised in _denoised(network, x0, LOCAL_SIGMAS):
        error = (denoised - x0).square()[..., rim, rim]
        contrast = local_contrast(denoised)[..., rim, rim]
        table.append(_binned(error.flatten(), contrast.flatten()))
    return LocalVariance(LOCAL_SIGMAS, CONTRASTS, table)


@torch.no_grad()
def calibration(network: LocalUNet, batches: Iterable[Speckled]) -> Calibration:
    """What the network's variance of E[x_0 | y] is worth; rims of the images and holes are left out."""
    errors, stated = [], []
    for seen in batches:
        given = seen.given
        mean, variance = network.moments(given.y, torch.full_like(given.variance, torch.inf), given)
        assert variance is not None
        width = min(32, mean.shape[-1] // 4)
        rim = slice(width, -width)
        known = (given.holes == 0)[..., rim, rim]
        errors.append((mean - seen.x0)[..., rim, rim][known])
        stated.append(variance.sqrt()[..., rim, rim][known])
    return _worth(torch.cat(errors).double().cpu().numpy(), torch.cat(stated).double().cpu().numpy())


def _worth(error: NDArray[np.float64], stated: NDArray[np.float64]) -> Calibration:
    """Factors in `DEVIATIONS` classes of as many pixels each, and what holds the shares `INTERVALS` of all errors."""
    order = np.argsort(stated)
    classes = np.array_split(order, DEVIATIONS)
    deviations = [float(np.exp(np.log(stated[one]).mean())) for one in classes]
    factors = [float(np.sqrt(np.mean(error[one] ** 2) / np.mean(stated[one] ** 2))) for one in classes]
    calibrated = stated * np.exp(np.interp(np.log(stated), np.log(deviations), np.log(factors)))
    sizes = np.quantile(np.abs(error) / calibrated, INTERVALS)
    return Calibration(deviations, factors, [(p, float(k)) for p, k in zip(INTERVALS, sizes, strict=True)])


def _denoised(network: LocalUNet, x0: Images, sigmas: tuple[float, ...]) -> Iterator[tuple[float, Images]]:
    for i, sigma in enumerate(sigmas):
        z = torch.randn(x0.shape, generator=torch.Generator().manual_seed(i)).to(x0)
        noisy = x0 + sigma * z
        parts = [network(part, part.new_full((len(part),), sigma)) for part in noisy.split(8)]
        yield sigma, torch.cat(parts)


def _binned(error: Tensor, contrast: Tensor) -> tuple[float, ...]:
    """Mean error of the pixels nearest (in log) to each of `CONTRASTS`; of the next one where there are too few."""
    middles = np.sqrt(np.multiply(CONTRASTS[1:], CONTRASTS[:-1]))
    cell = torch.bucketize(contrast, torch.tensor(middles, dtype=contrast.dtype))
    counts = torch.bincount(cell, minlength=len(CONTRASTS)).double().numpy()
    sums = torch.bincount(cell, weights=error.double(), minlength=len(CONTRASTS)).numpy()
    known = np.flatnonzero(counts >= LEAST)
    if not len(known):
        return (float(error.mean()),) * len(CONTRASTS)
    means = np.log(sums[known] / counts[known])
    filled = np.exp(np.interp(np.arange(len(CONTRASTS)), known, means))
    return tuple(float(v) for v in filled)
