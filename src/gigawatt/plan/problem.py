"""A linear problem as bare arrays, and the rows that weigh its leaves' costs by how bad they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.plan.solver import Solver
from gigawatt.plan.tail import Tail

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """min cost x with row_lower <= A x <= row_upper, lower <= x <= upper."""

    cost: Floats
    lower: Floats
    upper: Floats
    matrix: sp.csr_array
    row_lower: Floats
    row_upper: Floats

    def open(self) -> Solver:
        """The problem in a solver."""
        return Solver(
            cost=self.cost, lower=self.lower, upper=self.upper, matrix=self.matrix, row_lower=self.row_lower,
            row_upper=self.row_upper,
        )  # fmt: skip


def weighed(problem: Problem, leaf_cost: sp.csr_array, constant: Floats, probability: Floats, tail: Tail) -> Problem:
    """The problem with the risk-weighted cost of its leaves as objective, less ``offset``.

        min (1 - w) sum_s p_s cost_s + w (t + sum_s p_s over_s / (1 - level)),   over_s >= cost_s - t,  over_s >= 0

    Args:
        problem: rows and bounds; its own cost is left out.
        leaf_cost: (leaf, column) cost of each leaf, and ``constant`` (leaf) what it costs beside.
        constant: see above.
        probability: (leaf)
        tail: the weight and the level; columns and rows are added only where the weight is not 0.
    """
    mean = (1.0 - tail.weight) * np.asarray(leaf_cost.T @ probability).ravel()
    if tail.weight == 0.0:
        return replace(problem, cost=mean)
    leaves, rows = probability.size, problem.matrix.shape[0]
    over = sp.hstack([-leaf_cost, sp.csr_array(np.ones((leaves, 1))), sp.eye_array(leaves)])
    above = sp.hstack([problem.matrix, sp.csr_array((rows, leaves + 1))])
    return Problem(
        cost=np.concatenate([mean, [tail.weight], tail.weight * probability / (1.0 - tail.level)]),
        lower=np.concatenate([problem.lower, [-np.inf], np.zeros(leaves)]),
        upper=np.concatenate([problem.upper, np.full(leaves + 1, np.inf)]),
        matrix=sp.csr_array(sp.vstack([above, over])),
        row_lower=np.concatenate([problem.row_lower, constant]),
        row_upper=np.concatenate([problem.row_upper, np.full(leaves, np.inf)]),
    )  # fmt: skip


def offset(constant: Floats, probability: Floats, tail: Tail) -> float:
    """What the objective of a ``weighed`` problem leaves out."""
    return (1.0 - tail.weight) * float(probability @ constant)
