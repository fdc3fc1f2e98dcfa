"""Decisions of the plan, and expressions several constraints share."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Axes, Model, axes_of
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.energy import add_tariffs
from gigawatt.plan.flows import price_on
from gigawatt.plan.gangs import add_gangs, can_work
from gigawatt.plan.hosting import add_hosting
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import add_lumps
from gigawatt.plan.pace import add_pace, carries
from gigawatt.plan.resale import add_resale
from gigawatt.plan.signed import add_signed
from gigawatt.plan.since import add_since


def decide(m: Model, d: PlanInputs) -> Decisions:
    """All variables of the plan; combinations that cannot be get no column."""
    quarter: Axes = {"quarter": d.quarters}
    offers, classes = axes_of(d.add_max_mw), axes_of(d.demand)
    can_add = d.add_max_mw > 0
    m.add_variable(Decisions.add, offers, upper=d.add_max_mw, mask=can_add)
    m.add_variable(Decisions.kept, offers, mask=can_add)
    if (aged := price_on(d.ends, "kept_initial")) is not None:
        stood = (aged > 0) & (d.initial_mw > 0)
        m.add_variable(Decisions.kept_initial, axes_of(d.initial_mw), upper=d.initial_mw, mask=stood)
    rented = d.offer_contract != "own"
    m.add_variable(
        Decisions.rented, offers, mask=(can_add.cumsum("quarter") > 0) & rented
    )  # offers that have ended count on
    add_since(m, d)
    m.add_variable(Decisions.retire, offers)
    failed = d.terms.failed
    stands = np.inf if failed is None else xr.zeros_like(failed, dtype=float).where(failed, np.inf)
    m.add_variable(Decisions.stock, offers, upper=stands)
    m.add_variable(Decisions.energise, {"site": d.sites, **quarter})
    lanes: Axes = {**axes_of(d.lane_pool), **axes_of(d.hours_frac), **quarter}
    m.add_variable(Decisions.assign, lanes, mask=can_work(d).expand_dims(block=d.hours_frac["block"].values))
    wanted = d.demand > 0
    pools = tuple(sorted({str(pool) for pool in d.lane_pool.values}))
    m.add_variable(Decisions.busy, {"pool": pools, **quarter})
    if d.spares_mw is not None and pools:
        whole = d.lumps is not None and d.lumps.whole
        m.add_variable(Decisions.open, {"pool": pools, **quarter}, upper=1.0, integer=whole)
    m.add_variable(Decisions.unmet, classes, mask=wanted)
    gateable = (d.gate_max_frac > 0) & wanted
    if bool(gateable.any()):
        m.add_variable(Decisions.gated, classes, mask=gateable)
    waits = (d.patience == 2) & wanted.any("block")
    waits = waits & (waits["quarter"] != d.quarters[-1])
    if bool(waits.any()):
        daily = (d.demand * d.hours_frac).sum("block").transpose("workload", "quarter")
        daily, waits = carries(d, daily, waits.transpose("workload", "quarter"))
        m.add_variable(Decisions.delay, axes_of(d.unmet_musd), upper=daily, mask=waits)
    _serve(m, d)
    if (penalty := price_on(d.rates, "late")) is not None:
        soft = (penalty < np.inf).expand_dims(quarter=list(d.quarters))
        m.add_variable(Decisions.late, axes_of(d.commitment_mw), mask=soft)
    if d.milestones is not None and d.milestones.whole:
        tranches = tuple(range(1, d.milestones.n_max + 1))
        m.add_variable(Decisions.z, {"tranche": tranches, **quarter}, upper=1.0, integer=True)
    elif d.milestones is not None:
        m.add_variable(Decisions.z, quarter, upper=float(d.milestones.n_max))
    m.add_variable(Decisions.cash, quarter)
    m.add_variable(Decisions.gap, quarter)
    if d.credit_limit_musd > 0:
        m.add_variable(Decisions.debt, quarter, upper=d.credit_limit_musd)
    add_signed(m, d)
    add_lumps(m, d)
    add_hosting(m, d)
    add_resale(m, d)
    add_pace(m, d)
    add_gangs(m, d)
    add_tariffs(m, d)
    return Decisions(m, d)


def _serve(m: Model, d: PlanInputs) -> None:
    """Decisions of ``Service``: where work goes while a region is lost, and which steps of a demand curve go unmet."""
    if d.service is None:
        return
    if d.service.survival is not None:
        rows = d.service.survival
        stays = rows.pool_region.sel(pool=d.lane_pool.values).values
        elsewhere = xr.DataArray(
            [[region != lost for lost in rows.lost] for region in stays], dims=("lane", "lost"),
            coords={"lane": d.lane_pool["lane"], "lost": list(rows.lost)},
        )  # fmt: skip
        can = (d.rate > 0) & (rows.member.sum("must") > 0) & elsewhere
        axes: Axes = {**axes_of(d.lane_pool), "lost": rows.lost, **axes_of(d.hours_frac), "quarter": d.quarters}
        m.add_variable(Decisions.moved, axes, mask=can.expand_dims(block=d.hours_frac["block"].values))
    if d.service.curve is not None:
        most = d.service.curve.most
        m.add_variable(Decisions.spared, axes_of(most), upper=most, mask=most > 0)
