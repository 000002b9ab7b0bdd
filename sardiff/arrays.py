"""The shapes that modules exchange."""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

__all__ = ["Images", "PerImage"]

Images: TypeAlias = Float[Tensor, "b c h w"]
"""A batch of images: batch, band, row, col."""

PerImage: TypeAlias = Float[Tensor, "b"]  # noqa: F821
"""One number an image."""
