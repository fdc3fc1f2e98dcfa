"""Work: what is asked for, where it is done, and what is left of it."""

from __future__ import annotations

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.energy import keep_tariffs
from gigawatt.plan.gangs import gang_lanes, keep_together
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, WORK, Family, Words
from gigawatt.plan.signed import working
from gigawatt.plan.spares import keep_spares

CAPACITY = Family("capacity", IT, "a pool serves what stands in it: its price is that of scarce chips, sites or money")
BUSY_BLOCK = Family("capacity_block", IT, "what is at work in the busiest block")
ADDS_UP = "served, gated, delayed and unmet work add up; the price is the cost of serving one unit more"
DEMAND_NOW = Family("demand_now", WORK, ADDS_UP)
DEMAND_DAY = Family("demand_day", WORK, ADDS_UP, missed="carried-over work")
GATING = Family("gating", WORK, Words("gating policy", once=True))
SHARE = Family("share", WORK, Words("what users of a speed or a region ask for", once=True))
VOLUME = Family("volume", WORK, "what a demand curve spares is unmet; the sizes of its steps are bounds")
SURVIVAL = Family("survival", WORK, Words("what must survive the loss of a region", LESS, once=True))
SURVIVAL_CAPACITY = Family("survival_capacity", IT, "as capacity, while a region is lost")


def capacity(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A pool serves no more than what stands in it, less the reserve for peaks and failures.

    sum_{l in p} assign[l,b,q] <= busy[p,q] <= (1 - reserve) sum_{o in p} works[o,q]   [IT MW]

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
    m.add_rows(BUSY_BLOCK, used - x.busy.along("block", blocks, 1), "<=", 0.0)
    stands = by_pool(works)
    m.add_rows(CAPACITY, x.busy - (1.0 - d.reserve_frac) * stands, "<=", 0.0)
    keep_spares(m, d, x, stands)


def demand(m: Model, d: PlanInputs, x: Decisions) -> None:
    """What is asked for is served, gated, delayed or unmet; nothing disappears.

    Now:    served[w,b,q] + gated[w,b,q] + unmet[w,b,q] = demand[w,b,q]   [Mwork/s]

    Patient: sum_b h_b (served + gated + unmet) + delay[w,q] - delay[w,q-1] = sum_b h_b demand   [Mwork/s]
    """
    met = x.served + x.unmet + x.gated
    m.add_rows(DEMAND_NOW, met, "==", d.demand, mask=(d.demand > 0) & (d.patience == 0))
    daily = (met * d.hours_frac).sum("block") + x.delay.change("quarter")
    asked = (d.demand * d.hours_frac).sum("block").transpose("workload", "quarter")
    m.add_rows(DEMAND_DAY, daily, "==", asked, mask=(d.patience > 0))


def gating(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A product may stay closed to some tiers, by policy, up to their share of its demand.

    gated[w,b,q] <= closed[w,q] demand[w,b,q]   [Mwork/s]
    """
    m.add_rows(GATING, x.gated, "<=", (d.gate_max_frac * d.demand).transpose(*d.demand.dims))


def share(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Speed is paid for by those who care for it, and a region asks for no more than its users do.

    sum_{l in g} rate[l,q] assign[l,b,q] <= most[g,b,q]   [Mwork/s]

    A group is what is served at a speed or faster, or what is served to users of one region.
    """
    if d.service is None or d.service.shares is None:
        return
    rows = d.service.shares
    served = (x.assign * d.rate).dot(rows.member, "lane")
    m.add_rows(SHARE, served, "<=", rows.most)


def volume(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A lower price sells more: what the least willing would have bought is spared at less than the first price.

    sum_{k of w} spared[k,b,q] <= unmet[w,b,q], spared[k,b,q] <= most[k,b,q] as bounds   [Mwork/s]

    What a step spares costs what that step would have brought, not the first price; the least willing go first.
    """
    if d.service is None or d.service.curve is None:
        return
    classes = tuple(str(name) for name in d.demand["workload"].values)
    spared = x.spared.group(d.service.curve.workload, "workload", classes)
    m.add_rows(VOLUME, spared - x.unmet, "<=", 0.0)


def survival(m: Model, d: PlanInputs, x: Decisions) -> None:
    """What must go on is carried by the other regions when any one of them is lost (N+1).

    sum_{l in p} moved[l,r,b,q] <= sum_{o in p} works[o,q]   for p outside the lost region r   [IT MW]

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
        m.add_rows(SURVIVAL_CAPACITY, used - stands.along("lost", lost, 1).along("block", blocks, 2), "<=", 0.0)
    for place in lost if rows.offer_place is not None else ():
        left = (working(d, x) * (inside & (rows.offer_place != place)).astype(float)).group(pool_of, "pool", pools)
        row = used.at("lost", place) - left.along("block", blocks, 1)
        m.add_rows(SURVIVAL_CAPACITY.of(place), row, "<=", 0.0)
    goes_on = (x.moved * d.rate).dot(rows.member, "lane")
    served = (x.assign * d.rate).dot(rows.member, "lane") * rows.frac
    m.add_rows(SURVIVAL, goes_on - served.along("lost", lost, 1), ">=", 0.0)
