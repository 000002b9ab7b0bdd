"""What is known of a whole pair: grey ranges, luminance, colours; measured over the scene, never over a tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geo_io import ReadError
from sardiff.errors import SettingsError
from sardiff.tasks.pair import Pair

__all__ = ["Levels", "Luminance", "measure_levels"]

Luminance = Literal["mean", "pca"]

TAILS = (0.01, 0.99)  # quantiles between which an image's grey range lies
BLOCK = (1024, 4096)  # pixels: what a pass over the scene reads at once
FEW = 5  # bands of a pair, up to which blocks are that large
BITS = 20  # of a float32 that histograms tell apart: a precision of .05 %
MOST_RATIO = 2.0  # that a band may at most be brightened or darkened by; beyond, a scene is no longer itself
FLOOR = 0.02  # of the luminance's range: below it a ratio says nothing


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What is known of a whole pair, in one record: nothing of it is ever taken from a tile.

    Parameters
    ----------
    luminance : tuple of float
        Weights of the optical bands; luminance is their weighted sum.
    optical, sar : (low, high)
        Of luminance, and of log-intensity: 0 and 1 of the grey scale on which both are fused.
    slopes, offsets : tuple of float
        Of each band as a line in luminance, by least squares: what a band is like where it was not seen.
    both, only_optical, only_sar : int
        Pixels in which both images were seen, or one of them.
    """

    luminance: tuple[float, ...]
    optical: tuple[float, float]
    sar: tuple[float, float]
    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    both: int
    only_optical: int
    only_sar: int

    def grey(self, pixels: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the optical and the SAR image on the common grey scale, (..., rows, cols), from a pair's bands.

        Parameters
        ----------
        pixels : array (..., bands + 2, rows, cols)
            As `Pair` gives them.
        """
        bands = len(self.luminance)
        optical = np.einsum("b,...bij->...ij", np.array(self.luminance, np.float32), pixels[..., :bands, :, :])
        optical = np.where(pixels[..., bands + 1, :, :] > 0, np.float32(np.nan), optical)
        return _scaled(optical, self.optical), _scaled(pixels[..., bands, :, :], self.sar)

    def physical(self, grey: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Luminance in units of the optical bands, from the grey scale."""
        low, high = self.optical
        return (low + grey * (high - low)).astype(np.float32)

    def injected(
        self, pixels: NDArray[np.floating[Any]], fused: NDArray[np.floating[Any]], how: Literal["ratio", "gain"]
    ) -> NDArray[np.float32]:
        """Return the optical bands (bands, rows, cols) with the fused luminance (rows, cols) in place of their own.

        "ratio" multiplies all bands by fused over own luminance, which keeps the hue: never by more than `MOST_RATIO`,
        which is approached, not cut (a logarithm r becomes m tanh(r / m), m = log `MOST_RATIO`); below `FLOOR` of the
        range luminance counts as that much. "gain" adds the difference, times each band's slope on
        luminance. Where the optical image was not seen, bands are what they usually are at this luminance. NaN where
        the fused luminance is.
        """
        bands = len(self.luminance)
        slopes, offsets = (np.array(n, np.float32)[:, None, None] for n in (self.slopes, self.offsets))
        target = self.physical(fused)
        usual = offsets + slopes * target
        optical = pixels[:bands]
        own = np.einsum("b,bij->ij", np.array(self.luminance, np.float32), optical)
        with np.errstate(invalid="ignore"):
            if how == "gain":
                out = optical + slopes * (target - own)
            else:
                least = FLOOR * (self.optical[1] - self.optical[0]) + max(self.optical[0], 0.0) * FLOOR
                ratio = np.maximum(target, least) / np.maximum(own, least)
                most = math.log(MOST_RATIO)
                out = optical * np.exp(most * np.tanh(np.log(ratio) / most))
        unseen = np.isnan(own) | (pixels[bands + 1] > 0)
        out = np.where(unseen, usual, out)
        return np.where(np.isnan(fused), np.float32(np.nan), out).astype(np.float32)

    def said(self) -> dict[str, Any]:
        """The record, for tags."""
        return asdict(self)


def measure_levels(
    pair: Pair, *, luminance: Luminance = "mean", report: Callable[[float], None] = lambda share: None
) -> Levels:
    """Measure a pair by passes over the whole scene in bounded memory: one, or two for principal components.

    Parameters
    ----------
    pair : Pair
    luminance : {"mean", "pca"}
        The mean of the optical bands, or their first principal component, scaled to weights whose sum is one.
    report : callable
        Told of the share that is done.

    Raises
    ------
    ReadError
        If the two images share no measured pixel, or one of them is one even grey.
    SettingsError
        If the first principal component is no luminance, its weights being of both signs and their sum near zero.
    """
    moments = _Moments(pair.bands)
    passes = 2 if luminance == "pca" else 1
    if luminance not in get_args(Luminance):
        raise SettingsError(f"There is no luminance {luminance!r}; choose from {', '.join(get_args(Luminance))}.")
    blocks = list(_blocks(pair.shape))
    weights = np.full(pair.bands, 1 / pair.bands)
    optical, sar = _Histogram(), _Histogram()

    def look(pixels: NDArray[np.float32]) -> None:
        bands = pixels[: pair.bands]
        seen = ~np.isnan(bands[0]) & (pixels[-1] == 0)
        optical.add(np.tensordot(weights, bands[:, seen], 1))
        sar.add(pixels[-2][~np.isnan(pixels[-2])])

    for i, (rows, cols) in enumerate(blocks):
        pixels = pair[slice(0, pair.shape[0]), rows, cols]
        moments.add(pixels)
        if luminance == "mean":
            look(pixels)
        report((i + 1) / len(blocks) / passes)
    if moments.both < 1:
        clouds = (
            "" if pair.clouds is None else "; if not all of the cloud mask is cloud, name its values by --cloud-classes"
        )
        raise ReadError(
            f"{pair.optical.name} and {pair.sar.name} share no measured pixel: their footprints meet, but one is "
            f"nodata or clouded wherever the other was measured{clouds}"
        )
    if luminance == "pca":
        weights = moments.first_component()
        for i, (rows, cols) in enumerate(blocks):
            look(pair[slice(0, pair.shape[0]), rows, cols])
            report((1 + (i + 1) / len(blocks)) / passes)
    ranges = []
    for name, histogram in ((pair.optical.name, optical), (pair.sar.name, sar)):
        low, high = histogram.quantiles(TAILS)
        if not high > low:
            raise ReadError(f"{name} is one even grey ({low:.4g}): there is nothing to fuse")
        ranges.append((low, high))
    slopes, offsets = moments.lines(weights)
    return Levels(
        luminance=tuple(map(float, weights)),
        optical=ranges[0],
        sar=ranges[1],
        slopes=slopes,
        offsets=offsets,
        both=moments.both,
        only_optical=moments.only_optical,
        only_sar=moments.only_sar,
    )


class _Moments:
    """Sums over the pixels where the optical image was seen, enough for means and covariances of its bands."""

    def __init__(self, bands: int) -> None:
        self.count = self.both = self.only_optical = self.only_sar = 0
        self.mean = np.zeros(bands)
        self.scatter = np.zeros((bands, bands))

    def add(self, pixels: NDArray[np.float32]) -> None:
        seen = ~np.isnan(pixels[0]) & (pixels[-1] == 0)
        sar = ~np.isnan(pixels[-2])
        self.both += int((seen & sar).sum())
        self.only_optical += int((seen & ~sar).sum())
        self.only_sar += int((~seen & sar).sum())
        values = pixels[:-2, seen].astype(np.float64)
        count = values.shape[1]
        if not count:
            return
        # Chan et al. (1983): sums about the mean, merged block by block, lose no digits.
        mean = values.mean(axis=1)
        values -= mean[:, None]
        delta = mean - self.mean
        total = self.count + count
        self.scatter += values @ values.T + np.outer(delta, delta) * self.count * count / total
        self.mean += delta * count / total
        self.count = total

    def first_component(self) -> NDArray[np.float64]:
        _, vectors = np.linalg.eigh(self.scatter)
        first = vectors[:, -1]
        total = float(first.sum())
        if abs(total) < 0.1:
            raise SettingsError(
                "The first principal component of the optical bands is a contrast between bands, no luminance: "
                "leave --luminance at mean, or choose bands that go together."
            )
        return np.asarray(first / total)

    def lines(self, weights: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Slope and offset of every band on luminance."""
        variance = float(weights @ self.scatter @ weights)
        slopes = self.scatter @ weights / variance if variance > 0 else np.ones_like(weights)
        offsets = self.mean - slopes * float(weights @ self.mean)
        return tuple(map(float, slopes)), tuple(map(float, offsets))


class _Histogram:
    """Counts of float32 numbers by their leading bits, from which quantiles are read to .05 %."""

    def __init__(self) -> None:
        self.counts = np.zeros(1 << BITS, np.int64)

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        if values.size:
            self.counts += np.bincount(self._bin(values.astype(np.float32)), minlength=1 << BITS)

    def quantiles(self, shares: Sequence[float]) -> tuple[float, ...]:
        cumulated = np.cumsum(self.counts)
        if not cumulated[-1]:
            return (math.nan,) * len(shares)
        places = np.searchsorted(cumulated, np.asarray(shares) * cumulated[-1])
        return tuple(float(x) for x in self._middle(places))

    @staticmethod
    def _bin(values: NDArray[np.float32]) -> NDArray[np.int64]:
        bits = values.view(np.uint32)
        ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))  # as unsigned numbers they sort like floats
        return (ordered >> (32 - BITS)).astype(np.int64)

    @staticmethod
    def _middle(places: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        ordered = (places.astype(np.uint32) << np.uint32(32 - BITS)) | np.uint32(1 << (31 - BITS))
        bits = np.where(ordered >> 31, ordered & np.uint32(0x7FFFFFFF), ~ordered)
        return bits.astype(np.uint32).view(np.float32)


def _scaled(x: NDArray[np.floating[Any]], ends: tuple[float, float]) -> NDArray[np.float32]:
    low, high = ends
    return ((x - low) / (high - low)).astype(np.float32)


def _blocks(shape: tuple[int, int, int]) -> Iterator[tuple[slice, slice]]:
    """Parts of a scene that hold about as many values whatever its bands."""
    bands, rows, cols = shape
    height = max(1, BLOCK[0] * FEW // max(bands, FEW))
    for top in range(0, rows, height):
        for left in range(0, cols, BLOCK[1]):
            yield slice(top, min(top + height, rows)), slice(left, min(left + BLOCK[1], cols))
