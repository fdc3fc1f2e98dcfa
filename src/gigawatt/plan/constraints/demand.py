"""What is asked for is served, gated, delayed or unmet; nothing disappears."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import WORK, Family

ADDS_UP = "served, gated, delayed and unmet work add up; the price is the cost of serving one unit more"
NOW = Family("demand_now", WORK, ADDS_UP)
DAY = Family("demand_day", WORK, ADDS_UP, missed="carried-over work")


def demand(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Now:    served[w,b,q] + gated[w,b,q] + unmet[w,b,q] = demand[w,b,q]   [Mwork/s]

    Patient: sum_b h_b (served + gated + unmet) + delay[w,q] - delay[w,q-1] = sum_b h_b demand   [Mwork/s]
    """
    met = x.served + x.unmet + x.gated
    m.add_rows(NOW, met, "==", d.demand, mask=(d.demand > 0) & (d.patience == 0))
    daily = (met * d.hours_frac).sum("block") + x.delay.change("quarter")
    asked = (d.demand * d.hours_frac).sum("block").transpose("workload", "quarter")
    m.add_rows(DAY, daily, "==", asked, mask=(d.patience > 0))
