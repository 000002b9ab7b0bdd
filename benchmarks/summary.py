"""Write docs/results.md from results/*.json: every table names the command it comes from, its commit and its machine.

    python benchmarks/summary.py            writes the page
    python benchmarks/summary.py --check    says whether the page is what the results say, and fails if not

Results that are not there are left out. Pictures are those of `real.py --out`, in docs/pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import record

from sardiff.priors.checkpoint import SHIPPED

__all__ = ["main", "page"]

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "results.md"
PICTURES = PAGE.parent / "pictures"
Row = Mapping[str, Any]

HEAD = """# Results

What the benchmarks measured; this page is generated from `benchmarks/results` by `python benchmarks/summary.py`. Each
section names its command. The machines are shared, so seconds are CPU seconds, and only those of one table compare.
PSNR (dB) and SSIM are of the amplitude, on a scale of 0 to 1; "dB" alone is the root mean square error of
10 log₁₀ intensity. Definitions are in the scripts' own descriptions (`--help`).
"""


def number(value: Any, digits: int = 2) -> str:
    """A cell: numbers rounded, None and NaN as a dash, True and False as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value != value:
        return "-"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def table(rows: Iterable[Row], columns: Mapping[str, str | Callable[[Row], Any]], digits: int = 2) -> str:
    """A table in Markdown: a column for each heading, a key of the rows or a function of one."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (row.get(get) if isinstance(get, str) else get(row) for get in columns.values())
        lines.append("| " + " | ".join(number(cell, digits) for cell in cells) + " |")
    return "\n".join(lines)


def side_by_side(
    rows: Sequence[Row], key: str, across: str, measures: Mapping[str, str]
) -> tuple[list[Row], dict[str, str]]:
    """Rows with one `key` together, a column for each value of `across` and measure."""
    values = list(dict.fromkeys(row[across] for row in rows))
    merged: dict[Any, dict[str, Any]] = {}
    for row in rows:
        at = merged.setdefault(row[key], {key: row[key]})
        at |= {f"{row[across]} {name}": row.get(measure) for name, measure in measures.items()}
    columns = {key: key} | {f"{_said(value)}: {name}": f"{value} {name}" for value in values for name in measures}
    return list(merged.values()), columns


def _said(value: Any) -> str:
    return f"{value:g} {'look' if value == 1 else 'looks'}" if isinstance(value, float) else str(value)


def folded(title: str, text: str) -> str:
    """What is long, to be opened."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def quality(results: Row) -> str:
    rows, columns = side_by_side(
        results["fast"], "method", "L", {"PSNR": "psnr", "SSIM": "ssim", "s / Mpx": "in a scene"}
    )
    count = results["fast"][0]["images"]
    return f"{count} images, independent speckle; CPU seconds per megapixel of a large scene.\n\n" + table(
        rows, columns
    )


def solvers(results: Row) -> str:
    measures = {"PSNR": "psnr", "SSIM": "ssim", "detail": "detail", "s / Mpx": "in a scene"}
    rows, columns = side_by_side(results["slow"], "method", "L", measures)
    names = ", ".join(results["slow"][0]["per_image"])
    return f"Every method on {names}, 256 x 256 pixels.\n\n" + table(rows, columns)


