"""The numbers of `sardiff score`, each with a plain sentence on what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from geo_io import ReadError
from sardiff.metrics import FUSION_BETTER
from sardiff.report.scenes import Scenes
from sardiff.tasks.result import Compared
from sardiff.tasks.score import score_band, score_fusion

__all__ = ["Number", "Table", "numbers_of", "said"]

LARGEST = 4096  # pixels: side of the middle of a fusion that is judged; all of a large scene would take long


@dataclass(frozen=True)
class Number:
    """One row: NaN in `before` or `after` says nothing, `ideal` is a number or a word."""

    key: str
    name: str
    before: float
    after: float
    ideal: float | str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """The numbers of one band, or of a fusion, and the part of the scene they are taken from."""

    title: str
    rows: tuple[Number, ...]
    part: str


MEANINGS: dict[str, tuple[str, str]] = {
    "psnr": ("Peak signal to noise", "How far amplitudes are from the truth: every 6 dB halves the error."),
    "ssim": ("Structural similarity", "How alike image and truth look, window by window: 1 is the same."),
    "rmse": ("Typical error", "Root mean square of the error in decibels, against the truth."),
    "mae": ("Mean error", "Mean of the error in decibels without its sign, against the truth."),
    "bias": ("Bias of power", "Whether the image as a whole is too bright or too dark, against the truth."),
    "power": ("Mean intensity kept", "Mean intensity after over before: 1 means that measurements stay calibrated."),
    "enl": (
        "Looks over even ground",
        "Equivalent number of looks: how many independent measurements a pixel is worth. The more, the smoother.",
    ),
    "ratio_mean": ("Ratio, mean", "What was taken away, before over after: 1 means neither brighter nor darker."),
    "ratio_variance": (
        "Ratio, variance",
        "How much was taken away. At the ideal, 1 over the looks, it is all of the speckle and nothing else; less is "
        "too timid, more takes detail along.",
    ),
    "ratio_lag1_rows": (
        "Ratio, correlation down",
        "Whether what was taken away goes together from one row to the next, as the speckle itself does.",
    ),
    "ratio_lag1_cols": (
        "Ratio, correlation across",
        "The same from one column to the next. More than the speckle's means that structure went with it.",
    ),
    "ratio_structure": (
        "Ratio, structure left",
        "Whether the ground can be seen in what was taken away: 0 is no; above it contrasts were flattened, below "
        "overdone.",
    ),
    "edges": (
        "Edges kept",
        "Contrast across the strongest edges, after over before. Without a truth some of these edges are speckle, so a "
        "good result stays below 1.",
    ),
}

RESTORED_MEANINGS: dict[str, tuple[str, str]] = {
    "psnr": ("Peak signal to noise", "How far the image is from the truth: every 6 dB halves the error."),
    "ssim": ("Structural similarity", "How alike image and truth look, window by window: 1 is the same."),
    "rmse": ("Typical error", "Root mean square of the error, against the truth."),
    "bias": ("Bias", "Whether what was filled is too bright or too dark, against the truth."),
    "held": (
        "Uncertainty, how often right",
        "Share of the truth that lies within the stated 90 %: below, it promises too much.",
    ),
    "gaps": ("Gaps", "Share of pixels without a value. What is left was wider than was to be filled."),
    "filled": ("Filled", "Share of pixels that are new: everything else is as it was measured."),
    "texture": (
        "Texture of what was filled",
        "How much it varies from pixel to pixel, over how much the ground around does: below 1 it is smoother.",
    ),
    "seam": (
        "Seams",
        "Steps across the rims of gaps, over those between neighbours that were measured: above 1 the rims show.",
    ),
    "step": ("Step from pixel to pixel", "Mean difference of neighbours: sharp images have more, noisy ones too."),
    "mean": ("Mean changed", "Mean of after less before: taking a blur out moves brightness, and makes none."),
    "residual": (
        "What is left unexplained",
        "The result, blurred again, should be the image before but for its noise. More: it was not this blur; less: "
        "noise was taken for detail.",
    ),
    "residual_lag1_rows": (
        "Unexplained, correlation down",
        "Whether that goes together from one row to the next: noise does not, detail that was lost or invented does.",
    ),
    "residual_lag1_cols": ("Unexplained, correlation across", "The same from one column to the next."),
}

FUSION_MEANINGS: dict[str, tuple[str, str]] = {
    "mi": ("Mutual information", "Bits that the fused image has in common with the sources."),
    "nmi": ("Mutual information, normalised", "The same over the bits there are: 2 at most."),
    "ce": ("Cross entropy", "Bits lost if the greys of the fused image stood for those of the sources."),
    "psnr": ("Peak signal to noise", "How near the fused greys are to those of both sources, in dB."),
    "psnr_a": ("Peak signal to noise, optical image", "How near they are to those of the optical image alone."),
    "psnr_b": ("Peak signal to noise, SAR image", "How near they are to those of the SAR image alone."),
    "ssim": ("Structural similarity", "How alike fused image and sources look, window by window: 1 is the same."),
    "ssim_a": ("Structural similarity, optical image", "How alike it and the optical image look."),
    "ssim_b": ("Structural similarity, SAR image", "How alike it and the SAR image look; speckle counts as structure."),
    "vif": ("Visual information", "How much of what an eye would see in the sources can be seen in the fused image."),
    "vif_a": ("Visual information, optical image", "How much of the optical image can be seen in the fused one."),
    "vif_b": (
        "Visual information, SAR image",
        "How much of the SAR image can be seen in the fused one.",
    ),
    "viff": ("Visual information for fusion", "How much can be seen of whichever source shows more at a place."),
    "qabf": ("Edges kept", "How well strength and direction of the sources' edges were kept: .975 at most."),
    "scd": ("Correlations of differences", "Whether each source is found in what the fused image adds to the other."),
    "en": ("Entropy", "Bits that a pixel of the fused image holds; noise raises it too."),
    "sd": ("Contrast", "Standard deviation of the fused greys, of 255."),
    "sf": ("Spatial frequency", "How fast greys change from pixel to pixel; noise raises it too."),
    "ag": ("Average gradient", "How steep the greys are on average; noise raises it too."),
}


def numbers_of(scenes: Scenes, looks: float | Literal["auto"]) -> list[Table]:
    """Score every band, or the fusion, exactly as `sardiff score` does."""
    if scenes.kind == "fused":
        optical, sar, fused = (scenes.rasters[role] for role in ("optical", "sar", "fused"))
        found = score_fusion(optical, sar, fused, in_db=True, at_most=LARGEST)
        rows = tuple(
            Number(
                key, FUSION_MEANINGS[key][0], math.nan, value, FUSION_BETTER[key], _unit(key), FUSION_MEANINGS[key][1]
            )
            for key, value in found.metrics.items()
        )
        part = f"{_part(found.window, found.whole)} {found.pixels:,} pixels were measured in all three images."
        return [Table("Fusion", rows, part)]
    compared = scenes.compared
    assert compared is not None
    meanings = MEANINGS if compared.task == "despeckle" else RESTORED_MEANINGS
    return [_of_band(compared, band, name, looks, meanings) for band, name in enumerate(scenes.bands)]


def said(value: float) -> str:
    """A number for people: "\u2013" where there is none."""
    if math.isnan(value):
        return "\u2013"
    if math.isinf(value):
        return "more" if value > 0 else "less"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return text.replace("-", "\u2212")


def _of_band(
    compared: Compared,
    band: int,
    name: str,
    looks: float | Literal["auto"],
    meanings: Mapping[str, tuple[str, str]],
) -> Table:
    try:
        found = score_band(compared, band, looks=looks)
    except ReadError as error:  # nothing is known of this band there: the others may have something to say
        return Table(name, (), f"No numbers: {error}.")
    rows = tuple(
        Number(key, meanings[key][0], row.before, row.after, row.ideal, row.unit, meanings[key][1])
        for key, row in found.rows.items()
    )
    return Table(name, rows, _part(found.window, found.whole))


def _part(window: tuple[slice, slice], whole: bool) -> str:
    rows, cols = window
    if whole:
        return "All of the scene."
    return f"The middle of the scene: rows {rows.start} to {rows.stop}, columns {cols.start} to {cols.stop}."


def _unit(key: str) -> str:
    return "dB" if key.startswith("psnr") else "bits" if key in ("mi", "ce", "en") else ""
