"""Keeping some pixels, and no others."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from sardiff.arrays import Images

__all__ = ["Mask"]


@dataclass(frozen=True, eq=False)
class Mask:
    """A = diag(kept): zero where a pixel is not kept. A projection, so its own adjoint and pseudo-inverse.

    Parameters
    ----------
    kept : Tensor
        (b, c, h, w), true where a pixel is measured.
    """

    kept: Bool[Tensor, "b c h w"]

    def forward(self, x: Images) -> Images:
        """Return A x; what is not kept may be NaN."""
        return torch.where(self.kept, x, 0.0)

    def adjoint(self, y: Images) -> Images:
        """Return A^T y = A y."""
        return self.forward(y)
