"""A pool serves no more than what stands in it, less the reserve for peaks and failures."""

from __future__ import annotations

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.energy import keep_tariffs
from gigawatt.plan.gangs import gang_lanes, keep_together
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family
from gigawatt.plan.signed import working
from gigawatt.plan.spares import keep_spares

CAPACITY = Family("capacity", IT, "a pool serves what stands in it: its price is that of scarce chips, sites or money")
BUSY = Family("capacity_block", IT, "what is at work in the busiest block")


def capacity(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{l in p} assign[l,b,q] <= busy[p,q] <= (1 - reserve) sum_{o in p} works[o,q]   [IT MW]

    What works is stock, less what has failed with age. Units that stand by come off whole (``plan.spares``). In place
    of the work of a job with a gang stands all that its gang holds, in every block: (1 - reserve) reserved[g,o,q].
    """
    works, pools = working(d, x), x.busy.axes["pool"]
    keep_together(m, d, x, works)
    keep_tariffs(m, d, x, works)
    if not pools:
        return
    blocks = x.assign.axes["block"]
    serves = d.offer_pool.isin(pools)

    def by_pool(by_offer: Expression) -> Expression:
        return (by_offer * serves.astype(float)).group(d.offer_pool.where(serves, pools[0]), "pool", pools)

    used = (x.assign * (~gang_lanes(d)).astype(float)).group(d.lane_pool, "pool", pools)
    if d.gang_workload:
        used = used + (by_pool(x.reserved.sum("gang")) * (1.0 - d.reserve_frac)).along("block", blocks, 1)
    m.add_rows(BUSY, used - x.busy.along("block", blocks, 1), "<=", 0.0)
    stands = by_pool(works)
    m.add_rows(CAPACITY, x.busy - (1.0 - d.reserve_frac) * stands, "<=", 0.0)
    keep_spares(m, d, x, stands)
