"""A pool serves no more than what stands in it, less the reserve for peaks and failures."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.signed import working
from gigawatt.plan.spares import keep_spares
from gigawatt.plan.variables import Decisions


def capacity(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{l in p} assign[l,b,q] <= busy[p,q] <= (1 - reserve) sum_{o in p} works[o,q]   [IT MW]

    What works is stock, less what has failed with age. Units that stand by come off whole (``plan.spares``).
    """
    pools = x.busy.axes["pool"]
    if not pools:
        return
    blocks = x.assign.axes["block"]
    used = x.assign.group(d.lane_pool, "pool", pools)
    m.add_rows("capacity_block", used - x.busy.along("block", blocks, 1), "<=", 0.0)
    serves = d.offer_pool.isin(pools)
    stands = (working(d, x) * serves.astype(float)).group(d.offer_pool.where(serves, pools[0]), "pool", pools)
    m.add_rows("capacity", x.busy - (1.0 - d.reserve_frac) * stands, "<=", 0.0)
    keep_spares(m, d, x, stands)
