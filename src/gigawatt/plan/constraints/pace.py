"""A training block keeps one rate to its deadline, or is done at any pace up to its most while its gang stands."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, WORK, Family, Words

PACE = Family("pace", WORK, Words("the pace of training blocks", once=True))
PACE_GANG = Family("pace_gang", IT, "a block whose gang trains together runs while it stands; its size is the gang's")
STEADY = Family("steady", WORK, "a block that never pauses runs at one share of its rate; what it leaves is unmet")
STEADY_KEPT = Family("steady_kept", WORK, "and keeps it to its deadline", missed="the rate that training runs keep")


def pace(m: Model, d: PlanInputs, x: Decisions) -> None:
    """One rate:  served[j,b,q] = steady[j,q] demand[j,b,q],   steady[j,q] = steady[j,q-1]   [Mwork/s]

    Uneven:  served[j,b,q] <= most[j,q], or most[j,q] runs[j,q] for a block with a gang   [Mwork/s]

    sum_{o able} reserved[j,o,q] = gang[j] runs[j,q]   [IT MW]
    """
    _steady(m, d, x)
    if d.pace is None:
        return
    jobs, blocks = list(d.pace.jobs), [str(name) for name in d.hours_frac["block"].values]
    for name in jobs:
        done = x.served.at("workload", name)
        most = d.pace.most.sel(job=name, drop=True)
        if name not in x.runs.axes["job"]:
            m.add_rows(PACE.of(part=name), done, "<=", most.expand_dims(block=blocks))
            continue
        runs = x.runs.at("job", name)
        m.add_rows(PACE.of(part=name), done - (runs * most).along("block", blocks, 0), "<=", 0.0)
        size = d.gang_mw.sel(gang=name, drop=True)
        held = x.reserved.at("gang", name).sum("offer")
        m.add_rows(PACE_GANG.of(name), held - runs * size, "==", 0.0, mask=size > 0)


def _steady(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Rows of blocks that neither pause nor change their rate."""
    if not d.steady:
        return
    names = [str(name) for name in x.steady.axes["workload"]]
    asked = d.demand.sel(workload=names).transpose("workload", "block", "quarter")
    rate = x.steady.along("block", [str(name) for name in d.hours_frac["block"].values], 1) * asked
    m.add_rows(STEADY, x.served.pick("workload", names) - rate, "==", 0.0, mask=asked > 0)
    mean = (asked * d.hours_frac).sum("block")
    goes_on = (mean > 0) & (mean.shift(quarter=1, fill_value=0.0) > 0)
    m.add_rows(STEADY_KEPT, x.steady.change("quarter") * mean, "==", 0.0, mask=goes_on)
