"""Metrics of fused images: against other implementations, by hand, and part by part."""

import math
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal, stats
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sardiff.metrics import (
    FUSION_BETTER,
    VIFF_WEIGHTS,
    FusionStatistics,
    ScenePart,
    average_gradient,
    cross_entropy,
    entropy,
    fusion_metrics,
    mutual_information,
    qabf,
    scd,
    scene_parts,
    spatial_frequency,
    to_grey8,
    vif,
    viff,
)

SHAPE = (83, 101)  # odd at every scale


@pytest.fixture(scope="module")
def images():
    """Optical, SAR and a fusion of 8 bits, with a field that is flat in all, and one where F turns bright to dark."""
    rng = np.random.default_rng(0)
    a = ndimage.gaussian_filter(rng.normal(size=SHAPE), 2) * 40 + np.add.outer(np.arange(83), np.arange(101)) / 184
    b = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1) * 10 + (np.indices(SHAPE)[1] > 40)
    f = 0.6 * a + 0.5 * b
    f[60:, 60:] *= -1
    for x in (a, b, f):
        x[:24, 70:] = 0.3
    return tuple(to_grey8(x, *np.quantile(x, (0.01, 0.99))) for x in (a, b, f))


@pytest.fixture(scope="module")
def holed(images):
    """The same, unmeasured here and there in one of the three."""
    a, b, f = (x.copy() for x in images)
    a[40:47, 20:31], b[5, 5], f[70:, :9] = np.nan, math.inf, np.nan
    return a, b, f


def summed(images, side):
    parts = scene_parts(images[0].shape, side)
    return reduce(add, (FusionStatistics.of(*(x[part.read] for x in images), part) for part in parts))


# Oracles


def gaussian(size):
    offset = np.arange(size) - size // 2
    window = np.exp(-np.add.outer(offset**2, offset**2) / (2 * (size / 5) ** 2))
    return window / window.sum()


def pyramid(x):
    """Yield at the four scales of Sheikh and Bovik the image, and what means over its windows, in two dimensions."""
    for size in (17, 9, 5, 3):
        window = gaussian(size)

        def mean(y, window=window):
            return signal.convolve2d(y, window, mode="valid")

        if size < 17:
            x = mean(x)[::2, ::2]
        yield x, mean


def seen(reference, image, noise):
    """At each scale the gain, the information seen and the information there was, window by window."""
    for (r, mean), (d, _) in zip(pyramid(reference), pyramid(image), strict=True):
        found = []
        var_r, var_d = (np.clip(mean(x * x) - mean(x) ** 2, 0, None) for x in (r, d))
        cov = mean(r * d) - mean(r) * mean(d)
        for vr, vd, c in zip(var_r.ravel(), var_d.ravel(), cov.ravel(), strict=True):
            g, rest = (c / (vr + 1e-10), vd - c**2 / (vr + 1e-10)) if vr >= 1e-10 else (0.0, vd)
            vr = vr if vr >= 1e-10 else 0.0
            if vd < 1e-10:
                g, rest = 0.0, 0.0
            if g < 0:
                g, rest = 0.0, vd
            rest = max(rest, 1e-10)
            found.append((g, math.log10(1 + g * g * vr / (rest + noise)), math.log10(1 + vr / noise)))
        yield np.array(found).T


def test_vif_is_sheikhs_and_boviks_in_two_dimensions(images):
    a, b, f = images
    for source in (a, b):
        sums = np.sum([(kept.sum(), had.sum()) for _, kept, had in seen(source, f, 2.0)], axis=0)
        assert vif(source, f) == pytest.approx(sums[0] / sums[1], rel=1e-9)
    found = fusion_metrics(a, b, f)
    assert (found["vif_a"], found["vif_b"]) == (vif(a, f), vif(b, f))
    assert found["vif"] == found["vif_a"] + found["vif_b"]


def test_viff_takes_the_source_with_the_smaller_gain_in_every_window(images):
    a, b, f = images
    noise, shares = 0.005 * 255**2, []
    for of_a, of_b in zip(seen(a, f, noise), seen(b, f, noise), strict=True):
        chosen = np.where(of_a[0] < of_b[0], of_a, of_b)
        shares.append((chosen[1] + 1e-7).sum() / (chosen[2] + 1e-7).sum())
    assert viff(a, b, f) == pytest.approx(np.dot(np.array([1, 0, 0.15, 1]) / 2.15, shares), rel=1e-9)
    assert viff(a, b, f, weights=(0, 0, 1, 0)) == pytest.approx(shares[2], rel=1e-9)
    assert sum(VIFF_WEIGHTS) == pytest.approx(1)
    assert fusion_metrics(a, b, f)["viff"] == viff(a, b, f)


