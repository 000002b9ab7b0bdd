"""Gradient transfer: SAR's intensities and the optical image's gradients, both by least absolute values."""

from sardiff.arrays import Images
from sardiff.likelihoods.laplace import FusionEnergy

__all__ = ["BALANCE", "ITERATIONS", "REACH", "gradient_transfer"]

BALANCE = 4.0  # Ma et al.'s lambda: what differs from the optical image stays where it is wider than 16 pixels or so
ITERATIONS = 200
REACH = 100  # pixels: measured on scenes, what cut rims change beyond is below 4e-5; beyond `ITERATIONS` it is nothing


def gradient_transfer(optical: Images, sar: Images, weight: float = 0.5) -> Images:
    """Return argmin_f |f - sar|_1 + BALANCE TV(f - optical), or nearer to either of both.

    Ma, Chen, Li and Huang (2016), Infrared and visible image fusion via gradient transfer and total variation
    minimization, Information Fusion 31, with SAR in the place of infrared. .5 is the textbook. From there down, SAR's
    contrast against the optical image is scaled by 2 weight, to nothing at 0; from there up, the gradients count
    (1 - weight) / weight times as much, at 1 not at all. Other than in the paper total variation is isotropic, and the
    minimum is approached by `FusionEnergy.minimise`: on scenes, to within 3e-3 of its energy at .5 and 7e-3 at .2.
    """
    intensity = optical + min(1.0, 2 * weight) * (sar - optical)
    tv = BALANCE if weight <= 0.5 else BALANCE * (1 - weight) / weight
    energy = FusionEnergy(
        optical, intensity, weight_optical=0.0, weight_sar=1.0, tv=tv, edges="optical", iterations=ITERATIONS
    )
    return energy.minimise(intensity)
