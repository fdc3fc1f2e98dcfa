"""Case to engine inputs: the only glue. MW and MUSD for the planner, base units everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import DAY_H, QUARTER_S, YEAR_S, quarters_of, str_quarter
from gigawatt.core.errors import ScenarioError
from gigawatt.core.money import per_quarter
from gigawatt.core.units import pretty
from gigawatt.demand.growth import compound, series, step_series
from gigawatt.demand.mix import tokens_per_s
from gigawatt.perf.point import TrainingPoint
from gigawatt.plan.inputs import Lanes, Milestones, PlanInputs, RightRow
from gigawatt.plan.lateness import drawn_from, meant_for, moved
from gigawatt.study.arrays import labelled
from gigawatt.study.change import (
    demand_path,
    late_deliveries,
    lateness,
    later,
    places,
    signed_late,
    withheld,
)
from gigawatt.study.economics import (
    discount_factors,
    discount_rate,
    inflow_usd,
    packages_per_w,
    term_quarters,
)
from gigawatt.study.hosting import with_hosting
from gigawatt.study.lanes import Lane, day_load, lanes_of
from gigawatt.study.lumps import runs_on, with_lumps
from gigawatt.study.orders import order_lead, with_leads
from gigawatt.study.rates import end_values, rates
from gigawatt.study.resolve import (
    Case,
    ClassCase,
    OfferCase,
    dated,
    users,
)
from gigawatt.study.scenario import Demanded, Trained
from gigawatt.study.service import class_level, marginals, price_usd_per_token, service_inputs
from gigawatt.study.software import software_gain
from gigawatt.study.tariffs import run_musd_per_mw, tariffs
from gigawatt.study.terms import commitment_weight, contract_terms, failed, held_mw, initial_w, lapse
from gigawatt.study.training import asked_rate, is_steady, pace_of, training_rate

Floats = npt.NDArray[np.float64]

DELAY_OVER_VALUE = 0.02
"""Loss from work carried into the next quarter, as a share of its value: small, so that waiting beats not serving."""
_PATIENCE = {"none": 0, "day": 1, "quarter": 2}


def plan_inputs(case: Case) -> PlanInputs:
    """What the planner reads for a case."""
    offers, sites, classes = case.offers, case.sites, case.classes
    quarters = list(case.labels)
    ids = [offer.id for offer in offers]
    discount = discount_factors(case)
    demand, tier_share = demand_rates(case)
    lanes = lanes_of(case)
    funding = case.scenario.funding

    def by_offer(values: Any) -> xr.DataArray:
        return labelled(values, offer=ids)

    def by_offer_quarter(values: Any) -> xr.DataArray:
        return labelled(values, offer=ids, quarter=quarters)

    def by_site_quarter(values: Any) -> xr.DataArray:
        return labelled(values, site=[site.id for site in sites], quarter=quarters)

    initial = by_offer([initial_w(case, offer) / 1e6 for offer in offers])
    stands = [sum(initial_w(case, o) * s.facility_over_it for o in offers if o.site.id == s.id) / 1e6 for s in sites]
    inputs = PlanInputs(
        quarters=tuple(quarters),
        discount=xr.DataArray(discount, dims="quarter", coords={"quarter": quarters}),
        offer_site=by_offer([o.site.id for o in offers]),
        offer_pool=by_offer([o.pool for o in offers]),
        offer_system=by_offer([o.system.id for o in offers]),
        offer_vendor=by_offer([o.system.vendor for o in offers]),
        offer_contract=by_offer([o.offer.contract for o in offers]),
        with_building=by_offer([o.offer.contract == "cloud" or o.site.landlord == o.offer.provider for o in offers]),
        initial_mw=initial,
        add_max_mw=by_offer_quarter([_add_max(case, o) for o in offers]),
        stock_min_mw=by_offer_quarter([held_mw(case, o) for o in offers]),
        term_quarters=by_offer([term_quarters(case, o) for o in offers]),
        facility_over_it=by_offer([o.site.facility_over_it for o in offers]),
        packages_per_mw=by_offer([packages_per_w(o) * 1e6 for o in offers]),
        sites=tuple(site.id for site in sites),
        connection_mw=by_site_quarter([site.connection_w / 1e6 for site in sites]),
        energised_initial_mw=xr.DataArray(stands, dims="site", coords={"site": [site.id for site in sites]}),
        **_supply(case, ids, quarters),
        supply_from=_supply_from(case, by_offer_quarter),
        lane_pool=_lane_label([lane.pool for lane in lanes], lanes),
        lane_workload=_lane_label([lane.row.id for lane in lanes], lanes),
        rate=_rates(case, lanes, quarters),
        lane_offer=_lane_label([lane.offer.id if lane.alone else "" for lane in lanes], lanes),
        lanes=_lane_table(lanes),
        run_musd_per_mw=run_musd_per_mw(case, lanes),
        tariffs=tariffs(case),
        reserve_frac=reserve_frac(case),
        hours_frac=xr.DataArray(
            [b.hours / DAY_H for b in case.scenario.blocks], dims="block",
            coords={"block": [b.name for b in case.scenario.blocks]},
        ),
        demand=demand,
        work_scale=_by_class(classes, [1e18 if row.workload.kind == "training" else 1e6 for row in classes]),
        patience=_by_class(classes, [0 if is_steady(row) else _PATIENCE[row.workload.patience] for row in classes]),
        unmet_musd=_by_class_quarter(case, [_unmet(case, row) * class_level(case, row) for row in classes]),
        income_musd=_by_class_quarter(
            case, [price_usd_per_token(row) * QUARTER_S * class_level(case, row) for row in classes]
        ),
        delay_musd=_by_class_quarter(
            case,
            [DELAY_OVER_VALUE * _unmet(case, row) * class_level(case, row) * _waits_at_a_loss(row) for row in classes],
        ),
        **_gates(case, tier_share),
        **_gangs(case, ids, quarters),
        **_commitments(case, ids, quarters),
        rights=right_rows(case, ids),
        milestones=_milestones(case, by_offer),
        opening_cash_musd=funding.opening_cash.value / 1e6,
        inflow_musd=xr.DataArray(inflow_usd(case) / 1e6, dims="quarter", coords={"quarter": quarters}),
        credit_limit_musd=funding.credit.limit.value / 1e6 if funding.credit else 0.0,
        credit_rate=per_quarter(funding.credit.rate.value) if funding.credit else 0.0,
        credit_spread=_credit_spread(case),
        gap_musd=xr.DataArray(
            discount * per_quarter(funding.gap_premium.value), dims="quarter", coords={"quarter": quarters}
        ),
        service=service_inputs(case, lanes, demand),
        spares_mw=_spares_mw(case),
        pace=pace_of(case),
        steady=tuple(row.id for row in classes if is_steady(row)),
        terms=contract_terms(case),
    )  # fmt: skip
    return with_prices(case, with_leads(case, with_hosting(case, with_lumps(case, inputs))))


def with_prices(case: Case, d: PlanInputs) -> PlanInputs:
    """Inputs with the prices of the case."""
    return replace(d, rates=rates(case, d), ends=end_values(case, d))


def reserve_frac(case: Case) -> float:
    """Share of every pool that is kept free."""
    reserve, spares = case.scenario.policy.reserve, case.scenario.policy.spares
    return reserve.value if reserve else spares.share if spares else 0.0


def _add_max(case: Case, offer: OfferCase) -> Floats:
    most = offer.offer.most_per_quarter
    cap = most.value / 1e6 if most else np.inf
    quarters = np.asarray(case.quarters)
    open_to = ((quarters >= offer.first) & (quarters <= offer.last)).astype(np.float64)
    for place, late in places(case, late_deliveries(case, offer)):
        if late > 0:
            open_to = moved(open_to, [(place, late)], 0.0, gap=0.0)
        else:  # opens sooner and ends as it did
            open_to = np.array([open_to[q : q - late + 1].max() for q in range(len(open_to))])
    return np.where((open_to > 0.0) & ~failed(case, offer), cap, 0.0)


def _supply_from(case: Case, by_offer_quarter: Callable[[Any], xr.DataArray]) -> xr.DataArray | None:
    """(offer, quarter) place of the quarter whose supply an acceptance draws on; None where nothing is late."""
    late = [[step for step in places(case, late_deliveries(case, offer)) if step[1] > 0] for offer in case.offers]
    if not any(late):
        return None
    n = len(case.quarters)
    meant = [meant_for(n, order_lead(case, offer), steps) for offer, steps in zip(case.offers, late, strict=True)]
    lag = np.array([offer.lag for offer in case.offers], dtype=np.int64)
    return drawn_from(np.array(meant), lag, by_offer_quarter(np.zeros((len(late), n))))


def _supply(case: Case, ids: list[str], quarters: list[str]) -> dict[str, Any]:
    rows = case.scenario.supply
    names = [f"{row.vendor}:{'+'.join(row.systems)}" for row in rows]
    systems = [{case.catalog.system(name).id for name in row.systems} for row in rows]
    member = [[float(o.system.id in wanted) for o in case.offers] for wanted in systems]
    packages = []
    for row, wanted in zip(rows, systems, strict=True):
        mine = (late for o in case.offers if o.system.id in wanted for late in late_deliveries(case, o))
        sooner = min((late.quarters for late in mine), default=0)
        made = step_series(dated(row.packages_per_quarter), case.quarters)
        packages.append(moved(made, [(0, sooner)], 0.0) if sooner < 0 else made)
    return {
        "supply_member": labelled(member, supply=names, offer=ids),
        "supply_packages": labelled(packages, supply=names, quarter=quarters),
    }


def _spares_mw(case: Case) -> xr.DataArray | None:
    """IT MW of the units that stand by in each pool (pool); None where none do.

    Raises ScenarioError where they are all that a pool's sites can ever hold.
    """
    spares = case.scenario.policy.spares
    if spares is None or spares.units is None:
        return None
    found: dict[str, float] = {}
    for offer in case.offers:
        assert offer.system.it_power
        unit = offer.system.it_power.value
        if spares.of == "hall" and offer.site.use.hall:
            unit = offer.site.use.hall.value / offer.site.facility_over_it
        found[offer.pool] = max(found.get(offer.pool, 0.0), spares.units * unit)
    for pool, watts in found.items():
        mine = [offer for offer in case.offers if offer.pool == pool]
        sites = {o.site.id: o.site.connection_w.max() / o.site.facility_over_it for o in mine}
        if watts >= sum(sites.values()):
            raise ScenarioError(
                f"{case.scenario.where}: policy.spares: {spares.units} x {spares.of} are {pretty(watts, 'W')} of IT, "
                f"all that {' and '.join(sites)} can ever hold of {mine[0].system.id}; write fewer, or a share"
            )
    names = sorted(found)
    return labelled([found[name] / 1e6 for name in names], pool=names)


def _lane_label(values: list[Any], lanes: list[Lane]) -> xr.DataArray:
    return labelled(values, lane=[lane.label for lane in lanes])


def _lane_table(lanes: list[Lane]) -> Lanes:
    """What lanes are, for who reads a plan."""

    def limits(name: str) -> xr.DataArray:
        return _lane_label([getattr(lane.task, name, None) for lane in lanes], lanes).astype(float)

    return Lanes(
        system=_lane_label([lane.offer.system.id for lane in lanes], lanes),
        region=_lane_label([lane.offer.site.region for lane in lanes], lanes),
        users=_lane_label([lane.served.users for lane in lanes], lanes),
        speed=_lane_label([lane.served.speed for lane in lanes], lanes),
        ttft_s=limits("ttft_s"), tokens_per_s_user=limits("tokens_per_s_user"),
    )  # fmt: skip


def lane_rate(case: Case, lane: Lane) -> Floats:
    """Work done a watt at work in each quarter: token/s at the fleet's use, or FLOP/s, per W."""
    if isinstance(lane.point, TrainingPoint):
        return np.full(len(case.quarters), lane.point.flop_per_j)
    use = case.scenario.policy.fleet_use
    per_j = lane.point.output_tokens_per_j * (use.value if use else 1.0)
    return per_j * software_gain(case, lane.offer.system, lane.row, lane.point)


