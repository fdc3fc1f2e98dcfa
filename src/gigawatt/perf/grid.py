"""Values between the points of a grid, for whole arrays; ``interpolate`` has the same for kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def on_grid(x: npt.ArrayLike, y: npt.ArrayLike, xs: Floats, ys: Floats, z: Floats) -> Floats:
    """Values of ``z`` (n, m) on the grid (xs, ys) at (x, y); border cells continue linearly, floored at 0."""
    i, u = _cell(x, xs)
    j, v = _cell(y, ys)
    i1, j1 = np.minimum(i + 1, len(xs) - 1), np.minimum(j + 1, len(ys) - 1)
    low = z[i, j] + u * (z[i1, j] - z[i, j])
    high = z[i, j1] + u * (z[i1, j1] - z[i, j1])
    return np.asarray(np.maximum(low + v * (high - low), 0.0))


def _cell(x: npt.ArrayLike, xs: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """(index of the cell, place in it as a share of its width); an axis of one point has no width."""
    at = np.asarray(x, dtype=np.float64)
    if len(xs) == 1:
        return np.zeros(at.shape, dtype=np.intp), np.zeros(at.shape)
    i = np.clip(np.searchsorted(xs, at, side="right") - 1, 0, len(xs) - 2)
    return i, np.asarray((at - xs[i]) / (xs[i + 1] - xs[i]))
