"""What fusion makes of tiles: settings, exact cases, holes and clouds, and that nothing is invented."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from sardiff.errors import SettingsError
from sardiff.simulate import landscape
from sardiff.tasks.fuse import DIFFUSION, FEATHER, METHODS, Fuse, FuseTiles, overlap_for, prior_for
from sardiff.tasks.levels import Levels
from sardiff.units import grey_from_log_luminance, log_luminance_from_grey
from tiling import Layout, Span, Tile, Window

SIDE = 64
LEVELS = Levels(
    luminance=(1.0,),
    optical=(0.0, 1.0),
    sar=(-4.0, 0.0),
    slopes=(1.0,),
    offsets=(0.0,),
    both=SIDE**2,
    only_optical=0,
    only_sar=0,
)
TILE = Tile((0, 0), Window(Span(0, SIDE), Span(0, SIDE)), Window(Span(0, SIDE), Span(0, SIDE)))
ALL = [name for name in METHODS if name != "auto"]


def pixels(optical, sar, clouded=None):
    """What a `Pair` of one band gives: luminance, log-intensity, clouds."""
    clouds = np.zeros_like(optical) if clouded is None else clouded
    return np.stack([optical, 4 * sar - 4, clouds])[None].astype(np.float32)


def fused(method, optical, sar, clouded=None, **settings):
    steps = {"steps": 15} if method == "vds" else {}
    apply = FuseTiles(Fuse(method=method, looks=4.0, **{**steps, **settings}), LEVELS, device="cpu")
    return apply(pixels(optical, sar, clouded), [TILE])[0]


@pytest.fixture(scope="module")
def scenes():
    """Two scenes with other contents: grey of about 0 to 1."""
    found = []
    for seed in (1, 2):
        found.append(grey_landscape(SIDE, seed))
    return found


def grey_landscape(side, seed):
    level = np.log(np.asarray(landscape((side, side), seed=seed).intensity))
    low, high = np.nanquantile(level, (0.01, 0.99))
    return np.clip(np.nan_to_num((level - low) / (high - low), nan=0.5), 0, 1).astype(np.float32)


@pytest.mark.parametrize("method", ALL)
def test_what_both_agree_on_stays(method, scenes):
    grey = grey_from_log_luminance(fused(method, scenes[0], scenes[0])[0])
    # "joint" reads the SAR image as speckled, and vds takes few steps.
    assert np.abs(grey - scenes[0]).mean() < {"joint": 0.08, "vds": 0.06}.get(method, 0.03)


@pytest.mark.parametrize("method", ALL)
def test_the_weight_leads_from_one_to_the_other(method, scenes):
    optical, sar = scenes
    near = []
    for weight in (0.1, 0.5, 0.9):
        grey = grey_from_log_luminance(fused(method, optical, sar, weight=weight)[0])
        near.append(np.abs(grey - optical).mean() - np.abs(grey - sar).mean())
    assert near == sorted(near)


@pytest.mark.parametrize("method", ["dps", "ddfm", "vds"])
def test_edges_of_both_show(method, scenes):
    optical, sar = (np.full((SIDE, SIDE), 0.4, np.float32) for _ in range(2))
    optical[:, SIDE // 2 :] = 0.6
    sar[SIDE // 2 :] = 0.6
    grey = grey_from_log_luminance(fused(method, optical, sar)[0])
    across = (grey[:, 33] - grey[:, 30])[[8, 56]]  # of the optical edge, far from the other
    down = (grey[33] - grey[30])[[8, 56]]
    assert (across > 0.1).all()
    assert (down > 0.02).all()


@pytest.mark.parametrize("method", [name for name in ALL if name != "joint"])
def test_nothing_appears_where_neither_shows_anything(method):
    even = np.full((SIDE, SIDE), 0.45, np.float32)
    grey = grey_from_log_luminance(fused(method, even, even + 0.1)[0])
    assert grey.min() > 0.44
    assert grey.max() < 0.56
    assert grey.std() < 0.01


@pytest.mark.parametrize("method", ["dps", "brovey"])
def test_where_sar_was_not_measured_the_optical_image_stays_as_it_is(method, scenes):
    optical, sar = scenes
    sar = sar.copy()
    sar[20:40, 10:50] = np.nan
    grey = grey_from_log_luminance(fused(method, optical, sar)[0])
    np.testing.assert_allclose(grey[20:40, 10:50], optical[20:40, 10:50], atol=1e-5)
    assert np.isfinite(grey).all()


@pytest.mark.parametrize("method", ["dps", "vds", "ddfm", "guided"])
def test_under_clouds_sar_speaks_and_where_there_is_no_image_nothing_does(method, scenes):
    optical, sar = (scene.copy() for scene in scenes)
    clouds = np.zeros_like(optical)
    clouds[:24, :24] = 1
    optical[:24, :24] = 5.0  # as bright as clouds are
    optical[40:, 40:] = np.nan
    sar[:8, :8] = np.nan
    result = fused(method, optical, sar, clouds)[0]
    assert np.isnan(result[40:, 40:]).all()
    assert np.isnan(result[:8, :8]).all()
    hidden = grey_from_log_luminance(result[10:22, 10:22])
    assert np.isfinite(hidden).all()
    assert np.abs(hidden - sar[10:22, 10:22]).mean() < 0.15
    assert np.isfinite(result[24:40]).all()


def test_samples_differ_and_their_spread_is_given(scenes):
    found = fused("dps", *scenes, samples=3, uncertainty=True)
    assert found.shape == (2, SIDE, SIDE)
    assert (found[1] >= 0).all()
    assert 1e-4 < np.median(found[1]) < 0.3
    assert not np.allclose(found[0], fused("dps", *scenes)[0], atol=1e-4)
    assert (fused("dps", *scenes, seed=1)[0] != fused("dps", *scenes)[0]).any()


@pytest.mark.parametrize("method", ["ihs", "brovey", "pyramid", "atrous", "guided"])
def test_tiles_make_the_image_of_the_whole(method):
    from tiling import map_tiles

    size = 320
    pair = [grey_landscape(size, seed) for seed in (3, 4)]
    pair[1][:, 200:] = np.nan
    pair[1][100:102, 50:60] = np.nan
    apply = FuseTiles(Fuse(method=method), LEVELS, device="cpu")
    overlap = overlap_for(apply.settings, apply.prior)
    source = pixels(*pair)[0]
    images = []
    for tile in (48, 320):
        layout = Layout((size, size), tile=tile, overlap=overlap, multiple=max(16, apply.stride))
        lazy = map_tiles(apply, source, layout, out_bands=1)
        images.append(grey_from_log_luminance(lazy.compute(scheduler="synchronous")[0]))
    assert np.abs(images[0] - images[1]).max() < 1e-3


def test_where_sar_ends_the_fusion_goes_over_into_the_optical_image():
    optical, sar = (grey_landscape(128, seed) for seed in (3, 4))
    ended = sar.copy()
    ended[:, 64:] = np.nan
    whole, cut = (grey_from_log_luminance(fused("ihs", optical, image)[0]) for image in (sar, ended))
    np.testing.assert_allclose(cut[:, 64:], optical[:, 64:], atol=1e-5)
    np.testing.assert_allclose(cut[:, : 64 - FEATHER], whole[:, : 64 - FEATHER], atol=1e-5)
    speckled = sar.copy()
    speckled[20, 20] = np.nan
    lone = grey_from_log_luminance(fused("ihs", optical, speckled)[0])
    np.testing.assert_allclose(
        np.delete(lone.ravel(), 20 * 128 + 20), np.delete(whole.ravel(), 20 * 128 + 20), atol=1e-5
    )
    before, after = np.abs(cut[:, 63] - optical[:, 63]), np.abs(whole[:, 63] - optical[:, 63])
    assert before.mean() < 0.1 * after.mean()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dps", "vds", "ddfm", "joint", "gradient-transfer"])
def test_a_window_is_that_of_the_whole_but_for_its_rim(method):
    size, side, at = 592, 416, 112
    source = pixels(*(grey_landscape(size, seed) for seed in (3, 4)))
    apply = FuseTiles(Fuse(method=method, looks=4.0), LEVELS, device="cpu")
    overlap = overlap_for(apply.settings, apply.prior)
    rim = overlap - overlap // 4  # what lies beyond the ramp
    assert 2 * rim < side

    def run(start, length):
        span = Span(start, start + length)
        tile = Tile((0, 0), Window(span, span), Window(span, span))
        result = apply(source[..., span.slice, span.slice], [tile])
        return grey_from_log_luminance(result[0, 0])

    whole, part = run(0, size)[at : at + side, at : at + side], run(at, side)
    inner = slice(rim, side - rim)
    assert np.abs(whole[inner, inner] - part[inner, inner]).max() < 1e-3


def test_every_method_has_its_overlap(scenes):
    for method in ALL:
        apply = FuseTiles(Fuse(method=method), LEVELS, device="cpu")
        assert overlap_for(apply.settings, apply.prior) % 16 == 0
        assert overlap_for(apply.settings, apply.prior) > FEATHER
        assert pickle.loads(pickle.dumps(apply)).settings == apply.settings


def test_settings_that_cannot_be_honoured_are_refused():
    for settings, said in (
        ({"method": "magic"}, "no method"),
        ({"weight": 1.5}, "weight"),
        ({"steps": 0}, "steps"),
        ({"samples": 0}, "samples"),
        ({"seed": -1}, "seed"),
        ({"uncertainty": True}, "--samples 8"),
        ({"method": "pyramid", "samples": 2}, "has no steps, samples"),
        ({"method": "vds", "samples": 4, "uncertainty": True}, "point estimate"),
    ):
        with pytest.raises(SettingsError, match=said):
            Fuse(**settings)


def test_joint_needs_a_network_that_reads_measurements(scenes):
    from sardiff.priors.checkpoint import load_prior

    prior = replace(load_prior(), posterior=None)
    assert prior.posterior is None
    apply = FuseTiles(Fuse(method="joint", looks=4.0), LEVELS, prior, "cpu")
    with pytest.raises(SettingsError, match="trained with measurements"):
        prior_for(apply.settings, prior, "cpu")
    with pytest.raises(SettingsError, match="trained with measurements"):
        apply(pixels(*scenes), [TILE])


def test_grey_has_a_logarithm_and_comes_back():
    grey = np.array([-0.1, 0.0, 0.4, 1.0, 3.0], np.float32)
    np.testing.assert_allclose(grey_from_log_luminance(log_luminance_from_grey(grey)), grey, atol=1e-6)
    tensor = torch.from_numpy(grey)
    np.testing.assert_allclose(log_luminance_from_grey(tensor).numpy(), log_luminance_from_grey(grey), rtol=1e-6)
    assert log_luminance_from_grey(1.0) == 0
    assert np.isfinite(log_luminance_from_grey(np.float32(-7)))


def test_diffusion_methods_are_those_with_levels():
    for name in DIFFUSION:
        levels = Fuse(method=name).sigmas
        assert list(levels) == sorted(levels, reverse=True)
