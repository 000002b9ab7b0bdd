"""Training by command: a prior that can be loaded, and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

from sardiff.priors.checkpoint import load_prior


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        imsave(folder / f"{i}.png", rng.integers(0, 255, (64, 64), dtype=np.uint8), check_contrast=False)
    return folder


@pytest.mark.slow
def test_a_prior_comes_out(run, images, tmp_path):
    out = tmp_path / "mine.safetensors"
    args = ("train", images, "--out", out, "--minutes", 0.01, "--patch", 48, "--batch", 2, "--widths", "8,16")
    result = run(*args, "--licence", "CC0-1.0", "--data", "noise", "--device", "cpu", "--progress", "json")
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert {event["event"] for event in events} >= {"start", "progress", "done"}
    card = load_prior(out).card
    assert (card["licence"], card["data"], card["config"]["widths"]) == ("CC0-1.0", "noise", [8, 16])
    assert run(*args, "--rate", 1).exit_code == 2  # kept state of other settings


def test_what_cannot_be_is_refused(run, images, tmp_path):
    (tmp_path / "there.json").write_text("{}")
    for args, said in (
        ((tmp_path / "no",), "neither a folder nor a file"),
        ((images, "--out", tmp_path / "there"), "there.json exists; give --out another name"),
        ((images, "--out", tmp_path / "no" / "mine"), "there is no folder"),
        ((images, "--patch", 50), "patch must be a multiple of 8"),
        ((images, "--widths", "a"), "whole numbers from 1"),
    ):
        result = run("train", "--out", tmp_path / "mine", *args)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
    assert not list(tmp_path.glob("mine*"))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="/proc is where nobody writes")
def test_a_folder_that_nothing_can_be_written_to_is_found_first(run, images):
    result = run("train", images, "--out", "/proc/mine", "--minutes", 1)
    assert result.exit_code == 2
    assert "nothing can be written in the folder /proc" in result.stderr
