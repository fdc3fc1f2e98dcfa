"""What is asked for is served, gated, delayed or unmet; nothing disappears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigawatt.plan.variables import has, served, term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def demand(m: linopy.Model, d: PlanInputs) -> None:
    """Now:    served[w,b,q] + gated[w,b,q] + unmet[w,b,q] = demand[w,b,q]   [Mwork/s]

    Patient: sum_b h_b (served + gated + unmet) + delay[w,q] - delay[w,q-1] = sum_b h_b demand   [Mwork/s]
    """
    met = served(m, d) + term(m, "unmet")
    if has(m, "gated"):
        met = met + term(m, "gated")
    asked = d.demand > 0
    now = asked & (d.patience == 0)
    if bool(now.any()):
        m.add_constraints(met == d.demand, mask=now.transpose(*d.demand.dims), name="demand_now")
    later = (d.patience > 0) & (asked.any("block") | (d.patience == 2))
    if bool(later.any()):
        daily = (met * d.hours_frac).sum("block")
        if has(m, "delay"):
            carried = term(m, "delay").reindex(workload=d.demand.indexes["workload"]).fillna(0)
            daily = daily + carried - carried.shift(quarter=1).fillna(0)
        m.add_constraints(daily == (d.demand * d.hours_frac).sum("block"),
                          mask=later.transpose("workload", "quarter"), name="demand_day")  # fmt: skip
