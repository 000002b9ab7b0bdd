"""What stored pixels mean: linear intensity, amplitude or decibels, told by tags and statistics; or what they say."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo_io.errors import LooksOptical, ReadError, UnclearValues

__all__ = [
    "Detected",
    "Hint",
    "Units",
    "Values",
    "detect_values",
    "from_intensity",
    "speaks_of_pixels",
    "to_intensity",
    "zeros_are_fill",
]

Values = Literal["intensity", "amplitude", "db", "complex", "physical"]
Units = Literal["intensity", "amplitude", "db", "physical"]

DB_PER_LOG = 10 / math.log(10)

WORDS: dict[Units, frozenset[str]] = {  # the first kind found decides: "Intensity_VV_db" is decibels
    "db": frozenset(("db", "decibel", "decibels", "vvdb", "vhdb", "hhdb", "hvdb")),
    "amplitude": frozenset(("amplitude", "amp", "magnitude")),
    "intensity": frozenset(("intensity", "linear", "lin", "power")),
}
BACKSCATTER = frozenset(("sigma", "gamma", "beta", "rtc", "nrb", "backscatter", "naught", "nought"))
NOT_BACKSCATTER = frozenset(("angle", "incidence", "dem", "elevation", "mask", "layover", "shadow", "label", "class"))
OPTICAL = re.compile(r"B(?:0?[1-9]|8A|1[0-2])$")

# A single look of amplitude has a coefficient of variation of .523 in a homogeneous area, and more looks less.
MOST_CV_OF_AMPLITUDE = 0.523
CLEAR_CV = 0.62
# Keys of tags that say how the image was resampled ("linear"), or how one would convert it, not what is stored.
OTHER_MATTERS = ("resampl", "interp", "equation", "conversion")
SAY = "say --values intensity, amplitude or db"


@dataclass(frozen=True)
class Hint:
    """Something a file says in words: `where` for people ("the description of band 1"), and the `text` itself."""

    where: str
    text: str


@dataclass(frozen=True)
class Detected:
    """What the pixels of a file mean, and a sentence that says why we think so."""

    values: Values
    reason: str


def to_intensity(stored: NDArray[Any], values: Values) -> NDArray[np.float32]:
    """Return linear intensity (power), NaN where a pixel is not a measurement.

    Parameters
    ----------
    stored : ndarray
        Physical pixels (scale and offset applied), any shape; NaN: not measured.
    values : {"intensity", "amplitude", "db", "complex", "physical"}
        What they mean. "physical" is no backscatter (reflectance, digital counts, elevation) and stays what it is,
        with every finite value a measurement. Zero and negative intensities and amplitudes (fill, or thermal noise
        removed) are no measurements; in decibels every finite value is (but see `zeros_are_fill`). An intensity beyond
        float32 is none either.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if values == "physical":
            pixels = np.asarray(stored, np.float32)
            return np.where(np.isfinite(pixels), pixels, np.float32(np.nan))
        if values == "db":
            # The exponent in float64 for what float32 would round by some 1e-5 dB.
            intensity = np.exp(np.asarray(stored, np.float64) / DB_PER_LOG).astype(np.float32)
        elif values == "complex":
            z = np.asarray(stored)
            intensity = (np.square(z.real, dtype=np.float32) + np.square(z.imag, dtype=np.float32)).astype(np.float32)
        else:
            pixels = np.asarray(stored, np.float32)
            intensity = pixels * np.abs(pixels) if values == "amplitude" else pixels.copy()
        intensity = np.asarray(intensity)
        np.copyto(intensity, np.nan, where=~((intensity > 0) & (intensity < np.inf)))
    return intensity


def zeros_are_fill(values: Values, dtype: str) -> bool:
    """Whether a stored zero is no measurement although its value could be one: in decibels, stored as floats.

    Programs that export decibels leave the border of the image at zero and name no nodata; a float that was measured
    is hardly ever zero exactly. Whole decibels are, so they stay measurements.
    """
    return values == "db" and dtype.startswith("float")


