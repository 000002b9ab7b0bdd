"""What every classical fusion is: a function of two grey images, and how far it sees."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sardiff.arrays import Images

__all__ = ["Classical", "Fuse"]

Fuse: TypeAlias = Callable[[Images, Images, float], Images]
"""optical, sar, weight -> fused, all but the weight (b, 1, h, w) of luminance on one grid.

The sources are finite and share a scale: optical of about 0..1, SAR (despeckled, in dB or another logarithm)
gain-matched to it, both by statistics of the whole scene. The weight runs from 0, like the optical image, to 1, like
the SAR image. One image never sways another.
"""


@dataclass(frozen=True)
class Classical:
    """A method, and what a driver must know to run it tile by tile as if the scene were whole.

    Parameters
    ----------
    fuse : Fuse
        The method.
    reach : int
        Pixels, >= 0: what lies farther, along rows or cols, changes a fused pixel by less than 1e-4 of the range.
    stride : int
        Pixels, >= 1: tiles begin at multiples of it, as the method commutes with no other shifts.
    source : str
        Who published it, and where.
    injection : "ratio" or "add"
        How the fused luminance f enters a band whose optical luminance is o: band * f / o, or band + f - o.
    """

    fuse: Fuse
    reach: int
    stride: int
    source: str
    injection: Literal["ratio", "add"]
