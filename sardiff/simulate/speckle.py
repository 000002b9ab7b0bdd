"""Multiplicative speckle of mean one: independent from pixel to pixel, or as a product's impulse response leaves it."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["ImpulseResponse", "correlated_speckle", "speckle"]

_MARGIN = 32  # pixels computed and cut away, so that opposite rims of a periodic transform stay strangers


def speckle(shape: tuple[int, ...], looks: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw independent speckle n ~ Gamma(looks, 1 / looks): mean 1, variance 1 / looks.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    looks : float
        Equivalent number of looks, > 0, often not an integer.
    rng : numpy.random.Generator
        Decides the draw.

    Returns
    -------
    ndarray
        Intensity factors (linear), float32, > 0 but for underflow.

    Raises
    ------
    ValueError
        If `looks` is not positive and finite.

    References
    ----------
    Goodman (1976), Some fundamental properties of speckle, JOSA 66(11).

    Examples
    --------
    >>> n = speckle((256, 256), 4.4, np.random.default_rng(0))
    >>> round(float(n.mean()), 2), round(float(1 / n.var()), 1)
    (1.0, 4.4)
    """
    if not 0 < looks < math.inf:
        raise ValueError(f"looks must be > 0 and finite, got {looks}")
    return rng.gamma(looks, 1.0 / looks, size=shape).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class ImpulseResponse:
    """How a product images a point: a band filled in part, weighted by a Hamming window, detected and averaged.

    The complex image of one look is white circular noise whose spectrum is multiplied along each axis by
    w(f) = a + (1 - a) cos(2 pi f / B) for |f| <= B / 2 and by zero elsewhere (f in cycles a pixel). The defaults
    resemble a Sentinel-1 IW GRD product at 10 m: lag-1..3 correlation of intensity about .74, .28 and .04.

    Parameters
    ----------
    looks : int
        Independent looks averaged, >= 1.
    bandwidth : tuple of float
        B along rows and along cols: the share of the sampled band that is filled, in (0, 1]. 1 / B is the
        oversampling.
    hamming : float
        a, in [0.5, 1]: 1 is no weighting; Sentinel-1 uses .70 to .75 (IW).
    multilook : tuple of int
        Detected pixels averaged into one along rows and along cols, >= 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Oliver and Quegan (2004), Understanding Synthetic Aperture Radar Images, 4.3 and 4.8.
    """

    looks: int = 4
    bandwidth: tuple[float, float] = (0.38, 0.38)
    hamming: float = 0.75
    multilook: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.looks != int(self.looks) or self.looks < 1:
            raise ValueError(f"looks of an impulse response must be a whole number >= 1, got {self.looks}")
        if len(self.bandwidth) != 2 or not all(0 < share <= 1 for share in self.bandwidth):
            raise ValueError(f"bandwidth must be two shares in (0, 1], got {self.bandwidth}")
        if not 0.5 <= self.hamming <= 1:
            raise ValueError(f"hamming must lie in [0.5, 1], got {self.hamming}")
        if len(self.multilook) != 2 or not all(m == int(m) and m >= 1 for m in self.multilook):
            raise ValueError(f"multilook must be two whole numbers >= 1, got {self.multilook}")

    def weights(self, count: int, axis: int) -> NDArray[np.float64]:
        """Spectral weights of `count` samples along `axis` (0 rows, 1 cols), in the order of `numpy.fft.fftfreq`."""
        frequency, share = np.fft.fftfreq(count), self.bandwidth[axis]
        window = self.hamming + (1 - self.hamming) * np.cos(2 * math.pi * frequency / share)
        return np.where(np.abs(frequency) <= share / 2, window, 0.0)

    def correlation(self, lag: int, axis: int) -> float:
        """Autocorrelation of the resulting intensity at `lag` pixels along `axis` (0 rows, 1 cols)."""
        return self._block_covariance(lag, axis) / self._block_covariance(0, axis)

    @cached_property
    def enl(self) -> float:
        """Equivalent number of looks of the result: `looks`, times what averaging correlated pixels still gains."""
        return self.looks / (self._block_covariance(0, 0) * self._block_covariance(0, 1))

    def _block_covariance(self, lag: int, axis: int) -> float:
        """Covariance of two block means, in units of the variance of a pixel before multilooking."""
        m = self.multilook[axis]
        offsets = np.arange(1 - m, m)
        return float(((m - np.abs(offsets)) / m**2) @ self._pixel_correlation(lag * m + offsets, axis))

    def _pixel_correlation(self, lags: NDArray[np.int_], axis: int) -> NDArray[np.float64]:
        """Of detected circular Gaussian pixels: the squared modulus of their complex coherence (Siegert relation)."""
        power = self.weights(4096, axis) ** 2
        frequency = np.fft.fftfreq(power.size)
        coherence = np.cos(2 * math.pi * np.multiply.outer(lags, frequency)) @ power / power.sum()
        return np.asarray(coherence**2)


def correlated_speckle(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    looks: int = 4,
    bandwidth: tuple[float, float] = (0.38, 0.38),
    hamming: float = 0.75,
    multilook: tuple[int, int] = (1, 1),
) -> NDArray[np.float32]:
    """Draw speckle of mean one with the autocorrelation that an impulse response leaves.

    The parameters are those of `ImpulseResponse`, which also gives the correlation and the equivalent number of
    looks to expect.

    Returns
    -------
    ndarray (rows, cols)
        Intensity factors (linear), float32, mean 1 in expectation.

    Examples
    --------
    >>> n = correlated_speckle((512, 512), np.random.default_rng(0), looks=4)
    >>> round(float(1 / n.var())), round(ImpulseResponse(looks=4).correlation(1, axis=0), 2)
    (4, 0.74)
    """
    response = ImpulseResponse(looks=looks, bandwidth=bandwidth, hamming=hamming, multilook=multilook)
    factors = response.multilook
    fine = tuple(side * m + 2 * _MARGIN for side, m in zip(shape, factors, strict=True))
    rows, cols = response.weights(fine[0], 0), response.weights(fine[1], 1)
    # Unit power on average: an inverse transform of white noise of variance s^2 has power s^2 / pixels.
    rows *= math.sqrt(fine[0] / (rows**2).sum())
    cols *= math.sqrt(fine[1] / (cols**2).sum())
    window = (np.outer(rows, cols) * math.sqrt(fine[0] * fine[1] / 2)).astype(np.float32)
    total = np.zeros(fine, np.float32)
    for _ in range(response.looks):
        # The spectrum of white circular noise is white circular noise: it is drawn there directly.
        real, imaginary = rng.standard_normal((2, *fine), dtype=np.float32)
        field = np.fft.ifft2(window * (real + 1j * imaginary))
        total += (field.real**2 + field.imag**2).astype(np.float32)
    inside = total[_MARGIN : fine[0] - _MARGIN, _MARGIN : fine[1] - _MARGIN] / response.looks
    blocks = inside.reshape(shape[0], factors[0], shape[1], factors[1])
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64), dtype=np.float32)