def _rates(case: Case, lanes: list[Lane], quarters: list[str]) -> xr.DataArray:
    rows = [lane_rate(case, lane) * (1e-12 if lane.row.workload.kind == "training" else 1.0) for lane in lanes]
    return labelled(rows, lane=[lane.label for lane in lanes], quarter=quarters)


def demand_rates(case: Case) -> tuple[xr.DataArray, dict[str, dict[str, float]]]:
    """((workload, block, quarter) Mwork/s, share of each class's demand by tier)."""
    shares: dict[str, dict[str, float]] = {}
    rows = []
    for item in case.classes:
        if isinstance(item.row, Trained):
            mean = asked_rate(case, item) / 1e18
        else:
            mean, shares[item.id] = _token_rate(case, item.row, item)
            mean = mean / 1e6 * (sum(marginals(item.row.curve)[0]) if item.row.curve else 1.0)
        mean = mean * demand_path(case, item.id)
        load = day_load(case, item)
        rows.append(load[:, None] * mean[None, :])
    blocks = [block.name for block in case.scenario.blocks]
    return labelled(rows, workload=[c.id for c in case.classes], block=blocks, quarter=case.labels), shares


def _token_rate(case: Case, row: Demanded, item: ClassCase) -> tuple[Floats, dict[str, float]]:
    if row.tokens_per_s:
        return series(dated(row.tokens_per_s), case.quarters), {}
    assert item.workload.output_tokens
    share = {tier.tier: tier.share.value for tier in case.scenario.demand.tiers}
    asked = {tier: fact.value for tier, fact in row.requests_per_user_day.items()}
    by_tier = tokens_per_s(users(case), share, asked, item.workload.output_tokens.value)
    total = np.sum(list(by_tier.values()), axis=0)
    growth = compound(row.growth.value * YEAR_S, case.quarters) if row.growth else 1.0
    whole = float(total.sum())
    return total * growth, {tier: float(part.sum()) / whole for tier, part in by_tier.items()}


