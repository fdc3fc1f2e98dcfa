"""Capacity a contract makes the buyer hold, used or not: at one site, or in sum over the sites of an offer."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def minimum_take(m: Model, d: PlanInputs, x: Decisions) -> None:
    """stock[o,q] >= held[o,q] and sum_{o in k} stock[o,q] + short[k,q] >= take[k,q]   [IT MW]

    ``short`` exists where the contract is take-or-pay: its rent is owed all the same.
    """
    m.add_rows("minimum_take", x.stock, ">=", d.stock_min_mw, mask=d.stock_min_mw > 0)
    takes = d.terms.takes
    if takes is not None:
        held = x.stock.dot(takes.member, "offer")
        if x.signed.short is not None:
            held = held + x.signed.short
        m.add_rows("minimum_take_sites", held, ">=", takes.mw, mask=takes.mw > 0)
