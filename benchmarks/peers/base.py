"""What a despeckler is given, and what there is to know about one before it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Image", "Peer", "Scene", "needs"]

Image = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Scene:
    """A speckled image as its user has it.

    Parameters
    ----------
    intensity : array (rows, cols)
        Linear power; NaN: not measured.
    looks : float
        Equivalent number of looks, > 0.
    field : complex array (rows, cols), optional
        Single-look complex pixels with this intensity, where there is a record of them.
    """

    intensity: Image
    looks: float
    field: NDArray[np.complexfloating] | None = None

    def single_look_complex(self) -> NDArray[np.complexfloating]:
        """The field, or one with this intensity and a uniform phase.

        Where speckle has one look and is independent from pixel to pixel the two have the same distribution. Several
        looks have no phase at all: methods for complex pixels then see what they were not made for.
        """
        if self.field is not None:
            return self.field
        phase = np.random.default_rng(0).uniform(-np.pi, np.pi, self.intensity.shape)
        return np.sqrt(self.intensity) * np.exp(1j * phase)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A despeckler: linear intensity in and out.

    Parameters
    ----------
    name : str
    source : str
        Where it is from: package, paper.
    run : callable
        (scene, value of the free parameter) to intensity (rows, cols).
    parameter : str
        What is free; empty if nothing is.
    choices : tuple
        Values it is tuned over.
    licence : str
        Of what is called.
    takes_looks : bool
        Whether it can be told the number of looks.
    missing : callable
        The reason why it cannot run here, or None.
    child_peak_mb : callable, optional
        Largest resident memory of the last run, for what runs as a process of its own.
    """

    name: str
    source: str
    run: Callable[[Scene, Any], Image]
    parameter: str = ""
    choices: tuple[Any, ...] = (None,)
    licence: str = ""
    takes_looks: bool = True
    missing: Callable[[], str | None] = lambda: None
    child_peak_mb: Callable[[], float] | None = None


def needs(*packages: str) -> Callable[[], str | None]:
    """Why a peer is missing that needs these packages, or None."""

    def reason() -> str | None:
        absent = [name for name in packages if find_spec(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    return reason
