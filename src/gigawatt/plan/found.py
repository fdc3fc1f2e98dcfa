"""What a search in the tree leaves: the best plan, its bounds, and the bounds of every round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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

    ``ended`` is "gap", "time", "rounds", "precision" (the bounds no longer move) or "interrupted".
    """

    x: Floats
    leaf_cost: Floats
    lower: float
    upper: float
    rounds: tuple[Round, ...]
    ended: str

    @property
    def gap(self) -> float:
        """Relative distance of the bounds."""
        return _gap(self.lower, self.upper)


def _gap(lower: float, upper: float) -> float:
    return (upper - lower) / max(1.0, abs(upper)) if np.isfinite(upper) else np.inf


Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Says nothing."""
