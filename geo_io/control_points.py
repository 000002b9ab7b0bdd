"""Map coordinates to pixels by control points: exact at each of them, and smooth between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import legvander2d
from numpy.typing import NDArray

__all__ = ["ControlPoints"]

Floats = NDArray[np.float64]

DEGREE = 5  # of the polynomials that control points are first fitted with
RIM = 1.1  # half widths from the middle: beyond, what bends stays as it is there


@dataclass(frozen=True, eq=False)
class ControlPoints:
    """Map coordinates to rows and cols by control points, exact at each of them.

    An affine, Legendre polynomials, and a thin plate spline through what these leave. A spline alone is off by two
    pixels between the points of a Sentinel-1 scene on flat ground, polynomials alone by what relief does.
    """

    centre: Floats  # of the points, in map coordinates
    spread: Floats
    middle: Floats  # in pixels
    half: Floats
    affine: Floats
    degree: int
    polynomials: Floats
    knots: Floats
    spline: Floats

    @classmethod
    def fit(cls, x: Floats, y: Floats, pixels: Floats) -> ControlPoints:
        """Fit to map coordinates (n,) and the rows and cols there (n, 2).

        Raises
        ------
        LinAlgError
            If the points lie on a line, or are too few.
        """
        places = np.stack([x, y], -1)
        centre, spread = _middle_and_half(places)
        middle, half = _middle_and_half(pixels)
        goal = (pixels - middle) / half
        plane = _affine_terms((places - centre) / spread)
        affine, _, rank, _ = np.linalg.lstsq(plane, goal, rcond=1e-6)
        if rank < 3:
            raise np.linalg.LinAlgError("points on a line")
        about = plane @ affine  # the rows and cols themselves, but for what bends: from -1 to 1
        terms = (_terms(about, degree) for degree in range(DEGREE, 0, -1))
        degree, chosen = next(
            (DEGREE - k, matrix)
            for k, matrix in enumerate(terms)
            if k == DEGREE - 1 or (2 * matrix.shape[1] <= len(matrix) and np.linalg.cond(matrix) < 100)
        )
        polynomials = np.asarray(np.linalg.lstsq(chosen, goal - about, rcond=1e-6)[0])
        _, distinct = np.unique(about.round(9), axis=0, return_index=True)
        knots, left = about[distinct], (goal - about - chosen @ polynomials)[distinct]
        plane = _affine_terms(knots)
        system = np.block([[_bumps(knots, knots), plane], [plane.T, np.zeros((3, 3))]])
        spline = np.linalg.solve(system, np.concatenate([left, np.zeros((3, 2))]))
        return cls(centre, spread, middle, half, np.asarray(affine, float), degree, polynomials, knots, spline)

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the rows and cols of map coordinates, of any shape."""
        places = np.stack([x.ravel(), y.ravel()], -1)
        about = _affine_terms((places - self.centre) / self.spread) @ self.affine
        near = np.clip(about, -RIM, RIM)
        rest = _terms(near, self.degree) @ self.polynomials
        rest += np.hstack([_bumps(near, self.knots), _affine_terms(near)]) @ self.spline
        rows, cols = ((about + rest) * self.half + self.middle).T
        return rows.reshape(x.shape), cols.reshape(x.shape)


def _middle_and_half(points: Floats) -> tuple[Floats, Floats]:
    low, high = points.min(0), points.max(0)
    if not (high > low).all():
        raise np.linalg.LinAlgError("points on a line")
    return (low + high) / 2, (high - low) / 2


def _affine_terms(points: Floats) -> Floats:
    return np.insert(points, 0, 1.0, axis=1)


def _terms(points: Floats, degree: int) -> Floats:
    """Legendre polynomials of two variables, up to a total degree."""
    keep = np.add.outer(range(degree + 1), range(degree + 1)) <= degree
    return np.asarray(legvander2d(points[:, 0], points[:, 1], [degree, degree])[:, keep.ravel()], float)


def _bumps(points: Floats, knots: Floats) -> Floats:
    """Thin plate spline of each knot at each point: r^2 log r, but for a factor of two."""
    squared = ((points[:, None] - knots[None]) ** 2).sum(-1)
    return squared * np.log(squared, out=np.zeros_like(squared), where=squared > 0)
