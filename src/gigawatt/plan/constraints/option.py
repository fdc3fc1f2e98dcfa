"""Capacity under option stands only once it has been exercised, with notice, against a premium."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def option(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o in k} stock[o,q] <= firm[k] + sum_{u<=q-notice} exercised[k,u], and the sum <= most[k]   [IT MW]"""
    terms = d.terms.options
    if terms is None or x.signed.exercised is None:
        return
    taken = x.signed.exercised.cumsum("quarter")
    m.add_rows("option_size", x.signed.exercised.sum("quarter"), "<=", terms.most_mw)
    stands = x.stock.dot(terms.member, "offer")
    for steps in sorted({int(value) for value in terms.notice.values}):
        over = stands - taken.shift("quarter", steps)
        m.add_rows(f"option_{steps}", over, "<=", terms.firm_mw, mask=terms.notice == steps)
