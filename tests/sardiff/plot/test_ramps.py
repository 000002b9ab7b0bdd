"""Colours that can be read, and pictures that say what they were made of."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from sardiff.plot.ramps import RAMPS, SHADES, coloured_uri, ramp, rgb_uri


def opened(uri):
    kind, data = uri.split(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.mark.parametrize("name", RAMPS)
def test_lightness_rises_or_falls_to_both_sides(name):
    lightness = ramp(name).astype(float) @ (0.2126, 0.7152, 0.0722)
    peak = SHADES // 2 if name == "change" else SHADES - 1
    # Every eighth shade: from one to the next rounding counts.
    assert (np.diff(lightness[peak::-8]) < 0).all()
    assert (np.diff(lightness[peak::8]) < 0).all()
    assert len(np.unique(ramp(name), axis=0)) == SHADES  # a colour can be read back


@pytest.mark.parametrize("name", RAMPS)
def test_a_picture_holds_its_values_and_what_was_not_measured(name):
    values = np.random.default_rng(0).uniform(-0.1, 1.1, (7, 9))
    values[2, 3] = np.nan
    kind, image = opened(coloured_uri(values, name))
    assert kind == "data:image/png"
    pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 0).tolist() == np.isnan(values).tolist()
    shades = {tuple(colour): i / (SHADES - 1) for i, colour in enumerate(ramp(name).tolist())}
    back = np.array([[shades.get(tuple(p[:3]), np.nan) for p in row] for row in pixels.tolist()])
    known = np.isfinite(values)
    np.testing.assert_allclose(back[known], np.clip(values[known], 0, 1), atol=0.51 / (SHADES - 1))


def test_a_colour_picture_is_transparent_where_nothing_was_measured():
    rgb = np.full((8, 8, 3), 0.5)
    rgb[0, 0, 1] = np.nan
    kind, image = opened(rgb_uri(rgb))
    assert kind == "data:image/webp"
    pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 0).sum() == 1
    np.testing.assert_allclose(pixels[4:, 4:, :3], 128, atol=4)
