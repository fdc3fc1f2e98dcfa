"""Solve: the relaxation, the whole gigawatts, and the duals with the integers fixed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.algebra import Ints
from gigawatt.plan.infeasible import explain_infeasible
from gigawatt.plan.live import LivePlan, integer_columns, open_plan, set_integer

if TYPE_CHECKING:
    import highspy

__all__ = ["LivePlan", "open_plan", "solve"]

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


def solve(
    plan: LivePlan,
    *,
    mip_gap: float = 1e-2,
    time_limit_s: float = 120.0,
    explain: bool = True,
    bounds: tuple[Floats, Floats] | None = None,
    say: Say | None = None,
) -> LivePlan:
    """Plan with its optimum and duals; a plan that was solved before goes on from its last basis.

    Args:
        plan: the model in its solver.
        mip_gap: relative gap at which whole numbers count as placed.
        time_limit_s: of one run of the solver.
        explain: whether the error of an impossible plan names the families in conflict, which takes many solves.
        bounds: (columns,) lower and upper; those of the model if None. Only those of whole numbers are read.
        say: called with a sentence at each step.

    With whole gigawatts: the LP relaxation gives a bound; its accepted gigawatts, rounded down, give a plan. If the
    two are within ``mip_gap`` that plan stands, else branch and bound starts from it. Duals come from the LP with the
    integers fixed. A solver that stops early leaves its best plan, and the gap says how far it may be off.

    Raises InfeasibleError naming the families in conflict, SolverError where HiGHS ends without an answer.
    """
    start = time.perf_counter()
    plan.highs.setOptionValue("time_limit", plan.highs.getRunTime() + time_limit_s)  # its clock runs over all solves
    whole = integer_columns(plan.model)
    if whole.size:
        lower, upper = bounds or (np.concatenate(plan.model.lower), np.concatenate(plan.model.upper))
        _place_integers(plan, whole, (lower[whole], upper[whole]), mip_gap, explain, say)
    else:
        _run(plan, start, explain)
    solution = plan.highs.getSolution()
    primal = np.asarray(solution.col_value)
    plan.primal = np.where(np.abs(primal) < 1e-9, 0.0, primal)
    plan.row_dual = np.asarray(solution.row_dual)
    plan.reduced_cost = np.asarray(solution.col_dual)
    plan.objective_musd = float(plan.model.cost @ plan.primal) + plan.model.constant
    plan.solve_s = time.perf_counter() - start
    return plan


def _run(plan: LivePlan, start: float, explain: bool) -> float:
    """Objective after a run [MUSD, without the constant]. Raises InfeasibleError or SolverError."""
    import highspy

    plan.highs.run()
    status = plan.highs.getModelStatus()
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        raise InfeasibleError(explain_infeasible(plan) if explain else "no plan meets these limits")
    has_plan = plan.highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if status != highspy.HighsModelStatus.kOptimal and not has_plan:
        raise SolverError(
            f"HiGHS ended with '{plan.highs.modelStatusToString(status)}' after {time.perf_counter() - start:.0f} s; "
            "raise the time limit or the MIP gap, or shorten the horizon"
        )
    return float(plan.highs.getInfo().objective_function_value)


def _place_integers(
    plan: LivePlan, whole: Ints, bounds: tuple[Floats, Floats], mip_gap: float, explain: bool, say: Say | None
) -> None:
    highs, start, index = plan.highs, time.perf_counter(), whole.astype(np.int32)
    set_integer(highs, whole, whole=False)
    highs.changeColsBounds(index.size, index, *bounds)
    bound = _run(plan, start, explain)
    rounded = np.clip(_rounded_release(plan), *bounds)
    _fix(highs, whole, rounded)
    found = _run(plan, start, explain)
    plan.mip_gap = abs(found - bound) / max(1.0, abs(found))
    if plan.mip_gap > mip_gap:
        if say:
            say(f"rounding leaves a gap of {plan.mip_gap:.2%}; branching on whole gigawatts")
        first = highs.getSolution()
        set_integer(highs, whole, whole=True)
        highs.changeColsBounds(index.size, index, *bounds)
        highs.setOptionValue("mip_rel_gap", mip_gap)
        highs.setSolution(first)
        _run(plan, start, explain)
        plan.mip_gap = max(0.0, float(highs.getInfo().mip_gap))
        values = np.round(np.asarray(highs.getSolution().col_value)[whole])
        set_integer(highs, whole, whole=False)
        _fix(highs, whole, values)
        _run(plan, start, explain)
    if say:
        say(f"whole gigawatts placed to a gap of {plan.mip_gap:.3%}")


def _rounded_release(plan: LivePlan) -> Floats:
    """Released gigawatts that the accepted capacity of the relaxed plan allows, as values of z's columns."""
    assert plan.counted is not None and plan.inputs.milestones is not None
    solution = np.asarray(plan.highs.getSolution().col_value)
    counted = plan.counted.matrix @ solution + plan.counted.const
    level = np.minimum(np.floor(counted + 1e-6), plan.inputs.milestones.n_max)
    tranche = np.array(plan.model.variables["z"].axes["tranche"])[:, None]
    order = plan.model.variables["z"].columns.ravel()
    values = (tranche <= level[None, :]).astype(np.float64).ravel()
    return np.asarray(values[np.argsort(order)])


def _fix(highs: highspy.Highs, columns: Ints, values: Floats) -> None:
    index = columns.astype(np.int32)
    highs.changeColsBounds(index.size, index, values, values)
