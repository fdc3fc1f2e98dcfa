"""Decisions of the plan, and expressions several constraints share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Model, axes_of
from gigawatt.plan.energy import add_tariffs
from gigawatt.plan.flows import price_on
from gigawatt.plan.gangs import add_gangs, can_work
from gigawatt.plan.hosting import HostingDecisions, add_hosting, hosting_decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import LumpDecisions, add_lumps, lump_decisions
from gigawatt.plan.pace import add_pace, carries
from gigawatt.plan.resale import add_resale
from gigawatt.plan.signed import NO_CHOICE, Signed, add_signed, signed
from gigawatt.plan.since import add_since


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Variables as expressions: what is masked counts as zero. None where the plan has no such choice.

    add, kept, retire, stock: IT MW by offer and quarter; kept is what of an addition still stands at the end.
    energise: facility MW taken into use by site. assign: IT MW by lane and block; busy: IT MW of a pool at work in
    its busiest block. unmet, gated: Mwork/s. delay: Mwork/s x quarter carried into the next quarter, at most one
    quarter's work, or what is left of a block of uneven pace. late: MW behind a commitment that is not firm. z:
    gigawatts released. cash, gap, debt: MUSD at the end of the quarter; gap is money still to be found, owed like debt.
    """

    add: Expression
    kept: Expression
    retire: Expression
    stock: Expression
    energise: Expression
    assign: Expression
    busy: Expression
    unmet: Expression
    gated: Expression | None
    delay: Expression | None
    late: Expression | None
    z: Expression | None
    cash: Expression
    gap: Expression
    debt: Expression | None
    accepted: Expression
    """cumulative IT MW accepted since the start (offer, quarter)"""
    counted: Expression
    """IT MW that count towards commitments and milestones: what was bought, and of what is rented what stands"""
    since: Expression | None
    """rented IT MW that count since a date (since, offer, quarter)"""
    in_use: Expression
    """facility MW taken into use since the start, less what was given back (site, quarter)"""
    served: Expression
    """work served (workload, block, quarter) [Mwork/s]"""
    moved: Expression | None = None
    """IT MW by lane while a region is lost (lane, lost, block, quarter)"""
    spared: Expression | None = None
    """unmet work of the lower steps of a demand curve (step, block, quarter) [Mwork/s]"""
    signed: Signed = NO_CHOICE
    """choices that contracts open"""
    lumps: LumpDecisions | None = None
    hosting: HostingDecisions | None = None
    sold: Expression | None = None
    """IT MW sold (offer, bought, quarter)"""
    kept_initial: Expression | None = None
    """IT MW of the start that stand at the end (offer)"""
    sold_initial: Expression | None = None
    """IT MW of the start that are sold (offer, quarter)"""
    open: Expression | None = None
    """whether a pool is at work, where units stand by (pool, quarter): whole where lumps are"""
    runs: Expression | None = None
    """whether a training block with an uneven pace runs (job, quarter)"""
    steady: Expression | None = None
    """share of its rate at which a training block of one rate runs (workload, quarter)"""
    reserved: Expression | None = None
    """IT MW that a gang holds (gang, offer, quarter)"""
    at_tariff: Expression | None = None
    """IT MW at work at a tariff below the dearest of its pool (tariff, block, quarter)"""


