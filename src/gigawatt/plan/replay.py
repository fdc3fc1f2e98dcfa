"""A fixed plan under delays, played forward without a solver: what is late is pushed, what depends on it waits.

Rules, in the order of a quarter:

1. *Buildings* come into use as many quarters late as their site; nothing else holds them back. Leased ones are given
   back as planned, but no sooner than their term after they came into use, and never under what still stands in them.
2. *Retiring* goes by the plan, but no sooner than the term after what really was accepted.
3. *Systems* arrive as many quarters late as their offer, and are accepted once there is room in halls of their class,
   from the first quarter of their tests on: halls without enough share what they have among those that wait, in
   proportion to the power they need. Fit-outs and retrofits of halls come as late as their site.
4. *Work* keeps its planned place as far as the pool's capacity goes, else all classes of a pool and block shrink
   alike. What then lacks is placed in spare capacity where an IT MW saves most of the loss from unmet work: first work
   that must be done in its block, then work that may wait within the day, then what waited from the quarter before.
   What may wait for a quarter does so, at most one quarter's work; a training block waits for nothing if it keeps one
   rate, else up to its deadline. Lanes of a group with a share of demand (a tier of
   speed, a region's users) take no more than planned, and steps of a demand curve are spared as planned.
5. *Gigawatts* of milestone equity are released as in the plan or later, once they are accepted, and paid after their
   lag.
   A training job that needs its gang together is done only on what the gang holds, while that stands, at its place
   where it has one: what is late makes room for other machines there, and until they are enough nothing is held.
6. *Contracts*: what follows from what stands is reckoned anew (``late_contracts``: takes that are paid and not held,
   guaranteed rents of buildings, rents by quarter of signing, what is owed after the horizon, warrants, damages). The
   rest (exits, options, deposits, openings, retrofits, what is sold) moves the money that the plan says.
7. *Money* comes from the account, then the credit line, then is still to be found; what is left over pays the line
   back.

Without delays all but rule 7 gives the plan itself: the plan may find money earlier than it must, this never does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.algebra import Expression
from gigawatt.plan.cashflow import inflow, outflow
from gigawatt.plan.energy import saved_musd, works_mw
from gigawatt.plan.gangs import gang_lanes
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.late_contracts import Moved, Played, moved
from gigawatt.plan.late_gangs import gangs_of
from gigawatt.plan.live import LivePlan
from gigawatt.plan.objective import salvaged
from gigawatt.plan.pace import as_planned, missed
from gigawatt.plan.signed import charged_after, vested_worth
from gigawatt.plan.variables import expressions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CHUNK = 1_000  # draws at a time: the arrays of a step stay in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Quarters that things come late, a row for each draw; whole quarters, 0 or more.

    Attributes:
        site: (draw, site) of buildings and their power.
        offer: (draw, offer) of systems.
        demand: (draw, workload) factor on demand, or None.
    """

    site: Ints
    offer: Ints
    demand: Floats | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where rows do not match or a delay is negative."""
        if self.site.ndim != 2 or self.offer.ndim != 2 or len(self.site) != len(self.offer):
            raise ValueError("delays need (draw, site) and (draw, offer) with as many draws")
        if (self.site < 0).any() or (self.offer < 0).any():
            raise ValueError("a delay is 0 quarters or more; what comes early is another plan")
        if self.demand is not None and len(self.demand) != len(self.site):
            raise ValueError("factors on demand need as many draws as delays")


def delays_of(
    inputs: PlanInputs,
    n_draws: int,
    *,
    site: Callable[[str], npt.ArrayLike] | None = None,
    system: Callable[[str], npt.ArrayLike] | None = None,
) -> Delays:
    """Delays from one series of draws a site and a system; fractions of a quarter count as a whole one.

    Args:
        inputs: of the plan.
        n_draws: length of every series.
        site: name to (draw,) quarters.
        system: likewise; offers of one system are late together.
    """

    def table(names: Sequence[str], series: Callable[[str], npt.ArrayLike] | None) -> Ints:
        if series is None:
            return np.zeros((n_draws, len(names)), dtype=np.int64)
        return np.stack([np.ceil(np.broadcast_to(series(name), n_draws)) for name in names], axis=1).astype(np.int64)

    return Delays(site=table(inputs.sites, site), offer=table([str(x) for x in inputs.offer_system.values], system))


def replay(plan: LivePlan, delays: Delays) -> xr.Dataset:
    """What becomes of a plan in each draw.

    Returns a dataset by draw and quarter: ``stock_mw``, ``accepted_mw`` (draw, offer, quarter; IT, cumulative),
    ``in_use_mw`` (draw, site, quarter; facility), ``unmet`` and ``waits``, what is carried into the next quarter (draw,
    workload, quarter; Mwork/s, mean of the day),
    ``late_mw`` (draw, commitment, quarter), ``released_gw``, ``spent_musd``, ``net_musd``
    (systems, buildings, energy less income), ``cash_musd``, ``debt_musd``,
    ``gap_musd`` (draw, quarter), and ``cost_musd`` (draw), the plan's objective.
    """
    n, plan = len(delays.site), as_planned(plan)
    fixed = _fixed(plan)
    parts = [_replay(plan, _some(delays, slice(k, k + _CHUNK)), fixed)[0] for k in range(0, n, _CHUNK)]
    return xr.concat(parts, dim="draw") if len(parts) > 1 else parts[0]


def _some(delays: Delays, rows: slice) -> Delays:
    return Delays(
        site=delays.site[rows], offer=delays.offer[rows],
        demand=None if delays.demand is None else delays.demand[rows],
    )  # fmt: skip


def _fixed(plan: LivePlan) -> Moved:
    """What contracts move in the plan beyond what ``late_contracts`` says of it, one draw."""
    d = plan.inputs
    x = expressions(plan.model, d)

    def value(part: Expression | None) -> Floats:
        return np.zeros(1) if part is None else np.asarray(part.matrix @ plan.primal + part.const)

    none = Delays(
        site=np.zeros((1, len(d.sites)), dtype=np.int64), offer=np.zeros((1, len(d.offer_site)), dtype=np.int64)
    )
    base, follows = _replay(plan, none, Moved(paid=np.zeros((1, len(d.quarters))), later=np.zeros(1)))
    paid = value(outflow(d, x)) - value(inflow(d, x)) - base["net_musd"].values[0]
    paid[np.abs(paid) < 1e-6] = 0.0
    later = value(charged_after(d, x)) - value(vested_worth(d, x)) - value(salvaged(d, x)) - follows.later
    return Moved(paid=paid[None, :], later=later)


def _replay(plan: LivePlan, late: Delays, fixed: Moved) -> tuple[xr.Dataset, Moved]:
    """(what becomes of the plan, what of its contracts and of its worth at the end follows what stands)."""
    d = plan.inputs
    n, n_quarters = len(late.site), len(d.quarters)
    built = _pushed(plan.value("energise").values, late.site)
    in_use = built.cumsum(axis=2) + d.energised_initial_mw.values[None, :, None]
    if "vacate" in plan.model.variables:
        in_use = _vacated(plan, in_use)
    accepted, stock = _accepted(plan, late, in_use)
    if "vacate" in plan.model.variables:
        in_use = np.maximum(in_use, np.einsum("noq,os->nsq", stock, _load(d)))  # what still stands keeps its building
    work = _work(plan, stock, late.demand)
    released = _released(plan, accepted, stock)
    late_mw = _late(plan, accepted, stock)

    new = np.diff(accepted, prepend=0.0, axis=2)
    spent = np.einsum("noq,oq->nq", new, d.capex_musd_per_mw.values)
    spent += np.einsum("noq,oq->nq", stock, d.hold_musd_per_mw.values)
    spent += np.einsum("nsq,sq->nq", built, d.energise_musd_per_mw.values)
    spent += np.einsum("nsq,sq->nq", in_use, d.site_hold_musd_per_mw.values) + work.running
    follows = moved(d, Played(
        late_site=late.site, late_offer=late.offer, new=new, stock=stock, built=built, in_use=in_use,
        counted=_counted(d, accepted, stock), planned=plan.value("add").values.cumsum(axis=1),
    ))  # fmt: skip
    worth = _worth(d, new, stock[:, :, -1]) + np.einsum("nsq,sq->n", built, d.site_salvage_musd_per_mw.values)
    follows = replace(follows, later=follows.later - worth)
    spent = spent + follows.paid
    if d.terms.sales_share_frac is not None:
        spent = spent + work.income * d.terms.sales_share_frac.values
    net = spent - work.income
    spent = spent + fixed.paid
    money = _money(d, net + fixed.paid, _tranches(released, d))
    by_class = ("workload", "quarter")
    lost = np.einsum("nwq,wq->nq", work.unmet, d.unmet_musd.transpose(*by_class).values)
    lost += np.einsum("nwq,wq->nq", work.waits, d.delay_musd.transpose(*by_class).values)
    gated = np.einsum("wbq,b->wq", _gated(plan), d.hours_frac.values)
    lost += (gated * d.gate_musd.transpose(*by_class).values).sum(axis=0)
    penalty = np.einsum("ncq,c->nq", late_mw, d.commitment_penalty_musd.fillna(0.0).values)
    rest = lost + penalty + d.credit_spread * money[1] - work.worth
    cost = ((spent + rest) * d.discount.values).sum(axis=1) + (money[2] * d.gap_musd.values).sum(axis=1)
    cost += follows.later + fixed.later

    labels = {"offer": d.offer_site["offer"].values, "site": list(d.sites),
              "workload": d.demand["workload"].values, "commitment": d.commitment_mw["commitment"].values}  # fmt: skip

    def by(values: Floats, dim: str, units: str) -> xr.DataArray:
        dims = ("draw", dim, "quarter") if dim else ("draw", "quarter")
        coords = {"quarter": list(d.quarters)} | ({dim: labels[dim]} if dim else {})
        return xr.DataArray(values, dims=dims, coords=coords, attrs={"units": units})

    assert spent.shape == (n, n_quarters)
    return xr.Dataset({
        "stock_mw": by(stock, "offer", "MW of IT"), "accepted_mw": by(accepted, "offer", "MW of IT"),
        "in_use_mw": by(in_use, "site", "MW of facility power"), "unmet": by(work.unmet, "workload", "Mwork/s"),
        "waits": by(work.waits, "workload", "Mwork/s"),
        "late_mw": by(late_mw, "commitment", "MW"), "released_gw": by(released, "", "GW"),
        "net_musd": by(net, "", "MUSD"), "spent_musd": by(spent, "", "MUSD"), "cash_musd": by(money[0], "", "MUSD"),
        "debt_musd": by(money[1], "", "MUSD"), "gap_musd": by(money[2], "", "MUSD"),
        "cost_musd": xr.DataArray(cost, dims="draw", attrs={"units": "MUSD"}),
    }), follows  # fmt: skip


def _pushed(planned: Floats, late: Ints) -> Floats:
    """(draw, row, quarter): what was planned (row, quarter), each row moved by its delay; beyond the end it is gone."""
    quarters = np.arange(planned.shape[1])
    source = quarters[None, None, :] - late[:, :, None]
    later = np.take_along_axis(np.broadcast_to(planned, (len(late), *planned.shape)), np.maximum(source, 0), axis=2)
    return np.asarray(np.where(source >= 0, later, 0.0))


def _accepted(plan: LivePlan, late: Delays, in_use: Floats) -> tuple[Floats, Floats]:
    """((draw, offer, quarter) IT MW accepted since the start, IT MW that stand)."""
    from gigawatt.plan.forward import accept

    d = plan.inputs
    arrived = _pushed(plan.value("add").values, late.offer).cumsum(axis=2)
    room, group = _rooms(plan, late, in_use)
    tests = d.terms.testing_quarters
    accepted, stock = np.zeros_like(arrived), np.zeros_like(arrived)
    accept(
        arrived, room, group, d.facility_over_it.values.astype(np.float64), d.initial_mw.values.astype(np.float64),
        plan.value("retire").values.cumsum(axis=1), _left_early(plan), d.term_quarters.values.astype(np.int64),
        np.zeros(len(group), dtype=np.int64) if tests is None else tests.values.astype(np.int64), accepted, stock,
    )  # fmt: skip
    return accepted, stock


def _rooms(plan: LivePlan, late: Delays, in_use: Floats) -> tuple[Floats, Ints]:
    """((draw, group, quarter) facility MW of halls, (offer) its group): a group is a site, or a class of its halls.

    Fit-outs, retrofits and what is given back of a class come as late as their site.
    """
    d = plan.inputs
    site_of = np.array([d.sites.index(str(site)) for site in d.offer_site.values], dtype=np.int64)
    if d.hosting is None:
        return in_use, site_of
    h, order = d.hosting, ("site", "hosting", "quarter")
    at = np.array([d.sites.index(site) for site in h.sites], dtype=np.int64)
    change = plan.value("fit").transpose(*order).values.copy()
    if "vacate_fit" in plan.model.variables:
        change -= plan.value("vacate_fit").transpose(*order).values
    if h.retrofits:
        moves = plan.value("retrofit").transpose("retrofit", "site", "quarter").values
        for row, retrofit in zip(moves, h.retrofits, strict=True):
            change[:, h.classes.index(retrofit.start)] -= row
            down = retrofit.downtime
            change[:, h.classes.index(retrofit.end), down:] += row[:, : row.shape[1] - down]
    n, n_quarters = len(late.site), len(d.quarters)
    rows = change.reshape(-1, n_quarters)
    by_class = _pushed(rows, np.repeat(late.site[:, at], len(h.classes), axis=1)).cumsum(axis=2)
    by_class += h.initial_mw.transpose("site", "hosting").values.reshape(1, -1, 1)
    place = {site: k for k, site in enumerate(h.sites)}
    group = site_of.copy()
    for o, (site, name) in enumerate(zip(d.offer_site.values, h.offer_class.values, strict=True)):
        if str(site) in place:
            group[o] = len(d.sites) + place[str(site)] * len(h.classes) + h.classes.index(str(name))
    return np.concatenate([in_use, by_class.reshape(n, -1, n_quarters)], axis=1), group


def _load(d: PlanInputs) -> Floats:
    """(offer, site) facility MW at each site for an IT MW."""
    at = d.offer_site.values[:, None] == np.array(d.sites)[None, :]
    return np.asarray(at * d.facility_over_it.values[:, None])


def _vacated(plan: LivePlan, taken: Floats) -> Floats:
    """(draw, site, quarter) facility MW in use of all that was taken, with what the plan gives back once its term is
    over.
    """
    d, leases = plan.inputs, plan.inputs.terms.leases
    assert leases is not None
    gone, served = plan.value("vacate").transpose("site", "quarter").values.cumsum(axis=1), np.zeros_like(taken)
    for site, term in enumerate(leases.term_quarters.sel(site=list(d.sites)).values.astype(int)):
        if term < taken.shape[2]:
            served[:, site, term:] = taken[:, site, : taken.shape[2] - term]
    return np.asarray(taken - np.minimum(gone[None], served))


def _left_early(plan: LivePlan) -> Floats:
    """(offer, quarter) IT MW given up against a fee before their term ends, as planned."""
    ids = plan.inputs.offer_site["offer"].values
    if "left" not in plan.model.variables:
        return np.zeros((len(ids), len(plan.inputs.quarters)))
    left = plan.value("left").sum("signed").reindex(offer=ids, fill_value=0.0)
    return np.asarray(left.transpose("offer", "quarter").values.cumsum(axis=1))


def _works(plan: LivePlan) -> Floats:
    """(offer, quarter) share of what stands that has not failed with age, as planned."""
    stock = plan.value("stock").transpose("offer", "quarter").values
    works = works_mw(plan).values
    return np.asarray(np.divide(works, stock, out=np.ones_like(stock), where=stock > 1e-6))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worked:
    """Operation in every draw: (draw, quarter) running cost, income and worth of speed, paid or not [MUSD]; (draw,
    workload, quarter) Mwork/s.
    """

    running: Floats
    worth: Floats
    income: Floats
    unmet: Floats
    waits: Floats


def _work(plan: LivePlan, stock: Floats, factor: Floats | None) -> _Worked:
    """What the planned work becomes in the capacity that stands."""
    from gigawatt.plan.forward import operate

    d, n, n_quarters = plan.inputs, len(stock), stock.shape[2]
    pools = sorted({str(pool) for pool in d.lane_pool.values})
    names = [str(name) for name in d.demand["workload"].values]
    lane_class = np.array([names.index(str(name)) for name in d.lane_workload.values], dtype=np.int64)
    of_pool = np.array([[str(pool) == name for pool in d.offer_pool.values] for name in pools], dtype=np.float64)
    of_pool = of_pool.reshape(len(pools), len(d.offer_pool))
    hours, run = d.hours_frac.values, (d.run_musd_per_mw + 0.0 * d.rate).transpose("quarter", "lane").values
    works = np.maximum(stock * _works(plan), 0.0)
    gangs = gangs_of(plan, works)
    free, standby = works - gangs.held, _standby(plan, pools)
    lane_pool = np.where(
        gangs.room_of >= 0, len(pools) + gangs.room_of, [pools.index(str(p)) for p in d.lane_pool.values]
    )
    alone = gang_lanes(d).values & (gangs.room_of < 0)
    planned = plan.value("assign").transpose("quarter", "lane", "block").values
    rate = d.rate.transpose("quarter", "lane").values
    demand = d.demand.transpose("quarter", "workload", "block").values
    gated = np.moveaxis(_gated(plan), 2, 0)
    loss, price = (x.transpose("quarter", "workload").values for x in (d.unmet_musd, d.income_musd))
    now = d.patience.values == 0
    may_wait, most, cap = _waits(d, demand @ hours)
    scale = np.ones((n, len(names))) if factor is None else factor
    worth, paid, is_bound = _worths(d)
    money, spared = np.zeros((n_quarters, n, 3)), _spared(plan)
    unmet, waits = np.zeros((n_quarters, n, len(names))), np.zeros((n_quarters, n, len(names)))
    carried, at_work = np.zeros((n, len(names))), np.zeros((n, len(pools) + gangs.rooms.shape[1], hours.size))
    for q in range(n_quarters):
        room = _free(d, free[:, :, q] @ of_pool.T, gangs.held[:, :, q] @ of_pool.T, standby[q])
        operate(
            np.concatenate([room, gangs.rooms[:, :, q]], axis=1), np.ascontiguousarray(gangs.runs[:, :, q]),
            demand[q] - gated[q], scale, most[q], may_wait[q], now, hours, np.flatnonzero(planned[q].any(axis=1)),
            planned[q], rate[q], run[q], worth[:, q].copy(), paid, price[q],
            _best_first(loss[q, lane_class], rate[q], is_bound | alone), lane_pool, lane_class,
            carried, unmet[q], money[q], cap[q], at_work,
        )  # fmt: skip
        waits[q] = carried
        money[q, :, 0] -= saved_musd(d, free[:, :, q], at_work, pools, q)
    return _Worked(
        running=money[:, :, 0].T, income=money[:, :, 1].T + spared[1], worth=money[:, :, 2].T + spared[0],
        unmet=np.moveaxis(unmet, 0, 2) + missed(plan), waits=np.moveaxis(waits, 0, 2),
    )  # fmt: skip


def _waits(d: PlanInputs, asked: Floats) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """(quarter, workload) each: whether work may wait for the next quarter, the most that may, and the most that may be
    done [Mwork/s]: one quarter's work and no limit, of a block of uneven pace all until its deadline and its most.
    """
    may = np.broadcast_to(d.patience.values == 2, asked.shape).copy()
    most, cap = asked.copy(), np.full(asked.shape, np.inf)
    names = [str(name) for name in d.demand["workload"].values]
    for job in () if d.pace is None else d.pace.jobs:
        at = names.index(job)
        may[:, at] &= d.pace.carry.sel(job=job).values > 0.0  # type: ignore[union-attr]
        most[:, at] = np.inf
        cap[:, at] = d.pace.most.sel(job=job).values  # type: ignore[union-attr]
    may[-1] = False
    return may, most, cap


def _standby(plan: LivePlan, pools: Sequence[str]) -> Floats:
    """(quarter, pool) IT MW of whole units that stand by, as planned."""
    d = plan.inputs
    if d.spares_mw is None or "open" not in plan.model.variables:
        return np.zeros((len(d.quarters), len(pools)))
    held = (plan.value("open") * d.spares_mw).reindex(pool=list(pools), fill_value=0.0)
    return np.asarray(held.transpose("quarter", "pool").values)


def _free(d: PlanInputs, works: Floats, held: Floats, standby: Floats) -> Floats:
    """(draw, pool) IT MW for work: of what works and no gang holds, less the reserve; with the units that stand by off
    the whole where that is less.
    """
    kept = 1.0 - d.reserve_frac
    return np.maximum(np.minimum(kept * works, works + (1.0 - kept) * held - standby), 0.0)


def _best_first(loss: Floats, rate: Floats, is_bound: npt.NDArray[np.bool_]) -> Ints:
    """Lanes that may do more than planned, the one whose MW saves most first."""
    order = np.argsort(-loss * rate, kind="stable")
    return np.asarray(order[(rate[order] > 0.0) & ~is_bound[order]], dtype=np.int64)


def _worths(d: PlanInputs) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """By lane: worth of speed (lane, quarter) [MUSD per Mwork/s], share of it that is income, has a share of demand."""
    worth, paid = np.zeros(d.rate.transpose("lane", "quarter").shape), np.zeros(d.rate.sizes["lane"])
    bound = np.zeros(len(paid), dtype=np.bool_)
    if d.service is not None and d.service.worth is not None:
        worth = np.asarray(d.service.worth.musd.transpose("lane", "quarter").values)
        paid = np.asarray(d.service.worth.paid.values, dtype=np.float64)
    if d.service is not None and d.service.shares is not None:
        bound = np.asarray((d.service.shares.member > 0).any("share").sel(lane=d.lane_pool["lane"]).values)
    return worth, paid, bound


def _spared(plan: LivePlan) -> tuple[Floats, Floats]:
    """(quarter) what planned sparing on a demand curve saves against the first price, and the income it goes with."""
    d = plan.inputs
    none = np.zeros(len(d.quarters))
    if d.service is None or (curve := d.service.curve) is None or "spared" not in plan.model.variables:
        return none, none
    spared, each = plan.value("spared"), curve.less_musd * d.hours_frac
    saved = (spared * each).sum(("step", "block"))
    sold = ((spared - curve.most) * each * curve.paid).sum(("step", "block"))
    return np.asarray(saved.values), np.asarray(sold.values)


def _gated(plan: LivePlan) -> Floats:
    """(workload, block, quarter) Mwork/s that policy gates, as planned."""
    order = ("workload", "block", "quarter")
    if "gated" in plan.model.variables:
        return np.asarray(plan.value("gated").transpose(*order).values)
    return np.zeros(plan.inputs.demand.transpose(*order).shape)


def _worth(d: PlanInputs, new: Floats, stands: Floats) -> Floats:
    """(draw,) worth at the end [discounted MUSD]: of what stands (draw, offer), the newest additions first."""
    younger = np.cumsum(new[:, :, ::-1], axis=2)
    kept = np.diff(np.minimum(younger, stands[:, :, None]), prepend=0.0, axis=2)[:, :, ::-1]
    return np.asarray(np.einsum("noq,oq->n", kept, d.salvage_musd_per_mw.values))


def _counted(d: PlanInputs, accepted: Floats, stock: Floats) -> Floats:
    """IT MW that count towards commitments and milestones: bought, or of what is rented what stands."""
    owned = (d.offer_contract.values == "own")[None, :, None]
    return np.asarray(np.where(owned, accepted, np.minimum(accepted, stock)))


def _late(plan: LivePlan, accepted: Floats, stock: Floats) -> Floats:
    """(draw, commitment, quarter) MW short of what is committed and not cancelled, on the commitment's basis."""
    d = plan.inputs
    weight = d.commitment_weight.transpose("commitment", "offer").values
    have = np.einsum("co,noq->ncq", weight, _counted(d, accepted, stock))
    due = d.commitment_mw
    if "cancelled" in plan.model.variables:
        gone = plan.value("cancelled").cumsum("quarter").reindex(commitment=due["commitment"], fill_value=0.0)
        due = due - gone
    return np.asarray(np.maximum(due.transpose("commitment", "quarter").values[None] - have, 0.0))


