"""Real files in and out: is the georeferencing the same, and what does the despeckled image look like?

Sentinel-1 GRD and RTC crops, Capella single-look complex images, a raster with control points alone, and dates of
OPERA stacks go through `despeckle_file`. Both files are read back; grid, CRS, control points, nodata pixels, band
names and tags are compared. With --out a picture of each, before | after | ratio, is written.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import record
from numpy.typing import NDArray

from geo_io import GeoIOError, Source, open_raster
from sardiff import plot
from sardiff.errors import SardiffError
from sardiff.metrics import enl, estimate_looks, homogeneous_windows, ratio_statistics
from sardiff.priors.checkpoint import SHIPPED
from sardiff.tasks.despeckle_scene import despeckle_file
from sardiff.tasks.inputs import settle_looks

LAGS = 3
Image = NDArray[np.floating]


@dataclass(frozen=True)
class Scene:
    """A file below the shared data, and which of its bands to take out into a file of its own first (0: none)."""

    name: str
    path: str
    date: int = 0
    looks: float | str = "auto"


SCENES = (
    Scene("slovakia-vv", "scenes/s1_grd_slovakia_vv_dB_512.tif"),
    Scene("slovakia-vh", "scenes/s1_grd_slovakia_vh_dB_512.tif"),
    Scene("alps", "scenes/s1c_rtc_alps_vv_gamma0lin_1024.tif"),
    Scene("capella-vv", "slc/capella_sn6_rotterdam_vv_slc.tif"),
    Scene("capella-hh", "slc/capella_sn6_rotterdam_hh_slc.tif"),
    Scene("gcps-dn", "scenes/s1a_iw_grdh_20180716_vv_DN_gcps_decim20.tiff"),
    Scene("opera-vv", "stacks/opera_rtc_T137-292322-IW2_VV_21dates.tif", date=11),
    Scene("opera-vh", "stacks/opera_rtc_T137-292322-IW2_VH_21dates.tif", date=11),
    Scene("opera-sea", "stacks/opera_rtc_T137-292318-IW2_VV_21dates.tif", date=11),
)


def take_date(path: Path, band: int, to: Path) -> None:
    """Write one band to a file of its own, with its georeferencing, description and tags."""
    with rasterio.open(path) as source:
        profile = {**source.profile, "count": 1}
        with rasterio.open(to, "w", **profile) as target:
            target.write(source.read(band), 1)
            target.set_band_description(1, source.descriptions[band - 1] or "")
            target.update_tags(**source.tags())
            target.update_tags(1, **source.tags(band))


def said(path: Path) -> dict[str, Any]:
    """What a file says of its place and its pixels."""
    with rasterio.open(path) as dataset:
        return {
            "crs": dataset.crs.to_wkt() if dataset.crs else None,
            "transform": tuple(dataset.transform)[:6],
            "gcps": [(p.row, p.col, p.x, p.y, p.z) for p in dataset.gcps[0]],
            "gcp crs": dataset.gcps[1].to_wkt() if dataset.gcps[1] else None,
            "nodata": dataset.nodata,
            "descriptions": dataset.descriptions,
            "tags": {k: v for k, v in dataset.tags().items() if not k.startswith("SARDIFF_")},
            "band tags": [
                {k: v for k, v in dataset.tags(b).items() if not k.startswith("STATISTICS_")} for b in dataset.indexes
            ],
        }


def georeferencing(before: Path, after: Path, source: Source) -> dict[str, Any]:
    """Whether the two files agree, part by part; what differs is named."""
    result = open_raster(after, values="intensity" if source.values == "complex" else source.values)
    old, new = said(before), said(after)
    everything = (slice(0, source.shape[0]), slice(0, source.shape[1]), slice(0, source.shape[2]))
    holes = np.isnan(source[everything])
    stored_old, stored_new = (s.stored(*everything[1:]) for s in (source, result))
    kept = np.isnan(result[everything]) == holes
    values_kept = source.values == "complex" or np.array_equal(stored_old[holes], stored_new[holes], equal_nan=True)
    differing = [key for key in ("crs", "transform", "gcps", "gcp crs", "descriptions") if old[key] != new[key]]
    lost = sorted(key for key, value in old["tags"].items() if new["tags"].get(key) != value)
    lost += sorted(f"band {k}" for pair in zip(old["band tags"], new["band tags"], strict=True)
                   for k, v in pair[0].items() if pair[1].get(k) != v)  # fmt: skip
    return {
        "kind": source.grid.kind,
        "same grid": source.grid == result.grid,
        "differs": differing,
        "tags lost or changed": lost,
        "nodata": [old["nodata"], new["nodata"]],
        "unmeasured pixels": int(holes.sum()),
        "same pixels unmeasured": bool(kept.all()),
        "their values kept": bool(values_kept),
    }


def lag_correlation(image: Image, rows: NDArray[np.int_], cols: NDArray[np.int_], size: int) -> list[list[float]]:
    """Autocorrelation at lags 1 to 3 along rows (first) and cols within windows, each less its mean. NaN: left out."""
    views = np.lib.stride_tricks.sliding_window_view(np.asarray(image, np.float64), (size, size))[rows, cols]
    known = np.isfinite(views)
    mean = np.where(known, views, 0).sum((1, 2), keepdims=True) / np.maximum(known.sum((1, 2), keepdims=True), 1)
    deviation = np.where(known, views - mean, 0)
    power = (deviation**2).sum() / known.sum()
    answer = []
    for axis in (1, 2):
        d, k = np.moveaxis(deviation, axis, 1), np.moveaxis(known, axis, 1)
        pairs = [(k[:, n:] & k[:, :-n]).sum() for n in range(1, LAGS + 1)]
        answer.append([float((d[:, n:] * d[:, :-n]).sum() / pairs[n - 1] / power) for n in range(1, LAGS + 1)])
    return answer


def judge(before: Image, after: Image, looks: float) -> dict[str, Any]:
    """Looks, correlation of speckle before and in the ratio, mean of the ratio, evenness before and after."""
    even = homogeneous_windows(before, looks=looks)
    ratio = ratio_statistics(before, after)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(before / after)
        gain_db = 10 * np.log10(after / before)
        bright = before >= np.nanquantile(before, 0.999)
    spots = (even.rows, even.cols, even.size)
    enls = [float(np.median([enl(window) for window in even.of(image)])) for image in (before, after)]
    return {
        "looks": looks,
        "even windows": len(even),
        "lags of log before, rows": lag_correlation(np.log(np.where(before > 0, before, np.nan)), *spots)[0],
        "lags of log before, cols": lag_correlation(np.log(np.where(before > 0, before, np.nan)), *spots)[1],
        "lags of log ratio, rows": lag_correlation(log_ratio, *spots)[0],
        "lags of log ratio, cols": lag_correlation(log_ratio, *spots)[1],
        "lags of log after, rows": lag_correlation(np.log(np.where(after > 0, after, np.nan)), *spots)[0],
        "ENL before": enls[0],
        "ENL after": enls[1],
        "ratio mean": ratio.mean,
        "ratio looks": ratio.looks,
        "ratio structure": ratio.structure,
        "mean kept dB": float(10 * np.log10(np.nanmean(after) / np.nanmean(before))),
        "brightest kept dB": float(np.nanmedian(gain_db[bright])),
        "largest gain dB": float(np.nanmax(gain_db)),
    }


def picture(before: Image, after: Image, path: Path, title: str) -> None:
    """before | after in dB on one scale, and their ratio from -6 to 6 dB."""
    from matplotlib.figure import Figure

    rows, cols = before.shape
    figure = Figure(figsize=(18, 6 * min(rows / cols, 1.6) + 0.5), layout="constrained")
    axes = figure.subplots(1, 3)
    stretch = plot.Stretch.of(before, after)
    plot.quicklook(before, axes[0], stretch=stretch, title=f"{title}: before", bar=False)
    plot.quicklook(after, axes[1], stretch=stretch, title=f"{title}: after", bar=False)
    plot.ratio_image(before, after, axes[2], title=f"{title}: ratio, -6 to 6 dB", bar=False)
    for axis in axes:
        axis.axis("off")
    figure.savefig(path, dpi=100)


def go_through(scene: Scene, folder: Path, options: Any) -> dict[str, Any]:
    path = record.data_folder() / "sar" / scene.path
    if scene.date:
        single = folder / f"{scene.name}_one_date.tif"
        take_date(path, scene.date, single)
        path = single
    output = folder / f"{scene.name}_despeckled.tif"
    began = time.perf_counter()
    said_by_us: list[str] = []
    despeckle_file(
        path, output, looks=scene.looks, weights=options.weights, method=options.method, samples=options.samples,
        overwrite=True, say=said_by_us.append,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    source = open_raster(path)
    looks = settle_looks(source, scene.looks)  # type: ignore[arg-type]
    result = open_raster(output, values="intensity" if source.values == "complex" else source.values)
    everything = (slice(0, 1), slice(0, source.shape[1]), slice(0, source.shape[2]))
    before, after = source[everything][0], result[everything][0]
    estimate = estimate_looks(before)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        picture(before, after, options.out / f"{scene.name}.png", f"{scene.name}, L = {looks.value:g}")
    return {
        "scene": scene.name,
        "shape": source.shape,
        "values": source.values,
        "seconds": seconds,
        "said": said_by_us,
        "georeferencing": georeferencing(path, output, source),
        "estimate": asdict(estimate),
        "image": judge(before, after, looks.value),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.add_argument("--scenes", help=f"of {', '.join(s.name for s in SCENES)}; separated by commas")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--weights", default=str(SHIPPED))
    parser.add_argument("--out", type=Path, help="folder for pictures")
    options = parser.parse_args(arguments)
    record.use_threads(options.threads)
    began, results = time.monotonic(), []
    wanted = (
        options.scenes.split(",") if options.scenes else ["capella-vv"] if options.quick else [s.name for s in SCENES]
    )
    with tempfile.TemporaryDirectory() as name:
        for scene in SCENES:
            if scene.name not in wanted:
                continue
            try:
                results.append(go_through(scene, Path(name), options))
                print(f"{scene.name}: {results[-1]['seconds']:.0f} s", file=sys.stderr, flush=True)
            except (SardiffError, GeoIOError) as error:
                results.append({"scene": scene.name, "refused": str(error)})
                print(f"{scene.name}: {error}", file=sys.stderr, flush=True)
    rows = []
    for r in results:
        if "image" not in r:
            continue
        place, image = r["georeferencing"], r["image"]
        rows.append(
            {
                "scene": r["scene"],
                "grid": place["kind"],
                "same": str(place["same grid"] and not place["differs"]),
                "unmeasured": place["unmeasured pixels"],
                "as before": str(place["same pixels unmeasured"] and place["their values kept"]),
                "L": image["looks"],
                "lag1": image["lags of log before, cols"][0],
                "ratio lag1": image["lags of log ratio, cols"][0],
                "ENL": image["ENL before"],
                "ENL after": image["ENL after"],
                "ratio mean": image["ratio mean"],
                "ratio looks": image["ratio looks"],
                "structure": image["ratio structure"],
                "mean dB": image["mean kept dB"],
                "bright dB": image["brightest kept dB"],
            }
        )
    record.table(rows, "Real files")
    record.emit("real", options, {"prior": record.weights(options.weights), "scenes": results}, began=began)


if __name__ == "__main__":
    main()
