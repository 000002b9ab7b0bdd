"""From the values of a dialog to the words of a command line."""

from __future__ import annotations

import os
import re
from typing import Any, Mapping, Sequence, Union

__all__ = ["BLURS", "blur", "command_line", "file_of_raster", "option"]

BLURS = ("gaussian", "box", "motion", "kernel from a file")

# Options of every command, by the names of the parameters that fill them.
OPTIONS: dict[str, str] = {
    "VALUES": "--values",
    "LOOKS": "--looks",
    "QUALITY": "--quality",
    "UNITS": "--units",
    "METHOD": "--method",
    "CORRELATION": "--correlation",
    "BANDS": "--bands",
    "SAR_BANDS": "--sar-bands",
    "POLARISATION": "--polarisation",
    "STEPS": "--steps",
    "SAMPLES": "--samples",
    "SEED": "--seed",
    "WEIGHTS": "--weights",
    "DEVICE": "--device",
    "TILE": "--tile",
    "COMPRESSION": "--compression",
    "WEIGHT": "--weight",
    "MODE": "--mode",
    "INJECT": "--inject",
    "LUMINANCE": "--luminance",
    "GRID": "--grid",
    "REGISTER": "--register",
    "DESPECKLED": "--despeckled",
    "CLOUD_MASK": "--cloud-mask",
    "CLOUD_CLASSES": "--cloud-classes",
    "DTYPE": "--dtype",
    "BLUR": "--blur",
    "NOISE": "--noise",
    "MASK": "--mask",
    "GAP_CLASSES": "--gap-classes",
    "MAX_GAP": "--max-gap",
    "UNCERTAINTY": "--uncertainty-file",
    "SOURCES": "--mask-file",
    "FILLED": "--filled-file",
}
# As people read them in the dialog; elsewhere the words are sardiff's own.
WORDS = {"dB": "db", "as the input": None, "automatic": None}

Value = Union[None, bool, int, float, str, Sequence[int]]


def command_line(command: str, arguments: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return what follows `sardiff`.

    Parameters
    ----------
    command : str
        Its name.
    arguments : sequence of str
        Files: inputs, then the output.
    values : mapping
        From names of parameters, as in `OPTIONS`; None, False, an empty text and "automatic" are left out.
    """
    line = ["--lifeline", command, "--progress", "json", "--overwrite"]
    for name, value in values.items():
        line += option(name, value)
    # A file may be called -x.tif.
    return [*line, "--", *arguments]


def option(name: str, value: Value) -> list[str]:
    """Return the words of one parameter: none where its value says nothing."""
    if value is None or value is False or value == "" or (isinstance(value, (list, tuple)) and not value):
        return []
    if value is True:
        return [OPTIONS[name]]
    if isinstance(value, (list, tuple)):
        return [OPTIONS[name], ",".join(str(part) for part in value)]
    if isinstance(value, float):
        return [OPTIONS[name], f"{value:.12g}"]
    word = WORDS.get(str(value), str(value))
    return [] if word is None else [OPTIONS[name], word]


def blur(kind: str, *, sigma: float, width: int, length: float, angle: float, kernel: str | None) -> str:
    """Return what `--blur` is told, of `BLURS`; lengths in pixels, the angle in degrees anticlockwise from east.

    Raises
    ------
    ValueError
        In a sentence, if there is no such blur, or a kernel is to come from a file and none is named.
    """
    if kind == "gaussian":
        return f"gaussian:{sigma:.12g}"
    if kind == "box":
        return f"box:{width}"
    if kind == "motion":
        return f"motion:{length:.12g},{angle:.12g}"
    if kind != "kernel from a file":
        raise ValueError("There is no blur '{}'; choose from {}.".format(kind, ", ".join(BLURS)))
    if not kernel:
        raise ValueError("Name the file of the kernel, or choose another blur.")
    return os.path.abspath(kernel)


def file_of_raster(name: str, provider: str, source: str) -> str:
    """Return the file, or the folder of a Sentinel-1 product, that a raster layer shows.

    Parameters
    ----------
    name : str
        Of the layer, for people.
    provider : str
        "gdal" for files; others are services and databases.
    source : str
        As QGIS opened it.

    Raises
    ------
    ValueError
        In a sentence, if it is not a file that sardiff could read.
    """
    save = "Save it as a GeoTIFF first (right click, Export, Save As), then use that file."
    if provider != "gdal":
        raise ValueError(f"'{name}' is no file but comes from '{provider}', which sardiff cannot read. {save}")
    path = source.split("|", 1)[0]
    if os.path.basename(path).lower() == "manifest.safe" and os.path.isfile(path):
        # sardiff calibrates the product, which the bare rasters in it are not.
        return os.path.dirname(os.path.abspath(path))
    if os.path.exists(path):
        return os.path.abspath(path)
    if path.lower().startswith(("/vsi", "http:", "https:", "ftp:")):
        raise ValueError(f"'{name}' lies inside an archive or on a server, where sardiff does not read. {save}")
    if re.match(r"[A-Za-z0-9_]{2,}:", path):
        raise ValueError(f"'{name}' is a part of a file ({path}), which sardiff cannot read. {save}")
    raise ValueError(f"'{name}': there is no file {path}.")
