"""A fixed plan under delays, played forward without a solver: what is late is pushed, what depends on it waits.

Rules, in the order of a quarter:

1. *Buildings* come into use as many quarters late as their site; nothing else holds them back. Leased ones are given
   back as planned, but no sooner than their term after they came into use, and never under what still stands in them.
2. *Retiring* goes by the plan, but no sooner than the term after what really was accepted.
3. *Systems* arrive as many quarters late as their offer, and are accepted once there is room in halls of their class,
   from the first quarter of their tests on: halls without enough share what they have among those that wait, in
   proportion to the power they need. Fit-outs and retrofits of halls come as late as their site.
4. *Work* keeps its planned place as far as the pool's capacity goes, else all classes of a pool and block shrink
   alike. What the plan gives up or puts off stays so. What lacks beyond it is placed in spare capacity where an IT MW
   saves most of the loss from unmet work: first work that must be done in its block, then work that may wait within the
   day or waited from the quarter before. What may wait for the next quarter does so within the plan's own limits: one
   quarter's work, of a block of uneven pace all of it, of a run that keeps one rate nothing, and nothing beyond a
   deadline. Lanes of a group with a share of demand (a tier of speed, a region's users) take no more than planned, a
   block no more than its pace allows, and steps of a demand curve are spared as planned.
5. *Gigawatts* of milestone equity are released as in the plan or later, once they are accepted, and paid after their
   lag.
   A training job that needs its gang together is done only on what the gang holds, while that stands, at its place
   where it has one: what is late makes room for other machines there, and until they are enough nothing is held.
6. *Contracts*: what follows from what stands is reckoned anew (``late_contracts``: takes that are paid and not held,
   guaranteed rents of buildings, rents by quarter of signing, what is owed after the horizon, warrants, damages,
   penalties). The rest (exits, options, deposits, openings, retrofits, what is sold) moves the money that the plan
   says.
7. *Money* is owed as in the plan, to the line and as still to be found. What lacks beyond it comes from the account,
   then from the cheaper of the two; what is left over pays back the dearer first.

Without delays this is the plan itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.amounts import numbers
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.energy import saved_musd, work_cost, works_mw
from gigawatt.plan.flows import Numbers
from gigawatt.plan.gangs import gang_lanes
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.late_contracts import Played, duties_late
from gigawatt.plan.late_gangs import Gangs, gangs_of
from gigawatt.plan.lateness import pushed
from gigawatt.plan.live import LivePlan
from gigawatt.plan.replay_money import (
    BILL,
    end_cost,
    money_musd,
    paid_musd,
    played_amounts,
    priced_late,
    released_gw,
    tranches_musd,
)
from gigawatt.plan.since import counted_mw

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


def replay(plan: LivePlan, delays: Delays, later: Callable[[int], PlanInputs] | None = None) -> xr.Dataset:
    """What becomes of a plan in each draw.

    ``later`` gives the inputs where every site and offer comes so many quarters late; ``duties_late`` where None.

    Returns a dataset by draw and quarter: ``stock_mw``, ``accepted_mw`` (draw, offer, quarter; IT, cumulative),
    ``in_use_mw`` (draw, site, quarter; facility), ``unmet`` and ``waits``, what is carried into the next quarter (draw,
    workload, quarter; Mwork/s, mean of the day),
    ``late_mw`` (draw, commitment, quarter), ``released_gw``, ``spent_musd``, ``net_musd``
    (what is spent less income), ``cash_musd``, ``debt_musd``, ``gap_musd``, money still to be
    found that is owed at the end of the quarter (draw, quarter), and ``cost_musd`` (draw), the plan's objective.
    """
    n, d, beyond = len(delays.site), plan.inputs, _beyond(plan)
    rest, owed = (paid_musd(d, beyond).values, float(end_cost(d, beyond))), _owed(d, delays, later)
    parts = [_replay(plan, _some(delays, slice(k, k + _CHUNK)), rest, owed)[0] for k in range(0, n, _CHUNK)]
    return xr.concat(parts, dim="draw") if len(parts) > 1 else parts[0]


def mean_payments(
    plan: LivePlan, delays: Delays, later: Callable[[int], PlanInputs] | None = None
) -> Iterator[tuple[PlanInputs, Numbers]]:
    """(inputs, amounts) whose prices times amounts come together to what is paid, mean over the draws: what of the plan
    no delay moves, then what the draws found. Work and sales are in MUSD, of all classes together.
    """
    n, nothing, owed = len(delays.site), (np.zeros(len(plan.inputs.quarters)), 0.0), _owed(plan.inputs, delays, later)
    yield plan.inputs, _beyond(plan)
    for k in range(0, n, _CHUNK):
        some = _some(delays, slice(k, k + _CHUNK))
        _, played = _replay(plan, some, nothing, owed)
        yield priced_late(owed, some.site), {on: [part / n for part in parts] for on, parts in played.items()}


def _owed(d: PlanInputs, delays: Delays, later: Callable[[int], PlanInputs] | None) -> list[PlanInputs]:
    """Inputs, with what contracts ask for, at every lateness there is, from none on."""
    owes = d.terms.takes is not None or (d.terms.leases is not None and bool((d.terms.leases.due_mw > 0).any()))
    most = max(int(delays.site.max(initial=0)), int(delays.offer.max(initial=0))) if owes else 0
    return [d, *(later(late) if later else duties_late(d, late) for late in range(1, most + 1))]


def _some(delays: Delays, rows: slice) -> Delays:
    return Delays(
        site=delays.site[rows], offer=delays.offer[rows],
        demand=None if delays.demand is None else delays.demand[rows],
    )  # fmt: skip


def _beyond(plan: LivePlan) -> Numbers:
    """Amounts of the plan beyond what a replay without delays finds: it moves none of them."""
    none = delays_of(plan.inputs, 1)
    bill = plan.amount(work_cost(plan.inputs, Decisions(plan.model, plan.inputs)))
    planned = {**numbers(plan), BILL: (bill,)}
    if "sales" in planned:
        planned["sales"] = [part.sum("workload") for part in planned["sales"]]  # as a replay finds them
    _, found = _replay(plan, none, (np.zeros(len(plan.inputs.quarters)), 0.0), [plan.inputs])
    found = {on: tuple(-part.isel(draw=0, drop=True) for part in parts) for on, parts in found.items()}
    return {on: (*planned.get(on, ()), *found.get(on, ())) for on in (*planned, *found) if on != "at_work"}


def _replay(
    plan: LivePlan, late: Delays, rest: tuple[Floats, float], owed: Sequence[PlanInputs]
) -> tuple[xr.Dataset, Numbers]:
    """(what becomes of the plan, amounts that follow). ``rest``: (quarter) MUSD paid and MUSD at the end that do
    not. ``owed``: inputs where everything comes 0, 1, 2 and so on quarters late.
    """
    d = plan.inputs
    built = pushed(plan.value("energise").values, late.site)
    in_use = built.cumsum(axis=2) + d.energised_initial_mw.values[None, :, None]
    if Decisions.vacate in plan.model:
        in_use = _vacated(plan, in_use)
    accepted, stock = _accepted(plan, late, in_use)
    if Decisions.vacate in plan.model:
        in_use = np.maximum(in_use, np.einsum("noq,os->nsq", stock, _load(d)))  # what still stands keeps its building
    work = _work(plan, stock, late.demand)
    released = released_gw(plan, accepted, stock)

    new = np.diff(accepted, prepend=0.0, axis=2)
    owned = d.offer_contract.values == "own"
    planned = plan.value("add").values.cumsum(axis=1)
    played = Played(
        late_site=late.site, late_offer=late.offer, new=new, stock=stock, built=built, in_use=in_use,
        counted=counted_mw(owned, accepted, stock),
        planned=counted_mw(owned, planned, plan.value("stock").transpose("offer", "quarter").values),
    )  # fmt: skip
    found = played_amounts(owed, played, _due(plan), income=work.income, bill=work.running)
    there = priced_late(owed, late.site)
    moved = paid_musd(there, found).values
    spent = moved + rest[0]
    net = spent - work.income
    cash = money_musd(plan, net, tranches_musd(released, d))
    by_class = ("workload", "quarter")
    lost = np.einsum("nwq,wq->nq", work.unmet, d.unmet_musd.transpose(*by_class).values)
    lost += np.einsum("nwq,wq->nq", work.waits, d.delay_musd.transpose(*by_class).values)
    gated = np.einsum("wbq,b->wq", _gated(plan), d.hours_frac.values)
    lost += (gated * d.gate_musd.transpose(*by_class).values).sum(axis=0)
    lost += d.credit_spread * cash[1] - work.worth
    cost = ((spent + lost) * d.discount.values).sum(axis=1) + (cash[2] * d.gap_musd.values).sum(axis=1)
    cost += end_cost(there, found).values + rest[1]

    labels = {"offer": d.offer_site["offer"].values, "site": list(d.sites),
              "workload": d.demand["workload"].values, "commitment": d.commitment_mw["commitment"].values}  # fmt: skip

    def by(values: Floats, dim: str, units: str) -> xr.DataArray:
        dims = ("draw", dim, "quarter") if dim else ("draw", "quarter")
        coords = {"quarter": list(d.quarters)} | ({dim: labels[dim]} if dim else {})
        return xr.DataArray(values, dims=dims, coords=coords, attrs={"units": units})

    return xr.Dataset({
        "stock_mw": by(stock, "offer", "MW of IT"), "accepted_mw": by(accepted, "offer", "MW of IT"),
        "in_use_mw": by(in_use, "site", "MW of facility power"), "unmet": by(work.unmet, "workload", "Mwork/s"),
        "waits": by(work.waits, "workload", "Mwork/s"),
        "late_mw": by(found["late"][0].values, "commitment", "MW"), "released_gw": by(released, "", "GW"),
        "net_musd": by(net, "", "MUSD"), "spent_musd": by(spent, "", "MUSD"), "cash_musd": by(cash[0], "", "MUSD"),
        "debt_musd": by(cash[1], "", "MUSD"), "gap_musd": by(cash[2], "", "MUSD"),
        "cost_musd": xr.DataArray(cost, dims="draw", attrs={"units": "MUSD"}),
    }), found  # fmt: skip


def _accepted(plan: LivePlan, late: Delays, in_use: Floats) -> tuple[Floats, Floats]:
    """((draw, offer, quarter) IT MW accepted since the start, IT MW that stand)."""
    from gigawatt.plan.forward import accept

    d = plan.inputs
    arrived = pushed(plan.value("add").values, late.offer).cumsum(axis=2)
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
    change = (plan.value("fit") - plan.value("vacate_fit")).transpose(*order).values.copy()
    if h.retrofits:
        moves = plan.value("retrofit").transpose("retrofit", "site", "quarter").values
        for row, retrofit in zip(moves, h.retrofits, strict=True):
            change[:, h.classes.index(retrofit.start)] -= row
            down = retrofit.downtime
            change[:, h.classes.index(retrofit.end), down:] += row[:, : row.shape[1] - down]
    n, n_quarters = len(late.site), len(d.quarters)
    rows = change.reshape(-1, n_quarters)
    by_class = pushed(rows, np.repeat(late.site[:, at], len(h.classes), axis=1)).cumsum(axis=2)
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
    hours, run = d.hours_frac.values, (d.run_musd_per_mw + 0.0 * d.rate).transpose("quarter", "lane").values
    works = np.maximum(stock * _works(plan), 0.0)
    gangs = gangs_of(plan, works)
    rooms, rounding, lane_pool = (
        _workrooms(plan, works, gangs, pools),
        _rounding(plan, pools),
        _room_of(d, gangs, pools),
    )
    alone = gang_lanes(d).values & (gangs.room_of < 0)
    planned = plan.value("assign").transpose("quarter", "lane", "block").values
    rate = d.rate.transpose("quarter", "lane").values
    demand = d.demand.transpose("quarter", "workload", "block").values
    gated = np.moveaxis(_gated(plan), 2, 0)
    loss, price = (x.transpose("quarter", "workload").values for x in (d.unmet_musd, d.income_musd))
    now, (given_up, put_off, most, pace) = d.patience.values == 0, _left_undone(plan)
    scale = np.ones((n, len(names))) if factor is None else factor
    worth, paid, is_bound = _worths(d)
    money, spared = np.zeros((n_quarters, n, 3)), _spared(plan)
    unmet, waits = np.zeros((n_quarters, n, len(names))), np.zeros((n_quarters, n, len(names)))
    carried, at_work = np.zeros((n, len(names))), np.zeros((n, rooms.shape[1], hours.size))
    for q in range(n_quarters):
        operate(
            rooms[:, :, q] + rounding[q], np.ascontiguousarray(gangs.runs[:, :, q]),
            demand[q] - gated[q], scale, most[q], given_up[q], put_off[q], pace[q], now, hours,
            np.flatnonzero(planned[q].any(axis=1)), planned[q], rate[q], run[q], worth[:, q].copy(), paid, price[q],
            _best_first(loss[q, lane_class], rate[q], is_bound | alone), lane_pool, lane_class,
            carried, unmet[q], money[q], at_work,
        )  # fmt: skip
        waits[q] = carried
        money[q, :, 0] -= saved_musd(d, (works - gangs.held)[:, :, q], at_work, pools, q)
    return _Worked(
        running=money[:, :, 0].T, income=money[:, :, 1].T + spared[1], worth=money[:, :, 2].T + spared[0],
        unmet=np.moveaxis(unmet, 0, 2), waits=np.moveaxis(waits, 0, 2),
    )  # fmt: skip


def _left_undone(plan: LivePlan) -> tuple[Floats, Floats, Floats, Floats]:
    """In every quarter, Mwork/s: what the plan gives up (quarter, workload, block) and puts off (quarter, workload),
    the most that may be put off (quarter, workload) and the most that can be done (quarter, workload, block).
    """
    d = plan.inputs
    given_up = np.asarray(plan.value("unmet").transpose("quarter", "workload", "block").values)
    limits = plan.values_of("delay", np.concatenate(plan.model.upper))
    put_off = np.asarray(plan.value("delay").transpose("quarter", "workload").values)
    most = np.asarray(limits.transpose("quarter", "workload").values)
    pace = np.full(given_up.shape, np.inf)
    if d.pace is not None:
        names = [str(name) for name in d.demand["workload"].values]
        rows = [names.index(job) for job in d.pace.jobs]
        pace[:, rows] = d.pace.most.transpose("quarter", "job").values[:, :, None]
    return given_up, put_off, most, pace


def _workrooms(plan: LivePlan, works: Floats, gangs: Gangs, pools: Sequence[str]) -> Floats:
    """(draw, room, quarter) IT MW for work: of every pool what no gang holds, then what gangs hold for each lane.

    Args:
        plan: whose reserve and units that stand by are kept free.
        works: (draw, offer, quarter) IT MW that work.
        gangs: what of it they hold.
        pools: in their order.
    """
    d = plan.inputs
    of_pool = (np.array(pools, dtype=str)[:, None] == d.offer_pool.values.astype(str)[None, :]).astype(np.float64)
    held = np.einsum("po,noq->nqp", of_pool, gangs.held)
    free = _free(d, np.einsum("po,noq->nqp", of_pool, works) - held, held, _standby(plan, pools))
    return np.concatenate([np.moveaxis(free, 1, 2), gangs.rooms], axis=1)


def _room_of(d: PlanInputs, gangs: Gangs, pools: Sequence[str]) -> Ints:
    """(lane) number of the room, in the order of ``_workrooms``, in which it works."""
    of_pool = np.array([pools.index(str(pool)) for pool in d.lane_pool.values], dtype=np.int64)
    return np.where(gangs.room_of >= 0, len(pools) + gangs.room_of, of_pool)


def _rounding(plan: LivePlan, pools: Sequence[str]) -> Floats:
    """(quarter, room) IT MW by which planned work passes what the plan holds for it: the solver's rounding, no more."""
    d = plan.inputs
    works = np.maximum(plan.value("stock").transpose("offer", "quarter").values * _works(plan), 0.0)[None]
    gangs = gangs_of(plan, works)
    rooms = _workrooms(plan, works, gangs, pools)[0].T
    member = _room_of(d, gangs, pools)[:, None] == np.arange(rooms.shape[1])[None, :]
    need = np.einsum("qbl,lr->qbr", plan.value("assign").transpose("quarter", "block", "lane").values, member)
    most = need.max(axis=1, initial=0.0)
    return np.asarray(np.clip(most - rooms, 0.0, 1e-6 * (1.0 + most)))


def _standby(plan: LivePlan, pools: Sequence[str]) -> Floats:
    """(quarter, pool) IT MW of whole units that stand by, as planned."""
    d = plan.inputs
    if d.spares_mw is None:
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
    if d.service is None or (curve := d.service.curve) is None:
        return none, none
    spared, each = plan.value("spared"), curve.less_musd * d.hours_frac
    saved = (spared * each).sum(("step", "block"))
    sold = ((spared - curve.most) * each * curve.paid).sum(("step", "block"))
    return np.asarray(saved.values), np.asarray(sold.values)


def _gated(plan: LivePlan) -> Floats:
    """(workload, block, quarter) Mwork/s that policy gates, as planned."""
    return np.asarray(plan.value("gated").transpose("workload", "block", "quarter").values)


def _due(plan: LivePlan) -> Floats:
    """(commitment, quarter) MW that are committed and not cancelled, on the commitment's basis."""
    due = plan.inputs.commitment_mw
    gone = plan.value("cancelled").cumsum("quarter").reindex(commitment=due["commitment"], fill_value=0.0)
    return np.asarray((due - gone).transpose("commitment", "quarter").values)