def _by_class(classes: tuple[ClassCase, ...], values: Any) -> xr.DataArray:
    return labelled(values, workload=[c.id for c in classes])


def _by_class_quarter(case: Case, values: Any) -> xr.DataArray:
    return labelled(values, workload=[c.id for c in case.classes], quarter=case.labels)


def _unmet(case: Case, row: ClassCase) -> float:
    """Loss per Mwork/s unmet for a quarter, at the first quarter's prices [MUSD]."""
    if isinstance(row.row, Demanded) and row.row.curve:
        return price_usd_per_token(row) * QUARTER_S  # whom a price keeps away is not refused
    over = case.scenario.policy.unmet_over_value
    factor = over.value if over else 1.0
    if row.workload.kind == "training":
        return factor * (row.workload.value_per_flop or 0.0) * 1e18 * QUARTER_S / 1e6
    assert row.workload.value
    return factor * row.workload.value.value * QUARTER_S


def _waits_at_a_loss(row: ClassCase) -> float:
    """0 for a block of free spread, which loses nothing by being put off within its window, else 1."""
    return 0.0 if isinstance(row.row, Trained) and row.row.spread == "free" else 1.0


def _gates(case: Case, tier_share: dict[str, dict[str, float]]) -> dict[str, Any]:
    closed = np.zeros((len(case.classes), len(case.quarters)))
    loss = np.zeros_like(closed)
    for gate in case.scenario.policy.gating:
        index = [c.id for c in case.classes].index(gate.workload)
        share = sum(v for tier, v in tier_share.get(gate.workload, {}).items() if tier not in gate.open_to)
        until = np.asarray(case.quarters) < gate.until.value
        closed[index, until] = share
        row = case.classes[index]
        loss[index] = gate.lost_value.value * _unmet(case, row) * class_level(case, row)
    return {"gate_max_frac": _by_class_quarter(case, closed), "gate_musd": _by_class_quarter(case, loss)}


