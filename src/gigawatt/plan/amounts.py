"""Amounts of a plan that something is paid for, by name: expressions of its decisions, and numbers once solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
import xarray as xr

from gigawatt.plan.algebra import Expression
from gigawatt.plan.decisions import COLUMNS, Decisions
from gigawatt.plan.energy import offers_at_work, work_cost
from gigawatt.plan.flows import Numbers, Priced, What, costs, ending, price_on, priced
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import FACILITY, IT, MUSD, MW, ONE, SHARE, Column, Unit
from gigawatt.plan.signed import kept_until
from gigawatt.plan.worth import sales_musd

if TYPE_CHECKING:
    from gigawatt.plan.live import LivePlan

Of = Callable[[PlanInputs, Decisions], Expression | None]


@dataclass(frozen=True, slots=True)
class Amount:
    """What can be paid for: axes, unit, what it is, and its expression; None where the plan has no such choice."""

    axes: tuple[str, ...]
    unit: Unit
    text: str
    of: Of


def _taken(d: PlanInputs, x: Decisions) -> Expression:
    first = xr.DataArray(np.eye(1, len(d.quarters))[0], dims="signed", coords={"signed": list(d.quarters)})
    by_signing = replace(x.energise, axes={"site": x.energise.axes["site"], "signed": d.quarters})
    return by_signing + d.energised_initial_mw * first


def _fixed(d: PlanInputs, x: Decisions) -> Expression:
    n = len(d.quarters)
    return Expression(axes={"quarter": d.quarters}, matrix=sp.csr_array((n, x.add.matrix.shape[1])), const=np.ones(n))


def _last(column: Column) -> Of:
    """A decision in the last quarter."""
    return lambda d, x: x.expression(column).at("quarter", d.quarters[-1]) if column in x else None


def _change(column: Column) -> Of:
    """What is new of a running total in each quarter."""
    return lambda d, x: x.expression(column).change("quarter") if column in x else None


def _as_decided(name: str) -> Amount:
    """A decision as it is."""
    column = COLUMNS[name]
    return Amount(column.axes, column.unit, column.text, lambda d, x: x.expression(column) if column in x else None)


def _in_numbers(axes: tuple[str, ...], unit: Unit, text: str) -> Amount:
    """An amount of numbers alone: no expression has it."""
    return Amount(axes, unit, text, lambda d, x: None)


AS_DECIDED = (
    "add", "stock", "kept", "kept_initial", "sold", "sold_initial", "short", "beyond", "left", "exercised", "energise",
    "vacate", "unused", "fit", "retrofit", "kept_fit", "kept_retrofit", "late", "cancelled",
)  # fmt: skip
AMOUNTS: dict[str, Amount] = {name: _as_decided(name) for name in AS_DECIDED} | {
    "signed": Amount(("offer", "signed", "quarter"), IT, "IT power accepted in a quarter that has not been left since",
                     kept_until),
    "signed_at_end": Amount(("offer", "signed"), IT, "the same in the last quarter",
                            lambda d, x: kept_until(d, x).at("quarter", d.quarters[-1])),
    "in_use": Amount(("site", "quarter"), FACILITY, "facility power in use, with what stood at the start",
                     lambda d, x: x.in_use + d.energised_initial_mw),
    "taken": Amount(("site", "signed"), FACILITY, "facility power by the quarter in which it was taken into use; what "
                    "stood at the start with the first", _taken),
    "unused_at_end": Amount(("site",), FACILITY, "facility power paid for and not in use in the last quarter",
                            _last(Decisions.unused)),
    "opened": Amount(("site", "quarter"), SHARE, "share of the site that is opened in the quarter",
                     _change(Decisions.opened)),
    "vested": Amount(("warrant", "quarter"), MW, "power against which a warrant vests in the quarter, on its own basis",
                     _change(Decisions.vested)),
    "fixed": Amount(("quarter",), ONE, "one of each quarter: what is paid whatever the plan decides", _fixed),
    "sales": Amount(("workload", "quarter"), MUSD, "income from work that is paid by the token", sales_musd),
    "at_work": _in_numbers(("offer", "quarter"), IT, "IT power at work, mean of the day; in the model a cost of lanes "
                           "and tariffs"),
    "withheld": _in_numbers(("commitment", "quarter"), MW, "committed power that a vendor or provider brings late, on "
                            "its own basis; of a replay alone"),
}  # fmt: skip
"""What can be paid for."""


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
        amount = AMOUNTS[on].of(d, x)
        if amount is not None and (price := price_on(rows, on, (*amount.axes, *start.axes))) is not None:
            start = start + priced(amount, price, *start.axes)
    return start


def numbers(plan: LivePlan) -> Numbers:
    """Amounts of a solved plan that something is paid for."""
    d, found = plan.inputs, {}
    x = Decisions(plan.model, d)
    for on in dict.fromkeys([rate.on for rate in d.rates] + [end.on for end in d.ends]):
        amount = AMOUNTS[on].of(d, x)
        if amount is not None:
            found[on] = (plan.amount(amount),)
    return found | {"at_work": (offers_at_work(plan),)}
