"""What is sold was bought, is retired, and is sold once."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family
from gigawatt.plan.resale import by_purchase

RESALE = Family("resale", IT, "what is sold was bought, is retired, and is sold once")


def resale(m: Model, d: PlanInputs, x: Decisions) -> None:
    """kept[o,v] + sum_q sold[o,v,q] <= add[o,v]  and  sum_v sold[o,v,q] <= retire[o,q]   [IT MW]

    What stood at the start is a purchase like the others: kept[o] + sum_q sold[o,q] <= initial[o].
    """
    if d.resale is None:
        return
    offers = list(d.resale.offers)
    once = by_purchase(x.sold) + (x.kept - x.add).pick("offer", offers)
    m.add_rows(RESALE.of(part="once"), once, "<=", 0.0)
    sold = x.sold.sum("bought")
    if d.resale.initial_musd_per_mw is not None:
        first = x.sold_initial.sum("quarter") + x.kept_initial.pick("offer", offers)
        m.add_rows(RESALE.of(part="initial"), first, "<=", d.initial_mw.sel(offer=offers))
        sold = sold + x.sold_initial
    m.add_rows(RESALE.of(part="retired"), sold - x.retire.pick("offer", offers), "<=", 0.0)
