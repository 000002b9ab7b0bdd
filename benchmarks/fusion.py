"""Fusion of real optical and SAR pairs: every method, side by side, on one grey scale.

The SAR image (first polarisation) is despeckled, and both are put on one grid and one scale of grey as `sardiff fuse`
does: the mean of red, green and blue, and decibels, each from its 1 to its 99 % quantile over the scene, in eight bits.
A is the optical image, B the despeckled SAR image, F their fusion. Every method has the same weight. Metrics are those
of `sardiff score --fusion`; CE is better where it is lower, all others where they are higher.

Beside the methods stand the two sources themselves: to copy one of them is best in MI and VIF, and no fusion; and the
"restored mean", where the methods with a prior begin and whose edges they follow: what the prior and the Laplace terms
make of it is the difference. Seconds are those of the processor, without despeckling, per megapixel of one tile.

"water": of the Sen1Floods11 pair, how well one threshold on a grey image tells hand-drawn water from land, within a few
pixels of its edge (area under the ROC curve; 0.5: not at all); also by "dps" of other weights.

With `--out FOLDER`: optical | SAR | fused by four methods, a picture for each pair.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import record
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.stats import rankdata

from geo_io import open_raster
from sardiff.classical.restored_mean import restored_mean
from sardiff.metrics import FUSION_BETTER, fusion_metrics, to_grey8
from sardiff.tasks.despeckle_scene import despeckle_file
from sardiff.tasks.fuse import METHODS, Fuse, FuseTiles, overlap_for
from sardiff.tasks.inputs import Looks, settle_looks
from sardiff.tasks.levels import Levels, measure_levels
from sardiff.tasks.pair import Pair
from sardiff.tasks.placing import paired
from sardiff.tasks.scene import scene_layout
from sardiff.units import grey_from_log_luminance
from tiling import Span, Tile, Window, map_tiles

BESIDE = ("optical", "SAR", "restored mean")  # rows that are no method, and have no rank
WATER_WEIGHTS = (0.7, 0.9, 1.0)
SHOWN = ("brovey", "pyramid", "gradient-transfer", "dps")  # in pictures
MEASURES = ("mi", "nmi", "ce", "psnr", "ssim", "vif", "viff", "qabf", "scd", "en", "sd", "sf", "ag")
DECIDE = ("mi", "psnr", "ssim", "viff")
EDGE = 5  # pixels to either side of the water's edge
TIMED = 512  # pixels: side of the tile whose computation is timed
Image = NDArray[np.floating]


@dataclass(frozen=True)
class Two:
    """A pair below the shared data: SAR band, values, and optical bands as red, green, blue."""

    name: str
    sar: str
    optical: str
    rgb: tuple[int, int, int]
    values: str = "auto"
    labels: str = ""


PAIRS = (
    Two("terramind-282", "terramind/282D_485L_3_3_s1rtc_dB.tif", "terramind/282D_485L_3_3_s2l2a.tif", (4, 3, 2)),
    Two("terramind-38", "terramind/38D_378R_2_3_s1rtc_dB.tif", "terramind/38D_378R_2_3_s2l2a.tif", (4, 3, 2)),
    Two("terramind-433", "terramind/433D_629L_3_1_s1rtc_dB.tif", "terramind/433D_629L_3_1_s2l2a.tif", (4, 3, 2)),
    Two(
        "bigearthnet-87",
        "bigearthnet/S2A_MSIL2A_20170613T101031_87_48_s1_dB.tif",
        "bigearthnet/S2A_MSIL2A_20170613T101031_87_48_s2l2a_10m.tif",
        (3, 2, 1),
    ),
    Two(
        "bigearthnet-69",
        "bigearthnet/S2B_MSIL2A_20170924T93020_69_24_s1_dB.tif",
        "bigearthnet/S2B_MSIL2A_20170924T93020_69_24_s2l2a_10m.tif",
        (3, 2, 1),
    ),
    Two(
        "sen1floods11",
        "sen1floods11/Spain_7370579_S1Hand.tif",
        "sen1floods11/Spain_7370579_S2Hand.tif",
        (4, 3, 2),
        labels="sen1floods11/Spain_7370579_LabelHand.tif",
    ),
    Two("volkov-214", "volkov/214_sar_vh.tif", "volkov/214_opt_rgb.tif", (1, 2, 3), values="amplitude"),
    Two("spacenet6", "spacenet6/rotterdam_sar_quadpol_dB.tif", "spacenet6/rotterdam_rgb.tif", (1, 2, 3), values="db"),
)


@dataclass(frozen=True)
class Opened:
    """A pair on one grid: despeckled, and as it was measured where that lies on the same grid."""

    two: Two
    clean: Pair
    levels: Levels
    speckled: Pair
    speckled_levels: Levels
    looks: Looks


def opened(two: Two, folder: Path, quality: str) -> Opened:
    """Despeckle the SAR image of a pair, and see both on the optical grid; for "joint" on that of SAR."""
    root = record.data_folder() / "sar" / "pairs"
    radar = open_raster(root / two.sar, values=two.values, bands=(1,))  # type: ignore[arg-type]
    light = open_raster(root / two.optical, values="physical", bands=two.rgb)
    out = folder / f"{two.name}.tif"
    despeckle_file(root / two.sar, out, values=two.values, bands=(1,), units="db", quality=quality)
    clean = paired(open_raster(out, values="db"), light, light.grid, None, (), speckled=False)
    speckled = paired(radar, light, radar.grid, None, (), speckled=True)
    return Opened(two, clean, measure_levels(clean), speckled, measure_levels(speckled), settle_looks(radar, "auto"))


def fused(case: Opened, method: str, options: argparse.Namespace) -> tuple[Image, float | None]:
    """Fuse by one method: grey of the whole scene, and CPU seconds per megapixel of a tile, if the scene holds one."""
    joint = method == "joint"
    pair, levels = (case.speckled, case.speckled_levels) if joint else (case.clean, case.levels)
    settings = Fuse(
        method=method,
        weight=options.weight,
        looks=case.looks.value,
        correlation=case.looks.area or 1.0,
        seed=options.seed,
        steps=2 if options.quick and method in ("vds",) else None,
    )
    apply = FuseTiles(settings, levels, Path(options.weights), options.device)
    layout = scene_layout(pair.grid.shape, tile=1024, overlap=overlap_for(settings, apply.prior), stride=apply.stride)
    lazy = map_tiles(apply, pair, layout, out_bands=1)
    logs = lazy.compute(scheduler="synchronous")[0]
    seconds = None
    if min(pair.grid.shape) >= TIMED:
        span = Span(0, TIMED)
        tile = Tile((0, 0), Window(span, span), Window(span, span))
        pixels = pair[slice(0, pair.shape[0]), span.slice, span.slice][None]
        began = time.process_time()
        apply(pixels, [tile])
        seconds = (time.process_time() - began) / (TIMED**2 / 1e6)
    return grey_from_log_luminance(logs), seconds


def greys(case: Opened) -> tuple[Image, Image]:
    """Both sources, whole."""
    pixels = case.clean[tuple(slice(0, n) for n in case.clean.shape)]  # type: ignore[index]
    optical, sar = case.levels.grey(pixels)
    return optical, sar


def beside(case: Opened, name: str, options: argparse.Namespace) -> Image:
    """What stands in the table beside the methods."""
    optical, sar = greys(case)
    if name != "restored mean":
        return {"optical": optical, "SAR": sar}[name]
    seen = np.isfinite(optical) & np.isfinite(sar)
    light, radar = (torch.from_numpy(np.where(seen, image, 0.5))[None, None] for image in (optical, sar))
    return np.where(seen, restored_mean(light, radar, options.weight).numpy()[0, 0], np.nan)


def score(case: Opened, grey: Image) -> dict[str, float]:
    """Metrics of one result, against the greys of both sources."""
    optical, sar = greys(case)
    if grey.shape != optical.shape:  # "joint" on a grid of its own: a metre or less away, if the shapes agree
        return {}
    seen = np.isfinite(optical) & np.isfinite(sar)
    images = [to_grey8(np.where(seen, image, np.nan), 0.0, 1.0) for image in (optical, sar, grey)]
    return {name: value for name, value in fusion_metrics(*images).items() if name in MEASURES}


def separability(image: Image, water: NDArray[np.bool_], near: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of a threshold, whichever side is water."""
    use = near & np.isfinite(image)
    ranks = rankdata(image[use])
    inside = water[use]
    n, m = int(inside.sum()), int((~inside).sum())
    area = (ranks[inside].sum() - n * (n + 1) / 2) / (n * m)
    return float(max(area, 1 - area))


