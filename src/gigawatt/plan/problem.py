"""A linear problem as bare arrays, and the rows that weigh its leaves' costs by how bad they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.plan.tail import Tail

if TYPE_CHECKING:
    import highspy

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

    def open(self) -> highspy.Highs:
        """The problem in a silent HiGHS instance of one thread."""
        import highspy

        highs = highspy.Highs()  # type: ignore[no-untyped-call]
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("threads", 1)
        n, matrix = self.cost.size, self.matrix
        highs.addVars(n, self.lower, self.upper)
        highs.changeColsCost(n, np.arange(n, dtype=np.int32), self.cost)
        highs.addRows(
            matrix.shape[0], self.row_lower, self.row_upper, matrix.nnz, matrix.indptr.astype(np.int32),
            matrix.indices.astype(np.int32), matrix.data,
        )  # fmt: skip
        return highs


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