def _released(plan: LivePlan, accepted: Floats, stock: Floats) -> Floats:
    """(draw, quarter) GW released: what the plan released, or less while less has been accepted; never taken back."""
    d, terms = plan.inputs, plan.inputs.milestones
    if terms is None:
        return np.zeros((len(stock), len(d.quarters)))
    z = plan.value("z")
    planned = (z.sum("tranche") if terms.whole else z).values
    start = d.quarters.index(terms.from_quarter)
    have = np.einsum("o,noq->nq", terms.counts.values / 1000.0, _counted(d, accepted, stock))
    if start > 0:
        have = have - have[:, start - 1 : start]
        have[:, :start] = 0.0
    reached = np.floor(have + 1e-6) if terms.whole else have
    return np.asarray(np.maximum.accumulate(np.minimum(planned[None, :], np.maximum(reached, 0.0)), axis=1))


def _tranches(released: Floats, d: PlanInputs) -> Floats:
    """(draw, quarter) milestone equity paid [MUSD]."""
    from gigawatt.plan.cashflow import tranche_payments

    if d.milestones is None:
        return np.zeros_like(released)
    kinds, where = np.unique(released, axis=0, return_inverse=True)
    return np.asarray(np.stack([tranche_payments(row, d) for row in kinds])[where.ravel()])


def _money(d: PlanInputs, net_spent: Floats, tranches: Floats) -> tuple[Floats, Floats, Floats]:
    """(draw, quarter) cash, debt and money still to be found, at the end of each quarter [MUSD]."""
    cash, debt = np.full(len(net_spent), d.opening_cash_musd), np.zeros(len(net_spent))
    out = np.zeros((3, *net_spent.shape))
    for q in range(net_spent.shape[1]):
        due = (1.0 + d.credit_rate) * debt
        cash = cash + float(d.inflow_musd[q]) + tranches[:, q] - net_spent[:, q] - due
        debt = np.clip(-cash, 0.0, d.credit_limit_musd)
        gap = np.maximum(-cash - debt, 0.0)
        cash = cash + debt + gap
        out[0][:, q], out[1][:, q], out[2][:, q] = cash, debt, gap
    return out[0], out[1], out[2]
