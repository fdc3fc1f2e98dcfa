"""The tree solved as one problem: for small ones, and as the witness of the decomposition."""

from __future__ import annotations

import time

import numpy as np

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.extensive import Extensive
from gigawatt.plan.found import Round, TreePlan
from gigawatt.plan.live import set_integer
from gigawatt.plan.problem import Problem, offset, weighed
from gigawatt.plan.tail import Tail


def solve_whole(whole: Extensive, *, tail: Tail | None = None, time_limit_s: float = 300.0) -> TreePlan:
    """Optimal plan of the tree by the simplex method.

    Raises InfeasibleError where no plan meets the limits, SolverError where the time does not suffice.
    """
    import highspy

    tail, start = tail or Tail(), time.perf_counter()
    bare = Problem(
        cost=np.zeros(whole.lower.size), lower=whole.lower, upper=whole.upper, matrix=whole.matrix,
        row_lower=whole.row_lower, row_upper=whole.row_upper,
    )  # fmt: skip
    highs = weighed(bare, whole.leaf_cost, whole.leaf_constant, whole.probability, tail).open()
    highs.setOptionValue("time_limit", time_limit_s)
    set_integer(highs, whole.lumps, whole=True)
    highs.run()
    status, seconds = highs.getModelStatus(), time.perf_counter() - start
    if status == highspy.HighsModelStatus.kInfeasible:
        raise InfeasibleError("no plan meets the limits of all nodes of the tree at once")
    if status != highspy.HighsModelStatus.kOptimal:
        raise SolverError(
            f"the tree as one problem ({whole.lower.size:,} decisions, {whole.row_lower.size:,} constraints) is not "
            f"solved after {seconds:.0f} s; leave out --extensive"
        )
    x = np.asarray(highs.getSolution().col_value)[: whole.lower.size]
    cost = whole.costs(x)
    lower = float(highs.getInfo().objective_function_value) + offset(whole.leaf_constant, whole.probability, tail)
    upper = tail.of(cost, whole.probability)
    rounds = (Round(number=1, lower=min(lower, upper), upper=upper, seconds=seconds),)
    return TreePlan(x=x, leaf_cost=cost, lower=min(lower, upper), upper=upper, rounds=rounds, ended="gap")
