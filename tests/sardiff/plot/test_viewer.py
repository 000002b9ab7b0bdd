"""Markup that nothing in a name can break out of."""

import html
import json
import re

import numpy as np
import pytest

from geo_io import Grid, GridMismatch
from sardiff import plot
from sardiff.plot.viewer import Layer, View, script_json, viewer_html

HOSTILE = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(1)>&"


def test_a_swipe_is_one_frame_that_holds_all_it_needs():
    image = np.random.default_rng(0).gamma(1, 1, (40, 50))
    frame = plot.swipe(image, np.full((40, 50), 1.0), labels=("speckled", HOSTILE))._repr_html_()
    assert frame.startswith('<iframe sandbox="allow-scripts"')
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"(?:src|href)=\"?(?!data:)[a-z]+:", page)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    with pytest.raises(GridMismatch):
        plot.swipe(image, image[:-1])


def test_text_of_files_cannot_leave_its_place():
    view = View(HOSTILE, slice(0, 4), slice(0, 5), {HOSTILE: "data:,"}, HOSTILE)
    text = viewer_html([view], [Layer(HOSTILE, HOSTILE, HOSTILE)], (HOSTILE, HOSTILE), Grid((4, 5)))
    assert text.count("<script") == text.count("</script>") == 1
    assert "<img src=x" not in text
    facts = re.search(r'class="facts">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(facts)["layers"][0]["label"] == HOSTILE
    assert json.loads(script_json({"a": HOSTILE})) == {"a": HOSTILE}
