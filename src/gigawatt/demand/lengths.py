"""Distributions of tokens of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, log, sqrt

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import TraceError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lengths:
    """Lengths in tokens: lognormal by mean and cv, or with ``values`` a table of them.

    Attributes:
        mean: mean before rounding to whole tokens of at least 1.
        cv: standard deviation over mean; 0, every length is the mean.
        values: (k,) lengths of a table, else empty.
        weights: (k,) how often, any scale.
    """

    mean: float
    cv: float = 0.0
    values: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """Refuses lengths below a token."""
        if not (isfinite(self.mean) and self.mean >= 1.0 and isfinite(self.cv) and self.cv >= 0.0):
            raise TraceError(f"lengths of mean {self.mean:g} and cv {self.cv:g}; a mean of at least 1 token is right")

    def lognormal(self) -> tuple[float, float]:
        """(mu, sigma) of the logarithm: sigma^2 = ln(1 + cv^2), mu = ln(mean) - sigma^2 / 2.

        >>> Lengths(mean=100.0).lognormal()
        (4.605170185988092, 0.0)
        """
        variance = log(1.0 + self.cv**2)
        return log(self.mean) - variance / 2.0, sqrt(variance)


def fixed(tokens: float) -> Lengths:
    """Every request the same."""
    return Lengths(mean=tokens)


def lognormal(mean: float, cv: float) -> Lengths:
    """Lognormal by mean and coefficient of variation."""
    return Lengths(mean=mean, cv=cv)


def empirical(values: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Lengths:
    """A table of lengths, each as often as its weight; without weights, a sample.

    Raises:
        TraceError: no length, one below a token, or weights that are negative or all 0.

    >>> empirical([10, 20, 20]).mean
    16.666666666666668
    """
    found = np.asarray(values, dtype=np.int64)
    if weights is None:
        found, counts = np.unique(found, return_counts=True)
        often = counts.astype(np.float64)
    else:
        often = np.asarray(weights, dtype=np.float64)
    if not len(found) or found.min() < 1 or len(often) != len(found):
        raise TraceError("a table of lengths needs at least one, each at least a token, and as many weights")
    if not (np.isfinite(often).all() and often.min() >= 0.0 and often.sum() > 0.0):
        raise TraceError("weights of lengths must be finite, not negative and not all 0")
    mean = float(np.average(found, weights=often))
    cv = float(np.sqrt(np.average((found - mean) ** 2, weights=often))) / mean
    return Lengths(mean=mean, cv=cv, values=found, weights=often)


def alias_table(weights: Floats) -> tuple[Floats, Ints]:
    """(keep, other): draw a cell evenly, keep it with ``keep``, else take ``other``.

    Source: Vose 1991, doi:10.1109/32.92917.
    """
    k = len(weights)
    keep, other = weights * (k / weights.sum()), np.arange(k)
    small = [i for i in range(k) if keep[i] < 1.0]
    large = [i for i in range(k) if keep[i] >= 1.0]
    while small and large:
        less, more = small.pop(), large[-1]
        other[less] = more
        keep[more] -= 1.0 - keep[less]
        if keep[more] < 1.0:
            small.append(large.pop())
    keep[small + large] = 1.0
    return keep, other
