"""IHS: the intensity is replaced, hue and saturation stay."""

from sardiff.arrays import Images

__all__ = ["ihs"]


def ihs(optical: Images, sar: Images, weight: float = 0.5) -> Images:
    """Return (1 - weight) optical + weight sar, to be added to every band: band + f - optical.

    Tu, Su, Shyu and Huang (2001), A new look at IHS-like image fusion methods, Information Fusion 2(3): of the linear
    IHS transform there and back remains one addition. weight = 1 is the textbook, the intensity replaced as a whole.
    """
    return (1 - weight) * optical + weight * sar
