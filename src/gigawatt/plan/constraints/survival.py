"""What must go on is carried by the other regions when any one of them is lost (N+1)."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, WORK, Family, Words
from gigawatt.plan.signed import working

SURVIVAL = Family("survival", WORK, Words("what must survive the loss of a region", LESS, once=True))
CAPACITY = Family("survival_capacity", IT, "as capacity, while a region is lost")


def survival(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{l in p} moved[l,r,b,q] <= sum_{o in p} works[o,q]   for p outside the lost region r   [IT MW]

    sum_{l in k} rate[l,q] moved[l,r,b,q] >= frac[k] sum_{l in k} rate[l,q] assign[l,b,q]   [Mwork/s]

    Where a site may be lost, p keeps what works outside it. ``moved`` is where the work goes while r is lost; the
    reserve serves then; work that need not go on stands still.
    """
    if d.service is None or d.service.survival is None:
        return
    rows, lost = d.service.survival, d.service.survival.lost
    pools = tuple(str(pool) for pool in rows.pool_region["pool"].values)
    blocks = x.assign.axes["block"]
    inside = d.offer_pool.isin(pools)
    pool_of = d.offer_pool.where(inside, pools[0])
    stands = (working(d, x) * inside.astype(float)).group(pool_of, "pool", pools)
    used = x.moved.group(d.lane_pool, "pool", pools)
    if rows.offer_place is None:
        m.add_rows(CAPACITY, used - stands.along("lost", lost, 1).along("block", blocks, 2), "<=", 0.0)
    for place in lost if rows.offer_place is not None else ():
        left = (working(d, x) * (inside & (rows.offer_place != place)).astype(float)).group(pool_of, "pool", pools)
        row = used.at("lost", place) - left.along("block", blocks, 1)
        m.add_rows(CAPACITY.of(place), row, "<=", 0.0)
    goes_on = (x.moved * d.rate).dot(rows.member, "lane")
    served = (x.assign * d.rate).dot(rows.member, "lane") * rows.frac
    m.add_rows(SURVIVAL, goes_on - served.along("lost", lost, 1), ">=", 0.0)
