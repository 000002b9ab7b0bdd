import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from sardiff.operators import Blur
from sardiff.tasks.kernels import kernel_of


@pytest.mark.parametrize("blur", ["gaussian:0.8", "motion:7,-20", "box:5"])
def test_it_is_the_convolution_of_scipy(blur):
    kernel = kernel_of(blur)
    image = np.random.default_rng(0).standard_normal((31, 20))
    found = Blur(torch.from_numpy(kernel)).forward(torch.from_numpy(image)[None, None])[0, 0]
    np.testing.assert_allclose(found, convolve(image, kernel, mode="constant"), atol=1e-12)


def test_nothing_comes_back_from_the_other_side():
    image = torch.zeros(1, 1, 16, 16)
    image[..., 0, 0] = 1.0
    found = Blur(torch.from_numpy(kernel_of("gaussian:1"))).forward(image)
    assert float(found[..., 8:, :].abs().max()) < 1e-7
    assert float(found[..., :, 8:].abs().max()) < 1e-7


def test_an_image_does_not_feel_its_batch():
    x, blur = torch.randn(3, 2, 12, 9), Blur(torch.from_numpy(kernel_of("box:3")))
    torch.testing.assert_close(blur.forward(x)[1:2], blur.forward(x[1:2]))


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (torch.ones(2, 3) / 6, "odd number"),
        (torch.ones(3) / 3, "odd number"),
        (torch.ones(3, 3), "sum 1"),
        (torch.tensor([[-0.5, 1.0, 0.5]]), ">= 0"),
    ],
)
def test_what_is_no_kernel_is_refused(kernel, said):
    with pytest.raises(ValueError, match=said):
        Blur(kernel)
