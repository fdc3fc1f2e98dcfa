"""What it is worth to plan for all cases at once: foresight, the plan for the mean, regret of first orders.

    WS <= RP <= EEV      EVPI = RP - WS      VSS = EEV - RP

WS: every case planned with foresight. RP: the plan of the tree. EV: the plan of the mean case, in which everything
unknown is at its mean. EEV: the tree's cost with the first orders of that plan. Source: Birge and Louveaux 2011,
Introduction to Stochastic Programming, chapter 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import Extensive, decided, extensive
from gigawatt.plan.found import Say, TreePlan, quiet
from gigawatt.plan.live import LivePlan
from gigawatt.plan.session import SIGNED
from gigawatt.plan.tail import Tail
from gigawatt.plan.tree import mean_of
from gigawatt.plan.whole import solve_whole

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LITTLE = 1e-6
"""What is missed by less, in its unit and quarters, is rounding."""
AGREE = 1e-5
"""Of the tree's cost: bounds that contradict each other by less agree. A solver's rows hold to 1e-6 of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOrders:
    """Orders placed before the first branch: of ``family`` the cells of the flat array, and their columns."""

    family: str
    cell: Ints
    column: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What a plan misses of one kind, summed over quarters, in ``unit`` x quarter: expected, and in the worst case."""

    kind: str
    unit: str
    expected: float
    worst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Cost of the tree if the first orders are those of another plan [MUSD].

    ``upper`` is inf where no plan is known with them; ``lower`` too where there is none, and -inf where time ended.
    ``lower`` and ``upper`` are bounds and hold the price of what is missed; ``plain`` is the cost of the plan at
    ``upper`` without it, and ``missed`` what it misses. ``order_musd`` is what the plan that made the orders costs in
    the case it was made for, nan where that is not known.
    """

    name: str
    lower: float
    upper: float
    plain: float = np.inf
    missed: tuple[Missed, ...] = ()
    order_musd: float = np.nan


def plain_cost(whole: Extensive, x: Floats, tail: Tail) -> float:
    """Risk-weighted cost of a plan of the tree without the price of what it misses [MUSD]."""
    return tail.of(whole.costs(x) - whole.charged(x), whole.probability)


def missed_by(whole: Extensive, x: Floats) -> tuple[Missed, ...]:
    """What a plan of the tree misses, by kind."""
    amounts = whole.missed(x)
    return tuple(
        Missed(kind=kind, unit=unit, expected=float(whole.probability @ amount), worst=float(amount.max()))
        for (kind, unit), amount in zip(whole.kinds, amounts.T, strict=True)
        if amount.max(initial=0.0) > LITTLE
    )


def never_less(low: float, high: float, *, what: str, scale: float) -> tuple[float, float]:
    """Bounds of something that is never negative by theory: (max(0, low), high).

    Raises SolverError where ``high`` is negative, or below ``low``, by more than ``AGREE`` of ``scale``: then one of
    the bounds it comes from is wrong, and no figure is better than a wrong one.
    """
    near = AGREE * max(1.0, abs(scale))
    if high < -near or low > high + near:
        raise SolverError(
            f"{what} lies between {low:,.3f} and {high:,.3f} MUSD, which cannot be: the bounds of the search "
            "contradict each other. Solve again with --workers 1, or a small tree with --extensive"
        )
    return max(0.0, low), max(0.0, high)


def first_orders(whole: Extensive) -> Iterator[FirstOrders]:
    """What is signed before anything is learned, by the quarter it is meant for; families that the plan has.

    An order that one case pushes beyond the horizon is an order in the others.
    """
    for name in SIGNED:
        cells, columns = [], []
        for leaf, model, place in zip(whole.leaves, whole.models, whole.columns, strict=True):
            if name not in model.variables:
                continue
            variable = model.variables[name]
            cell, stage = decided(whole.tree, leaf.path, variable)
            at = np.where(variable.columns >= 0, place[np.maximum(variable.columns, 0)], -1)
            first = (at >= 0) & (stage == 0)
            cells.append(cell[first])
            columns.append(at[first])
        if cells:
            column, where = np.unique(np.concatenate(columns), return_index=True)
            yield FirstOrders(family=name, cell=np.concatenate(cells)[where], column=column)


