"""The law of tiles: how much the despeckled scene depends on how it was cut up, in dB.

A made-up landscape of single-look speckle, with a nodata rim and holes, is despeckled whole (one tile), then with tiles
of 192, 256 and 512 pixels, shifted origins, batches of 1 and 4, and 1 and 2 workers. For each: the largest difference
from the whole one over measured pixels. At the end the largest difference between any two.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import record
from numpy.typing import NDArray

from sardiff.device import one_share_of_threads
from sardiff.priors.checkpoint import SHIPPED, load_prior
from sardiff.simulate import landscape, speckle
from sardiff.tasks.despeckle import ESTIMATES, Despeckle, DespeckleTiles, overlap_for
from sardiff.units import DB_PER_LOG
from tiling import Layout, stream_tiles

LIMIT_DB = 0.01


@dataclass(frozen=True)
class Cut:
    """One way to cut up a scene and to work through the tiles."""

    tile: int
    origin: tuple[int, int] = (0, 0)
    batch: int = 1
    workers: int = 1

    def __str__(self) -> str:
        return f"tile {self.tile}, origin {self.origin}, batch {self.batch}, workers {self.workers}"


CUTS = (
    Cut(192),
    Cut(256),
    Cut(512),
    Cut(192, origin=(96, 40)),
    Cut(256, origin=(-80, 136)),
    Cut(512, origin=(208, 304)),
    Cut(256, batch=4),
    Cut(256, workers=2),
    Cut(192, origin=(56, 120), batch=4, workers=2),
)


def make_scene(side: int, looks: float, seed: int = 0) -> NDArray[np.float32]:
    """Speckled intensity (1, side, side): a slanting nodata rim, a round hole, a narrow gap, scattered lost pixels."""
    clean = landscape((side, side), seed=seed).intensity
    rng = np.random.default_rng([seed, side])
    measured = clean * speckle(clean.shape, looks, rng)
    rows, cols = np.mgrid[:side, :side]
    measured[cols < 20 + rows * 0.15] = np.nan
    measured[np.hypot(rows - 0.4 * side, cols - 0.62 * side) < 0.07 * side] = np.nan
    measured[(abs(rows - 0.8 * side) < 2) & (cols > side // 2)] = np.nan
    measured[rng.random(measured.shape) < 0.002] = np.nan
    return measured[None].astype(np.float32)


def restore(scene: NDArray[np.float32], apply: DespeckleTiles, cut: Cut, overlap: int) -> NDArray[np.float32]:
    """Log-intensity of the scene."""
    shape = (scene.shape[1], scene.shape[2])
    layout = Layout(shape, tile=cut.tile, overlap=overlap, origin=cut.origin, multiple=apply.prior.stride)
    out = np.full(scene.shape, np.nan, np.float32)
    with one_share_of_threads(cut.workers):
        cores = stream_tiles(apply, scene, layout, out_bands=1, batch=cut.batch, workers=cut.workers)
        for tile, core in cores:
            out[:, tile.core.rows.slice, tile.core.cols.slice] = core
    return out


def largest_db(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, float]:
    """Largest difference of two log-intensities and its 99.9 percent quantile, in dB; infinite if NaNs differ."""
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf"), float("inf")
    gap = DB_PER_LOG * np.abs(a - b)[np.isfinite(a)]
    return float(gap.max()), float(np.quantile(gap, 0.999))


def check(settings: Despeckle, scene: NDArray[np.float32], cuts: Sequence[Cut], options: Any) -> dict[str, Any]:
    apply = DespeckleTiles(settings, load_prior(options.weights), options.device)
    solver = settings.solver(apply.prior)
    overlap = options.overlap or overlap_for(settings, apply.prior)
    whole = restore(scene, apply, Cut(max(scene.shape)), overlap)
    rows, low, high = [], whole.copy(), whole.copy()
    for cut in cuts:
        began = time.perf_counter()
        result = restore(scene, apply, cut, overlap)
        most, nearly = largest_db(whole, result)
        low, high = np.fmin(low, result), np.fmax(high, result)
        seconds = time.perf_counter() - began
        rows.append({"cut": str(cut), "max dB": most, "99.9 % dB": nearly, "s": seconds})
        print(f"{solver}: {cut}: {most:.5f} dB, {seconds:.0f} s", file=sys.stderr, flush=True)
    pair = largest_db(low, high)[0] if all(np.isfinite(row["max dB"]) for row in rows) else float("inf")
    worst = np.unravel_index(np.nanargmax(high - low), low.shape)
    title = f"{solver}, L = {settings.looks:g}, overlap {overlap}: any two differ by at most {pair:.5f} dB"
    record.table(rows, title)
    return {
        "method": solver, "L": settings.looks, "overlap": overlap, "rows": rows, "any two, max dB": pair,
        "where": [int(i) for i in worst[1:]], "holds": pair <= LIMIT_DB,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.add_argument("--size", type=int, default=640, help="side of the scene")
    parser.add_argument("--looks", type=float, default=1.0)
    parser.add_argument("--all", action="store_true", help="also moment, on a scene of 384 with two cuts")
    parser.add_argument("--methods", help="these alone, separated by commas")
    parser.add_argument("--overlap", type=int, help="instead of the default one")
    parser.add_argument("--weights", default=str(SHIPPED))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    record.use_threads(options.threads)
    began = time.monotonic()
    chosen = options.methods.split(",") if options.methods else [*ESTIMATES, "moment"] if options.all else [*ESTIMATES]
    results = []
    for method in chosen:
        small = method not in ESTIMATES or options.quick
        scene = make_scene(384 if small else options.size, options.looks)
        cuts = CUTS[:1] if options.quick else (CUTS[0], CUTS[4]) if small else CUTS
        steps = 2 if options.quick and small else None
        results.append(check(Despeckle(looks=options.looks, method=method, steps=steps), scene, cuts, options))
    record.emit("invariance", options, results, began=began)


if __name__ == "__main__":
    main()
