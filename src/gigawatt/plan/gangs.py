"""Machines that a gang holds while its job runs: at one place, taken from everything else that their pools do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.metadata import IT, Family

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs

RESERVED = Family("reserved", IT, "a gang holds what works; where that is scarce its site or its system is")
RESERVED_WORK = Family("reserved_work", IT, "a job works on what its gang holds")


def may_stand(d: PlanInputs) -> xr.DataArray:
    """(offer, quarter) True where anything of an offer may stand."""
    return (d.initial_mw > 0) | (d.add_max_mw.cumsum("quarter") > 0)


def may_hold(d: PlanInputs) -> xr.DataArray:
    """(gang, offer, quarter) True where a gang may hold machines of an offer."""
    may = (d.gang_offer > 0) & (d.gang_mw > 0) & may_stand(d)
    return may.transpose("gang", "offer", "quarter")


def add_gangs(m: Model, d: PlanInputs) -> None:
    """``reserved``: IT MW of an offer that a gang holds in a quarter, in every hour of it."""
    if d.gang_workload:
        ids = tuple(str(name) for name in d.offer_site["offer"].values)
        axes: Axes = {"gang": d.gang_workload, "offer": ids, "quarter": d.quarters}
        m.add_variable(Decisions.reserved, axes, mask=may_hold(d))


def gang_lanes(d: PlanInputs) -> xr.DataArray:
    """(lane) True where the lane serves a job that needs its gang."""
    return d.lane_workload.isin(list(d.gang_workload))


def lane_offer(d: PlanInputs) -> npt.NDArray[np.str_]:
    """(lane) offer on whose machines a lane works, "" where any of its pool."""
    return (np.full(d.lane_pool.shape, "") if d.lane_offer is None else d.lane_offer.values).astype(str)


def lane_offers(d: PlanInputs) -> xr.DataArray:
    """(lane, offer) 1 where a lane of a job works on machines that its gang may hold under the offer."""
    table = d.lane_pool.values[:, None] == d.offer_pool.values[None, :]
    named = lane_offer(d)[:, None]
    table &= (named == "") | (named == d.offer_pool["offer"].values[None, :].astype(str))
    able = d.gang_offer.reindex(gang=[str(name) for name in d.lane_workload.values], fill_value=0.0)
    return xr.DataArray(
        table * (able.transpose("gang", "offer").values > 0), dims=("lane", "offer"),
        coords={"lane": d.lane_pool["lane"], "offer": d.offer_pool["offer"]},
    ).astype(float)  # fmt: skip


def can_work(d: PlanInputs) -> xr.DataArray:
    """(lane, quarter) True where a lane may be given work: its pool can do it, and of a gang's it can hold machines."""
    able = d.rate > 0
    if not d.gang_workload:
        return able
    names = [str(name) for name in d.lane_workload.values]
    held = may_hold(d).reindex(gang=names, fill_value=False).values & (lane_offers(d).values > 0)[:, :, None]
    mine = xr.DataArray(held.any(axis=1), dims=("lane", "quarter"), coords=able.transpose("lane", "quarter").coords)
    return able & (mine | ~gang_lanes(d))


def keep_together(m: Model, d: PlanInputs, x: Decisions, works: Expression) -> None:
    """sum_g reserved[g,o,q] <= works[o,q]   [IT MW],   a gang holds what works, and each machine serves one gang

    assign[l,b,q] <= (1 - reserve) sum_{o of l} reserved[g,o,q],   its job works nowhere else, and has that to itself
    """
    if not d.gang_workload:
        return
    m.add_rows(RESERVED, x.reserved.sum("gang") - works, "<=", 0.0, mask=may_hold(d).any("gang"))
    lanes, member = gang_lanes(d), lane_offers(d)
    names = d.lane_pool["lane"].values
    for gang in d.gang_workload:
        mine = [str(name) for name in names[(d.lane_workload == gang).values & lanes.values]]
        if not mine:
            continue
        room = x.reserved.at("gang", gang).dot(member.sel(lane=mine), "offer")
        blocks = x.assign.axes["block"]
        work = x.assign.pick("lane", mine) - room.along("block", blocks, 1) * (1.0 - d.reserve_frac)
        m.add_rows(RESERVED_WORK.of(gang), work, "<=", 0.0)
