"""The plan as a model in a solver: built, handed over in memory, and read back by label."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Ints, Model
from gigawatt.plan.decisions import COLUMNS, axes_in
from gigawatt.plan.elements import RULES
from gigawatt.plan.elements.deals import counted_gw
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.objective import objective
from gigawatt.plan.solver import Solver
from gigawatt.plan.variables import decide

Floats = npt.NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class LivePlan:
    """A model and the solver that holds it. The one class here with a life: it owns a solver."""

    inputs: PlanInputs
    model: Model
    solver: Solver
    counted: Expression | None
    """cumulative GW that count towards milestones"""
    build_s: float
    hand_off_s: float
    solve_s: float = 0.0
    mip_gap: float = 0.0
    bound_musd: float = float("nan")
    """no plan costs less; the objective itself where nothing comes whole"""
    objective_musd: float = float("nan")
    primal: Floats = field(default_factory=lambda: np.empty(0))
    row_dual: Floats = field(default_factory=lambda: np.empty(0))
    reduced_cost: Floats = field(default_factory=lambda: np.empty(0))

    def value(self, name: str) -> xr.DataArray:
        """Optimal value of a decision; 0 where it is masked or the plan has no such choice."""
        return self.values_of(name, self.primal)

    def values_of(self, name: str, primal: Floats) -> xr.DataArray:
        """Value of a decision in some solution (columns,); 0 where it is masked or the plan has no such choice."""
        if (variable := self.model.variables.get(name)) is None:
            axes = axes_in(COLUMNS[name], self.inputs)
            return _array(axes, np.full([len(labels) for labels in axes.values()], -1), primal)
        return _array(variable.axes, variable.columns, primal)

    def amount(self, expression: Expression) -> xr.DataArray:
        """Value of an expression of the decisions, over its axes."""
        value = expression.matrix @ self.primal + expression.const
        return xr.DataArray(
            value.reshape([len(labels) for labels in expression.axes.values()]), dims=list(expression.axes),
            coords={dim: list(labels) for dim, labels in expression.axes.items()},
        )  # fmt: skip

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
    """(the plan as a model, cumulative GW that count towards milestones)."""
    m = Model()
    x = decide(m, inputs)
    for rule in RULES:
        rule(m, inputs, x)
    objective(m, inputs, x)
    return m, counted_gw(inputs, x) if inputs.milestones else None


def hand_off(model: Model) -> Solver:
    """The model in a solver, passed in memory."""
    blocks = list(model.constraints.values())
    solver = Solver(
        cost=model.cost + model.tie_break, lower=np.concatenate(model.lower), upper=np.concatenate(model.upper),
        matrix=sp.csr_array(sp.vstack([rows.matrix for rows in blocks])),
        row_lower=np.concatenate([rows.lower for rows in blocks]),
        row_upper=np.concatenate([rows.upper for rows in blocks]), row_names=model.row_names,
    )  # fmt: skip
    solver.set_integer(integer_columns(model), whole=True)
    return solver


def open_plan(inputs: PlanInputs) -> LivePlan:
    """Model built and handed to the solver, not solved yet."""
    start = time.perf_counter()
    model, counted = build(inputs)
    built = time.perf_counter()
    solver = hand_off(model)
    done = time.perf_counter()
    return LivePlan(
        inputs=inputs,
        model=model,
        solver=solver,
        counted=counted,
        build_s=built - start,
        hand_off_s=done - built,
    )


def known_plan(inputs: PlanInputs, model: Model, primal: Floats) -> LivePlan:
    """A plan whose decisions are known, such as that of a leaf of a tree: read like a solved one, without prices."""
    return LivePlan(
        inputs=inputs, model=model, solver=hand_off(model), counted=None, build_s=0.0, hand_off_s=0.0, primal=primal,
        objective_musd=float(model.cost @ primal) + model.constant,
    )  # fmt: skip


def integer_columns(model: Model) -> Ints:
    """Columns of whole numbers."""
    return np.flatnonzero(np.concatenate(model.integer))
