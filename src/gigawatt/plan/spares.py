"""N+k by units: whole systems or halls that stand by in every pool that is at work."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.gangs import gang_lanes
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family

SPARES = Family("capacity_spares", IT, "units that stand by come off what stands, whole")
OPEN = Family("capacity_open", IT, "where a pool is at work, units stand by")
LOOSE = 1e6
"""Bound of a pool whose work has none [MW]."""


def pool_most(d: PlanInputs, pools: tuple[str, ...]) -> xr.DataArray:
    """The most that each pool can have at work in a block (pool, quarter) [IT MW]: what it could serve, or hold.

    Work that can wait may crowd into the shortest block, and with what the quarter before carried over. A gang counts
    with all that it holds.
    """
    hours = float(d.hours_frac.min())
    peak, daily = d.demand.max("block"), (d.demand * d.hours_frac).sum("block") / hours
    before = daily.shift(quarter=1, fill_value=0.0)
    asked = xr.where(d.patience == 0, peak, daily + before.where(d.patience == 2, 0.0))  # type: ignore[no-untyped-call]
    if d.pace is not None:
        names = [str(name) for name in d.demand["workload"].values]
        most = d.pace.most.rename(job="workload").reindex(workload=names, fill_value=np.nan)
        asked = asked.where(most.isnull(), most)
    rate = d.rate.transpose("lane", "quarter").values
    work = asked.transpose("workload", "quarter").sel(workload=d.lane_workload.values).values
    need = np.divide(work, rate, out=np.zeros_like(rate), where=rate > 0.0)
    place = [str(name) for name in d.sites]
    alone, gangs = gang_lanes(d).values, d.gang_mw.transpose("gang", "quarter").values
    able = d.gang_offer.transpose("gang", "offer").values > 0
    rows = []
    for pool in pools:
        held = gangs[able[:, d.offer_pool.values == pool].any(axis=1)].sum(axis=0)
        serves = need[(d.lane_pool.values == pool) & ~alone].sum(axis=0) + held
        at = sorted({str(site) for site in d.offer_site.values[d.offer_pool.values == pool]} & set(place))
        room = d.connection_mw.sel(site=at).transpose("site", "quarter").values.sum(axis=0)
        rows.append(np.minimum(np.minimum(serves, room), LOOSE))
    return xr.DataArray(
        np.array(rows), dims=("pool", "quarter"), coords={"pool": list(pools), "quarter": list(d.quarters)}
    )


def keep_spares(m: Model, d: PlanInputs, x: Decisions, stands: Expression) -> None:
    """busy[p,q] <= works[p,q] - spares[p] open[p,q],   busy[p,q] <= most[p,q] open[p,q]   [IT MW]

    Args:
        m: the model.
        d: inputs.
        x: decisions.
        stands: what works, by pool and quarter.
    """
    if d.spares_mw is None:
        return
    pools = tuple(str(name) for name in x.busy.axes["pool"])
    spares = d.spares_mw.sel(pool=list(pools))
    m.add_rows(SPARES, x.busy + x.open * spares - stands, "<=", 0.0)
    m.add_rows(OPEN, x.busy - x.open * pool_most(d, pools), "<=", 0.0)