def despeckle_peers(results: Row) -> str:
    parts = []
    measures = {"PSNR": "psnr", "SSIM": "ssim", "dB": "dB", "edges": "edges"}
    columns = {"method": "method", **measures, "images": "images", "s / Mpx": "cpu s/MP", "MiB / Mpx": "MiB/MP"}
    for kind in dict.fromkeys(row["set"] for row in results["scores"]):
        for looks in sorted({row["L"] for row in results["scores"] if row["set"] == kind}):
            rows = [row for row in results["scores"] if row["set"] == kind and row["L"] == looks]
            rows.sort(key=lambda row: -row["psnr"])
            parts.append(folded(f"{kind}, {_said(looks)}", table(rows, columns)))
    sets = list(dict.fromkeys(row["set"] for row in results["paired"]))
    rows = sorted(results["paired"], key=lambda row: (sets.index(row["set"]), row["L"]))
    paired = {
        "speckle": "set",
        "looks": lambda row: f"{row['L']:g}",
        "images": "images",
        "best peer": "best peer",
        "PSNR gain": lambda row: f"{row['psnr gain']:+.2f} ± {number(row['psnr se'])}",
        "SSIM gain": lambda row: f"{row['ssim gain']:+.3f} ± {number(row['ssim se'], 3)}",
        "better on": "psnr better on",
    }
    text = (
        "Ours less the best tuned peer, image by image; ± the standard error of the mean over images. Peers that are "
    )
    text += f"slow saw fewer images: {', '.join(results['slow ones on'])}.\n\n" + table(rows, paired)
    if results["not available"] or results["failed"]:
        absent = {**results["not available"], **results["failed"]}
        text += "\n\nNot compared: " + "; ".join(f"{name} ({reason})" for name, reason in absent.items()) + "."
    if results["claims"]:
        keys = ("method", "takes looks", "mean %", "log-speckle left", "taken along by one NaN")
        text += "\n\nOne image, and the same with one NaN in it:\n\n" + table(results["claims"], {k: k for k in keys})
    return "\n\n".join([text, *parts])


def correlated(results: Row) -> str:
    parts = []
    if found := results.get("truth"):
        scores = found["scores"]
        sets = {f"{row['set']}, {_said(row['L'])}": None for row in scores}
        rows = [{**row, "at": f"{row['set']}, {_said(row['L'])}"} for row in scores]
        merged, _ = side_by_side(rows, "treatment", "at", {"gain": "gain", "images": "images"})
        columns = {"treatment": "treatment"} | {at: _gain_on(at) for at in sets}
        parts.append(
            "PSNR in dB over what ignoring the correlation gives, on the same images; how many these are, in brackets."
            f"\n\n{table(merged, columns)}"
        )
    for part, text in (("real", "Real scenes"), ("complex", "Complex pixels of one look")):
        if results.get(part):
            keys = ("treatment", "scene", "gap", "ENL before", "ENL after", "ratio mean", "ratio structure")
            parts.append(f"{text}.\n\n" + table(results[part], {k: k for k in keys}, 3))
    if found := results.get("whitening"):
        columns = {
            "scene": "scene",
            "band, rows": lambda row: row["band"][0],
            "cols": lambda row: row["band"][1],
            "lag 1 before, rows": lambda row: row["lags before"][0][0],
            "cols ": lambda row: row["lags before"][1][0],
            "after, rows": lambda row: row["lags after"][0][0],
            "cols  ": lambda row: row["lags after"][1][0],
        }
        parts.append(
            "What whitening does to complex pixels: the band that is filled, autocorrelation of intensity.\n\n"
            + table(found, columns)
        )
    return "\n\n".join(parts)


def _gain_on(at: str) -> Callable[[Row], str | None]:
    def cell(row: Row) -> str | None:
        gain = row.get(f"{at} gain")
        return None if gain is None else f"{gain:+.2f} ({row[f'{at} images']})"

    return cell


def real(results: Row) -> str:
    rows = []
    for scene in results["scenes"]:
        image, place = scene["image"], scene["georeferencing"]
        same = place["same grid"] and not place["differs"] and not place["tags lost or changed"]
        rows.append({"scene": scene["scene"], "same": same and place["same pixels unmeasured"], **image})
    lags = lambda key: lambda row: " ".join(number(lag) for lag in row[key])  # noqa: E731
    columns = {
        "scene": "scene",
        "place and tags kept": "same",
        "looks": "looks",
        "ENL before": "ENL before",
        "after": "ENL after",
        "lags 1 to 3 of log speckle": lags("lags of log before, rows"),
        "of what was removed": lags("lags of log ratio, rows"),
        "mean kept, dB": "mean kept dB",
        "brightest kept, dB": "brightest kept dB",
    }
    text = table(rows, columns)
    for path in sorted(PICTURES.glob("*.jpg")):
        text += f"\n\n![{path.stem}: before, after, ratio](pictures/{path.name})\n*{path.stem}: before, after, ratio*"
    return text


