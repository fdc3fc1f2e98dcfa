"""Solve: the relaxation, the whole numbers, and the duals with the integers fixed."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.algebra import Ints
from gigawatt.plan.infeasible import explain_infeasible, explain_whole
from gigawatt.plan.live import LivePlan, integer_columns, open_plan
from gigawatt.plan.rounding import STEPS, onto
from gigawatt.plan.solver import Ending, Solver
from gigawatt.plan.spots import place_gangs

__all__ = ["LivePlan", "open_plan", "solve"]

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]

WHOLE = 1e-6
"""By how much a number that comes whole may miss a whole one."""


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

    With whole numbers: the LP relaxation gives a bound, and so do its gangs, each tried in every spot. With them in the
    best, halls and openings rounded up and released gigawatts rounded down there is a plan. If that and the bound are
    within ``mip_gap`` it stands, else branch and bound starts from it. Duals come from the LP with the integers fixed.
    A solver that stops early leaves its best plan, and gap and bound say how far it may be off.

    Raises InfeasibleError naming the families in conflict, SolverError where HiGHS ends without an answer.
    """
    start = time.perf_counter()
    whole = integer_columns(plan.model)
    if whole.size:
        lower, upper = bounds or (np.concatenate(plan.model.lower), np.concatenate(plan.model.upper))
        room = _place_integers(plan, whole, (lower[whole], upper[whole]), (mip_gap, time_limit_s), explain, say)
    else:
        _run(plan, time_limit_s, explain)
        room, plan.mip_gap = 0.0, 0.0
    found = plan.solver.found()
    plan.primal = np.where(np.abs(found.x) < 1e-9, 0.0, found.x)
    plan.row_dual, plan.reduced_cost = found.row_dual, found.reduced_cost
    plan.objective_musd = float(plan.model.cost @ plan.primal) + plan.model.constant
    plan.bound_musd = plan.objective_musd - room
    plan.solve_s = time.perf_counter() - start
    return plan


def _run(plan: LivePlan, time_limit_s: float, explain: bool, *, whole: bool = False) -> float:
    """Objective after a run [MUSD, without the constant]. Raises InfeasibleError or SolverError.

    Of whole numbers the best plan within the time will do; an LP has to reach its end.
    """
    ending, found = plan.solver.run(time_limit_s=time_limit_s), plan.solver.found()
    if ending is Ending.INFEASIBLE:
        if whole:
            raise InfeasibleError(
                explain_whole(plan.model) if explain else "no plan of whole numbers meets these limits"
            )
        raise InfeasibleError(explain_infeasible(plan) if explain else "no plan meets these limits")
    if ending is not Ending.OPTIMAL and not (whole and found.is_feasible):
        raise SolverError(
            f"HiGHS ended with '{plan.solver.status}' and no plan after {time_limit_s:.0f} s; "
            "raise the time limit or the MIP gap, or shorten the horizon"
        )
    return found.objective


def _place_integers(
    plan: LivePlan,
    whole: Ints,
    bounds: tuple[Floats, Floats],
    limits: tuple[float, float],
    explain: bool,
    say: Say | None,
) -> float:
    """Whole numbers fixed at the best plan found, solved as an LP; (objective - bound) of the solver [MUSD]."""
    solver, (mip_gap, time_limit_s) = plan.solver, limits
    solver.set_integer(whole, whole=False)
    solver.set_bounds(whole, *bounds)
    bound = _run(plan, time_limit_s, explain)
    found, of_gangs = _round(plan, whole, bounds, time_limit_s)
    bound = max(bound, of_gangs)
    if _gap(found, bound) > mip_gap:
        if say:
            say(f"rounding leaves a gap of {_gap(found, bound):.2%}; branching" if np.isfinite(found)
                else "rounding finds no plan; branching")  # fmt: skip
        first = solver.found().x if np.isfinite(found) else None
        solver.set_integer(whole, whole=True)
        solver.set_bounds(whole, *bounds)
        solver.set_option("mip_rel_gap", mip_gap)
        if first is not None:
            solver.suggest(first)
        _run(plan, time_limit_s, explain, whole=True)
        best = solver.found()
        bound = max(bound, best.mip_bound)
        values = np.round(best.x[whole])
        solver.set_integer(whole, whole=False)
        _fix(solver, whole, values)
        found = _run(plan, time_limit_s, explain)
    if (off := _off(solver.found().x[whole])) > WHOLE:
        raise SolverError(f"a whole number of the plan misses a whole by {off:.1e}; please report the scenario")
    plan.mip_gap = _gap(found, bound)
    if say:
        say(f"whole numbers placed to a gap of {plan.mip_gap:.3%}")
    return max(0.0, found - bound)


def _gap(found: float, bound: float) -> float:
    """Relative gap, as the solver counts it; inf without a plan."""
    return max(0.0, found - bound) / max(1.0, abs(found)) if np.isfinite(found) else np.inf


def _round(plan: LivePlan, whole: Ints, bounds: tuple[Floats, Floats], time_limit_s: float) -> tuple[float, float]:
    """Objective of the plan that rounding finds, left in the solver with its whole numbers fixed, inf if none; and what
    no plan of whole gangs falls below.
    """
    least = -np.inf
    lower, upper = (np.zeros(plan.model.n_columns) for _ in range(2))
    lower[whole], upper[whole] = bounds
    try:
        found, least = place_gangs(plan, (lower, upper), time_limit_s)
        if np.isinf(found):
            return found, least
        for step in STEPS:
            primal = plan.solver.found().x
            values = step(plan, primal)
            if values:
                columns = _columns(plan, list(values))
                fixed = np.clip(np.round(onto(plan, values, primal)[columns]), lower[columns], upper[columns])
                _fix(plan.solver, columns, fixed)
                found = _run(plan, time_limit_s, explain=False)
        rest = plan.solver.found().x[whole]
        if _off(rest) > WHOLE:  # numbers that no step speaks of: what they come near to, if that is a plan
            _fix(plan.solver, whole, np.clip(np.round(rest), *bounds))
            found = _run(plan, time_limit_s, explain=False)
    except (InfeasibleError, SolverError):
        return np.inf, least
    return found, least


def _off(values: Floats) -> float:
    """By how much the worst of some values misses a whole number."""
    return float(np.abs(values - np.round(values)).max(initial=0.0))


def _columns(plan: LivePlan, names: list[str]) -> Ints:
    columns = np.concatenate([plan.model.variables[name].columns.ravel() for name in names])
    return np.asarray(columns[columns >= 0])


def _fix(solver: Solver, columns: Ints, values: Floats) -> None:
    solver.set_bounds(columns, values, values)