def decide(m: Model, d: PlanInputs) -> Decisions:
    """All variables of the plan; combinations that cannot be get no column."""
    quarter: Axes = {"quarter": d.quarters}
    offers, classes = axes_of(d.add_max_mw), axes_of(d.demand)
    can_add = d.add_max_mw > 0
    m.add_variable("add", offers, upper=d.add_max_mw, mask=can_add)
    m.add_variable("kept", offers, mask=can_add)
    if (aged := price_on(d.ends, "kept_initial")) is not None:
        m.add_variable("kept_initial", axes_of(d.initial_mw), upper=d.initial_mw, mask=(aged > 0) & (d.initial_mw > 0))
    rented = d.offer_contract != "own"
    m.add_variable("counted", offers, mask=(can_add.cumsum("quarter") > 0) & rented)  # offers that have ended count on
    add_since(m, d)
    m.add_variable("retire", offers)
    failed = d.terms.failed
    stands = np.inf if failed is None else xr.zeros_like(failed, dtype=float).where(failed, np.inf)
    m.add_variable("stock", offers, upper=stands)
    m.add_variable("energise", {"site": d.sites, **quarter})
    lanes: Axes = {**axes_of(d.lane_pool), **axes_of(d.hours_frac), **quarter}
    m.add_variable("assign", lanes, mask=can_work(d).expand_dims(block=d.hours_frac["block"].values))
    wanted = d.demand > 0
    pools = tuple(sorted({str(pool) for pool in d.lane_pool.values}))
    m.add_variable("busy", {"pool": pools, **quarter})
    if d.spares_mw is not None and pools:
        whole = d.lumps is not None and d.lumps.whole
        m.add_variable("open", {"pool": pools, **quarter}, upper=1.0, integer=whole)
    m.add_variable("unmet", classes, mask=wanted)
    gateable = (d.gate_max_frac > 0) & wanted
    if bool(gateable.any()):
        m.add_variable("gated", classes, mask=gateable)
    waits = (d.patience == 2) & wanted.any("block")
    waits = waits & (waits["quarter"] != d.quarters[-1])
    if bool(waits.any()):
        daily = (d.demand * d.hours_frac).sum("block").transpose("workload", "quarter")
        daily, waits = carries(d, daily, waits.transpose("workload", "quarter"))
        m.add_variable("delay", axes_of(d.unmet_musd), upper=daily, mask=waits)
    _serve(m, d)
    if (penalty := price_on(d.rates, "late")) is not None:
        soft = (penalty < np.inf).expand_dims(quarter=list(d.quarters))
        m.add_variable("late", axes_of(d.commitment_mw), mask=soft)
    if d.milestones is not None and d.milestones.whole:
        tranches = tuple(range(1, d.milestones.n_max + 1))
        m.add_variable("z", {"tranche": tranches, **quarter}, upper=1.0, integer=True)
    elif d.milestones is not None:
        m.add_variable("z", quarter, upper=float(d.milestones.n_max))
    m.add_variable("cash", quarter)
    m.add_variable("gap", quarter)
    if d.credit_limit_musd > 0:
        m.add_variable("debt", quarter, upper=d.credit_limit_musd)
    add_signed(m, d)
    add_lumps(m, d)
    add_hosting(m, d)
    add_resale(m, d)
    add_pace(m, d)
    add_gangs(m, d)
    add_tariffs(m, d)
    return expressions(m, d)


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
        m.add_variable("moved", axes, mask=can.expand_dims(block=d.hours_frac["block"].values))
    if d.service.curve is not None:
        most = d.service.curve.most
        m.add_variable("spared", axes_of(most), upper=most, mask=most > 0)


def expressions(m: Model, d: PlanInputs) -> Decisions:
    """The decisions of a model that has its variables."""

    def maybe(name: str) -> Expression | None:
        return m.expression(name) if name in m.variables else None

    add, energise, assign = m.expression("add"), m.expression("energise"), m.expression("assign")
    workloads = [str(name) for name in d.demand["workload"].values]
    work = assign * d.rate.transpose("lane", "quarter")
    return Decisions(
        add=add, kept=m.expression("kept"), retire=m.expression("retire"), stock=m.expression("stock"),
        energise=energise, assign=assign, busy=m.expression("busy"),
        unmet=m.expression("unmet"), gated=maybe("gated"), delay=maybe("delay"),
        late=maybe("late"), z=maybe("z"), cash=m.expression("cash"), gap=m.expression("gap"), debt=maybe("debt"),
        accepted=add.cumsum("quarter"),
        counted=add.cumsum("quarter") * (d.offer_contract == "own").astype(float) + m.expression("counted"),
        since=maybe("counted_since"),
        in_use=(energise - m.expression("vacate") if "vacate" in m.variables else energise).cumsum("quarter"),
        served=work.group(d.lane_workload, "workload", workloads), signed=signed(m),
        moved=maybe("moved"), spared=maybe("spared"), lumps=lump_decisions(m) if d.lumps else None,
        hosting=hosting_decisions(m) if d.hosting else None, sold=maybe("sold"),
        kept_initial=maybe("kept_initial"), sold_initial=maybe("sold_initial"),
        runs=maybe("runs"), steady=maybe("steady"), reserved=maybe("reserved"), at_tariff=maybe("at_tariff"),
        open=maybe("open"),
    )  # fmt: skip


def spread(values: xr.DataArray, d: PlanInputs, *, first_only: bool = False) -> xr.DataArray:
    """Something by one axis in every quarter, or in the first only."""
    n = len(d.quarters)
    weight = np.zeros(n) if first_only else np.ones(n)
    weight[0] = 1.0
    return values * xr.DataArray(weight, dims="quarter", coords={"quarter": list(d.quarters)})
