"""Noise that belongs to places: a pure function of seed, step, band, row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tiling.grid import Span

__all__ = ["normal", "philox", "uniform"]

_BLOCK = 1 << 13  # counters at a time, so that the rounds stay in cache
_LANES = 4  # numbers from one counter: those of four neighbouring columns
_UNIFORM = 1 << 31  # added to the band of `uniform`, so that it shares no counter with `normal`


def normal(
    seed: int, step: int, bands: int | slice | Span, rows: slice | Span, cols: slice | Span
) -> npt.NDArray[np.float32]:
    """Standard normal noise at the given places.

    Two windows that share a pixel have the same value there, to the last bit; other seeds, steps, bands or pixels have
    independent ones. Philox4x32-10 with the counter (row, col // 4, band, step) and the seed as key gives four words
    for four columns; Box and Muller's transform makes normals of the first two and of the last two.

    Parameters
    ----------
    seed : int
        In [0, 2**64).
    step : int
        Which of a sampler's draws; in [0, 2**32).
    bands : int, slice or Span
        That many bands from 0 on, or a range of them; in [0, 2**31).
    rows, cols : slice or Span
        Ranges of pixels in scene coordinates, start and stop given. Negative ones are places like others, modulo 2**32.

    Returns
    -------
    ndarray
        Shape (bands, rows, cols), float32.

    Raises
    ------
    ValueError
        If the seed, the step or a band is out of range.

    References
    ----------
    Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, SC11. doi:10.1145/2063384.2063405.
    """
    return _draw(seed, step, _span(bands), _span(rows), _span(cols), 0)


def uniform(
    seed: int, step: int, bands: int | slice | Span, rows: slice | Span, cols: slice | Span
) -> npt.NDArray[np.float32]:
    """Noise at the given places, uniform in (0, 1), never 0 or 1: multiples of 2**-23, plus 2**-24.

    Parameters and guarantees are those of `normal`, of which it is independent.
    """
    return _draw(seed, step, _span(bands), _span(rows), _span(cols), _UNIFORM)


def philox(
    counter: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike], key: tuple[int, int]
) -> tuple[npt.NDArray[np.uint64], ...]:
    """Philox4x32-10: four random 32-bit words for each counter.

    Parameters
    ----------
    counter : four array-likes
        The counter's words, in [0, 2**32); of shapes that broadcast.
    key : tuple[int, int]
        The key's words, in [0, 2**32).

    Returns
    -------
    tuple of four ndarrays
        The words, in [0, 2**32), as uint64.
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    for turn in range(10):
        k0, k1 = (
            np.uint64((k + turn * bump) & 0xFFFFFFFF) for k, bump in zip(key, (0x9E3779B9, 0xBB67AE85), strict=True)
        )
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & low, (p0 >> half) ^ c3 ^ k1, p0 & low
    return c0, c1, c2, c3


def _draw(seed: int, step: int, bands: Span, rows: Span, cols: Span, kind: int) -> npt.NDArray[np.float32]:
    for name, value, end in (("seed", seed, 64), ("step", step, 32), ("first band", bands.start, 31)):
        if not 0 <= value < 1 << end:
            raise ValueError(f"{name} must be in [0, 2**{end}), got {value}")
    key = (seed & 0xFFFFFFFF, seed >> 32)
    first, last = cols.start // _LANES, -(-cols.stop // _LANES)
    groups = np.arange(first, last)[np.newaxis] & 0xFFFFFFFF
    out = np.empty((len(bands), len(rows), last - first, _LANES), dtype=np.float32)
    deep = max(1, _BLOCK // max(1, last - first))
    for b, band in enumerate(range(bands.start, bands.stop)):
        for top in range(0, len(rows), deep):
            block = out[b, top : top + deep]
            places = np.arange(rows.start + top, rows.start + top + len(block))[:, np.newaxis] & 0xFFFFFFFF
            words = philox((places, groups, band + kind, step), key)
            for pair in (0, 2):
                shape = _open_unit if kind == _UNIFORM else _box_muller
                block[..., pair], block[..., pair + 1] = shape(words[pair], words[pair + 1])
    wide = out.reshape(len(bands), len(rows), (last - first) * _LANES)
    return np.ascontiguousarray(wide[:, :, cols.within(Span(first * _LANES, last * _LANES))])


def _box_muller(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    # (a + 1/2) / 2**32, at most rounded to 1: its logarithm is finite, and the normals reach 6.8 either way.
    unit = a.astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
    radius = np.sqrt(np.float32(-2) * np.log(unit))
    angle = b.astype(np.float32) * np.float32(2 * np.pi * 2**-32)
    return radius * np.cos(angle), radius * np.sin(angle)


def _open_unit(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    # 23 bits and a half fit a float32 exactly, so that no rounding can reach 1.
    shift, step, half = np.uint64(9), np.float32(2**-23), np.float32(2**-24)
    return (a >> shift).astype(np.float32) * step + half, (b >> shift).astype(np.float32) * step + half


def _span(places: int | slice | Span) -> Span:
    return Span(0, places) if isinstance(places, int) else Span(places.start, places.stop)