def water_edge(two: Two) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where water is, and the pixels within `EDGE` of its edge."""
    labels = open_raster(record.data_folder() / "sar" / "pairs" / two.labels, values="physical")
    found = labels[slice(0, 1), slice(0, labels.shape[1]), slice(0, labels.shape[2])][0]
    water, known = found == 1, found >= 0
    near = binary_dilation(water, iterations=EDGE) & binary_dilation(known & ~water, iterations=EDGE) & known
    return water, near


def ranks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over pairs by method, and its rank among the methods that fuse."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    means = []
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        mean = {key: float(np.nanmean([row[key] for row in own])) for key in own[0] if key in MEASURES}
        seconds = _median([row["cpu s/MP"] for row in own])
        means.append({"method": method, **mean, "cpu s/MP": seconds, "pairs": len(own)})
    real = [row for row in means if row["method"] not in BESIDE]
    for row in means:
        for key in DECIDE:
            sign = 1 if FUSION_BETTER[key] == "higher" else -1
            ahead = sum(sign * other[key] > sign * row[key] for other in real)
            row[f"{key} rank"] = ahead + 1 if row in real else None
    return means


def _median(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return float(np.median(known)) if known else None


def picture(case: Opened, images: dict[str, Image], to: Path) -> None:
    """Optical | SAR | fused by four methods, at most 512 pixels high each."""
    from skimage.io import imsave

    optical, sar = greys(case)
    parts = [optical, sar, *(images[name] for name in SHOWN if name in images)]
    whole = np.concatenate([np.clip(np.nan_to_num(part[:512, :512]), 0, 1) for part in parts], axis=1)
    imsave(to, (255 * whole).astype(np.uint8), check_contrast=False)


def main(arguments: Sequence[str] | None = None) -> None:
    import tempfile

    parser = record.parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--pairs", default=",".join(two.name for two in PAIRS), help="by commas")
    parser.add_argument("--methods", default=",".join(METHODS[1:]), help="by commas")
    parser.add_argument("--weight", type=float, default=Fuse().weight, help="0: optical, 1: SAR")
    parser.add_argument("--quality", default="fast", help="of despeckling")
    parser.add_argument("--out", type=Path, help="folder for pictures")
    record.network_options(parser)
    options = parser.parse_args(arguments)
    chosen = [two for two in PAIRS if two.name in options.pairs.split(",")]
    methods = options.methods.split(",")
    if options.quick:
        chosen, methods = chosen[3:4], ["brovey", "dps"]
    record.use_threads(options.threads)
    dask.config.set(scheduler="synchronous")
    began, rows, water = time.monotonic(), [], []
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for two in chosen:
            case = opened(two, Path(folder), options.quality)
            images: dict[str, Image] = {}
            for method in (*BESIDE, *methods):
                grey, seconds = (
                    (beside(case, method, options), None) if method in BESIDE else fused(case, method, options)
                )
                images[method] = grey
                found = score(case, grey)
                if found:
                    rows.append({"pair": two.name, "method": method, **found, "cpu s/MP": seconds})
            print(f"{two.name}: done", file=sys.stderr, flush=True)
            if two.labels:
                water = water_rows(case, images, options)
            if options.out:
                picture(case, images, options.out / f"fused-{two.name}.png")
    means = ranks(rows)
    record.table(
        [{key: row[key] for key in row if key in ("method", *MEASURES[:9], "cpu s/MP")} for row in means], "Mean"
    )
    record.table(water, "Water against land near its edge")
    results = {"prior": record.weights(options.weights), "means": means, "water": water, "rows": rows}
    record.emit("fusion", options, results, began=began)


def water_rows(case: Opened, images: dict[str, Image], options: argparse.Namespace) -> list[dict[str, Any]]:
    """How separable water is near its edge, in both sources and in what each method makes of them."""
    water, near = water_edge(case.two)
    whole = dict(images)
    for weight in () if options.quick else WATER_WEIGHTS:
        given = argparse.Namespace(**{**vars(options), "weight": weight})
        whole[f"dps, weight {weight:g}"] = fused(case, "dps", given)[0]
    return [{"image": name, "AUC": separability(image, water, near)} for name, image in whole.items()]


if __name__ == "__main__":
    main()
