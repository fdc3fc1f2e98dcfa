"""Where gangs stand: every pair of a place and a system tried, each as a plan in which all else is still divisible.

What is asked is a choice of one among a dozen or two, whose costs lie close together; branching on places and systems
apart decides neither. A pair is one warm solve. The least of a gang's pairs bounds every plan of whole gangs, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.errors import SolverError
from gigawatt.plan.algebra import Ints
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.live import LivePlan
from gigawatt.plan.metadata import Column
from gigawatt.plan.solver import Ending

Floats = npt.NDArray[np.float64]
Bounds = tuple[Floats, Floats]
EDGE = 1e-9
"""Share of a cost by which two count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """Where one gang may stand.

    Args:
        columns: that say where: of its places, then of its systems.
        values: (spot, column) 1 for the place and the system of each spot, most machines in the relaxed plan first.
    """

    columns: Ints
    values: Floats


def place_gangs(plan: LivePlan, bounds: Bounds, time_limit_s: float) -> tuple[float, float]:
    """(cost with every gang in its spot, what no plan of whole gangs falls below) [MUSD, without the constant].

    Gangs are fixed one after another, the hardest first, each where the plan costs least. The solver holds the relaxed
    plan and is left with that of gangs in their spots. The cost is inf where some gang found no spot in the end.
    Raises SolverError where a solve does not come to its end.

    Args:
        plan: solved, with nothing whole.
        bounds: (columns,) lower and upper.
        time_limit_s: of one solve.
    """
    solver = plan.solver
    relaxed = bound = solver.found().objective
    waiting = _spots(plan, solver.found().x, bounds)
    n_gangs = len(waiting)
    while waiting:
        basis = solver.basis()
        best: list[tuple[float, int]] = []
        for spots in waiting:
            best.append(_best(plan, spots, relaxed, time_limit_s))
            solver.set_bounds(spots.columns, bounds[0][spots.columns], bounds[1][spots.columns])
            solver.start_at(basis)
        hardest = int(np.argmax([cost for cost, _ in best]))
        relaxed, at = best[hardest]
        if len(waiting) == n_gangs:  # the others are still free to split: the least of this gang bounds them all
            bound = relaxed
        if np.isinf(relaxed):
            return np.inf, bound
        spots = waiting.pop(hardest)
        solver.set_bounds(spots.columns, spots.values[at], spots.values[at])
        solver.run(time_limit_s=time_limit_s)
    return relaxed, bound


def _best(plan: LivePlan, spots: Spots, relaxed: float, time_limit_s: float) -> tuple[float, int]:
    """(cost of the plan with a gang at the best of its spots, which one); inf where no spot has a plan."""
    solver, cost, at = plan.solver, np.inf, 0
    for which, values in enumerate(spots.values):
        solver.set_bounds(spots.columns, values, values)
        ending, found = solver.run(time_limit_s=time_limit_s, most=cost), solver.found().objective
        if ending in (Ending.STOPPED, Ending.OTHER):
            raise SolverError(f"HiGHS ended with '{solver.status}' where a gang was tried at a spot")
        if ending is Ending.OPTIMAL and (np.isinf(cost) or found < cost - EDGE * abs(cost)):
            cost, at = found, which
        if cost <= relaxed + EDGE * abs(relaxed):
            break  # nothing is cheaper than the plan that leaves it open
    return cost, at


def _spots(plan: LivePlan, primal: Floats, bounds: Bounds) -> list[Spots]:
    """Of each gang that runs and has a choice, the spots that its bounds allow."""
    lumps = plan.inputs.lumps
    if lumps is None or not lumps.gangs_whole or lumps.gang_able is None:
        return []
    held = plan.values_of("reserved", primal).sum("quarter").transpose("gang", "offer").values
    found = []
    for g in range(held.shape[0]):
        at, on = (_labels(plan, column, g, bounds) for column in (Decisions.gang_at, Decisions.gang_on))
        stands, is_of = _members(lumps.gang_able, "place", g), _members(lumps.gang_runs, "system", g)
        able = stands[:, None, :] * is_of[None, :, :]  # (place, system, offer)
        allowed = able.any(axis=2) & at.may[:, None] & on.may[None, :]
        most_first = np.argsort(-(able @ held[g])[allowed], kind="stable")
        values = [np.concatenate([at.one(p), on.one(s)]) for p, s in np.argwhere(allowed)[most_first]]
        if values:
            found.append(Spots(columns=np.concatenate([at.live, on.live]), values=np.array(values)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Places or systems of one gang: (label,) their columns, -1 without one, and whether its bounds allow them."""

    columns: Ints
    may: npt.NDArray[np.bool_]

    @property
    def live(self) -> Ints:
        """The columns there are."""
        return self.columns[self.columns >= 0]

    def one(self, label: int) -> Floats:
        """(live column) 1 for a label."""
        return np.where(np.arange(self.columns.size) == label, 1.0, 0.0)[self.columns >= 0]


def _labels(plan: LivePlan, column: Column, gang: int, bounds: Bounds) -> Labels:
    """Labels of a choice; one without a column where the plan does not ask."""
    if column not in plan.model:
        return Labels(columns=np.array([-1]), may=np.array([True]))
    columns = plan.model.variables[column.name].columns[gang]
    lower, upper = (np.where(columns >= 0, bound[columns], 0.0) for bound in bounds)
    held = lower > 0.5
    return Labels(columns=columns, may=(upper > 0.5) & (held if held.any() else True))


def _members(table: xr.DataArray | None, dim: str, gang: int) -> Floats:
    """(label, offer) 1 where an offer is of it; without a table all are of one."""
    if table is None:
        return np.ones((1, 1))
    return np.asarray(table.transpose("gang", dim, "offer").values[gang], dtype=np.float64)
