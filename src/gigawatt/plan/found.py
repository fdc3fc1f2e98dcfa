"""What a search in the tree leaves: the best plan, its bounds, and the bounds of every round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import SolverError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Bounds on the risk-weighted cost after a round [MUSD], and seconds since the start."""

    number: int
    lower: float
    upper: float
    seconds: float

    @property
    def gap(self) -> float:
        """Relative distance of the bounds."""
        return _gap(self.lower, self.upper)

    def __str__(self) -> str:
        """One line for people."""
        if not np.isfinite(self.upper):
            return f"round {self.number}: at least ${self.lower / 1e3:,.3f}B, no plan yet, {self.seconds:.0f} s"
        return (
            f"round {self.number}: between ${self.lower / 1e3:,.3f}B and ${self.upper / 1e3:,.3f}B, "
            f"gap {self.gap:.2%}, {self.seconds:.0f} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePlan:
    """Best plan found: decisions of the whole tree, cost of each leaf [MUSD], bounds, and how it ended.

    ``ended`` is "gap", "time", "rounds", "precision" (the bounds no longer move) or "interrupted". ``is_whole`` tells
    that lumps decided before the first branch are whole numbers; the bounds are those of that question.
    """

    x: Floats
    leaf_cost: Floats
    lower: float
    upper: float
    rounds: tuple[Round, ...]
    ended: str
    is_whole: bool = False

    @property
    def gap(self) -> float:
        """Relative distance of the bounds."""
        return _gap(self.lower, self.upper)


CROSSED = 1e-6
"""Relative amount by which a lower bound may pass an upper one: what the solver's tolerances leave open."""


def in_order(lower: float, upper: float) -> float:
    """The lower bound, no more than the upper one. Raises SolverError where it is more by more than rounding."""
    if lower - upper > CROSSED * max(1.0, abs(upper)):
        raise SolverError(
            f"the bounds of the search contradict each other: no plan below {lower:,.3f} MUSD, one at {upper:,.3f} MUSD"
        )
    return min(lower, upper)


def _gap(lower: float, upper: float) -> float:
    return (upper - lower) / max(1.0, abs(upper)) if np.isfinite(upper) else np.inf


Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Says nothing."""