def test_mutual_information_and_entropy_are_those_of_numpys_histograms(images):
    a, b, f = images

    def bits(x, y):
        joint = np.histogram2d(x.ravel(), y.ravel(), bins=256, range=[[-0.5, 255.5]] * 2)[0] / x.size
        apart = np.outer(joint.sum(1), joint.sum(0))
        return (joint[joint > 0] * np.log2(joint[joint > 0] / apart[joint > 0])).sum()

    def alone(x):
        return stats.entropy(np.unique(x, return_counts=True)[1], base=2)

    assert mutual_information(a, f) == pytest.approx(bits(a, f), rel=1e-9)
    assert entropy(f) == pytest.approx(alone(f), rel=1e-9)
    found = fusion_metrics(a, b, f)
    assert found["mi"] == pytest.approx(bits(a, f) + bits(b, f), rel=1e-9)
    shares = [bits(x, f) / (alone(x) + alone(f)) for x in (a, b)]
    assert found["nmi"] == pytest.approx(2 * sum(shares), rel=1e-9)
    assert found["en"] == pytest.approx(alone(f), rel=1e-9)
    assert mutual_information(a + 0.0, np.clip(f + 0.4, 0, 255)) == mutual_information(a, f)  # the nearest bin


def test_cross_entropy_is_scipys_with_half_a_pixel_in_every_bin(images):
    a, b, f = images
    h = [np.bincount(x.ravel().astype(int), minlength=256) + 0.5 for x in (a, b, f)]
    expected = (stats.entropy(h[0], h[2], base=2) + stats.entropy(h[1], h[2], base=2)) / 2
    assert cross_entropy(a, b, f) == pytest.approx(expected, rel=1e-9)
    assert fusion_metrics(a, b, f)["ce"] == pytest.approx(expected, rel=1e-9)


def test_ssim_and_psnr_are_scikit_images(images):
    a, b, f = images
    found = fusion_metrics(a, b, f)
    for name, x in (("a", a), ("b", b)):
        assert found[f"ssim_{name}"] == pytest.approx(structural_similarity(x, f, data_range=255), rel=1e-9)
        assert found[f"psnr_{name}"] == pytest.approx(peak_signal_noise_ratio(x, f, data_range=255), rel=1e-9)
    assert found["ssim"] == pytest.approx((found["ssim_a"] + found["ssim_b"]) / 2)
    mse = (np.mean((a - f) ** 2) + np.mean((b - f) ** 2)) / 2
    assert found["psnr"] == pytest.approx(10 * math.log10(255**2 / mse))


def edges(images, released):
    """Xydeas and Petrovic pixel by pixel, with scipy's Sobel; `released` as the MATLAB program has it."""
    images = [np.pad(x, 1) if released else x for x in images]
    s = [(-ndimage.sobel(x, axis=1)[1:-1, 1:-1].ravel(), ndimage.sobel(x, axis=0)[1:-1, 1:-1].ravel()) for x in images]
    above = below = 0.0
    for pixel in zip(*(zip(*pair, strict=True) for pair in s), strict=True):
        strength = [math.sqrt(x * x + y * y) for x, y in pixel]
        angle = [math.atan(y / x) if x else math.pi / 2 for x, y in pixel]
        for i in (0, 1):
            if strength[i] == strength[2]:
                g = strength[2] if released else 1.0
            else:
                g = min(strength[i], strength[2]) / max(strength[i], strength[2])
            q = 0.9994 / (1 + math.exp(-15 * (g - 0.5)))
            q *= 0.9879 / (1 + math.exp(-22 * (1 - abs(angle[i] - angle[2]) / (math.pi / 2) - 0.8)))
            above, below = above + q * strength[i], below + strength[i]
    return above / below


@pytest.mark.parametrize("released", [False, True])
def test_qabf_is_xydeass_and_petrovics_pixel_by_pixel(images, released):
    assert qabf(*images, released=released) == pytest.approx(edges(images, released), rel=1e-9)
    if not released:
        assert fusion_metrics(*images)["qabf"] == qabf(*images)


def test_the_released_program_punishes_a_perfect_fusion_of_images_from_0_to_1(images):
    a = images[0] / 255
    perfect = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
    assert qabf(a, a, a) == pytest.approx(perfect)
    assert qabf(a, a, a, released=True) < 0.9
    assert qabf(a / 10, a / 10, a / 10) == pytest.approx(perfect)  # of low contrast
    assert qabf(a / 10, a / 10, a / 10, released=True) < 0.2
    assert qabf(255 * a, 255 * a, 255 * a, released=True) == pytest.approx(0.9994 / 0.99885 * perfect, rel=1e-3)


