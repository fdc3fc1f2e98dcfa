"""A plan that lives: bounds, costs and right-hand sides change, and the solver goes on from where it stood.

    session = PlanSession(inputs)
    plan = session.solve()                     # stays as it is whatever is solved later
    with session.trial():                      # everything in here is undone, the basis too
        session.set_upper("add", 0.0, offer="cerebras-cs3@cerebras-us")
        without = session.solve().objective_musd
    session.change(replace(inputs, initial_mw=today))      # another fleet, other dates: the basis is carried by name

What was decided before a date is pinned with ``fix``. Rows and whole objectives can be added for a while, which is what
the search for alternatives and the explanations stand on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.algebra import Expression, Ints
from gigawatt.plan.decisions import COLUMNS
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan, open_plan
from gigawatt.plan.solve import Say, solve

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]
Value = xr.DataArray | float
Label = str | int | list[str]

SIGNED = tuple(name for name, column in COLUMNS.items() if column.signed)
"""Decisions that are orders: what is signed stays signed."""
_FOUND = ("primal", "row_dual", "reduced_cost", "objective_musd", "bound_musd", "mip_gap", "solve_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the solver holds and a session may change: (columns,) and (rows,).

    ``cost`` holds ``tie_break`` too, which no objective that is reported does; ``constant`` is what it has beside.
    """

    cost: Floats
    tie_break: Floats
    constant: float
    lower: Floats
    upper: Floats
    row_lower: Floats
    row_upper: Floats


class PlanSession:
    """One model in one solver, re-solved from its last basis.

    Args:
        inputs: the problem.
        mip_gap: relative gap at which whole numbers count as placed.
        time_limit_s: of every solve.

    Raises (from ``solve``) InfeasibleError with the families in conflict, SolverError where there is no answer.
    """

    def __init__(self, inputs: PlanInputs, *, mip_gap: float = 1e-2, time_limit_s: float = 120.0) -> None:
        """Builds the model and hands it to the solver; nothing is solved yet."""
        self.mip_gap, self.time_limit_s = mip_gap, time_limit_s
        self.live: LivePlan = open_plan(inputs)
        self._numbers = _of(self.live)

    @property
    def inputs(self) -> PlanInputs:
        """The problem as it was built; what ``set_*`` changed stands in the solver only."""
        return self.live.inputs

    def solve(self, *, explain: bool = True, say: Say | None = None) -> LivePlan:
        """The plan at its optimum, an object of its own; its objective is in the costs as they are now."""
        now = self._numbers
        solve(
            self.live, mip_gap=self.mip_gap, time_limit_s=self.time_limit_s, explain=explain,
            bounds=(now.lower, now.upper), say=say,
        )  # fmt: skip
        room = self.live.objective_musd - self.live.bound_musd
        self.live.objective_musd = float((now.cost - now.tie_break) @ self.live.primal) + now.constant
        self.live.bound_musd = self.live.objective_musd - room
        return copy(self.live)

    # --- changes

    def set_cost(self, name: str, value: Value, **where: Label) -> None:
        """Objective of a variable [discounted MUSD per unit], in all cells or in those with the given labels."""
        self._set("cost", self._columns(name, where), value)

    def set_lower(self, name: str, value: Value, **where: Label) -> None:
        """Lower bound of a variable."""
        self._set("lower", self._columns(name, where), value)

    def set_upper(self, name: str, value: Value, **where: Label) -> None:
        """Upper bound of a variable."""
        self._set("upper", self._columns(name, where), value)

    def pin(self, columns: Ints, values: Floats) -> None:
        """Columns of the solver held at values."""
        lower, upper = self._numbers.lower.copy(), self._numbers.upper.copy()
        lower[columns], upper[columns] = values, values
        self._push(replace(self._numbers, lower=lower, upper=upper))

    def set_right(self, name: str, value: Value, **where: Label) -> None:
        """Right-hand side of rows, each on the side or sides where it has one."""
        rows = self._rows(name, where)
        for side in ("row_lower", "row_upper"):
            bounded = np.isfinite(getattr(self._numbers, side)[np.maximum(rows.values, 0)])
            self._set(side, rows.where(bounded, -1), value)

    def minimise(self, cost: Floats) -> None:
        """Another objective, one figure a column and nothing beside; ``trial`` brings back the old one."""
        cost = np.asarray(cost, dtype=np.float64)
        self._push(replace(self._numbers, cost=cost, tie_break=np.zeros_like(cost), constant=0.0))

    def add_row(self, row: Expression | Floats, lower: float, upper: float) -> None:
        """One more row for as long as the trial lasts: an expression without axes, or one coefficient a column."""
        if isinstance(row, Expression):
            dense = np.asarray(row.matrix.sum(axis=0)).ravel()
            lower, upper = lower - float(row.const.sum()), upper - float(row.const.sum())
        else:
            dense = np.asarray(row, dtype=np.float64)
        index = np.flatnonzero(dense)
        self.live.solver.add_row(lower, upper, index, dense[index])

    def fix(self, plan: xr.Dataset | LivePlan, until: str, names: tuple[str, ...] = SIGNED) -> None:
        """Decisions up to and with a quarter pinned to those of a plan: signed, or already happened [MW].

        Raises ValueError for a quarter outside the horizon.
        """
        quarters = self.inputs.quarters
        if until not in quarters:
            raise ValueError(f"'{until}' is no quarter of the plan; it runs from {quarters[0]} to {quarters[-1]}")
        past = list(quarters[: quarters.index(until) + 1])
        for name in names:
            if name not in self.live.model.variables:
                continue
            if isinstance(plan, LivePlan) and name not in plan.model.variables:
                continue  # a shorter horizon, in which no lease ended
            if isinstance(plan, LivePlan):
                values = plan.value(name)
            elif (column := COLUMNS[name]).result_name in plan:
                values = plan[column.result_name] / column.unit.scale
                values = values.rename({column.sites: "site"}) if column.sites in values.dims else values
            else:
                continue  # what is sold follows from what is retired
            cells = self._columns(name, {}).sel(quarter=past)
            pinned = values.sel({dim: cells[dim].values for dim in cells.dims}).transpose(*cells.dims)
            self._set("lower", cells, pinned)
            self._set("upper", cells, pinned)

    def change(self, inputs: PlanInputs) -> None:
        """Another problem of the same kind; statuses of the basis are carried to columns and rows of the same name.

        Changes by ``set_*`` are forgotten.
        """
        before, basis = self.live, self.live.solver.basis()
        self.live = open_plan(inputs)
        if basis.valid:
            _carry(before, basis, self.live)
        self._numbers = _of(self.live)

    @contextmanager
    def trial(self) -> Iterator[PlanSession]:
        """Changes within are undone at its end, rows added within go, and the basis comes back."""
        kept, live = self._numbers, self.live
        basis, n_rows = live.solver.basis(), live.solver.n_rows
        found = {name: getattr(live, name) for name in _FOUND}
        try:
            yield self
        finally:
            if self.live is not live:
                self.live, self._numbers = live, kept
            else:
                self._push(kept)
            live.solver.drop_rows(n_rows)
            if basis.valid:
                live.solver.start_at(basis)
            for name, value in found.items():
                setattr(live, name, value)

    @property
    def numbers(self) -> Numbers:
        """What the solver holds now."""
        return self._numbers

    # --- inside

    def _columns(self, name: str, where: dict[str, Label]) -> xr.DataArray:
        variable = self.live.model.variables.get(name)
        if variable is None:
            raise KeyError(f"the plan has no variable '{name}'; it has {', '.join(self.live.model.variables)}")
        return _cells(variable.axes, variable.columns, where)

    def _rows(self, name: str, where: dict[str, Label]) -> xr.DataArray:
        rows = self.live.model.constraints.get(name)
        if rows is None:
            raise KeyError(f"the plan has no rows '{name}'; it has {', '.join(self.live.model.constraints)}")
        return _cells(rows.axes, rows.index, where)

    def _set(self, field: str, cells: xr.DataArray, value: Value) -> None:
        """One of the numbers in some cells; masked cells have no column and are left out."""
        if isinstance(value, xr.DataArray):
            value, cells = xr.broadcast(value, cells)
            spread = value.transpose(*cells.dims).values
        else:
            spread = np.full(cells.shape, float(value))
        at, live = cells.values, cells.values >= 0
        array = getattr(self._numbers, field).copy()
        array[at[live]] = spread[live]
        self._push(replace(self._numbers, **{field: array}))

    def _push(self, new: Numbers) -> None:
        """What differs goes to the solver."""
        old, solver = self._numbers, self.live.solver
        at = np.flatnonzero(old.cost != new.cost)
        if at.size:
            solver.set_cost(at, new.cost[at])
        at = np.flatnonzero((old.lower != new.lower) | (old.upper != new.upper))
        if at.size:
            solver.set_bounds(at, new.lower[at], new.upper[at])
        at = np.flatnonzero((old.row_lower != new.row_lower) | (old.row_upper != new.row_upper))
        if at.size:
            solver.set_row_bounds(at, new.row_lower[at], new.row_upper[at])
        self._numbers = new


