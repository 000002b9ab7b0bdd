"""Real reference: one date of a stack despeckled, against the mean of its distant dates.

OPERA RTC-S1 stacks of 21 dates. The reference of a date is the mean intensity of the dates at least 60 days from it
(nearer ones share speckle). RMSE is of 10 log10 intensity over pixels measured throughout; it holds what the ground
changed, too, and the speckle left in the reference, so nothing reaches 0. "Centred" leaves out the mean difference in
dB of the two (moisture, and the log of speckle, whose mean is below 0): what remains has to do with single pixels.
The open-sea stack is left out: it changes with the wind.

Looks are either estimated from the one date ("auto", what a user gets who says nothing) or "temporal": the median over
pixels of mean^2 / variance through the dates, which change of the ground can only make too small.

Rivals are those of `peers/` that are named and can run. The free parameter of each is the one with the least RMSE on
dates of the other stacks, at temporal looks; ours has none.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask
import numpy as np
import rasterio
import record
import xarray as xr
from numpy.typing import NDArray
from peers import PEERS, Peer, Scene
from peers.trial import climb

from sardiff import despeckle
from sardiff.errors import SardiffError
from sardiff.metrics import bias_db, estimate_looks, rmse_db
from sardiff.priors.checkpoint import SHIPPED

FAR_DAYS = 60
OPEN_SEA = "292318"
RIVALS = ("boxcar", "lee", "refined-lee", "log-bm3d", "log-nlm", "ppb", "sar2sar", "mulog-bm3d")
HEADS = ("dates", "estimated_looks", "temporal_looks")
Stack = tuple[NDArray[np.float32], list[date]]


def read_stack(path: Path) -> Stack:
    """Intensity (dates, rows, cols), NaN where not measured, and the dates, from the descriptions of the bands."""
    with rasterio.open(path) as dataset:
        stack = dataset.read()
        days = [date.fromisoformat(_day(text)) for text in dataset.descriptions]
    return np.where(np.isfinite(stack) & (stack > 0), stack, np.nan).astype(np.float32), days


def _day(text: str) -> str:
    digits = "".join(c for c in text if c.isdigit())[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def reference(stack: NDArray[np.float32], days: Sequence[date], k: int) -> NDArray[np.float64]:
    """Mean intensity of the dates at least FAR_DAYS from the k-th; NaN where one of them was not measured."""
    far = [i for i, day in enumerate(days) if abs((day - days[k]).days) >= FAR_DAYS]
    return stack[far].astype(np.float64).mean(axis=0)


def centred_rmse_db(image: NDArray[Any], truth: NDArray[Any]) -> float:
    """Standard deviation of the difference in dB."""
    return float(np.nanstd(10 * np.log10(image / truth)))


def temporal_looks(stack: NDArray[np.float32]) -> float:
    """Median over pixels of mean^2 / variance through time."""
    x = stack.astype(np.float64)
    return float(np.nanmedian(x.mean(axis=0) ** 2 / x.var(axis=0, ddof=1)))


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` places, evenly."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(wanted, count))})


def tuned(peer: Peer, stacks: Mapping[str, Stack], dates: int) -> dict[str, Any]:
    """For each stack the choice that is best on so many dates of the others; the middle one if there are none."""

    @lru_cache
    def error_db(name: str, choice: Any) -> float:
        stack, days = stacks[name]
        return float(np.mean([_error_db(peer, choice, stack, days, k) for k in spread(len(days), dates)]))

    answer = {}
    for name in stacks:
        others = [other for other in stacks if other != name]
        tried = climb(lambda choice, o=others: -sum(error_db(n, choice) for n in o), peer.choices) if others else {}
        middle = peer.choices[len(peer.choices) // 2]
        answer[name] = max(tried, key=lambda choice: tried[choice], default=middle)
    return answer


def _error_db(peer: Peer, choice: Any, stack: NDArray[np.float32], days: Sequence[date], k: int) -> float:
    image = by_rival(peer, stack[k], temporal_looks(stack), choice)
    return rmse_db(image, reference(stack, days, k))


def by_rival(peer: Peer, one: NDArray[np.float32], looks: float, choice: Any) -> NDArray[Any]:
    """One date despeckled; rivals know no holes, so these are filled before and cut out after."""
    holes = ~np.isfinite(one)
    filled = np.where(holes, np.nanmean(one), one)
    return np.where(holes, np.nan, peer.run(Scene(filled, looks), choice))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = record.parser(__doc__)
    parser.add_argument("--dates", type=int, default=3, help="how many dates of each stack")
    parser.add_argument("--all", action="store_true", help="all dates")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--looks", default="auto,temporal", help="of auto, temporal and numbers, separated by commas")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="of peers/, by commas")
    parser.add_argument("--tuning", type=int, default=2, help="how many dates of every other stack to tune them on")
    parser.add_argument("--weights", default=str(SHIPPED))
    options = parser.parse_args(arguments)
    names = options.rivals.split(",") if options.rivals else []
    if unknown := set(names) - set(PEERS):
        parser.error(f"there is no rival {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    record.use_threads(options.threads)
    dask.config.set(scheduler="synchronous")
    began, results = time.monotonic(), []
    paths = [p for p in sorted((record.data_folder() / "sar" / "stacks").glob("*.tif")) if OPEN_SEA not in p.name]
    stacks = {
        path.stem.removeprefix("opera_rtc_").removesuffix("_21dates"): read_stack(path)
        for path in (paths[:1] if options.quick else paths)
    }
    absent = {name: reason for name in names if (reason := PEERS[name].missing())}
    settings = {}
    for name in names:
        if name not in absent:
            settings[name] = tuned(PEERS[name], stacks, options.tuning)
            print(f"{name}: {PEERS[name].parameter} {settings[name]}", file=sys.stderr, flush=True)
    for name, (stack, days) in stacks.items():
        choices = {rival: by_stack[name] for rival, by_stack in settings.items()}
        chosen = range(len(days)) if options.all else spread(len(days), 1 if options.quick else options.dates)
        by_date = [score_date(stack, days, k, choices, options) for k in chosen]
        columns = list(dict.fromkeys(key for row in by_date for key in row["rmse_db"]))
        means = {
            kind: {key: float(np.mean([row[kind][key] for row in by_date if key in row[kind]])) for key in columns}
            for kind in ("rmse_db", "centred_db")
        }
        print(f"{name}: {means['rmse_db']}", file=sys.stderr, flush=True)
        results.append(
            {
                "stack": name,
                "dates": len(by_date),
                "settings": choices,
                "temporal_looks": temporal_looks(stack),
                "estimated_looks": float(np.mean([row["estimated_looks"] for row in by_date])),
                **means,
                "by_date": by_date,
            }
        )
    for kind, title in (
        ("rmse_db", "RMSE in dB against the mean of distant dates"),
        ("centred_db", "the same, centred"),
    ):
        rows = []
        for method in dict.fromkeys(method for result in results for method in result[kind]):
            by_stack = {result["stack"]: result[kind].get(method) for result in results}
            found = [value for value in by_stack.values() if value is not None]
            rows.append({"method": method, **by_stack, "mean": float(np.mean(found))})
        record.table(rows, title)
    record.table([{"stack": r["stack"], **{key: r[key] for key in HEADS}} for r in results], "Looks")
    saved = {"prior": record.weights(options.weights), "not available": absent, "stacks": results}
    record.emit("stacks", options, saved, began=began)


def score_date(
    stack: NDArray[np.float32], days: Sequence[date], k: int, choices: Mapping[str, Any], options: Any
) -> dict[str, Any]:
    """RMSE of one date, raw and despeckled in each way."""
    one, truth = stack[k], reference(stack, days, k)
    estimate = estimate_looks(one)
    numbers = {
        wish: {"auto": estimate.looks, "temporal": temporal_looks(stack)}.get(wish) or float(wish)
        for wish in options.looks.split(",")
    }
    images: dict[str, Any] = {"raw": one}
    for wish, looks in numbers.items():
        if not math.isfinite(looks):
            continue
        da = xr.DataArray(one, dims=("y", "x"))
        try:
            lazy = despeckle(
                da, looks="auto" if wish == "auto" else looks, values="intensity", method=options.method,
                samples=options.samples, weights=options.weights,
            )  # fmt: skip
            images[f"ours ({wish})"] = lazy.values
        except SardiffError as error:
            print(error, file=sys.stderr)
        for name, choice in choices.items():
            peer = PEERS[name]
            if peer.takes_looks:
                images[f"{name} ({wish})"] = by_rival(peer, one, looks, choice)
            elif name not in images:
                images[name] = by_rival(peer, one, looks, choice)
    return {
        "date": days[k],
        "estimated_looks": estimate.looks,
        "lag1": estimate.lag1,
        "looks": numbers,
        "rmse_db": {key: rmse_db(image, truth) for key, image in images.items()},
        "centred_db": {key: centred_rmse_db(image, truth) for key, image in images.items()},
        "bias_db": {key: bias_db(image, one) for key, image in images.items()},
    }


if __name__ == "__main__":
    main()
