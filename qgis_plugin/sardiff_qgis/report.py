"""What `sardiff inspect` and `sardiff doctor` found, for people to read."""

from __future__ import annotations

import html
from typing import Any, List, Sequence, Tuple

__all__ = ["as_html", "of_installation", "of_scene"]

Rows = List[Tuple[str, str]]


def of_scene(facts: dict[str, Any]) -> Rows:
    """Rows of (what, how it is) from the JSON of `sardiff inspect --json`."""
    place, looks, missing = facts["georeferencing"], facts["looks"], facts["unmeasured"]
    where = {"affine": "affine", "gcps": "{} ground control points".format(place["control_points"]), "rpcs": "RPCs"}
    parts = [where.get(place["kind"], "none: neither will a result have any")]
    if place["kind"] in ("affine", "gcps"):
        parts.append(place["crs"] or "no CRS")
    if place["pixel"]:
        parts.append(
            "pixels of {:.6g} x {:.6g} {}".format(place["pixel"][1], place["pixel"][0], place["unit"] or "").strip()
        )
    rows = [
        (
            "Size",
            "{} rows x {} columns, {} band(s), {}".format(facts["rows"], facts["cols"], facts["bands"], facts["dtype"]),
        ),
        ("Values", "{}: {}".format(facts["values"], facts["values_reason"])),
        ("Georeferencing", ", ".join(parts)),
        ("Not measured", "{:.2%} of the pixels".format(missing["share"])),
        ("Looks", looks["reason"] if looks["estimate"] is None else _looks(looks)),
        ("Speckle", _speckle(facts)),
        ("Filtered before", "it seems so: there is little left to take away" if facts["already_filtered"] else "no"),
    ]
    rows += [("Note", note) for note in facts["notes"]]
    return rows


def of_installation(facts: dict[str, Any]) -> Rows:
    """Rows of (what, what was found) from the JSON of `sardiff doctor --json`; what is not well is marked."""
    return [
        ("{}{}".format("" if finding["well"] else "! ", name), finding["found"])
        for name, finding in facts["findings"].items()
    ]


def as_html(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """A page with a table, for the results viewer."""
    cells = "\n".join(
        f"<tr><th align='left' valign='top'>{html.escape(what)}</th><td>{html.escape(how)}</td></tr>"
        for what, how in rows
    )
    head = f"<head><meta charset='utf-8'><title>{html.escape(title)}</title></head>"
    body = f"<body><h2>{html.escape(title)}</h2>\n<table cellpadding='4'>\n{cells}\n</table></body>"
    return f"<!DOCTYPE html>\n<html>{head}\n{body}</html>\n"


def _looks(looks: dict[str, Any]) -> str:
    said = "{}; certainty {}".format(looks["reason"].rstrip("."), looks["certainty"])
    return said + (", nominally {:g}".format(looks["nominal"]) if looks["nominal"] else "")


def _speckle(facts: dict[str, Any]) -> str:
    if facts["speckle"] == "correlated" and facts["correlation_area"]:
        return "correlated: {:.2g} neighbouring pixels vary as one".format(facts["correlation_area"])
    return {
        "independent": "independent from pixel to pixel",
        "correlated": "correlated",
    }.get(facts["speckle"], "too few even areas to tell whether it is correlated")
