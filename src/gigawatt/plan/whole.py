"""The tree solved as one problem: for small ones, and as the witness of the decomposition."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.extensive import Extensive
from gigawatt.plan.found import Round, TreePlan, in_order
from gigawatt.plan.problem import Problem, offset, weighed
from gigawatt.plan.solver import Ending
from gigawatt.plan.tail import Tail

Floats = npt.NDArray[np.float64]

DUAL_TOLERANCE = 1e-7
"""Of a reduced cost: below it a column without a bound on that side counts as free of charge, as in the solver."""
ROW_TOLERANCE = 1e-6
"""Of a row or bound: a point that misses none by more, relatively, is a plan."""


def solve_whole(whole: Extensive, *, tail: Tail | None = None, time_limit_s: float = 300.0) -> TreePlan:
    """Optimal plan of the tree by the simplex method; where time ends, the plan at hand and the bound of its duals.

    Raises InfeasibleError where no plan meets the limits, SolverError where the time brings no plan; its sentence
    holds the bound that was reached.
    """
    tail, start = tail or Tail(), time.perf_counter()
    bare = Problem(
        cost=np.zeros(whole.lower.size), lower=whole.lower, upper=whole.upper, matrix=whole.matrix,
        row_lower=whole.row_lower, row_upper=whole.row_upper,
    )  # fmt: skip
    problem = weighed(bare, whole.leaf_cost, whole.leaf_constant, whole.probability, tail)
    solver = problem.open()
    solver.set_integer(whole.lumps, whole=True)
    ending, seconds = solver.run(time_limit_s=time_limit_s), time.perf_counter() - start
    if ending is Ending.INFEASIBLE:
        raise InfeasibleError("no plan meets the limits of all nodes of the tree at once")
    found, constant = solver.found(), offset(whole.leaf_constant, whole.probability, tail)
    solved = ending is Ending.OPTIMAL
    if whole.lumps.size:
        lower = found.mip_bound + constant
    elif solved:
        lower = found.objective + constant
    else:
        lower = dual_bound(problem, found.row_dual) + constant if found.has_duals else -np.inf
    x = found.x[: whole.lower.size]
    if not solved and (not x.size or whole.violation(x) > ROW_TOLERANCE):
        bound = f"; no plan costs less than ${lower / 1e3:,.3f}B" if np.isfinite(lower) else ", nor a bound"
        raise SolverError(
            f"the tree as one problem ({whole.lower.size:,} decisions, {whole.row_lower.size:,} constraints) has no "
            f"plan after {seconds:.0f} s{bound}; raise --time-limit or leave out --extensive"
        )
    cost = whole.costs(x)
    upper = tail.of(cost, whole.probability)
    lower = in_order(lower, upper)
    rounds = (Round(number=1, lower=lower, upper=upper, seconds=seconds),)
    return TreePlan(
        x=x, leaf_cost=cost, lower=lower, upper=upper, rounds=rounds, ended="gap" if solved else "time", is_whole=True
    )


def dual_bound(problem: Problem, row_dual: Floats) -> float:
    """Lower bound of a problem from duals of its rows, whatever they are; -inf where they say nothing.

        min c x >= y+ row_lower - y- row_upper + z+ lower - z- upper,   z = c - A' y,   v+ = max(v, 0), v- = max(-v, 0)

    Needs no solver: weak duality.
    """
    reduced = problem.cost - problem.matrix.T @ row_dual
    total = 0.0
    for dual, low, high in (
        (row_dual, problem.row_lower, problem.row_upper), (reduced, problem.lower, problem.upper),
    ):  # fmt: skip
        at = np.where(dual > 0.0, low, high)
        used = dual != 0.0
        open_end = used & ~np.isfinite(at)
        if (np.abs(dual[open_end]) > DUAL_TOLERANCE).any():
            return -np.inf
        counts = used & ~open_end
        total += float(dual[counts] @ at[counts])
    return total
