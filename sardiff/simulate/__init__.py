"""Scenes whose truth is known: speckle, with or without correlation, and a landscape to lay it on."""

from sardiff.simulate.landscape import Cover, Landscape, landscape
from sardiff.simulate.optical import reflectance
from sardiff.simulate.speckle import ImpulseResponse, correlated_speckle, speckle

__all__ = ["Cover", "ImpulseResponse", "Landscape", "correlated_speckle", "landscape", "reflectance", "speckle"]
