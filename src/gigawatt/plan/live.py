"""The plan as a model in a HiGHS instance: built, handed over in memory, and read back by label."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Ints, Model
from gigawatt.plan.constraints import CONSTRAINTS
from gigawatt.plan.constraints.milestone import counted_gw
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.objective import objective
from gigawatt.plan.signed import charged_after, owed_after
from gigawatt.plan.variables import decide

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class LivePlan:
    """A model and the solver that holds it. The one class here with a life: it owns a HiGHS instance."""

    inputs: PlanInputs
    model: Model
    highs: highspy.Highs
    counted: Expression | None
    """cumulative GW that count towards milestones"""
    owed: Expression | None
    """rents owed after the horizon, discounted to the start [MUSD]"""
    charged: Expression | None
    """what of it the plan is charged: all but what its use is worth then"""
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
        """Optimal value of a variable; 0 where it is masked."""
        return self.values_of(name, self.primal)

    def values_of(self, name: str, primal: Floats) -> xr.DataArray:
        """Value of a variable in some solution (columns,); 0 where it is masked."""
        variable = self.model.variables[name]
        return _array(variable.axes, variable.columns, primal)

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


def build(inputs: PlanInputs) -> tuple[Model, Expression | None, Expression | None, Expression | None]:
    """(plan as a model, GW that count towards milestones, rents owed after the horizon, what of them is charged)."""
    m = Model()
    x = decide(m, inputs)
    for _name, family in CONSTRAINTS:
        family(m, inputs, x)
    objective(m, inputs, x)
    counted = counted_gw(inputs, x) if inputs.milestones else None
    return m, counted, owed_after(inputs, x), charged_after(inputs, x)


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
    set_integer(highs, integer_columns(model), whole=True)
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
    model, counted, owed, charged = build(inputs)
    built = time.perf_counter()
    highs = hand_off(model)
    done = time.perf_counter()
    return LivePlan(
        inputs=inputs,
        model=model,
        highs=highs,
        counted=counted,
        owed=owed,
        charged=charged,
        build_s=built - start,
        hand_off_s=done - built,
    )


def integer_columns(model: Model) -> Ints:
    """Columns of whole numbers."""
    return np.flatnonzero(np.concatenate(model.integer))


def set_integer(highs: highspy.Highs, columns: Ints, *, whole: bool) -> None:
    """Columns made whole numbers, or continuous."""
    import highspy

    if columns.size:
        kind = highspy.HighsVarType.kInteger if whole else highspy.HighsVarType.kContinuous
        index = columns.astype(np.int32)
        highs.changeColsIntegrality(index.size, index, np.full(index.size, int(kind), dtype=np.uint8))