def _credit_spread(case: Case) -> float:
    """1 MUSD drawn at the end of a quarter and paid back with interest at the end of the next costs, at its draw,

    (1 + r) / (1 + d) - 1 = (r - d) / (1 + d),   r of the line and d of the plan, both per quarter
    """
    line, d = case.scenario.funding.credit, discount_rate(case)
    return max(0.0, per_quarter(line.rate.value) - d) / (1.0 + d) if line else 0.0


def _gangs(case: Case, ids: list[str], quarters: list[str]) -> dict[str, Any]:
    jobs = [c for c in case.classes if isinstance(c.row, Trained) and c.row.gang is not None]
    need, able = [], []
    for job in jobs:
        assert isinstance(job.row, Trained) and job.row.gang
        size = job.row.gang.value / 1e6
        running = training_rate(case, job.row) > 0
        need.append(np.where(running, size, 0.0))
        able.append([
            float(o.site.connection_w[running].max(initial=0.0) / 1e6 >= size * o.site.facility_over_it
                  and runs_on(o, case, job.id))
            for o in case.offers
        ])  # fmt: skip
    names = [job.id for job in jobs]
    return {
        "gang_workload": tuple(names),
        "gang_mw": labelled(need, gang=names, quarter=quarters),
        "gang_offer": labelled(able, gang=names, offer=ids),
    }


