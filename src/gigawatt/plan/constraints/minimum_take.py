"""Capacity a contract makes the buyer hold, used or not: at one site, or in sum over the sites of an offer."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, Family, Words

MINIMUM_TAKE = Family(
    "minimum_take", IT, Words("a contract's minimum take", LESS, first=True), missed="minimum takes", of_offers=True
)


def minimum_take(m: Model, d: PlanInputs, x: Decisions) -> None:
    """stock[o,q] >= held[o,q] and sum_{o in k} stock[o,q] + short[k,q] >= take[k,q]   [IT MW]

    ``short`` exists where the contract is take-or-pay: its rent is owed all the same.
    """
    m.add_rows(MINIMUM_TAKE, x.stock, ">=", d.stock_min_mw, mask=d.stock_min_mw > 0)
    takes = d.terms.takes
    if takes is not None:
        held = x.stock.dot(takes.member, "offer") + x.short
        m.add_rows(MINIMUM_TAKE.of(part="sites"), held, ">=", takes.mw, mask=takes.mw > 0)