def test_correlations_of_differences_are_numpys(images):
    a, b, f = images
    expected = np.corrcoef((f - b).ravel(), a.ravel())[0, 1] + np.corrcoef((f - a).ravel(), b.ravel())[0, 1]
    assert scd(a, b, f) == pytest.approx(expected, rel=1e-9)
    assert fusion_metrics(a, b, f)["scd"] == scd(a, b, f)
    assert fusion_metrics(a, b, f)["sd"] == pytest.approx(f.std())
    assert scd(a, 255 - a, a / 2 + (255 - a) / 2) == pytest.approx(2)


# By hand


def test_values_by_hand():
    stripes = np.tile([0.0, 100.0], (6, 5))  # columns of 0 and 100
    steps = np.cumsum(np.full((4, 5), 3.0), axis=0)  # 3 more in every row
    half = np.repeat([0.0, 255.0], 8).reshape(4, 4)
    assert (entropy(stripes), mutual_information(stripes, 255 - stripes)) == (1, 1)
    assert mutual_information(half, np.tile([0.0, 255.0], (4, 2))) == 0
    assert spatial_frequency(stripes) == 100
    assert average_gradient(stripes) == pytest.approx(100 / math.sqrt(2))
    assert spatial_frequency(steps) == 3
    assert average_gradient(steps) == pytest.approx(3 / math.sqrt(2))
    flat = np.full((10, 10), 7.0)
    found = fusion_metrics(flat, flat + 10, flat + 20)
    assert found["psnr"] == pytest.approx(10 * math.log10(255**2 / 250))
    assert found["psnr_b"] == pytest.approx(10 * math.log10(255**2 / 100))
    # 100 pixels of one grey, none of F's: 100.5 / 228 against .5 / 228, and the other way round.
    assert found["ce"] == pytest.approx(100 / 228 * math.log2(201))
    assert (found["en"], found["sd"], found["sf"], found["ag"], found["mi"]) == (0, 0, 0, 0, 0)


def test_greys_are_whole_numbers_on_one_scale():
    x = np.array([-5.0, 0, 1, 4.99, 10, 20, np.nan, np.inf])
    np.testing.assert_array_equal(to_grey8(x, 0, 10), [0, 0, 26, 127, 255, 255, np.nan, np.nan])
    np.testing.assert_array_equal(to_grey8(np.arange(256), 0, 255), np.arange(256))


# Laws


def test_three_equal_images_are_the_best_fusion(images):
    a = images[0]
    found = fusion_metrics(a, a, a)
    assert found["mi"] == pytest.approx(2 * entropy(a))
    assert (found["nmi"], found["ce"], found["psnr"]) == (pytest.approx(2), 0, math.inf)
    assert (found["ssim"], found["vif"], found["viff"]) == (pytest.approx(1), pytest.approx(2), pytest.approx(1))
    assert found["qabf"] == pytest.approx(0.9748, abs=1e-4)
    assert math.isnan(found["scd"])  # F - B is constant


def test_what_is_lost_is_seen(images):
    a, b, f = images
    kept, blurred = fusion_metrics(a, b, f), fusion_metrics(a, b, ndimage.gaussian_filter(f, 2))
    for name in ("mi", "ssim", "vif", "viff", "qabf", "sf", "ag"):
        assert kept[name] > blurred[name], name
    assert list(kept) == list(FUSION_BETTER)
    assert [name for name, way in FUSION_BETTER.items() if way == "lower"] == ["ce"]


def test_more_contrast_is_more_than_all_the_information():
    rng = np.random.default_rng(3)
    a = np.rint(128 + ndimage.gaussian_filter(rng.normal(size=(64, 64)), 1) * 60)
    assert vif(a, 128 + 1.5 * (a - 128)) > 1 > vif(a, 128 + 0.5 * (a - 128))


@pytest.mark.parametrize("side", [16, 40, 1024])
def test_parts_add_up_to_the_whole(images, holed, side):
    for scene in (images, holed):
        whole, total = FusionStatistics.of(*scene), summed(scene, side)
        np.testing.assert_array_equal(total.histograms, whole.histograms)
        assert total.pixels == whole.pixels
        assert total.metrics() == pytest.approx(whole.metrics(), rel=1e-9)
        # Not only the sums: every window was counted once.
        np.testing.assert_array_equal(total.ssim[:, 1], whole.ssim[:, 1])
        np.testing.assert_array_equal(total.steps[:, 1], whole.steps[:, 1])
        np.testing.assert_array_equal(total.fused_fidelity[:, 2], whole.fused_fidelity[:, 2])


