"""What every classical fusion keeps to; a new one joins by its line in the table."""

import pytest
import torch

from sardiff.blur import blurred, gaussian_window
from sardiff.classical import CLASSICAL

WEIGHTS = (0.0, 0.3, 0.5, 0.8, 1.0)


def pair(rows, cols, dtype=torch.float64):
    """Two sensors' views of one ground, about 0..1: fields that both see, texture and waves of each one's own."""
    generator = torch.Generator().manual_seed(3)

    def waves(deviation):
        noise = torch.randn(1, 1, rows, cols, dtype=torch.float64, generator=generator)
        x = blurred(noise, gaussian_window(int(3 * deviation) + 1, deviation))
        return x / x.std()

    fields = (waves(4.0) > 0).double()
    optical = 0.5 + 0.2 * (fields - 0.5) + 0.1 * waves(2.0) + 0.02 * waves(0.5)
    sar = 0.5 + 0.15 * (fields - 0.5) + 0.12 * waves(6.0) + 0.02 * waves(1.0)
    return optical.to(dtype), sar.to(dtype)


def correlation(a, b):
    return float(torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1])


@pytest.fixture(params=CLASSICAL)
def name(request):
    return request.param


@pytest.fixture
def method(name):
    return CLASSICAL[name]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_equal_sources_give_themselves(method, weight):
    x, _ = pair(37, 50, torch.float32)
    torch.testing.assert_close(method.fuse(x, x, weight), x, rtol=0, atol=1e-5)


def test_from_the_optical_image_towards_sar(name, method):
    optical, sar = pair(96, 110)
    fused = [method.fuse(optical, sar, weight / 8) for weight in range(9)]
    torch.testing.assert_close(fused[0], optical, rtol=0, atol=1e-9)
    if name != "atrous":  # whose base stays optical
        torch.testing.assert_close(fused[8], sar, rtol=0, atol=1e-9)
    torch.testing.assert_close(fused[4], method.fuse(optical, sar))
    likeness = torch.tensor([correlation(f, sar) for f in fused])
    assert (likeness.diff() > -0.005).all()
    assert likeness[8] > likeness[6] > likeness[0] + 0.1  # guided: the sharper source stands out up to there
    unlike = torch.tensor([correlation(f, optical) for f in fused])
    assert (unlike.diff() < 0.005).all()


@pytest.mark.parametrize("axis", [2, 3])
def test_a_tile_is_the_scene_cut_out(method, axis):
    """Shifts by the stride, and rims that matter no farther than the reach."""
    start, end = 64, 480
    optical, sar = pair(*((560, 40) if axis == 2 else (40, 560)), torch.float32)
    assert start % method.stride == 0
    whole = method.fuse(optical, sar, 0.45).narrow(axis, start, end - start)
    tile = method.fuse(*(x.narrow(axis, start, end - start) for x in (optical, sar)), 0.45)
    inner = (method.reach, end - start - 2 * method.reach)
    torch.testing.assert_close(tile.narrow(axis, *inner), whole.narrow(axis, *inner), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["ihs", "brovey", "pyramid", "atrous"])
def test_details_are_weighed_alike_in_every_tile_to_the_last_bit(name):
    method, start = CLASSICAL[name], 64
    optical, sar = pair(30, 400, torch.float32)
    whole = method.fuse(optical, sar, 0.5)[..., start + method.reach :]
    tile = method.fuse(optical[..., start:], sar[..., start:], 0.5)[..., method.reach :]
    assert torch.equal(whole, tile)


def test_a_pixel_matters_no_farther_than_the_reach(method):
    optical, sar = pair(20, 300)
    changed = optical.clone(), sar.clone()
    changed[0][..., 9, 4] += 0.4
    changed[1][..., 9, 4] -= 0.3
    before, after = method.fuse(optical, sar, 0.5), method.fuse(*changed, 0.5)
    far = slice(5 + method.reach, None)
    torch.testing.assert_close(after[..., far], before[..., far], rtol=0, atol=1e-6)
    assert (after[..., 9, 4] != before[..., 9, 4]).all()


def test_an_offset_of_both_is_an_offset_of_the_fusion(method):
    optical, sar = pair(40, 44)
    fused = method.fuse(optical, sar, 0.4)
    torch.testing.assert_close(method.fuse(optical + 3, sar + 3, 0.4), fused + 3, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in CLASSICAL if n != "guided"])  # whose regularisation has a unit
def test_a_scale_of_both_is_a_scale_of_the_fusion(name):
    optical, sar = pair(40, 44)
    fused, doubled = (CLASSICAL[name].fuse(k * optical, k * sar, 0.4) / k for k in (1, 2))
    off = (doubled - fused).abs()
    assert float(off.mean()) < (2e-3 if name == "gradient-transfer" else 1e-12)  # not at its minimum yet


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (33, 2)])
def test_images_of_any_size_are_fused(method, shape):
    optical, sar = pair(*shape) if min(shape) > 1 else (torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    fused = method.fuse(optical, sar, 0.5)
    assert fused.shape == optical.shape
    assert fused.isfinite().all()


def test_an_image_does_not_feel_its_batch(method):
    optical, sar = pair(40, 44)
    both = method.fuse(torch.cat((optical, 5 * sar)), torch.cat((sar, 3 * optical)), 0.4)
    torch.testing.assert_close(both[:1], method.fuse(optical, sar, 0.4))


def test_what_is_handed_in_stays_as_it_was(method):
    optical, sar = pair(20, 24)
    before = optical.clone(), sar.clone()
    method.fuse(optical, sar, 0.5)
    assert torch.equal(optical, before[0])
    assert torch.equal(sar, before[1])


def test_the_table_tells_what_a_driver_needs(method):
    assert method.reach >= 0
    assert method.stride >= 1
    assert method.injection in ("ratio", "add")
    assert "(" in method.source
