"""How bad outcomes weigh: the expected cost, mixed with the mean of its worst tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """(1 - weight) E[cost] + weight CVaR_level[cost]; weight 0 is the expected cost.

    Raises ValueError with a sentence for a level outside [0, 1) or a weight outside [0, 1].
    """

    level: float = 0.9
    weight: float = 0.0

    def __post_init__(self) -> None:
        """Checks level and weight."""
        if not 0.0 <= self.level < 1.0:
            raise ValueError(f"the level of the tail is {self.level:g}; it lies from 0 up to, not including, 1")
        if not 0.0 <= self.weight <= 1.0:
            raise ValueError(f"the weight of the tail is {self.weight:g}; it lies between 0 and 1")

    def of(self, cost: Floats, probability: Floats) -> float:
        """Risk-weighted cost of leaves (leaf), (leaf).

        >>> round(Tail(level=0.5, weight=0.5).of(np.array([1.0, 3.0]), np.array([0.5, 0.5])), 6)
        2.5
        """
        mean = float(probability @ cost)
        return (1.0 - self.weight) * mean + self.weight * cvar(cost, probability, self.level)

    def gravity(self, cost: Floats, probability: Floats) -> Floats:
        """(leaf) share of each outcome that lies in the worst ``1 - level``: 1 above the value at risk, 0 below.

        >>> Tail(level=0.5).gravity(np.array([1.0, 2.0, 3.0]), np.array([0.25, 0.5, 0.25])).tolist()
        [0.0, 0.5, 1.0]
        """
        order = np.argsort(-cost, kind="stable")
        left = 1.0 - self.level - np.cumsum(probability[order]) + probability[order]
        share = np.zeros(cost.size)
        share[order] = np.clip(left / np.maximum(probability[order], 1e-300), 0.0, 1.0)
        return share


def cvar(cost: Floats, probability: Floats, level: float) -> float:
    """Mean of the worst ``1 - level`` of the outcomes:  min_t t + E[(cost - t)+] / (1 - level).

    The minimum over t is at one of the costs. Source: Rockafellar and Uryasev 2000, theorem 1.

    >>> round(cvar(np.array([1.0, 2.0, 10.0]), np.array([0.5, 0.4, 0.1]), 0.8), 6)
    6.0
    """
    over = np.maximum(0.0, cost[:, None] - cost[None, :])
    return float(np.min(cost + probability @ over / (1.0 - level)))
