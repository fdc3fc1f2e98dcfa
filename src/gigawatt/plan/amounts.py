"""Amounts of a plan that something is paid for, by name: expressions of its decisions, and numbers once solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
import xarray as xr

from gigawatt.plan.algebra import Expression
from gigawatt.plan.decisions import COLUMNS, Decisions
from gigawatt.plan.energy import offers_at_work, work_cost
from gigawatt.plan.flows import Numbers, Priced, What, costs, ending, price_on, priced
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.signed import kept_until
from gigawatt.plan.worth import sales_musd

if TYPE_CHECKING:
    from gigawatt.plan.live import LivePlan

Amount = Callable[[PlanInputs, Decisions], Expression | None]


def _taken(d: PlanInputs, x: Decisions) -> Expression:
    first = xr.DataArray(np.eye(1, len(d.quarters))[0], dims="signed", coords={"signed": list(d.quarters)})
    by_signing = replace(x.energise, axes={"site": x.energise.axes["site"], "signed": d.quarters})
    return by_signing + d.energised_initial_mw * first


def _fixed(d: PlanInputs, x: Decisions) -> Expression:
    n = len(d.quarters)
    return Expression(axes={"quarter": d.quarters}, matrix=sp.csr_array((n, x.add.matrix.shape[1])), const=np.ones(n))


def _as_decided(name: str) -> Amount:
    """A decision as it is; None where the plan has no such choice."""
    column = COLUMNS[name]
    return lambda d, x: x.expression(column) if column in x else None


AS_DECIDED = (
    "add", "stock", "kept", "kept_initial", "sold", "sold_initial", "short", "beyond", "left", "exercised", "energise",
    "vacate", "unused", "fit", "retrofit", "kept_fit", "kept_retrofit", "late", "cancelled",
)  # fmt: skip
AMOUNTS: dict[str, Amount] = {name: _as_decided(name) for name in AS_DECIDED} | {
    "signed": kept_until,
    "signed_at_end": lambda d, x: kept_until(d, x).at("quarter", d.quarters[-1]),
    "in_use": lambda d, x: x.in_use + d.energised_initial_mw,
    "taken": _taken,
    "unused_at_end": lambda d, x: x.unused.at("quarter", d.quarters[-1]) if Decisions.unused in x else None,
    "opened": lambda d, x: x.opened.change("quarter") if Decisions.opened in x else None,
    "vested": lambda d, x: x.vested.change("quarter") if Decisions.vested in x else None,
    "fixed": _fixed,
    "sales": lambda d, x: sales_musd(d, x),
}
"""What can be paid for. ``signed`` (offer, signed, quarter): what was accepted in a quarter and has not been left.
``taken`` (site, signed): what was taken into use, what stood at the start with the first quarter.
Of numbers alone: ``at_work`` (offer, quarter), mean of the day; ``withheld`` (commitment, quarter) in a replay."""


def outflow(d: PlanInputs, x: Decisions) -> Expression:
    """Spending of each quarter, less what is received beside sales (quarter) [MUSD]."""
    return _whole(d, x, costs(d.rates), _fixed(d, x) * 0.0 + work_cost(d, x))


def inflow(d: PlanInputs, x: Decisions) -> Expression:
    """Income from work that is paid by the token (quarter) [MUSD]."""
    return sales_musd(d, x).sum("workload")


def at_end(d: PlanInputs, x: Decisions, *kinds: What) -> Expression:
    """Values at the end of the horizon of some kinds, discounted to the start: without axes [MUSD]."""
    return _whole(d, x, ending(d.ends, *kinds), (_fixed(d, x) * 0.0).sum("quarter"))


def _whole(d: PlanInputs, x: Decisions, rows: Sequence[Priced], start: Expression) -> Expression:
    """Price times amount over the axes of ``start``, which is added."""
    for on in dict.fromkeys(row.on for row in rows):
        amount = AMOUNTS[on](d, x) if on in AMOUNTS else None
        if amount is not None and (price := price_on(rows, on, (*amount.axes, *start.axes))) is not None:
            start = start + priced(amount, price, *start.axes)
    return start


def numbers(plan: LivePlan) -> Numbers:
    """Amounts of a solved plan that something is paid for."""
    d, found = plan.inputs, {}
    x = Decisions(plan.model, d)
    for on in dict.fromkeys([rate.on for rate in d.rates] + [end.on for end in d.ends]):
        amount = AMOUNTS[on](d, x) if on in AMOUNTS else None
        if amount is not None:
            found[on] = (plan.amount(amount),)
    return found | {"at_work": (offers_at_work(plan),)}