def stacks(results: Row) -> str:
    names = list(results["stacks"][0]["rmse_db"])
    rows = [{"stack": stack["stack"], "dates": stack["dates"], **stack["rmse_db"]} for stack in results["stacks"]]
    return (
        "RMSE in dB of one date against the mean of dates at least 60 days away; what changed in between is in it.\n\n"
        + table(rows, {"stack": "stack", "dates": "dates", **{name: name for name in names}})
    )


def trust(results: Row) -> str:
    parts = []
    if found := results.get("radiometry"):
        keys = ("windows", "median", "spread", "least", "most", "within 0.02")
        files = [row for row in found["files"] if "refused" not in row]
        parts.append(
            "**Radiometry.** Mean of despeckled over mean of measured intensity, windows of 64 x 64 pixels.\n\n"
            + table(files, {"scene": "scene", **{k: k for k in keys}}, 3)
        )
        keys = ("cover", "L", "speckle", "mean over mean", "measured over true")
        parts.append(
            "By land cover, on simulation, over the true intensity.\n\n"
            + table(found["covers"], {k: k for k in keys}, 3)
        )
    if found := results.get("targets"):
        keys = ("target", "L", "clutter", "level dB", "loss dB", "10 %", "90 %", "despeckled off", "measured off")
        parts.append("**Point targets.** What they lose, in dB.\n\n" + table(found["rows"], {k: k for k in keys}))
    if found := results.get("uncertainty"):
        keys = (
            "scenes",
            "L",
            "speckle",
            "50 %",
            "80 %",
            "90 %",
            "95 %",
            "90 %, least decile",
            "90 %, most",
            "rank correlation",
        )
        factors = ", ".join(f"{k:.2f}" for k in results.get("intervals", {}).values())
        parts.append(
            "**Uncertainty.** Share of true values inside nominal intervals, of "
            f"{factors} stated standard deviations.\n\n" + table(found, {k: k for k in keys}, 3)
        )
    if found := results.get("invention"):
        keys = [k for k, v in found["featureless"][0].items() if isinstance(v, str | int | float)]
        parts.append(
            "**Invention.** What is made of featureless ground.\n\n"
            + table(found["featureless"], {k: k for k in keys}, 4)
        )
        keys = ("estimate", "scenes", "L", "speckle", "structure", "detail", "ratio looks")
        parts.append("Structure left in the ratio image.\n\n" + table(found["structure"], {k: k for k in keys}, 4))
    return "\n\n".join(parts)


def fusion(results: Row) -> str:
    measures = ("mi", "psnr", "ssim", "viff", "vif", "qabf", "ce", "scd")
    columns = {"method": "method", **{name: name for name in measures}, "s / Mpx": "cpu s/MP", "pairs": "pairs"}
    text = (
        "Mean over pairs; grey images of eight bits, all methods of one weight. `ce` is better where lower, the others "
        "where higher. Copies of a source and the restored mean stand beside the methods.\n\n"
        + table(results["means"], columns)
    )
    if results["water"]:
        said = {"image": "image", "AUC": "AUC"}
        text += "\n\nHow well one threshold tells water from land near its edge:\n\n" + table(results["water"], said, 3)
    for pair in dict.fromkeys(row["pair"] for row in results["rows"]):
        rows = [row for row in results["rows"] if row["pair"] == pair]
        text += "\n\n" + folded(pair, table(rows, {"method": "method", **{name: name for name in measures}}))
    return text


def restore(results: Sequence[Row]) -> str:
    parts = []
    for task, said in (
        ("deblur", "Deblurring, noise of 1 %."),
        (
            "fill",
            "Filling; PSNR of the filled pixels, `worth`: how much larger errors are than the spread of samples says.",
        ),
        ("colour", "Bands one by one, or luminance, whose gain goes to all bands."),
        ("headroom", "Grey with and without room below a band's range."),
    ):
        for kind in dict.fromkeys(row["kind"] for row in results if row["task"] == task):
            rows = [row for row in results if (row["task"], row["kind"]) == (task, kind)]
            columns = {"method": "method", **{key: key for key in ("psnr", "ssim", "worth") if key in rows[-1]}}
            parts.append(
                f"{said} `{kind}`:\n\n" + table(rows, {**columns, "images": lambda row: len(row["per_image"])})
            )
    return "\n\n".join(parts)


