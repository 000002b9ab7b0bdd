"""Three bands as one colour picture: optical ones as they are, two polarisations and their ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sardiff.plot.grey import Stretch

__all__ = ["Composite"]

OPTICAL = (0.01, 0.99)  # quantiles of each band that become dark and bright


class Composite:
    """How bands become red, green and blue; the same for several images, that they can be compared.

    Of a radar scene red is the first band, green the second, blue the first over the second, each in dB: water is dark,
    fields blue, forests green, buildings white or red, if the first is co- and the second cross-polarised. Of other
    images the first three bands; of one or two bands all three are the first.

    Parameters
    ----------
    image : array (bands, rows, cols)
        Linear intensity if `radar`, else any values; NaN: not measured. The stretch is chosen by it.
    radar : bool
        Whether it is backscatter.
    """

    def __init__(self, image: NDArray[np.floating[Any]], *, radar: bool) -> None:
        self.radar = radar and len(image) > 1
        self.stretches: list[Stretch] = []
        if self.radar:
            self.stretches = [Stretch.of(band) for band in self._bands(image)]
        else:
            for band in self._bands(image):
                known = band[np.isfinite(band)]
                low, high = (float(q) for q in np.quantile(known, OPTICAL)) if known.size else (0.0, 1.0)
                self.stretches.append(Stretch(low, high if high > low else low + 1.0, "physical"))

    def __call__(self, image: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return red, green and blue from 0 to 1, (rows, cols, 3); NaN where a band was not measured."""
        bands = [stretch(band) for stretch, band in zip(self.stretches, self._bands(image), strict=True)]
        rgb = np.stack(bands, axis=-1)
        rgb[np.isnan(rgb).any(axis=-1)] = np.nan
        return rgb

    def _bands(self, image: NDArray[np.floating[Any]]) -> Sequence[NDArray[np.floating[Any]]]:
        if self.radar:
            return image[0], image[1], image[0] / image[1]
        return tuple(image[:3]) if len(image) >= 3 else (image[0],) * 3
