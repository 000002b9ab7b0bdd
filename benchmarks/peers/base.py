"""What a despeckler is given, and what there is to know about one before it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def is_single_look(self) -> bool:
        """Whether there are single-look complex pixels, or may be: see `single_look_complex`."""
        return self.field is not None or self.looks == 1

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
    run_all : callable, optional
        The same for several scenes of equal looks at once, each as if it were alone: for what is slow to start.
    parameter : str
        What is free; empty if nothing is.
    choices : tuple
        Values it is tuned over, from one end to the other.
    licence : str
        Of what is called.
    takes_looks : bool
        Whether it can be told the number of looks.
    missing : callable
        The reason why it cannot run here, or None.
    serves : callable
        Whether it was made for such a scene.
    effort : int
        0: runs on every image; 1: on a few; 2: on a few, and for a few numbers of looks.
    own : bool
        Ours.
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
    serves: Callable[[Scene], bool] = lambda scene: True
    effort: int = 0
    own: bool = False
    run_all: Callable[[Sequence[Scene], Any], list[Image]] | None = None
    child_peak_mb: Callable[[], float] | None = None

    def estimates(self, scenes: Sequence[Scene], setting: Any) -> list[Image]:
        """Despeckle every scene, double precision."""
        if self.run_all is not None:
            found = self.run_all(scenes, setting)
        else:
            found = [self.run(scene, setting) for scene in scenes]
        return [np.asarray(e, np.float64).reshape(s.intensity.shape) for e, s in zip(found, scenes, strict=True)]


def needs(*packages: str) -> Callable[[], str | None]:
    """Why a peer is missing that needs these packages, or None."""

    def reason() -> str | None:
        absent = [name for name in packages if find_spec(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    return reason