def luminance(results: Row) -> str:
    keys = [k for k in results["means"][0] if k != "network"]
    return (
        "PSNR in dB of held-out optical luminance, denoised: by the shipped prior, by the same trained on for "
        "luminance alone, and by the same trained on as long for what it knew.\n\n"
        + table(results["means"], {"network": "network", **{k: k for k in keys}})
    )


def full_size(results: Row) -> str:
    rows, columns = " x ".join(map(str, results["SAR"])), " x ".join(map(str, results["optical"]))
    shown = ("ended", "phase", "share", "tiles", "tiles of earlier runs", "s", "cpu s", "peak MiB")
    within = "within" if results["within 3 GiB"] else "more than"
    text = (
        f"SAR of {rows} pixels at 10 m and optical of {columns} at 5 m, in two CRSs: despeckled and fused, killed half "
        f"way through either, and brought to an end by the same command. Peak memory: {results['peak MiB']:.0f} MiB, "
        f"{within} 3 GiB.\n\n"
    )
    return text + table(results["runs"], {name: name for name in shown})


def ablation(results: Row) -> str:
    keys = [k for k in results["rows"][0] if k != "variant"]
    text = "Small networks trained alike but for one thing.\n\n" + table(
        results["rows"], {"variant": "variant", **{k: k for k in keys}}
    )
    for name, training in results["curves"].items():
        stages = []
        while training:
            stages.insert(0, training)
            training = training.get("before")
        rows, minutes = [], 0.0
        for stage in stages:
            rows += [{**point, "minutes": minutes + point["minutes"]} for point in stage["curve"]]
            minutes += stage["minutes"]
        columns = {
            "minutes": "minutes",
            "step of the stage": lambda row: round(row["step"]),
            "validation loss": "validation",
        }
        text += f"\n\n`{name}`, as its card tells it:\n\n" + table(rows, columns, 4)
    return text


def invariance(results: Sequence[Row]) -> str:
    return "The same scene in tiles of other sizes, origins, batches and workers.\n\n" + table(
        results,
        {"method": "method", "looks": "L", "any two differ by at most, dB": "any two, max dB", "holds": "holds"},
        4,
    )


SECTIONS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "quality": ("Images of known truth", quality),
    "despeckle_peers": ("Beside other despecklers", despeckle_peers),
    "solvers": ("Methods", solvers),
    "correlated": ("Correlated speckle", correlated),
    "real": ("Real scenes", real),
    "stacks": ("Stacks of dates", stacks),
    "trust": ("Trust", trust),
    "fusion": ("Fusion", fusion),
    "fill": ("Gaps", restore),
    "deblur": ("Blur", restore),
    "colours": ("Blur, colours and range", restore),
    "luminance": ("One prior for both", luminance),
    "full_size": ("Whole scenes fused", full_size),
    "ablation": ("Training", ablation),
    "invariance": ("One image, however it is cut", invariance),
}


def page(folder: Path) -> str:
    """The page that these results make; those of other weights than the shipped ones say so."""
    parts, shipped = [HEAD.strip()], record.weights(SHIPPED)
    for name, (title, write) in SECTIONS.items():
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text())
        named = "" if found["benchmark"] == name else f" --name {name}"
        chosen = found["settings"].get("parts") if found["benchmark"] == "restore" else None
        parts_of = f" --parts {' '.join(chosen)}" if chosen else ""
        command = f"`python benchmarks/{found['benchmark']}.py{parts_of} --save{named}`"
        source = f"{command}, commit {found['commit']}, {found['machine']['cpu']}."
        if isinstance(found["results"], dict) and found["results"].get("prior", shipped) != shipped:
            source += " **Measured with other weights than the shipped ones.**"
        parts.append(f"## {title}\n\n{source}\n\n{write(found['results'])}")
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
    options = parser.parse_args(arguments)
    text = page(HERE / "results")
    if not options.check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit("docs/results.md is not what benchmarks/results say: run python benchmarks/summary.py.")


if __name__ == "__main__":
    main()
