"""Figures over time: dated points to one value a quarter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import QUARTERS_A_YEAR

Floats = npt.NDArray[np.float64]


def series(points: Sequence[tuple[int, float]], quarters: Sequence[int]) -> Floats:
    """Value in each quarter: geometric between dated points, linear where a point is 0, flat beyond the ends.

    Args:
        points: (quarter, value), quarters ascending.
        quarters: quarters since year 0.

    >>> [float(round(v, 3)) for v in series([(0, 1.0), (2, 4.0)], [0, 1, 2, 3])]
    [1.0, 2.0, 4.0, 4.0]
    """
    at = np.array([q for q, _ in points], dtype=np.float64)
    values = np.array([v for _, v in points], dtype=np.float64)
    wanted = np.asarray(quarters, dtype=np.float64)
    if (values > 0).all():
        return np.exp(np.interp(wanted, at, np.log(values)))
    return np.interp(wanted, at, values)


def step_series(points: Sequence[tuple[int, float]], quarters: Sequence[int]) -> Floats:
    """Value in force in each quarter: the last dated point at or before it, 0 before the first.

    >>> [float(v) for v in step_series([(1, 5.0), (3, 7.0)], [0, 1, 2, 3])]
    [0.0, 5.0, 5.0, 7.0]
    """
    result = np.zeros(len(quarters))
    for at, value in points:
        result[np.asarray(quarters) >= at] = value
    return result


def compound(rate_per_year: float, quarters: Sequence[int]) -> Floats:
    """Growth factor since the first quarter at a yearly rate."""
    age = np.asarray(quarters, dtype=np.float64) - quarters[0]
    return np.asarray((1.0 + rate_per_year) ** (age / QUARTERS_A_YEAR))
