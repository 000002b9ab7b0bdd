"""Brovey: the intensity is replaced, the ratios of the bands stay."""

from sardiff.arrays import Images

__all__ = ["brovey"]


def brovey(optical: Images, sar: Images, weight: float = 0.5) -> Images:
    """Return (1 - weight) optical + weight sar, by whose ratio to the optical every band is multiplied.

    Gillespie, Kahle and Walker (1987), Color enhancement of highly correlated images II, Remote Sensing of Environment
    22(3). Like `ihs` but for the bands: band * f / optical. weight = 1 is the textbook.
    """
    return (1 - weight) * optical + weight * sar
