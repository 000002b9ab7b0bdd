"""Convolution with a kernel of non-negative weights: what optics, motion and the area of a detector do."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sardiff.arrays import Images

__all__ = ["Blur"]


@dataclass(frozen=True, eq=False)
class Blur:
    """A x = k * x, a convolution; beyond its rims an image is zero, nothing is periodic.

    (A x)(p) = sum over d of k(d) x(p - d), d counted from the kernel's middle. As products of spectra of images
    padded by the kernel: exact but for rounding, whatever the kernel's size. ||A|| <= 1.

    Parameters
    ----------
    kernel : Tensor
        (rows, cols), both odd, >= 0, of sum 1.

    Raises
    ------
    ValueError
        If it is not of this kind.
    """

    kernel: Tensor

    def __post_init__(self) -> None:
        k = self.kernel
        if k.ndim != 2 or not all(side % 2 for side in k.shape):
            raise ValueError(f"a kernel must have an odd number of rows and of cols, got {tuple(k.shape)}")
        if not bool((k >= 0).all()) or abs(float(k.sum()) - 1) > 1e-4:
            raise ValueError(f"a kernel must be >= 0 and of sum 1, got {float(k.min()):g} and {float(k.sum()):g}")

    @cached_property
    def reach(self) -> int:
        """How far a pixel is carried along either axis, in pixels."""
        return max(self.kernel.shape) // 2

    def forward(self, x: Images) -> Images:
        """Return A x."""
        return self._convolved(x, turned=False)

    def adjoint(self, y: Images) -> Images:
        """Return A^T y, the convolution with the kernel turned by half a circle."""
        return self._convolved(y, turned=True)

    def _convolved(self, x: Images, turned: bool) -> Images:
        rows, cols = self.kernel.shape
        size = x.shape[2] + rows - 1, x.shape[3] + cols - 1
        key = (size, turned, x.dtype, x.device)
        if key not in self._spectra:
            self._spectra[key] = torch.fft.rfft2((self.kernel.flip(0, 1) if turned else self.kernel).to(x), s=size)
        whole: Images = torch.fft.irfft2(torch.fft.rfft2(x, s=size) * self._spectra[key], s=size)
        top, left = rows // 2, cols // 2
        return whole[..., top : top + x.shape[2], left : left + x.shape[3]]

    @cached_property
    def _spectra(self) -> dict[Any, Tensor]:
        """Of the kernel, by the size of padded images: a solver asks for the same many times."""
        return {}
