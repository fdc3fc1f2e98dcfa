"""Prices that may turn out otherwise: factors after a branch, and their paths over the quarters of a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Factors on prices from a branch on.

    chips: systems and their network where they are bought. buildings: shell, power and cooling where they are owned.
    rents: chips and cloud capacity signed from then on; what is signed keeps its rent for its term. energy: every bill
    of it. tokens: what is sold by the token.
    """

    chips: float = 1.0
    buildings: float = 1.0
    rents: float = 1.0
    energy: float = 1.0
    tokens: float = 1.0

    def __mul__(self, other: Prices) -> Prices:
        """Both together."""
        return Prices(**{one.name: getattr(self, one.name) * getattr(other, one.name) for one in fields(self)})


AS_PLANNED = Prices()


def mean_prices(rows: Sequence[tuple[float, Prices]]) -> Prices:
    """Factors at their means over (probability, factors).

    >>> mean_prices([(0.25, Prices(energy=2.0)), (0.75, Prices())]).energy
    1.25
    """
    if all(row == rows[0][1] for _, row in rows):
        return rows[0][1]
    return Prices(**{one.name: sum(p * getattr(row, one.name) for p, row in rows) for one in fields(Prices)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePaths:
    """Factors quarter by quarter against the central prices; every path has a factor for each quarter."""

    chips: tuple[float, ...]
    buildings: tuple[float, ...]
    rents: tuple[float, ...]
    energy: tuple[float, ...]
    tokens: tuple[float, ...]

    @property
    def moves(self) -> bool:
        """Whether any price differs from the central one in any quarter."""
        return any(factor != 1.0 for one in fields(self) for factor in getattr(self, one.name))


def price_paths(n: int, steps: Sequence[tuple[int, Prices]]) -> PricePaths:
    """Paths over ``n`` quarters of (place of the quarter, factors from it on), factors of several steps multiplied.

    >>> price_paths(3, [(1, Prices(energy=2.0)), (2, Prices(energy=1.5))]).energy
    (1.0, 2.0, 3.0)
    """
    now, rows = Prices(), []
    at = dict(steps)
    for quarter in range(n):
        now = now * at.get(quarter, Prices())
        rows.append(now)
    return PricePaths(**{one.name: tuple(getattr(row, one.name) for row in rows) for one in fields(Prices)})
