"""What is sold was bought, is retired, and is sold once."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.resale import by_purchase
from gigawatt.plan.variables import Decisions


def resale(m: Model, d: PlanInputs, x: Decisions) -> None:
    """kept[o,v] + sum_q sold[o,v,q] <= add[o,v]  and  sum_v sold[o,v,q] <= retire[o,q]   [IT MW]

    What stood at the start is a purchase like the others: kept[o] + sum_q sold[o,q] <= initial[o].
    """
    if x.sold is None:
        return
    offers = list(x.sold.axes["offer"])
    once = by_purchase(x.sold) + (x.kept - x.add).pick("offer", offers)
    m.add_rows("resale_once", once, "<=", 0.0)
    sold = x.sold.sum("bought")
    if x.sold_initial is not None:
        first = x.sold_initial.sum("quarter")
        if x.kept_initial is not None:
            first = first + x.kept_initial.pick("offer", offers)
        m.add_rows("resale_initial", first, "<=", d.initial_mw.sel(offer=offers))
        sold = sold + x.sold_initial
    m.add_rows("resale_retired", sold - x.retire.pick("offer", offers), "<=", 0.0)
