import numpy as np
import pytest
import rasterio

from sardiff.errors import SettingsError
from sardiff.tasks.kernels import LARGEST, kernel_of


def moments(kernel):
    """Middle and covariance of a kernel, in (row, col) from its centre."""
    places = np.indices(kernel.shape) - (np.array(kernel.shape)[:, None, None] - 1) / 2
    middle = (places * kernel).sum(axis=(1, 2))
    return middle, np.einsum("irc,jrc,rc->ij", places, places, kernel)


@pytest.mark.parametrize("blur", ["gaussian:1.5", "box:5", "motion:9,30", "motion:1,0"])
def test_kernels_are_odd_positive_centred_and_of_sum_one(blur):
    kernel = kernel_of(blur)
    assert all(side % 2 for side in kernel.shape)
    assert (kernel >= 0).all()
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(moments(kernel)[0], 0, atol=1e-12)


def test_a_gaussian_has_its_variance():
    np.testing.assert_allclose(moments(kernel_of("gaussian:2"))[1], 4 * np.eye(2), rtol=1e-2, atol=1e-9)


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_motion_lies_along_its_angle(angle):
    _, covariance = moments(kernel_of(f"motion:20,{angle}"))
    variance, axes = np.linalg.eigh(covariance)
    turned = np.radians(angle)
    direction = np.array([-np.sin(turned), np.cos(turned)])  # rows count downwards
    assert abs(axes[:, 1] @ direction) == pytest.approx(1, abs=1e-3)
    assert variance[1] == pytest.approx(20**2 / 12, rel=0.02)
    assert variance[0] < 0.5


def test_files_hold_kernels(tmp_path):
    expected = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    (tmp_path / "k.txt").write_text("1 2 1\n2 4 2\n\n1 2 1\n")
    (tmp_path / "k.csv").write_text("1,2,1\n2,4,2\n1,2,1\n")
    about = {"driver": "GTiff", "count": 1, "height": 3, "width": 3, "dtype": "float32"}
    about["transform"] = rasterio.Affine(2, 0, 5, 0, -2, 5)
    with rasterio.open(tmp_path / "k.tif", "w", **about) as dataset:
        dataset.write(16 * expected.astype(np.float32)[None])
    for name in ("k.txt", "k.csv", "k.tif"):
        np.testing.assert_allclose(kernel_of(str(tmp_path / name)), expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2\n3 4\n", "both must be odd"),
        ("1 2 1\n1 2\n", "rows of numbers"),
        ("1 two 1\n", "numbers >= 0"),
        ("1 -2 1\n", "numbers >= 0"),
        ("nan 1 1\n", "numbers >= 0"),
        ("1e308 inf 1e308\n", "numbers >= 0"),
        ("0 0 0\n", "numbers >= 0"),
        ("", "rows of numbers"),
        ("1 " * (LARGEST + 2), "at most"),
        ("9" * 2_000_000, "larger than a kernel"),
    ],
)
def test_hostile_files_are_refused_in_a_sentence(tmp_path, text, said):
    (tmp_path / "k.txt").write_text(text)
    with pytest.raises(SettingsError, match=said):
        kernel_of(str(tmp_path / "k.txt"))


@pytest.mark.parametrize(
    "blur",
    [
        *("", "gaussian", "gaussian:", "gaussian:0", "gaussian:-1", "gaussian:nan", "gaussian:1e9", "gaussian:1,2"),
        *("box:4", "box:0", "box:2.5", "box:103", "motion:9", "motion:0,1", "motion:1e6,0", "motion:9,inf"),
        *("nowhere.txt", "nowhere.png", "disc:3"),
    ],
)
def test_what_is_no_blur_is_refused(blur):
    with pytest.raises(SettingsError, match=r"\.$"):
        kernel_of(blur)


def test_bytes_are_no_text(tmp_path):
    (tmp_path / "k.txt").write_bytes(bytes(range(256)))
    with pytest.raises(SettingsError, match="cannot be read: it is no text"):
        kernel_of(str(tmp_path / "k.txt"))