def orders_of(whole: Extensive, plan: LivePlan) -> tuple[Ints, Floats]:
    """(columns, values) of the first orders of a plan that is made for one case."""
    found = list(first_orders(whole))
    values = [plan.value(part.family).values.ravel()[part.cell] for part in found]
    return np.concatenate([part.column for part in found]), np.concatenate(values)


def first_stage(whole: Extensive, x: Floats, family: str) -> xr.DataArray:
    """First orders of a family over its axes [MW], by the quarter they are meant for."""
    variable = whole.models[0].variables[family]
    table = np.zeros(variable.columns.size)
    part = next(item for item in first_orders(whole) if item.family == family)
    table[part.cell] = x[part.column]
    coords = {dim: list(labels) for dim, labels in variable.axes.items()}
    return xr.DataArray(table.reshape(variable.columns.shape), dims=list(variable.axes), coords=coords)


def mean_orders(whole: Extensive, *, time_limit_s: float) -> tuple[float, tuple[Ints, Floats]]:
    """(EV: cost of the plan for the mean case [MUSD], (columns, values) of its first orders).

    Raises InfeasibleError where the mean case has no plan, SolverError where the time does not suffice.
    """
    one = extensive(mean_of(whole.tree))
    found = solve_whole(one, time_limit_s=time_limit_s)
    if found.ended != "gap":
        raise SolverError(f"the plan for the mean case was not found in {time_limit_s:g} s")
    made = {part.family: dict(zip(part.cell.tolist(), found.x[part.column].tolist(), strict=True))
            for part in first_orders(one)}  # fmt: skip
    parts = list(first_orders(whole))
    values = [made.get(part.family, {}).get(cell, 0.0) for part in parts for cell in part.cell.tolist()]
    return found.upper, (np.concatenate([part.column for part in parts]), np.array(values))


def follow_orders(
    search: Decomposition,
    name: str,
    fixed: tuple[Ints, Floats],
    *,
    gap: float,
    time_limit_s: float,
    order_musd: float = np.nan,
    say: Say = quiet,
) -> Followed:
    """Cost of the tree with first orders given and everything after them at its best.

    An interrupt ends it without an answer: bounds of a search cut short say little.
    """
    try:
        found: TreePlan = search.run(gap=gap, time_limit_s=time_limit_s, fixed=fixed, say=say)
    except InfeasibleError:
        return Followed(name=name, lower=np.inf, upper=np.inf, order_musd=order_musd)
    except SolverError:
        return Followed(name=name, lower=-np.inf, upper=np.inf, order_musd=order_musd)
    if found.ended == "interrupted":
        raise KeyboardInterrupt
    return Followed(
        name=name, lower=found.lower, upper=found.upper, plain=plain_cost(search.whole, found.x, search.tail),
        missed=missed_by(search.whole, found.x), order_musd=order_musd,
    )  # fmt: skip


def regrets(search: Decomposition, *, gap: float, time_limit_s: float, say: Say = quiet) -> Iterator[Followed]:
    """For each leaf, the tree's cost if the first orders are those that would be best were that leaf certain.

    ``time_limit_s`` is for one leaf.
    """
    search.foresee()
    columns = np.concatenate([part.column for part in first_orders(search.whole)])
    place = np.searchsorted(search.shared, columns)
    for leaf, x, cost in zip(search.whole.leaves, search.foreseen_x, search.foreseen, strict=True):
        say(f"following the orders of '{leaf.name}'")
        yield follow_orders(
            search, leaf.name, (columns, x[place]), gap=gap, time_limit_s=time_limit_s, order_musd=float(cost)
        )
