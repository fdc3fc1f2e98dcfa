"""Capacity under option stands only once it has been exercised, with notice, against a premium."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family, Words

SIZE = Family("option_size", IT, Words("the size of options"))
OPTION = Family("option", IT, Words("what stands under options without exercise"), of_offers=True)


def option(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o in k} stock[o,q] <= firm[k] + sum_{u<=q-notice} exercised[k,u], and the sum <= most[k]   [IT MW]"""
    terms = d.terms.options
    if terms is None:
        return
    taken = x.exercised.cumsum("quarter")
    m.add_rows(SIZE, x.exercised.sum("quarter"), "<=", terms.most_mw)
    stands = x.stock.dot(terms.member, "offer")
    for steps in sorted({int(value) for value in terms.notice.values}):
        over = stands - taken.shift("quarter", steps)
        m.add_rows(OPTION.of(part=steps), over, "<=", terms.firm_mw, mask=terms.notice == steps)
