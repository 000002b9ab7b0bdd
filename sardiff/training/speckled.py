"""Speckle laid on clean patches, as products have it: what a network learns to see through."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.transform import AffineTransform, warp

from sardiff.arrays import Images
from sardiff.likelihoods.gamma import log_speckle_moments
from sardiff.priors.base import UNKNOWN, Given
from sardiff.simulate.speckle import ImpulseResponse, correlated_speckle, speckle

__all__ = ["Speckled", "speckled"]

CORRELATED = 0.55  # share of the patches whose speckle is correlated
TOLD = 0.5  # share of those, and of the others, where the network is told so
IMAGED = 0.35  # share of the correlated ones where the impulse response forms the image, targets too
RESAMPLED = 0.4  # share of the other correlated ones whose speckle is then resampled, as terrain correction does
PIERCED = 0.1  # share of the patches with holes
MARGIN = 16  # pixels, against the wrap of a periodic transform
LEAST = 1e-12  # of an intensity factor, so that its log is finite

Patch = NDArray[np.float32]


@dataclass(frozen=True)
class Speckled:
    """A batch of truths and what was measured of them.

    Parameters
    ----------
    x0 : Images
        Log-intensity.
    given : Given
    """

    x0: Images
    given: Given

    def to(self, device: str) -> Speckled:
        """The same on a device."""
        parts = (
            part.to(device) for part in (self.given.y, self.given.variance, self.given.holes, self.given.correlation)
        )
        return Speckled(self.x0.to(device), Given(*parts))


def speckled(x0: Images, seed: int, step: int) -> Speckled:
    """Lay speckle of random looks and correlation on a batch; it depends on its arguments alone."""
    rng = np.random.default_rng((seed, step, 1))
    drawn = [_one(patch, rng) for patch in x0[:, 0].numpy()]
    truths, measured, looks, correlations = (np.stack(part) for part in zip(*drawn, strict=True))
    bias, variance = np.array([log_speckle_moments(value) for value in looks], dtype=np.float32).T
    y = torch.from_numpy((measured - bias[:, None, None]).astype(np.float32))[:, None]
    holes = torch.from_numpy(np.stack([_holes(patch.shape, rng) for patch in measured]))[:, None]
    fill = torch.stack([v[h == 0].mean() if (h == 0).any() else v.mean() for v, h in zip(y, holes, strict=True)])
    y = torch.where(holes > 0, fill[:, None, None, None], y)
    given = Given(y, torch.from_numpy(variance), holes, torch.from_numpy(correlations.astype(np.float32)))
    return Speckled(torch.from_numpy(truths.astype(np.float32, copy=False))[:, None], given)


def _one(x0: Patch, rng: np.random.Generator) -> tuple[Patch, Patch, float, tuple[float, float]]:
    """Truth, measured log-intensity, the looks and the lag-1 correlation that the network is told."""
    told = rng.random() < TOLD
    jitter = math.exp(rng.normal(0, 0.05))  # looks are an estimate
    if rng.random() >= CORRELATED:
        looks = _looks(rng)
        y = x0 + np.log(np.maximum(speckle(x0.shape, looks, rng), LEAST))
        return x0, y, looks * jitter, (0.0, 0.0) if told else (UNKNOWN, UNKNOWN)
    share = rng.uniform(0.3, 1.0, 2)
    response = ImpulseResponse(
        looks=int(rng.choice((1, 1, 1, 2, 3, 4, 5, 6, 8))),
        bandwidth=(float(share[0]), float(share[1])),
        hamming=float(rng.uniform(0.6, 1.0)),
    )
    if rng.random() < IMAGED:
        x0, y = _imaged(x0, response, rng)
        looks, correlation = response.enl, (response.correlation(1, 0), response.correlation(1, 1))
    else:
        n = _factors(x0.shape, response, rng)
        y = x0 + np.log(np.maximum(n, LEAST))
        looks, correlation = float(1 / n.var()), (_lag1(n), _lag1(n.T))
    return x0, y, min(max(looks, 0.8), 60) * jitter, correlation if told else (UNKNOWN, UNKNOWN)


def _looks(rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < 0.35:
        return 1.0
    if kind < 0.5:
        return 4.0
    return float(math.exp(rng.uniform(0, math.log(30))))


def _factors(shape: tuple[int, ...], response: ImpulseResponse, rng: np.random.Generator) -> Patch:
    """Correlated speckle, perhaps resampled onto another grid."""
    settings = {"looks": response.looks, "bandwidth": response.bandwidth, "hamming": response.hamming}
    if rng.random() >= RESAMPLED:
        return correlated_speckle((shape[0], shape[1]), rng, **settings)  # type: ignore[arg-type]
    side = math.ceil(1.5 * max(shape))
    fine = correlated_speckle((side, side), rng, **settings)  # type: ignore[arg-type]
    angle = rng.uniform(-math.pi, math.pi) if rng.random() < 0.5 else rng.normal(0, 0.1)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.diag(rng.uniform(0.5, 1.0, 2))
    centre = (side - 1) / 2
    transform = np.eye(3)
    transform[:2, :2], transform[:2, 2] = matrix, centre - matrix @ ((np.array(shape) - 1) / 2)
    n: Patch = warp(fine, AffineTransform(transform), output_shape=shape, order=1, mode="wrap", preserve_range=True)
    return n / n.mean()


def _imaged(x0: Patch, response: ImpulseResponse, rng: np.random.Generator) -> tuple[Patch, Patch]:
    """What a sensor of this impulse response h makes of reflectivity e^x0: E[y] = |h|^2 * e^x0, and y, as logs."""
    wide = np.pad(np.exp(x0, dtype=np.float64), MARGIN, mode="reflect")
    rows, cols = response.weights(wide.shape[0], 0), response.weights(wide.shape[1], 1)
    window = np.outer(rows, cols)
    h = np.fft.ifft2(window)
    power = np.abs(h) ** 2
    window /= math.sqrt(power.sum())
    power /= power.sum()
    truth = np.fft.ifft2(np.fft.fft2(wide) * np.fft.fft2(power)).real
    amplitude = np.sqrt(wide / 2)
    y = np.zeros_like(wide)
    for _ in range(response.looks):
        field = amplitude * (rng.standard_normal(wide.shape) + 1j * rng.standard_normal(wide.shape))
        y += np.abs(np.fft.ifft2(np.fft.fft2(field) * window)) ** 2 / response.looks
    inside = slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    least = LEAST * wide.max()
    truth, y = (np.log(np.maximum(image, least))[inside].astype(np.float32) for image in (truth, y))
    return truth, y


def _lag1(n: Patch) -> float:
    centred = n - n.mean()
    return float((centred[1:] * centred[:-1]).mean() / centred.var())


def _holes(shape: tuple[int, ...], rng: np.random.Generator) -> Patch:
    """1 where nothing was measured: mostly nowhere; else beyond a straight rim, or at scattered pixels."""
    holes = np.zeros(shape, np.float32)
    if rng.random() >= PIERCED:
        return holes
    if rng.random() < 0.5:
        holes[rng.random(shape) < rng.uniform(0.001, 0.1)] = 1
        return holes
    angle = rng.uniform(-math.pi, math.pi)
    rows, cols = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2
    across = math.cos(angle) * rows + math.sin(angle) * cols
    holes[across > rng.uniform(0, 0.5) * max(shape)] = 1
    return holes
