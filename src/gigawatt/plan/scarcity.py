"""What one more unit of a limit is worth: the cost that a little more of it saves, per unit, whole numbers held.

A dual answers that only where the optimum is not degenerate; elsewhere it is one of several prices and may be far
above what more of the limit saves. So a price here is a difference of two plans:

    price = (cost(limit) - cost(limit + h)) / h,   h a thousandth of the limit's own figure, one unit at the most

taken from the basis, where that holds for the whole of h, else by solving again from it. A limit that stands over
several quarters gives way in all of them at once (``Easing``). A dual times what gives way is never less than the
price, so what has no dual is worth nothing and is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import xarray as xr

from gigawatt.core.errors import SolverError
from gigawatt.plan.algebra import Ints
from gigawatt.plan.live import LivePlan
from gigawatt.plan.solver import Ending

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]
_NONE: Ints = np.empty(0, dtype=np.int64)
LITTLE = 1e-3
"""Share of its own figure by which a limit gives way to be priced."""
SLIGHT = 1e-9
"""Change of a decision or a row, relative to the largest, that is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Easing:
    """More of one figure: rows and columns that give way together.

    Args:
        rows: rows whose sides move, each by its ``weights`` times the amount: up where positive, down where negative.
        weights: (rows,)
        columns: whose upper bounds rise by the amount.
        figure: the limit's own figure, in its unit; 0 where it has none.
    """

    rows: Ints
    weights: Floats
    columns: Ints
    figure: float = 0.0

    @property
    def little(self) -> float:
        """Amount by which it gives way to be priced, in its unit."""
        return min(1.0, LITTLE * (abs(self.figure) or 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """Where a solved plan stands: its vertex, and the numbers its solver holds."""

    plan: LivePlan
    basis: highspy.HighsBasis
    matrix: sp.csr_array
    cost: Floats
    """(columns,) without what only breaks ties"""
    primal: Floats
    lower: Floats
    upper: Floats
    row_lower: Floats
    row_upper: Floats


def optimum_of(plan: LivePlan) -> Optimum:
    """The optimum of a plan that its solver holds: solved last, with the bounds and costs of then."""
    _run(plan)
    solver = plan.solver
    (lower, upper), (row_lower, row_upper) = solver.bounds, solver.row_bounds
    return Optimum(
        plan=plan, basis=solver.basis(), cost=plan.model.cost, primal=solver.found().x, lower=lower, upper=upper,
        matrix=sp.csr_array(solver.matrix), row_lower=row_lower, row_upper=row_upper,
    )  # fmt: skip


def prices_of(at: Optimum, easings: Sequence[Easing]) -> list[float]:
    """What one more unit of each saves [discounted MUSD per unit of the limit]; 0 where it is of no use."""
    asked = [i for i, easing in enumerate(easings) if most_of(at, easing) > 0.0]
    basic = at.plan.solver.basic() if asked else _NONE
    lines = {i: _along_the_basis(at, basic, easings[i]) for i in asked}  # all of them while the basis has its factor
    found = [0.0] * len(easings)
    for i, (rate, reach) in lines.items():
        found[i] = max(0.0, rate if reach >= easings[i].little else _solved_again(at, easings[i]))
    return found


def most_of(at: Optimum, easing: Easing) -> float:
    """A bound of the price, from the duals of this basis [discounted MUSD per unit of the limit]."""
    rows, columns = at.plan.row_dual[easing.rows], at.plan.reduced_cost[easing.columns]
    return float(-rows @ easing.weights - columns.sum())


def of_rows(at: Optimum, rows: Ints, figure: float = 0.0, more: float = 1.0) -> Easing:
    """Rows that give way together: their sides rise by ``more``, or fall if that is negative.

    Where they have no ``figure`` it is what their positive terms add up to.
    """
    if figure == 0.0:
        terms = at.matrix[rows].multiply(at.primal[None, :])
        figure = float(np.maximum(sp.csr_array(terms).toarray(), 0.0).sum(axis=1).max(initial=0.0))
    return Easing(rows=rows, weights=np.full(rows.size, more), columns=_NONE, figure=figure)


def of_columns(columns: Ints, figure: float) -> Easing:
    """Decisions whose upper bounds rise together."""
    return Easing(rows=_NONE, weights=np.empty(0), columns=columns, figure=figure)


def of_connection(at: Optimum, site: str, quarters: slice) -> Easing:
    """A facility MW energised at a site in some quarters: in its connection, and in the row that says it was opened."""
    plan = at.plan
    rows = plan.model.constraints["connection"]
    cells = rows.index[rows.axes["site"].index(site), quarters]
    levels = plan.inputs.connection_mw.sel(site=site).transpose("quarter").values
    found = of_rows(at, cells[cells >= 0], float(levels[quarters][0]) or float(levels.max()))
    block = plan.model.constraints.get("opening")
    if block is None or site not in block.axes["site"]:
        return found
    place = block.axes["site"].index(site)
    opened = plan.value("opened").transpose("site", "quarter").sel(site=site).values[quarters]
    return replace(
        found, rows=np.concatenate([found.rows, block.index[place, quarters]]),
        weights=np.concatenate([found.weights, opened]),
    )  # fmt: skip


def steps_of(levels: Floats, live: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(first, last + 1) places of each run of one level, over places that are ``live``."""
    start = 0
    for end in range(1, levels.size + 1):
        if end == levels.size or levels[end] != levels[start] or live[end] != live[start]:
            if live[start]:
                yield start, end
            start = end


def _along_the_basis(at: Optimum, basic: Ints, easing: Easing) -> tuple[float, float]:
    """(what a unit saves while this basis stays optimal, amount up to which it does)."""
    is_column, moved = basic >= 0, np.zeros(at.primal.size)
    moved[easing.columns] = 1.0
    moved[basic[is_column]] = 0.0
    right = np.zeros(at.matrix.shape[0])
    right[easing.rows] = easing.weights
    right[-1 - basic[~is_column]] = 0.0  # slack already: it has its room, and nothing moves for it
    answer = at.plan.solver.basis_solve(right - at.matrix @ moved)
    moved[basic[is_column]] = answer[is_column]
    reach = min(
        _room(at.primal, moved, at.lower, at.upper, easing.columns, np.ones(easing.columns.size)),
        _room(at.matrix @ at.primal, at.matrix @ moved, at.row_lower, at.row_upper, easing.rows, easing.weights),
    )
    return float(-at.cost @ moved), reach


def _room(value: Floats, change: Floats, lower: Floats, upper: Floats, eased: Ints, weights: Floats) -> float:
    """Amount up to which values that change at a rate stay between bounds, of which some give way."""
    up, down = np.zeros(value.size), np.zeros(value.size)
    up[eased], down[eased] = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    equal = lower == upper
    up, down = np.where(equal, up + down, up), np.where(equal, up + down, down)
    slight = SLIGHT * max(1.0, float(np.abs(change).max(initial=0.0)))
    rises, falls = change - up > slight, change - down < -slight
    above = np.maximum(upper - value, 0.0)[rises] / (change - up)[rises]
    below = np.maximum(value - lower, 0.0)[falls] / (down - change)[falls]
    return float(min(above.min(initial=np.inf), below.min(initial=np.inf)))


def _solved_again(at: Optimum, easing: Easing) -> float:
    """What a unit saves, by a plan with a little more; the solver has its bounds and basis again afterwards."""
    solver, rows, columns = at.plan.solver, easing.rows, easing.columns
    low, high, more = at.row_lower[rows], at.row_upper[rows], easing.weights * easing.little
    solver.set_row_bounds(rows, low + np.where((more < 0) | (low == high), more, 0.0),
                          high + np.where((more > 0) | (low == high), more, 0.0))  # fmt: skip
    solver.set_bounds(columns, at.lower[columns], at.upper[columns] + easing.little)
    _run(at.plan)
    saved = float(at.cost @ (at.primal - solver.found().x))
    solver.set_row_bounds(rows, low, high)
    solver.set_bounds(columns, at.lower[columns], at.upper[columns])
    solver.start_at(at.basis)
    return saved / easing.little


def _run(plan: LivePlan) -> None:
    if plan.solver.run() is not Ending.OPTIMAL:
        raise SolverError(f"HiGHS ended with '{plan.solver.status}' where a limit was priced")


def prices(plan: LivePlan) -> xr.Dataset:
    """What one more of each scarce thing is worth, at the start of the horizon: ``value_of_*``, 0 where it is slack.

    ``connection`` (site, quarter) [USD/W]: a facility W energised from that quarter, the first of a step of the site's
    schedule, until the next; nan in quarters within a step, from which it would be worth less. ``capacity`` (pool,
    quarter) [USD/W]: an IT W that works in the pool in that quarter, of which the reserve takes its share. ``package``
    (supply, quarter) [USD]: one delivered in that quarter. ``money`` (quarter) [USD/USD]: one dollar in that quarter,
    beyond the dollar itself.

    Args:
        plan: solved last by its solver.
    """
    at = optimum_of(plan)
    d, rows = plan.inputs, plan.model.constraints
    found = {
        "value_of_connection": (_energised(at), 1.0, "USD/W", "of one more facility W energised from the quarter, the "
                                "first of a step of the site's schedule, until the next"),
        "value_of_money": (_each(at, "cash"), 1.0, "USD/USD", "of one more dollar in the quarter, beyond the "
                           "dollar itself"),
    }  # fmt: skip
    if "capacity" in rows:
        kept = 1.0 - d.reserve_frac
        found["value_of_capacity"] = (_each(at, "capacity"), kept, "USD/W", "of one more IT W in the pool")
    if "supply" in rows and d.supply_packages.sizes["supply"]:
        found["value_of_package"] = (_each(at, "supply"), 1e6, "USD", "of one more package delivered in the "
                                     "quarter")  # fmt: skip
    return xr.Dataset(
        {name: (values * scale).assign_attrs(units=unit, long_name=what)
         for name, (values, scale, unit, what) in found.items()}
    )  # fmt: skip


def _each(at: Optimum, name: str) -> xr.DataArray:
    """Price of every row by itself [MUSD per unit]."""
    duals, rows = at.plan.dual(name), at.plan.model.constraints[name]
    cells = np.nonzero((rows.index >= 0) & (duals.values < 0.0))
    table = np.zeros(rows.index.shape)
    places = rows.index[cells]
    figure = np.abs(np.where(rows.index >= 0, at.row_upper[rows.index], 0.0))
    own = np.where(figure > 0.0, figure, figure.max(axis=list(rows.axes).index("quarter"), keepdims=True))[cells]
    table[cells] = prices_of(at, [of_rows(at, np.array([row]), size) for row, size in zip(places, own, strict=True)])
    return duals.copy(data=table)


def _energised(at: Optimum) -> xr.DataArray:
    """Price of a facility MW from the first quarter of each step of a site until the next [MUSD per MW]; nan within."""
    duals = at.plan.dual("connection").transpose("site", "quarter")
    levels = at.plan.inputs.connection_mw.transpose("site", "quarter").values
    table = np.where(np.isfinite(levels), np.nan, 0.0)
    steps = [(place, run) for place, row in enumerate(levels) for run in steps_of(row, np.isfinite(row))]
    sites = [str(site) for site in duals["site"].values]
    found = prices_of(at, [of_connection(at, sites[place], slice(*run)) for place, run in steps])
    for (place, (first, _)), price in zip(steps, found, strict=True):
        table[place, first] = price
    return duals.copy(data=table)
