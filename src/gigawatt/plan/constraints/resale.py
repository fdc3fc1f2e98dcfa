"""What is sold was bought, is retired, and is sold once."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.resale import by_purchase
from gigawatt.plan.variables import Decisions


def resale(m: Model, d: PlanInputs, x: Decisions) -> None:
    """kept[o,v] + sum_q sold[o,v,q] <= add[o,v]  and  sum_v sold[o,v,q] <= retire[o,q]   [IT MW]"""
    if d.resale is None or x.sold is None:
        return
    offers = list(d.resale.offers)
    once = by_purchase(x.sold) + (x.kept - x.add).pick("offer", offers)
    m.add_rows("resale_once", once, "<=", 0.0)
    m.add_rows("resale_retired", x.sold.sum("bought") - x.retire.pick("offer", offers), "<=", 0.0)
