"""What is asked for is served, gated, delayed or unmet; nothing disappears."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def demand(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """Now:    served[w,b,q] + gated[w,b,q] + unmet[w,b,q] = demand[w,b,q]   [Mwork/s]

    Patient: sum_b h_b (served + gated + unmet) + delay[w,q] - delay[w,q-1] = sum_b h_b demand   [Mwork/s]
    """
    met = x.served + x.unmet
    if x.gated is not None:
        met = met + x.gated
    asked = d.demand > 0
    now = asked & (d.patience == 0)
    if bool(now.any()):
        m.add_constraints(met == d.demand, mask=now.transpose(*d.demand.dims), name="demand_now")
    later = (d.patience > 0) & (asked.any("block") | (d.patience == 2))
    if bool(later.any()):
        daily = (met * d.hours_frac).sum("block")
        if x.delay is not None:
            daily = daily + x.delay - x.delay.shift(quarter=1).fillna(0)
        m.add_constraints(daily == (d.demand * d.hours_frac).sum("block"),
                          mask=later.transpose("workload", "quarter"), name="demand_day")  # fmt: skip
