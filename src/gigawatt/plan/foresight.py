"""What it is worth to plan for all cases at once: foresight, the plan for the mean, regret of first orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import Extensive, decided
from gigawatt.plan.found import Say, TreePlan, quiet
from gigawatt.plan.live import LivePlan
from gigawatt.plan.session import FIRST_STAGE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOrders:
    """Orders placed before the first branch: of ``family`` the cells of the flat array, and their columns."""

    family: str
    cell: Ints
    column: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Bounds on the cost of the tree if the first orders are those of another plan [MUSD]; inf where none works."""

    name: str
    lower: float
    upper: float


def first_orders(whole: Extensive) -> Iterator[FirstOrders]:
    """What is signed before anything is learned, by the quarter it is meant for; families that the plan has."""
    leaf, model, columns = whole.leaves[0], whole.models[0], whole.columns[0]
    for name in FIRST_STAGE:
        if name not in model.variables:
            continue
        variable = model.variables[name]
        cell, stage = decided(whole.tree, leaf.path, variable)
        at = np.where(variable.columns >= 0, columns[np.maximum(variable.columns, 0)], -1)
        first = (at >= 0) & (stage == 0)
        yield FirstOrders(family=name, cell=cell[first], column=at[first])


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


def follow_orders(
    search: Decomposition,
    name: str,
    fixed: tuple[Ints, Floats],
    *,
    gap: float,
    time_limit_s: float,
    say: Say = quiet,
) -> Followed:
    """Cost of the tree with first orders given and everything after them at its best.

    An interrupt ends it without an answer: bounds of a search cut short say little.
    """
    try:
        found: TreePlan = search.run(gap=gap, time_limit_s=time_limit_s, fixed=fixed, say=say)
    except InfeasibleError:
        return Followed(name=name, lower=np.inf, upper=np.inf)
    if found.ended == "interrupted":
        raise KeyboardInterrupt
    return Followed(name=name, lower=found.lower, upper=found.upper)


def regrets(search: Decomposition, *, gap: float, time_limit_s: float, say: Say = quiet) -> Iterator[Followed]:
    """For each leaf, the tree's cost if the first orders are those that would be best were that leaf certain.

    ``time_limit_s`` is for one leaf.
    """
    search.foresee()
    columns = np.concatenate([part.column for part in first_orders(search.whole)])
    place = np.searchsorted(search.shared, columns)
    for leaf, x in zip(search.whole.leaves, search.foreseen_x, strict=True):
        say(f"following the orders of '{leaf.name}'")
        yield follow_orders(search, leaf.name, (columns, x[place]), gap=gap, time_limit_s=time_limit_s)