def _cells(axes: dict[str, tuple[str | int, ...]], index: Ints, where: dict[str, Label]) -> xr.DataArray:
    for dim, label in where.items():
        if dim not in axes:
            raise KeyError(f"there is no axis '{dim}' here; the axes are {', '.join(axes)}")
        for name in label if isinstance(label, list) else [label]:
            if name not in axes[dim]:
                near = difflib.get_close_matches(str(name), [str(known) for known in axes[dim]], n=3, cutoff=0.4)
                hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(map(str, axes[dim]))}"
                raise KeyError(f"axis '{dim}' has no '{name}'; {hint}")
    cells = xr.DataArray(index, dims=list(axes), coords={dim: list(labels) for dim, labels in axes.items()})
    return cells.sel(where)


def _of(live: LivePlan) -> Numbers:
    model = live.model
    blocks = list(model.constraints.values())
    return Numbers(
        cost=model.cost + model.tie_break, tie_break=model.tie_break, constant=model.constant,
        lower=np.concatenate(model.lower), upper=np.concatenate(model.upper),
        row_lower=np.concatenate([rows.lower for rows in blocks]),
        row_upper=np.concatenate([rows.upper for rows in blocks]),
    )  # fmt: skip


def _carry(before: LivePlan, basis: highspy.HighsBasis, after: LivePlan) -> None:
    """The basis of one model as a start for another: what is new stands at its lower bound, a new row is slack."""
    import highspy

    def moved(
        old: list[str], statuses: list[highspy.HighsBasisStatus], new: list[str], missing: highspy.HighsBasisStatus
    ) -> list[highspy.HighsBasisStatus]:
        if old == new:
            return statuses
        known = dict(zip(old, statuses, strict=False))
        return [known.get(name, missing) for name in new]

    start = highspy.HighsBasis()
    status = highspy.HighsBasisStatus
    old, new = before.model, after.model
    start.col_status = moved(old.column_names(), list(basis.col_status), new.column_names(), status.kLower)
    start.row_status = moved(old.row_names(), list(basis.row_status), new.row_names(), status.kBasic)
    start.valid, start.alien = True, True  # an alien basis may be singular: the solver repairs it
    after.solver.start_at(start)
