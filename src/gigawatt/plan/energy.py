"""Energy of work is paid where the machines stand: offers of one pool whose power costs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Model, axes_of
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.gangs import gang_lanes, lane_offers, may_stand
from gigawatt.plan.metadata import IT, Family

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.live import LivePlan

Floats = npt.NDArray[np.float64]
TARIFF = Family("tariff", IT, "work at a tariff is done on what stands there")
TARIFF_WORK = Family("tariff_work", IT, "all work of a pool is at the price of some offer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariffs:
    """Offers that pay less for the power of work than the dearest of their pool, those of one price together.

    ``run_musd_per_mw`` of a lane is the dearest price of its pool; work at a tariff saves the difference.
    """

    pool: xr.DataArray
    """(tariff) pool."""
    member: xr.DataArray
    """(tariff, offer) 1 where the offer pays the tariff."""
    saves_musd: xr.DataArray
    """(tariff), or (tariff, quarter): what a MW at work over a quarter pays less; more than 0."""


def add_tariffs(m: Model, d: PlanInputs) -> None:
    """Work done at each tariff: a pool whose offers all pay the same has none."""
    if d.tariffs is None:
        return
    serves = d.tariffs.pool.isin(d.lane_pool.values[~gang_lanes(d).values])
    stands = (d.tariffs.member.dot(may_stand(d).astype(float), dim="offer") > 0) & serves
    axes: Axes = {**axes_of(d.tariffs.pool), **axes_of(d.hours_frac), "quarter": d.quarters}
    m.add_variable(Decisions.at_tariff, axes, mask=stands.expand_dims(block=d.hours_frac["block"].values))


def keep_tariffs(m: Model, d: PlanInputs, x: Decisions, works: Expression) -> None:
    """at_tariff[t,b,q] <= (1 - reserve) sum_{o pays t} (works[o,q] - reserved[o,q])   [IT MW]

    sum_{t of p} at_tariff[t,b,q] <= sum_{l in p} assign[l,b,q],   of lanes without a gang, which pay their own price
    """
    if d.tariffs is None:
        return
    blocks = x.at_tariff.axes["block"]
    room = (works - x.reserved.sum("gang")).dot(d.tariffs.member, "offer") * (1.0 - d.reserve_frac)
    m.add_rows(TARIFF, x.at_tariff - room.along("block", blocks, 1), "<=", 0.0)
    pools = tuple(dict.fromkeys(str(pool) for pool in d.tariffs.pool.values))
    serves = d.lane_pool.isin(pools) & ~gang_lanes(d)
    work = (x.assign * serves.astype(float)).group(d.lane_pool.where(serves, pools[0]), "pool", pools)
    m.add_rows(TARIFF_WORK, x.at_tariff.group(d.tariffs.pool, "pool", pools) - work, "<=", 0.0)


def work_cost(d: PlanInputs, x: Decisions) -> Expression:
    """Energy that work adds to idling, at the price of the machines that do it (quarter) [MUSD]."""
    paid = (x.assign * (d.run_musd_per_mw * d.hours_frac)).sum("lane", "block")
    if d.tariffs is None:
        return paid
    return paid - (x.at_tariff * (d.tariffs.saves_musd * d.hours_frac)).sum("tariff", "block")


def works_mw(plan: LivePlan) -> xr.DataArray:
    """(offer, quarter) IT MW that stand and have not failed with age."""
    stock = plan.value("stock").transpose("offer", "quarter")
    if plan.inputs.terms.survival_frac is None:
        return stock
    return plan.value("works").reindex(offer=stock["offer"]).transpose("offer", "quarter").fillna(stock)


def offers_at_work(plan: LivePlan) -> xr.DataArray:
    """IT MW at work under each offer, mean of the day (offer, quarter).

    A gang's work is on the machines it holds. All else of a pool is at the tariffs that the plan chose, and among
    offers of one price in proportion to what works there and no gang holds.
    """
    d = plan.inputs
    free = works_mw(plan)
    found = np.zeros(free.shape)
    if not d.rate.sizes["lane"]:
        return free.copy(data=found)
    by_lane = (plan.value("assign") * d.hours_frac).sum("block").transpose("lane", "quarter")
    if d.gang_workload:
        reserved, on = plan.value("reserved").transpose("gang", "offer", "quarter"), lane_offers(d).values
        free = free - reserved.sum("gang")
        for lane in np.flatnonzero(gang_lanes(d).values):
            mine = reserved.sel(gang=str(d.lane_workload.values[lane])).values * on[lane][:, None]
            found += _in_proportion(by_lane.values[lane], mine)
    rest = by_lane.where(~gang_lanes(d), 0.0)
    for pool in sorted({str(name) for name in d.lane_pool.values}):
        left = rest.values[d.lane_pool.values == pool].sum(axis=0)
        at = d.offer_pool.values == pool
        for members, work in _at_tariffs(plan, pool):
            found += _in_proportion(work, free.values * members[:, None])
            left, at = left - work, at & ~members
        found += _in_proportion(left, free.values * at[:, None])
    return free.copy(data=found)


def _at_tariffs(plan: LivePlan, pool: str) -> list[tuple[npt.NDArray[np.bool_], Floats]]:
    """((offer) those of a tariff, (quarter) IT MW at work at it, mean of the day) of each tariff of a pool."""
    d = plan.inputs
    if d.tariffs is None:
        return []
    work = (plan.value("at_tariff") * d.hours_frac).sum("block").transpose("tariff", "quarter").values
    members = d.tariffs.member.transpose("tariff", "offer").values > 0
    return [(members[t], work[t]) for t in np.flatnonzero(d.tariffs.pool.values == pool)]


def _in_proportion(amount: Floats, room: Floats) -> Floats:
    """(offer, quarter) an amount by quarter shared in proportion to (offer, quarter) room; none where there is none."""
    room = np.maximum(room, 0.0)
    whole = room.sum(axis=0)
    return np.asarray(room * np.divide(amount, whole, out=np.zeros_like(whole), where=whole > 1e-9))


def saved_musd(d: PlanInputs, free: Floats, at_work: Floats, pools: Sequence[str], q: int) -> Floats:
    """(draw,) what work costs less than at the dearest power of its pool [MUSD], the cheapest tariff first.

    Args:
        d: inputs.
        free: (draw, offer) IT MW that work and no gang holds.
        at_work: (draw, pool, block) IT MW.
        pools: names of the first pools of it.
        q: place of the quarter.
    """
    saved = np.zeros(len(free))
    if d.tariffs is None:
        return saved
    member = d.tariffs.member.transpose("tariff", "offer").values
    price = d.tariffs.saves_musd if "quarter" not in d.tariffs.saves_musd.dims else d.tariffs.saves_musd[{"quarter": q}]
    for pool in sorted(set(d.tariffs.pool.values.tolist()) & set(pools)):
        left = at_work[:, pools.index(pool)].copy()
        rows = np.flatnonzero(d.tariffs.pool.values == pool)
        for t in rows[np.argsort(-price.values[rows], kind="stable")]:
            done = np.minimum(left, ((1.0 - d.reserve_frac) * (free @ member[t]))[:, None])
            saved += done @ d.hours_frac.values * price.values[t]
            left -= done
    return saved
