"""The same landscape as an optical sensor sees it: reflectances in red, green and blue."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter

from sardiff.simulate.landscape import Cover, Landscape

__all__ = ["reflectance"]

COLOURS = {
    Cover.FOREST: (0.035, 0.055, 0.030),
    Cover.WATER: (0.020, 0.035, 0.045),
    Cover.URBAN: (0.170, 0.150, 0.135),
    Cover.ROAD: (0.150, 0.150, 0.150),
}
BARE, GREEN = (0.210, 0.165, 0.120), (0.060, 0.100, 0.045)  # what fields are mixtures of
POINT_SPREAD = 0.6  # pixels, standard deviation
SUN = (0.6, 0.8)  # up in rows and left in cols: from where slopes are lit


def reflectance(scene: Landscape, seed: int = 0) -> NDArray[np.float32]:
    """Paint a landscape as an optical image shows it.

    Borders, roads, water and woods lie where radar sees them. Levels do not follow from backscatter: crops of one
    brightness in radar differ in colour and the other way round, roofs are no corners, slopes are lit by the sun, not
    by the sensor. There is no cloud and no noise.

    Parameters
    ----------
    scene : Landscape
    seed : int
        Which crop has which colour; same seed, same colours.

    Returns
    -------
    ndarray (3, rows, cols)
        Reflectance in red, green and blue, float32, in (0, 1), also where radar measured nothing.

    Examples
    --------
    >>> from sardiff.simulate import landscape
    >>> reflectance(landscape((64, 64), seed=1)).shape
    (3, 64, 64)
    """
    rng = np.random.default_rng((seed, 2))  # neither the landscape's own numbers nor those of its speckle
    power = np.where(scene.measured, scene.intensity, np.nanmedian(scene.intensity))
    level_db = median_filter(10 * np.log10(power), 3)
    knots = np.arange(-28.0, 16.0, 0.75)  # narrower than most crops differ by
    share = np.interp(level_db, knots, rng.uniform(0, 1, knots.size))
    warm = np.interp(level_db, knots, rng.uniform(0.85, 1.15, knots.size))
    bare, green = (np.array(colour)[:, None, None] for colour in (BARE, GREEN))
    image = green + (bare - green) * share
    image[0] *= warm
    for cover, colour in COLOURS.items():
        image = np.where(scene.cover == cover, np.array(colour)[:, None, None], image)
    texture_db = np.clip(10 * np.log10(power) - gaussian_filter(level_db, 2), -6, 6)
    rough = np.isin(scene.cover, (Cover.FOREST, Cover.URBAN))
    image = image * np.where(rough, 10 ** (texture_db / 20), 1.0)
    down, right = np.gradient(scene.elevation_m, scene.step_m)
    light = np.clip(1 + SUN[0] * down + SUN[1] * right, 0.4, 1.6)
    image = image * np.where(scene.cover == Cover.WATER, 1.0, light)
    image = gaussian_filter(image, (0, POINT_SPREAD, POINT_SPREAD))
    return np.asarray(np.clip(image, 0.005, 0.95), np.float32)
