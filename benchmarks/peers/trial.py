"""One peer on trial: what it costs, its free parameter, its scores, and what it does to a NaN and to other units."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import record

from sardiff.metrics import amplitude_psnr, amplitude_ssim, edge_preservation, rmse_db

from .base import Image, Peer, Scene

__all__ = ["MEASURES", "Case", "claims", "climb", "means", "paired", "score", "tune"]

MEASURES = ("psnr", "ssim", "dB", "edges", "mean %")
BETTER = {"psnr": 1, "ssim": 1, "dB": -1}  # the sign of an improvement
SIGMA_NOUGHT = 0.1  # mean intensity of land, calibrated
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """An image whose truth is known, and what the despecklers are given."""

    name: str
    truth: Image
    scene: Scene


@dataclass(frozen=True)
class Run:
    """Estimates and what they cost."""

    estimates: list[Image]
    seconds: float
    cpu_seconds: float
    grown_mb: float | None


def watch(peer: Peer, scenes: Sequence[Scene], setting: Any) -> Run:
    """Run a peer; on Linux the peak of resident memory is reset before, elsewhere nothing is said of memory."""
    held = _reset_peak()
    began, cpu_began = time.perf_counter(), _cpu_seconds()
    estimates = peer.estimates(scenes, setting)
    seconds, cpu = time.perf_counter() - began, _cpu_seconds() - cpu_began
    if peer.child_peak_mb is not None:
        return Run(estimates, seconds, cpu, peer.child_peak_mb())
    return Run(estimates, seconds, cpu, None if held is None else max(record.peak_mb() - held, 0.0))


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(os.times()[:4])


def _reset_peak() -> float | None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return record.peak_mb()


def climb(value: Callable[[Any], float], choices: Sequence[Any], start: Any = None) -> dict[Any, float]:
    """Try a choice and its neighbours, and go on uphill: what was tried, the best among it. NaN is the lowest."""
    tried: dict[Any, float] = {}
    at = choices.index(start) if start in choices else len(choices) // 2
    while True:
        for choice in choices[max(at - 1, 0) : at + 2]:
            if choice not in tried:
                found = value(choice)
                tried[choice] = -math.inf if math.isnan(found) else found
        if tried[choices[at]] == max(tried.values()):
            return tried
        at = choices.index(max(tried, key=lambda choice: tried[choice]))


def tune(peer: Peer, cases: Sequence[Case], start: Any = None) -> tuple[Any, Row | None]:
    """The choice of highest mean PSNR, reached by going uphill from `start`, and what was tried; None: no choice."""
    if len(peer.choices) == 1:
        return peer.choices[0], None

    def psnr(choice: Any) -> float:
        found = peer.estimates([case.scene for case in cases], choice)
        return float(np.mean([_psnr(estimate, case.truth) for estimate, case in zip(found, cases, strict=True)]))

    tried = climb(psnr, peer.choices, start)
    best = max(tried, key=lambda choice: tried[choice])
    at_end = len(peer.choices) > 2 and best in (peer.choices[0], peer.choices[-1])
    return best, {
        "parameter": peer.parameter,
        "psnr": {str(choice): tried[choice] for choice in peer.choices if choice in tried},
        "at the end": at_end,
        "images": len(cases),
    }


def _psnr(estimate: Image, truth: Image) -> float:
    return amplitude_psnr(estimate, truth, data_range=1.0)


def score(peer: Peer, cases: Sequence[Case], setting: Any) -> Row:
    """One row of the table, and per image what it is the mean of."""
    together = [cases] if peer.run_all is not None else [[case] for case in cases]
    runs = [watch(peer, [case.scene for case in group], setting) for group in together]
    sizes = [sum(case.truth.size for case in group) / 1e6 for group in together]
    grown = [
        run.grown_mb / size
        for run, size in zip(runs, sizes, strict=True)
        if run.grown_mb is not None and size == max(sizes)
    ]
    estimates = [estimate for run in runs for estimate in run.estimates]
    per_image = {
        case.name: {
            "psnr": _psnr(estimate, case.truth),
            "ssim": amplitude_ssim(estimate, case.truth, data_range=1.0),
            "dB": rmse_db(estimate, case.truth),
            "edges": edge_preservation(case.truth, estimate, case.truth),
            "mean %": 100 * (float(np.mean(estimate)) / float(np.mean(case.scene.intensity)) - 1),
            "invalid": int((~(np.isfinite(estimate) & (estimate > 0))).sum()),
        }
        for case, estimate in zip(cases, estimates, strict=True)
    }
    return {
        **means(per_image),
        "s/MP": sum(run.seconds for run in runs) / sum(sizes),
        "cpu s/MP": sum(run.cpu_seconds for run in runs) / sum(sizes),
        "MiB/MP": max(grown, default=None),
        "invalid": sum(row["invalid"] for row in per_image.values()),
        "images": len(cases),
        "per_image": per_image,
    }


def means(per_image: Mapping[str, Row], names: Iterable[str] | None = None) -> Row:
    """Means over the images named, or all, and the standard deviation of the PSNR over them."""
    rows = [per_image[name] for name in (per_image if names is None else names)]
    found = {key: float(np.mean([row[key] for row in rows])) for key in MEASURES}
    spread = float(np.std([row["psnr"] for row in rows], ddof=1)) if len(rows) > 1 else None
    return {"psnr": found.pop("psnr"), "psnr sd": spread, **found}


def paired(rows: Sequence[Row], ours: str, names: Sequence[str]) -> Row | None:
    """Ours less the best peer, image by image, of the rows that have all these images.

    The best peer has the highest mean PSNR on these very images, which favours it. Positive is better for ours; "se" is
    the standard error of the mean over images, whose speckle is drawn once. None where there is nothing to compare.
    """
    complete = [row for row in rows if row["method"] != "speckled" and set(names) <= set(row["per_image"])]
    own = [row for row in complete if row["method"] == ours]
    others = [row for row in complete if not row.get("own")]
    if not own or not others:
        return None
    best = max(others, key=lambda row: means(row["per_image"], names)["psnr"])
    answer: Row = {"images": len(names), "ours": ours, "best peer": best["method"], "of peers": len(others)}
    for key, sign in BETTER.items():
        gains = [sign * (own[0]["per_image"][n][key] - best["per_image"][n][key]) for n in names]
        answer[f"{key} gain"] = float(np.mean(gains))
        answer[f"{key} se"] = float(np.std(gains, ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else None
        answer[f"{key} better on"] = sum(gain > 0 for gain in gains)
    return answer


def claims(peer: Peer, case: Case, setting: Any) -> Row:
    """What one NaN does, whether looks are heard, and how much log-speckle stays."""
    scene = case.scene
    clean = peer.run(scene, setting)
    found: Row = {
        "takes looks": peer.takes_looks,
        "mean %": 100 * (float(np.mean(clean)) / float(np.mean(scene.intensity)) - 1),
        "log-speckle left": _left(clean, case),
        "changed by looks 1 : 4, dB": None,
    }
    if peer.serves(replace(scene, looks=4 * scene.looks)):
        found["changed by looks 1 : 4, dB"] = rmse_db(peer.run(replace(scene, looks=4 * scene.looks), setting), clean)
    if "digital numbers" in peer.parameter:
        found["log-speckle left, shown sigma nought"] = _left(peer.run(scene, SIGMA_NOUGHT**0.5), case)
    holed = np.array(scene.intensity)
    middle_pixel = tuple(side // 2 for side in holed.shape)
    holed[middle_pixel] = np.nan
    field = None if scene.field is None else np.where(np.isnan(holed), np.nan, scene.field)
    found["pixels"] = holed.size
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            lost = ~np.isfinite(peer.run(replace(scene, intensity=holed, field=field), setting))
        lost[middle_pixel] = True
        found["taken along by one NaN"] = int(lost.sum()) - 1
    except Exception as error:  # to refuse is an answer too
        found["taken along by one NaN"] = f"refused: {type(error).__name__}: {error}"[:200]
    return found


def _left(estimate: Image, case: Case) -> float:
    """Variance of log estimate / truth over that of log measured / truth: 1 is an untouched image."""

    def variance(image: Image) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(image / case.truth)
        return float(np.var(log[np.isfinite(log)]))

    return variance(np.asarray(estimate, np.float64)) / variance(case.scene.intensity)