@settings(max_examples=10)
@given(rows=st.integers(1, 90), cols=st.integers(1, 90), side=st.integers(1, 60))
def test_scenes_of_any_size_add_up(rows, cols, side):
    rng = np.random.default_rng(rows)
    scene = tuple(np.rint(rng.uniform(0, 255, (rows, cols))) for _ in range(3))
    scene[0][rng.random((rows, cols)) < 0.002] = np.nan
    expected = fusion_metrics(*scene)
    assert summed(scene, max(side, 24)).metrics() == pytest.approx(expected, rel=1e-9, nan_ok=True)
    covered = np.zeros((rows, cols), int)
    for part in scene_parts((rows, cols), side):
        covered[part.rows, part.cols] += 1
    assert (covered == 1).all()


def test_unmeasured_pixels_are_as_if_cut_off(images):
    for edge in ((slice(0, 64), slice(0, 77)), (slice(16, None), slice(8, None))):  # scales keep pixels by eights
        for hidden in range(3):
            scene = [x.copy() for x in images]
            outside = np.ones(SHAPE, bool)
            outside[edge] = False
            scene[hidden][outside] = np.nan
            assert fusion_metrics(*scene) == pytest.approx(fusion_metrics(*(x[edge] for x in images)), rel=1e-9)


def test_one_unmeasured_pixel_takes_its_windows_with_it(images):
    scene = [x.copy() for x in images]
    scene[1][40, 50] = np.nan
    whole, less = FusionStatistics.of(*images), FusionStatistics.of(*scene)
    assert whole.pixels - less.pixels == 1
    np.testing.assert_array_equal(whole.ssim[:, 1] - less.ssim[:, 1], 49)
    np.testing.assert_array_equal(whole.steps[:, 1] - less.steps[:, 1], [2, 2, 3])
    assert whole.fused_fidelity[0, 2] - less.fused_fidelity[0, 2] == 17**2
    scene[1][40, 50] = images[1][40, 50]
    for x in (0, 128, 255):
        scene[0][40, 50] = x  # nothing that counts sees it
        hole = [np.where(np.indices(SHAPE).sum(0) == 90, np.nan, y) for y in scene]
        expected = fusion_metrics(*(np.where(np.indices(SHAPE).sum(0) == 90, np.nan, y) for y in images))
        assert fusion_metrics(*hole) == pytest.approx(expected)


def test_nothing_to_go_by_is_nan():
    nothing = np.full((30, 30), np.nan)
    assert all(math.isnan(value) for value in fusion_metrics(nothing, nothing, nothing).values())
    flat = np.full((48, 48), 9.0)
    found = fusion_metrics(flat, flat, flat)
    assert {name for name, value in found.items() if math.isnan(value)} == {
        "nmi", "vif", "vif_a", "vif_b", "qabf", "scd"
    }  # fmt: skip
    assert math.isnan(fusion_metrics(*[np.eye(12) * 255] * 3)["viff"])  # too small for its windows


# Doors


def test_what_is_no_grey_image_is_refused(images):
    a, b, f = images
    with pytest.raises(
        ValueError, match=r"^a, b, f must be images of one shape \(rows, cols\), got \(83, 101\), \(82, 101\)"
    ):
        fusion_metrics(a, b[1:], f)
    with pytest.raises(ValueError, match=r"^f must be grey, 0 to 255, got -?\d+ to \d+: scale it by to_grey8"):
        qabf(a, b, f * 20)
    for low, high in ((3, 3), (4, 3), (math.nan, 1), (0, math.inf)):
        with pytest.raises(ValueError, match="finite low < high"):
            to_grey8(a, low, high)
    with pytest.raises(ValueError, match="4 scales, got 2 weights"):
        viff(a, b, f, weights=(1, 1))


def test_parts_that_would_not_add_up_are_refused(images):
    rows, cols = slice(0, 83), slice(0, 101)
    for wrong in (slice(4, 83), slice(0, 20)):
        with pytest.raises(ValueError, match=r"^rows of a part must start and stop at multiples of 8, or stop where"):
            ScenePart(wrong, cols, SHAPE)
    for wrong in (slice(0, 104), slice(8, 8), slice(-8, 8)):
        with pytest.raises(ValueError, match=r"^cols of a part must lie inside 0 to 101"):
            ScenePart(rows, wrong, SHAPE)
    part = ScenePart(slice(32, 40), slice(40, 80), SHAPE)
    assert part.read == (slice(8, 64), slice(16, 101))
    assert part.core == (slice(24, 32), slice(24, 64))
    with pytest.raises(ValueError, match=r"`read` window, \(56, 85\), got \(83, 101\)"):
        FusionStatistics.of(*images, part)
    with pytest.raises(ValueError, match="at least one pixel"):
        next(scene_parts(SHAPE, 0))