def _commitments(case: Case, ids: list[str], quarters: list[str]) -> dict[str, Any]:
    rows = case.scenario.commitments
    names = [row.id for row in rows]
    due = []
    for row in rows:
        late = [*withheld(case, row), lateness(case, "due", row.id)]
        due.append(lapse(case, row, step_series(later(dated(row.by), late), case.quarters) / 1e6))
    weight = [[commitment_weight(case, o, i) for o in case.offers] for i in range(len(rows))]
    return {
        "commitment_weight": labelled(weight, commitment=names, offer=ids),
        "commitment_mw": labelled(due, commitment=names, quarter=quarters),
    }


def right_rows(case: Case, ids: list[str]) -> tuple[RightRow, ...]:
    """Rights of a case that bind somebody within the horizon; ``ids`` name its offers in their order."""
    rows = []
    for right in case.scenario.rights:
        share = right.share.value if right.share else 0.0
        if right.kind == "exclusivity" or right.outcome == "exercised":
            share = 1.0
        if right.outcome == "declined":
            share = 0.0
        end = right.end.value if right.end else case.quarters[-1]
        for event in case.scenario.events:
            if event.id == right.ends_on and event.id in case.events_on and event.start:
                end = min(end, event.start.value - 1)
        window = [q for q in case.quarters if right.start.value <= q <= end]
        base = [float(o.offer.contract in right.contracts) for o in case.offers]
        held = [
            b * float(right.holder in (o.offer.provider, o.system.vendor))
            for b, o in zip(base, case.offers, strict=True)
        ]
        if right.kind == "non-exclusive" or share == 0.0 or not window:
            continue
        labels = tuple(map(str_quarter, window))
        rows.append(RightRow(
            id=right.id, kind=right.kind, share=share, quarters=labels,
            base=labelled(base, offer=ids), held=labelled(held, offer=ids),
        ))  # fmt: skip
    return tuple(rows)


def _milestones(case: Case, by_offer: Any) -> Milestones | None:
    terms, equity = case.scenario.funding.milestones, case.equity
    if terms is None or equity is None:
        return None
    basis = terms.counts_basis or equity.counts_basis
    counts = [
        (o.site.facility_over_it if basis == "facility" else 1.0)
        * float(o.system.vendor == equity.counts_vendor and o.offer.contract in terms.contracts)
        for o in case.offers
    ]
    signed = min(max(signed_late(case, int(terms.signed.value), terms.deal), case.quarters[0]), case.quarters[-1])
    label = case.labels[signed - case.quarters[0]]
    on_signing = terms.first_on_signing
    signing = equity.first_on_signing.value if equity.first_on_signing else equity.per_gw.value * 1e9
    return Milestones(
        per_gw_musd=equity.per_gw.value * 1e9 / 1e6,
        n_max=round(equity.cap.value / (equity.per_gw.value * 1e9)),
        whole=(terms.release or equity.release) == "whole-gigawatt",
        lag=max(1, quarters_of(equity.lag.value)),
        counts=by_offer(counts),
        signing_quarter=label if on_signing else None,
        signing_musd=signing / 1e6 if on_signing else 0.0,
        from_quarter=label,
    )
