"""Build the model, hand it to HiGHS, solve, fix the integers, take the duals."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import xarray as xr

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.algebra import Axes, Expression, Ints, Model
from gigawatt.plan.constraints import CONSTRAINTS
from gigawatt.plan.constraints.milestone import counted_gw
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.objective import objective
from gigawatt.plan.variables import decide

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class LivePlan:
    """A model and the solver that holds it. The one class here with a life: it owns a HiGHS instance."""

    inputs: PlanInputs
    model: Model
    highs: highspy.Highs
    counted: Expression | None
    """cumulative GW that count towards milestones"""
    build_s: float
    hand_off_s: float
    solve_s: float = 0.0
    mip_gap: float = 0.0
    objective_musd: float = float("nan")
    primal: Floats = field(default_factory=lambda: np.empty(0))
    row_dual: Floats = field(default_factory=lambda: np.empty(0))
    reduced_cost: Floats = field(default_factory=lambda: np.empty(0))

    def value(self, name: str) -> xr.DataArray:
        """Optimal value of a variable; 0 where it is masked."""
        variable = self.model.variables[name]
        return _array(variable.axes, variable.columns, self.primal)

    def reduced(self, name: str) -> xr.DataArray:
        """Reduced cost of a variable [MUSD per its unit]; 0 where it is masked."""
        variable = self.model.variables[name]
        return _array(variable.axes, variable.columns, self.reduced_cost)

    def dual(self, name: str) -> xr.DataArray:
        """Dual of a constraint [MUSD per unit of its right-hand side]; 0 where there is no row."""
        rows = self.model.constraints[name]
        return _array(rows.axes, rows.index, self.row_dual)


def _array(axes: Axes, positions: Ints, values: Floats) -> xr.DataArray:
    if values.size == 0:
        taken = np.zeros(positions.shape)
    else:
        taken = np.where(positions >= 0, values[np.maximum(positions, 0)], 0.0)
    return xr.DataArray(taken, dims=list(axes), coords={dim: list(labels) for dim, labels in axes.items()})


def build(inputs: PlanInputs) -> tuple[Model, Expression | None]:
    """(the plan as a model, expression of the GW that count towards milestones)."""
    m = Model()
    x = decide(m, inputs)
    for _name, family in CONSTRAINTS:
        family(m, inputs, x)
    objective(m, inputs, x)
    return m, counted_gw(inputs, x) if inputs.milestones else None


def hand_off(model: Model) -> highspy.Highs:
    """The model in a HiGHS instance, passed in memory."""
    import highspy

    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("random_seed", 0)
    lower, upper = np.concatenate(model.lower), np.concatenate(model.upper)
    highs.addVars(model.n_columns, lower, upper)
    index = np.arange(model.n_columns, dtype=np.int32)
    highs.changeColsCost(model.n_columns, index, model.cost + model.tie_break)
    _set_integer(highs, integer_columns(model), whole=True)
    blocks = list(model.constraints.values())
    matrix = sp.csr_array(sp.vstack([rows.matrix for rows in blocks]))
    low, high = np.concatenate([r.lower for r in blocks]), np.concatenate([r.upper for r in blocks])
    highs.addRows(
        model.n_rows,
        low,
        high,
        matrix.nnz,
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
    )
    return highs


def open_plan(inputs: PlanInputs) -> LivePlan:
    """Model built and handed to HiGHS, not solved yet."""
    start = time.perf_counter()
    model, counted = build(inputs)
    built = time.perf_counter()
    highs = hand_off(model)
    done = time.perf_counter()
    return LivePlan(
        inputs=inputs,
        model=model,
        highs=highs,
        counted=counted,
        build_s=built - start,
        hand_off_s=done - built,
    )


def solve(plan: LivePlan, *, mip_gap: float = 1e-2, time_limit_s: float = 120.0, say: Say | None = None) -> LivePlan:
    """Plan with its optimum and duals.

    With whole gigawatts: the LP relaxation gives a bound; its accepted gigawatts, rounded down, give a plan. If the
    two are within ``mip_gap`` that plan stands, else branch and bound starts from it. Duals come from the LP with the
    integers fixed. A solver that stops early leaves its best plan, and the gap says how far it may be off.

    Raises InfeasibleError naming the families in conflict, SolverError where HiGHS ends without an answer.
    """
    start = time.perf_counter()
    plan.highs.setOptionValue("time_limit", time_limit_s)
    whole = integer_columns(plan.model)
    if whole.size:
        _place_integers(plan, whole, mip_gap, say)
    else:
        _run(plan, start)
    solution = plan.highs.getSolution()
    plan.primal = np.asarray(solution.col_value)
    plan.row_dual = np.asarray(solution.row_dual)
    plan.reduced_cost = np.asarray(solution.col_dual)
    plan.objective_musd = float(plan.model.cost @ plan.primal) + plan.model.constant
    plan.solve_s = time.perf_counter() - start
    return plan


def integer_columns(model: Model) -> Ints:
    """Columns of whole numbers."""
    return np.flatnonzero(np.concatenate(model.integer))


def _run(plan: LivePlan, start: float) -> float:
    """Objective after a run [MUSD, without the constant]. Raises InfeasibleError or SolverError."""
    import highspy

    plan.highs.run()
    status = plan.highs.getModelStatus()
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        from gigawatt.plan.infeasible import explain_infeasible

        raise InfeasibleError(explain_infeasible(plan))
    has_plan = plan.highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if status != highspy.HighsModelStatus.kOptimal and not has_plan:
        raise SolverError(
            f"HiGHS ended with '{plan.highs.modelStatusToString(status)}' after {time.perf_counter() - start:.0f} s; "
            "raise the time limit or the MIP gap, or shorten the horizon"
        )
    return float(plan.highs.getInfo().objective_function_value)


def _place_integers(plan: LivePlan, whole: Ints, mip_gap: float, say: Say | None) -> None:
    highs, start = plan.highs, time.perf_counter()
    _set_integer(highs, whole, whole=False)
    bound = _run(plan, start)
    rounded = _rounded_release(plan)
    _fix(highs, whole, rounded)
    found = _run(plan, start)
    plan.mip_gap = abs(found - bound) / max(1.0, abs(found))
    if plan.mip_gap > mip_gap:
        if say:
            say(f"rounding leaves a gap of {plan.mip_gap:.2%}; branching on whole gigawatts")
        first = highs.getSolution()
        _set_integer(highs, whole, whole=True)
        index = whole.astype(np.int32)
        highs.changeColsBounds(index.size, index, np.zeros(index.size), np.ones(index.size))
        highs.setOptionValue("mip_rel_gap", mip_gap)
        highs.setSolution(first)
        _run(plan, start)
        plan.mip_gap = max(0.0, float(highs.getInfo().mip_gap))
        values = np.round(np.asarray(highs.getSolution().col_value)[whole])
        _set_integer(highs, whole, whole=False)
        _fix(highs, whole, values)
        _run(plan, start)
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


def _set_integer(highs: highspy.Highs, columns: Ints, *, whole: bool) -> None:
    import highspy

    if columns.size:
        kind = highspy.HighsVarType.kInteger if whole else highspy.HighsVarType.kContinuous
        index = columns.astype(np.int32)
        highs.changeColsIntegrality(index.size, index, np.full(index.size, int(kind), dtype=np.uint8))


def _fix(highs: highspy.Highs, columns: Ints, values: Floats) -> None:
    index = columns.astype(np.int32)
    highs.changeColsBounds(index.size, index, values, values)
