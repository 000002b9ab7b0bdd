"""Charts by their numbers."""

import re

import numpy as np

from sardiff.report.charts import Band, Line, chart
from sardiff.report.places import chosen_places


def paths(svg):
    return dict(re.findall(r'<path class="([^"]+)" d="([^"]+)"', svg))


def points(d):
    return np.array([[float(x) for x in pair.split()] for pair in re.split("[MLZ]", d) if pair])


def test_lines_go_through_their_values_and_stop_at_holes():
    x, y = np.arange(5.0), np.array([0, 1, np.nan, 3, 4])
    svg = chart([Line("a < b", x, y, "first")], x_label="<x>", y_label="y", title='say "t"', y_range=(0, 4))
    d = paths(svg)["line first"]
    assert d.count("M") == 2
    at = points(d)
    assert np.allclose(np.diff(at[:, 0]) / (at[1, 0] - at[0, 0]), [1, 2, 1], atol=0.01)
    assert np.allclose((at[0, 1] - at[:, 1]) / (at[0, 1] - at[-1, 1]) * 4, [0, 1, 3, 4], atol=0.02)
    assert "<x>" not in svg
    assert "&lt;x&gt;" in svg
    assert 'aria-label="say &quot;t&quot;"' in svg


def test_a_band_is_closed_and_the_legend_names_all():
    x = np.arange(4.0)
    parts = [Band("doubt", x, x - 1, x + 1, "second"), Line("it", x, x, "second")]
    svg = chart(parts, x_label="", y_label="", title="")
    assert paths(svg)["area second"].endswith("Z")
    assert re.findall(r"</i>([^<]*)</li>", svg) == ["doubt", "it"]
    assert "Nothing was measured" in chart([Line("", x, x * np.nan, "first")], x_label="", y_label="", title="")


def test_places_are_what_they_are_called():
    rng = np.random.default_rng(0)
    image, spread = rng.normal(0, 1, (100, 120)), np.ones((100, 120))
    image[:30, :40] *= 0.01  # even
    image[60:, 80:] *= 3  # textured
    image[50, 20] = 60
    spread[:25, 90:] = 5
    image[80:, :20] = np.nan
    found = {p.title: p for p in chosen_places(image, spread, 10, (1000, 1200), 200)}
    assert found["Brightest"].rows.start < 500 < found["Brightest"].rows.stop
    assert found["Most textured"].rows.start >= 550
    assert found["Most even"].rows.stop <= 300
    assert found["Most uncertain"].cols.start >= 800
    assert found["Centre"].rows == slice(400, 600)
    for place in found.values():
        assert 0 <= place.rows.start < place.rows.stop <= 1000
        assert np.isfinite(
            image[place.rows.start // 10 : place.rows.stop // 10, place.cols.start // 10 : place.cols.stop // 10]
        ).all()
    assert chosen_places(image * np.nan, None, 10, (1000, 1200), 200) == []
    assert chosen_places(image, None, 10, (1000, 1200), 0) == []