def from_intensity(intensity: NDArray[np.floating[Any]], units: Units) -> NDArray[np.float32]:
    """Return linear intensity in other units, the inverse of `to_intensity`; NaN stays NaN, "physical" as it is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if units == "db":
            out = DB_PER_LOG * np.log(np.asarray(intensity, np.float64))
        elif units == "amplitude":
            out = np.sqrt(np.asarray(intensity))
        else:
            out = np.asarray(intensity)
    return out.astype(np.float32)


def detect_values(
    windows: Sequence[NDArray[np.floating[Any]]],
    *,
    name: str,
    dtype: str,
    hints: Sequence[Sequence[Hint]] = (),
    file_name: str = "",
) -> Detected:
    """Decide what a file's pixels mean.

    What the file says in words comes first, as far as the pixels bear it out; then decibels show by their
    negative values, digital numbers by being whole, single looks of intensity by speckle stronger than any
    amplitude has; a word in the file's name comes last.

    Parameters
    ----------
    windows : sequence of ndarray
        Part of the scene, each (bands, h, w): physical pixels, NaN where nodata or masked.
    name : str
        For messages.
    dtype : str
        Of the stored pixels.
    hints : sequence of sequences of Hint
        What the file says, the most trustworthy kind first (band units, descriptions, tags).
    file_name : str
        A last resort.

    Raises
    ------
    ReadError
        When nothing was measured, when the pixels are no backscatter, or when it cannot be told.
    """
    pixels = _Pixels(windows)
    if not pixels.count:
        raise ReadError(f"{name} has no measured pixel: all are nodata, masked or not finite; choose another file")
    whole = dtype.startswith(("uint", "int")) and pixels.whole
    _refuse_other_kinds(pixels, whole, name, hints)

    backscatter: Hint | None = None
    for level in hints:
        said = [(kind, hint) for hint in level if (kind := _kind(hint.text)) is not None]
        if len({kind for kind, _ in said}) > 1:
            words = " but ".join(f"{hint.where} says {hint.text[:60]!r}" for _, hint in said[:2])
            raise ReadError(f"{name} mixes kinds of pixels: {words}; {SAY}, or choose bands that are alike")
        if said:
            kind, hint = said[0]
            _check_borne_out(pixels, kind, hint, name)
            return Detected(kind, f"{hint.where} says {hint.text[:60]!r}")
        backscatter = backscatter or next((hint for hint in level if _words(hint.text) & BACKSCATTER), None)

    if pixels.like_decibels:
        return Detected("db", f"{pixels.negative:.0%} of the pixels are negative, most lie from {pixels.range_text}")
    if pixels.negative > 0.5 or (pixels.negative > 0 and whole):
        raise ReadError(f"{name} holds values from {pixels.range_text}, like neither power nor decibels; {SAY}")
    if pixels.whole and pixels.median >= 20 and not dtype.startswith(("uint8", "int8")):
        return Detected("amplitude", f"the pixels are whole numbers up to {pixels.high:.0f}, as digital numbers are")
    if backscatter is not None and not pixels.whole:
        return Detected("intensity", f"{backscatter.where} says {backscatter.text[:60]!r}, and values are positive")
    cv = _speckle(windows)
    if cv > CLEAR_CV:
        return Detected(
            "intensity",
            f"speckle varies by {cv:.2f} of its mean even in the calmest areas, and amplitude by no more than "
            f"{MOST_CV_OF_AMPLITUDE}",
        )
    named = _kind(file_name)
    if named is None and not pixels.whole and _words(file_name) & BACKSCATTER:
        return Detected("intensity", f"the file's name speaks of backscatter ({file_name!r}), and values are positive")
    if named in ("amplitude", "intensity"):
        return Detected(named, f"the file's name says so ({file_name!r}), and nothing speaks against it")
    raise UnclearValues(
        f"{name} does not say whether its pixels are intensity or amplitude, and its values ({pixels.range_text}) "
        f"could be either; {SAY}"
    )


def speaks_of_pixels(key: str, text: str) -> bool:
    """Whether a tag can be a hint at all: not a record in JSON or XML, nor about something else than what is stored."""
    return not text.lstrip().startswith(("{", "[", "<")) and not any(word in key.lower() for word in OTHER_MATTERS)


class _Pixels:
    """Statistics of what was measured, without fill values."""

    def __init__(self, windows: Sequence[NDArray[np.floating[Any]]]) -> None:
        # Fill far below any decibel, and zeros, which are fill in most files, would bend the statistics.
        kept = [w[np.isfinite(w) & (w > -300) & (w != 0)] for w in windows]
        x = np.concatenate([*kept, np.empty(0)]).astype(np.float64)
        self.count = x.size
        if not x.size:
            return
        self.low, self.median, self.high = (float(q) for q in np.quantile(x, (0.01, 0.5, 0.99)))
        self.negative = float((x < 0).mean())
        self.whole = bool((x == np.round(x)).all())
        self.kinds = len(np.unique(x[:: max(1, x.size // 200_000)]))

    @property
    def like_decibels(self) -> bool:
        return self.negative > 0.02 and self.low < -3 and -60 < self.median < 30 and self.high < 60

    @property
    def range_text(self) -> str:
        return f"{self.low:.3g} to {self.high:.3g}"


def _refuse_other_kinds(pixels: _Pixels, whole: bool, name: str, hints: Sequence[Sequence[Hint]]) -> None:
    for level in hints:
        for hint in level:
            band = "band" in hint.where
            if band and OPTICAL.match(hint.text.strip()):
                raise LooksOptical(
                    f"{name} looks optical ({hint.where} is {hint.text!r}); give a radar image, or {SAY}"
                )
            if band and _words(hint.text) & NOT_BACKSCATTER:
                raise ReadError(
                    f"{name} holds more than backscatter ({hint.where} is {hint.text!r}): choose its other bands with "
                    "--bands"
                )
    if whole and pixels.kinds <= 16:
        raise ReadError(
            f"{name} holds only {pixels.kinds} different whole numbers, as a map of classes does; "
            f"give a radar image, or {SAY}"
        )


def _check_borne_out(pixels: _Pixels, kind: Units, hint: Hint, name: str) -> None:
    wrong = pixels.negative < 0.01 if kind == "db" else pixels.like_decibels and pixels.median < -1
    if wrong:
        raise ReadError(
            f"{name} contradicts itself: {hint.where} says {hint.text[:60]!r}, but {pixels.negative:.0%} of its values "
            f"({pixels.range_text}) are negative; {SAY}"
        )


def _kind(text: str) -> Units | None:
    words = _words(text)
    return next((kind for kind, known in WORDS.items() if words & known), None)


def _words(text: str) -> frozenset[str]:
    parts = re.findall(r"[A-Z]?[a-z]+", text)  # of "localIncidenceAngle"
    return frozenset(re.findall(r"[a-z]+", text.lower())) | frozenset(part.lower() for part in parts)


def _speckle(windows: Sequence[NDArray[np.floating[Any]]], side: int = 16, least: int = 32) -> float:
    """Coefficient of variation in the calmest tenth of small squares; 0 where there are too few to tell."""
    found: list[NDArray[Any]] = []
    for window in windows:
        bands, rows, cols = window.shape
        if rows < side or cols < side:
            continue
        cut = window[:, : rows - rows % side, : cols - cols % side].astype(np.float64)
        squares = cut.reshape(bands, rows // side, side, cols // side, side).swapaxes(2, 3).reshape(-1, side * side)
        squares = squares[(squares > 0).all(axis=1)]  # NaN compares false
        found.append(squares.std(axis=1) / squares.mean(axis=1))
    cv = np.concatenate([*found, np.empty(0)])
    return float(np.quantile(cv, 0.1)) if cv.size >= least else 0.0
