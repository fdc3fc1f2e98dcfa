"""Build the model, hand it to HiGHS, solve, fix the integers, take the duals."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.constraints import CONSTRAINTS
from gigawatt.plan.objective import objective
from gigawatt.plan.variables import add_variables, decisions

if TYPE_CHECKING:
    import highspy
    import linopy
    import xarray as xr

    from gigawatt.plan.inputs import PlanInputs

Floats = npt.NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class LivePlan:
    """A model and the solver that holds it. The one class here with a life: it owns a HiGHS instance."""

    inputs: PlanInputs
    model: linopy.Model
    constant_musd: float
    highs: highspy.Highs
    build_s: float
    hand_off_s: float
    solve_s: float = 0.0
    mip_gap: float = 0.0
    objective_musd: float = float("nan")
    primal: Floats = field(default_factory=lambda: np.empty(0))
    row_dual: Floats = field(default_factory=lambda: np.empty(0))
    reduced_cost: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def n_variables(self) -> int:
        """Columns the solver holds, masked combinations left out."""
        return int(self.highs.getNumCol())

    @property
    def n_constraints(self) -> int:
        """Rows the solver holds."""
        return int(self.highs.getNumRow())

    def columns(self, name: str) -> npt.NDArray[np.int64]:
        """Solver columns of a variable in its own shape; -1 where masked."""
        return self._positions(self.model.variables[name].labels.values, self.model.variables.label_index)

    def rows(self, name: str) -> npt.NDArray[np.int64]:
        """Solver rows of a constraint in its own shape; -1 where masked."""
        return self._positions(self.model.constraints[name].labels.values, self.model.constraints.label_index)

    def value(self, name: str) -> xr.DataArray:
        """Optimal value of a variable; 0 where it is masked."""
        return self._fill(self.model.variables[name].labels, self.columns(name), self.primal)

    def reduced(self, name: str) -> xr.DataArray:
        """Reduced cost of a variable [MUSD per its unit]; 0 where it is masked."""
        return self._fill(self.model.variables[name].labels, self.columns(name), self.reduced_cost)

    def dual(self, name: str) -> xr.DataArray:
        """Dual of a constraint [MUSD per unit of its right-hand side]; 0 where it is masked."""
        return self._fill(self.model.constraints[name].labels, self.rows(name), self.row_dual)

    @staticmethod
    def _positions(labels: npt.NDArray[np.int64], index: object) -> npt.NDArray[np.int64]:
        table: npt.NDArray[np.int64] = index.label_to_pos  # type: ignore[attr-defined]
        return np.where(labels >= 0, table[np.maximum(labels, 0)], -1)

    @staticmethod
    def _fill(labels: xr.DataArray, positions: npt.NDArray[np.int64], values: Floats) -> xr.DataArray:
        taken = np.where(positions >= 0, values[np.maximum(positions, 0)], 0.0)
        return labels.copy(data=taken).astype(float).rename(None)


def build(inputs: PlanInputs) -> tuple[linopy.Model, float]:
    """(plan as a linopy model, constant of its objective [MUSD]): variables, families of constraints, objective."""
    import linopy

    linopy.options["semantics"] = "v1"
    m = linopy.Model()
    add_variables(m, inputs)
    x = decisions(m, inputs)
    for _name, family in CONSTRAINTS:
        family(m, inputs, x)
    return m, objective(m, inputs, x)


def open_plan(inputs: PlanInputs) -> LivePlan:
    """Model built and handed to HiGHS in memory, not solved yet."""
    import linopy  # noqa: F401  its import is not part of the time to build
    from linopy.io import to_highspy

    start = time.perf_counter()
    model, constant = build(inputs)
    built = time.perf_counter()
    highs = to_highspy(model, set_names=False)
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("random_seed", 0)
    return LivePlan(
        inputs=inputs, model=model, constant_musd=constant, highs=highs, build_s=built - start, hand_off_s=time.perf_counter() - built
    )


def solve(
    plan: LivePlan, *, mip_gap: float = 1e-3, time_limit_s: float = 120.0, say: Callable[[str], None] | None = None
) -> LivePlan:
    """Plan with its optimum and duals.

    With integers: the LP relaxation first, then branch and bound to ``mip_gap``, then the LP with the integers fixed,
    from which the duals come. A solver that stops early leaves its incumbent; the gap says how far it may be off.

    Raises InfeasibleError naming the families in conflict, SolverError where HiGHS ends without an answer.
    """
    import highspy

    start = time.perf_counter()
    highs = plan.highs
    highs.setOptionValue("time_limit", time_limit_s)
    integers = _integer_columns(plan)
    if integers.size:
        highs.setOptionValue("mip_rel_gap", mip_gap)
    highs.run()
    status = highs.getModelStatus()
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        from gigawatt.plan.infeasible import explain_infeasible

        raise InfeasibleError(explain_infeasible(plan))
    if integers.size and _has_solution(highs):
        plan.mip_gap = max(0.0, float(highs.getInfo().mip_gap))
        if say:
            say(f"whole gigawatts placed to a gap of {plan.mip_gap:.2%}; fixing them for the duals")
        _fix_integers(highs, integers)
        highs.run()
        status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise SolverError(
            f"HiGHS ended with '{highs.modelStatusToString(status)}' after {time.perf_counter() - start:.0f} s; "
            "raise the time limit or the MIP gap, or shorten the horizon"
        )
    solution = highs.getSolution()
    plan.primal = np.asarray(solution.col_value)
    plan.row_dual = np.asarray(solution.row_dual)
    plan.reduced_cost = np.asarray(solution.col_dual)
    plan.objective_musd = float(highs.getInfo().objective_function_value) + plan.constant_musd
    plan.solve_s = time.perf_counter() - start
    return plan


def _integer_columns(plan: LivePlan) -> npt.NDArray[np.int64]:
    names = [name for name in plan.model.variables if plan.model.variables[name].attrs.get("binary")]
    found = [plan.columns(name).ravel() for name in names]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _has_solution(highs: highspy.Highs) -> bool:
    return bool(highs.getInfo().primal_solution_status == 2)


def _fix_integers(highs: highspy.Highs, columns: npt.NDArray[np.int64]) -> None:
    """Integers held at their rounded values and made continuous, so that the LP that is left has duals."""
    import highspy

    values = np.round(np.asarray(highs.getSolution().col_value)[columns])
    index = columns.astype(np.int32)
    kinds = np.full(len(index), int(highspy.HighsVarType.kContinuous), dtype=np.uint8)
    highs.changeColsIntegrality(len(index), index, kinds)
    highs.changeColsBounds(len(index), index, values, values)
