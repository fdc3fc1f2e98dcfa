"""A training block is done at any pace up to its most, and with its gang together while it runs."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def pace(m: Model, d: PlanInputs, x: Decisions) -> None:
    """served[j,b,q] <= most[j,q], or most[j,q] runs[j,q] for a block with a gang   [Mwork/s]

    sum_{o able} stock[o,q] >= gang[j] runs[j,q]   [IT MW]
    """
    if d.pace is None:
        return
    jobs, blocks = list(d.pace.jobs), [str(name) for name in d.hours_frac["block"].values]
    for name in jobs:
        done = x.served.at("workload", name)
        most = d.pace.most.sel(job=name, drop=True)
        if x.runs is None or name not in x.runs.axes["job"]:
            m.add_rows(f"pace_{name}", done, "<=", most.expand_dims(block=blocks))
            continue
        runs = x.runs.at("job", name)
        m.add_rows(f"pace_{name}", done - (runs * most).along("block", blocks, 0), "<=", 0.0)
        size, able = d.gang_mw.sel(gang=name, drop=True), d.gang_offer.sel(gang=name, drop=True)
        m.add_rows(f"pace_gang_{name}", (x.stock * able).sum("offer") - runs * size, ">=", 0.0, mask=size > 0)
