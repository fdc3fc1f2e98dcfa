"""Step times from bare arrays, for kernels: bilinear in a cell.

A table is its two axes and its values, flat and row by row (``z[i * len(ys) + j]``), as ``StepTable.decode_s[band]
.ravel()`` gives them. Axes increase strictly; an axis of one point is constant. Border cells continue linearly and a
time is never negative, as in ``StepTable.decode``. Nothing here knows a type of the package: numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
_Function = TypeVar("_Function", bound=Callable[..., object])


def _kernel(function: _Function) -> _Function:
    return cast(_Function, njit(cache=True, nogil=True)(function))


@_kernel
def cell_index(x: float, xs: Floats) -> int:
    """Index i of the cell [xs[i], xs[i + 1]) that holds x; the first or last cell beyond the axis."""
    low, high = 0, len(xs) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    return low


@_kernel
def decode_cell(
    x: float, y: float, xs: Floats, ys: Floats, z: Floats
) -> tuple[float, float, float, float, float, float, float]:
    """(a, b, c, d, x0, y0, y_end): bilinear form of the cell that holds (x, y), and the y at which it ends.

        t = a + b (x - x0) + c (y - y0) + d (x - x0) (y - y0),     floored at 0

    It holds for y up to ``y_end`` (inclusive: cells agree on their border), which is infinite in the last cell.
    """
    n, m = len(xs), len(ys)
    i, j = cell_index(x, xs), cell_index(y, ys)
    corner = z[i * m + j]
    b, c, d = 0.0, 0.0, 0.0
    if n > 1:
        b = (z[(i + 1) * m + j] - corner) / (xs[i + 1] - xs[i])
    if m > 1:
        c = (z[i * m + j + 1] - corner) / (ys[j + 1] - ys[j])
        if n > 1:
            slope = (z[(i + 1) * m + j + 1] - z[i * m + j + 1]) / (xs[i + 1] - xs[i])
            d = (slope - b) / (ys[j + 1] - ys[j])
    end = ys[j + 1] if j + 2 < m else math.inf
    return corner, b, c, d, xs[i], ys[j], end


@_kernel
def bilinear(x: float, y: float, xs: Floats, ys: Floats, z: Floats) -> float:
    """Value at (x, y) of ``z`` on the grid (xs, ys), never negative."""
    a, b, c, d, x0, y0, _ = decode_cell(x, y, xs, ys, z)
    dx, dy = x - x0, y - y0
    return max(a + b * dx + (c + d * dx) * dy, 0.0)
