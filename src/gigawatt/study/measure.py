"""Figures of a run: capacity, money, cost of a token, from plan and ledger."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from gigawatt.core.calendar import QUARTER_S, QUARTERS_A_YEAR
from gigawatt.core.money import annuity_due_frac
from gigawatt.finance.ledger import CAPEX_KINDS, FUNDING_KINDS
from gigawatt.finance.metrics import circularity, irr, levelised
from gigawatt.finance.tranches import stakes
from gigawatt.study.cash import daily_mean
from gigawatt.study.economics import (
    capex_usd_per_w,
    discount_factors,
    guarantee_frac,
    hold_usd_per_w,
    level_rate,
    site_capex,
    site_hold,
    site_over,
    work_energy_usd_per_w,
)
from gigawatt.study.inputs import reserve_frac
from gigawatt.study.lanes import speeds_of
from gigawatt.study.money import deflator, price_level
from gigawatt.study.published import beside_published
from gigawatt.study.resolve import Case
from gigawatt.study.software import software_notes

Floats = npt.NDArray[np.float64]


def offer_cost_usd_per_w(case: Case) -> Floats:
    """Level cost of an IT W for a quarter, by offer [USD]: capex as an annuity, rents, upkeep, idling, building.

    At the first quarter's prices; a building as leased in it. Capex is paid at the end of the first quarter that it
    serves, with the first of the level payments, so that what is level over an economic life is what the books spend.
    """
    rate, level = level_rate(case), price_level(case)
    systems = annuity_due_frac(rate, case.costs.system_life.value / QUARTER_S)
    facility = annuity_due_frac(rate, case.costs.facility_life.value / QUARTER_S)
    rows = []
    for offer in case.offers:
        rents = site_hold(case, offer.site) + site_over(case, offer.site)[0] * (1.0 + guarantee_frac(offer.site))
        building = site_capex(case, offer.site) * facility + float((rents / level).mean())
        running = capex_usd_per_w(case, offer) * systems + float((hold_usd_per_w(case, offer) / level).mean())
        rows.append(running + building * offer.site.facility_over_it)
    return np.array(rows)


def pool_cost_usd_per_w(case: Case, plan: xr.Dataset) -> xr.DataArray:
    """Level cost of an IT W-quarter by pool, weighted by what stands (pool, quarter) [USD]."""
    cost = xr.DataArray(offer_cost_usd_per_w(case), dims="offer", coords={"offer": plan["offer"]})
    cost = cost.assign_coords(offer_pool=plan["offer_pool"])
    stock = plan["stock_w"]
    whole = (stock * cost).groupby("offer_pool").sum()
    stands = stock.groupby("offer_pool").sum()
    mean = cost.groupby("offer_pool").mean()
    return (whole / stands.where(stands > 1.0)).fillna(mean).rename(offer_pool="pool")


def class_cost_usd(case: Case, plan: xr.Dataset) -> xr.DataArray:
    """Cost of the capacity each class makes necessary (workload, quarter) [USD]."""
    cost = lane_cost_usd(case, plan)
    by_class: xr.DataArray = cost.groupby("lane_workload").sum().rename(lane_workload="workload")
    return by_class


def lane_cost_usd(case: Case, plan: xr.Dataset) -> xr.DataArray:
    """Cost of the capacity each lane makes necessary (lane, quarter) [USD].

    A pool's necessary capacity (its busiest block) is shared by energy of use, of a job with a gang by all that the
    gang holds; idle committed capacity is left out. Energy of work is that of the machines that did it.
    """
    use = daily_mean(case, plan["assign_w"]).transpose("lane", "quarter")
    takes = _taken_w(case, plan, use)
    pool = takes["lane_pool"]
    whole = takes.groupby("lane_pool").sum().rename(lane_pool="pool")
    per_w = (plan["needed_w"] * pool_cost_usd_per_w(case, plan) / whole.where(whole > 0)).fillna(0.0)
    price = per_w.sel(pool=pool.values).transpose("pool", "quarter").values
    cost: xr.DataArray = takes * price + use * _energy_usd_per_w(case, plan, use)
    return cost


def _taken_w(case: Case, plan: xr.Dataset, use: xr.DataArray) -> xr.DataArray:
    """IT W that each lane takes of its pool: at work, mean of the day; of a job with a gang all that the gang holds."""
    takes = use.copy(data=use.values.copy())
    for lane, offer in enumerate(plan["lane_offer"].values):
        if offer:
            mine = plan["reserved_w"].sel(gang=str(use["lane_workload"].values[lane]), offer=offer)
            takes[lane] = mine.values * (1.0 - reserve_frac(case))
    return takes


def _energy_usd_per_w(case: Case, plan: xr.Dataset, use: xr.DataArray) -> Floats:
    """Energy that work adds to idling by lane (lane, quarter) [USD per IT W at work], at first prices.

    A lane that works on one offer's machines pays its price, the others of a pool the mean of where they work.
    """
    price = {str(offer.id): work_energy_usd_per_w(case, offer) for offer in case.offers}
    work, found = plan["work_w"].transpose("offer", "quarter").values.copy(), np.zeros(use.shape)
    ids, own = [str(name) for name in plan["offer"].values], [str(name) for name in plan["lane_offer"].values]
    for lane, offer in enumerate(own):
        if offer:
            found[lane] = price[offer]
            work[ids.index(offer)] -= use.values[lane]
    rates = np.array([price[name] for name in ids])[:, None]
    pools, free = use["lane_pool"].values.astype(str), np.array([not offer for offer in own])
    for pool in sorted(set(pools.tolist())):
        at = plan["offer_pool"].values.astype(str) == pool
        here, usd = work[at].sum(axis=0), (work[at] * rates[at]).sum(axis=0)
        found[free & (pools == pool)] = np.divide(usd, here, out=np.zeros_like(usd), where=here > 1.0)
    return found


def cost_per_mtok_usd(case: Case, plan: xr.Dataset) -> dict[str, float]:
    """Level cost of a million output tokens by inference class over the horizon [USD]."""
    if not plan.sizes["lane"]:
        return {}
    cost, discount = class_cost_usd(case, plan), discount_factors(case) * price_level(case)
    served = daily_mean(case, plan["served"])
    found = {}
    for item in case.classes:
        if item.workload.kind != "inference" or item.id not in cost["workload"].values:
            continue
        tokens = served.sel(workload=item.id).values * QUARTER_S
        value = levelised(cost.sel(workload=item.id).values, tokens, discount) * 1e6
        if np.isfinite(value):
            found[item.id] = value
    return found


def needed_facility_w(case: Case, plan: xr.Dataset) -> xr.DataArray:
    """Facility W that demand makes necessary (quarter): of each pool at the mean overhead of what stands in it."""
    overhead = xr.DataArray(case.facility_over_it, dims="offer", coords={"offer": plan["offer"]})
    stock = plan["stock_w"].assign_coords(offer_pool=plan["offer_pool"])
    stands = stock.groupby("offer_pool").sum()
    whole = (stock * overhead).groupby("offer_pool").sum()
    mean = (whole / stands.where(stands > 0.0)).fillna(0.0).rename(offer_pool="pool")
    return (plan["needed_w"] * mean).sum("pool")


def summary(case: Case, plan: xr.Dataset, book: pd.DataFrame) -> dict[str, Any]:
    """The figures of a run that doors print; keys are stable."""
    labels, buyer = case.labels, case.scenario.buyer
    overhead = case.facility_over_it
    accepted = plan["accepted_facility_w"]
    stands_gw = (plan["stock_w"].values * overhead[:, None]).sum(axis=0) / 1e9
    vendors = sorted({offer.system.vendor for offer in case.offers})
    at_end = {v: float(accepted.values[plan["vendor"].values == v, -1].sum() / 1e9) for v in vendors}
    packages = plan["packages_accepted"].values[:, -1]
    dies = np.array([o.system.package.n_dies.value if o.system.package else 1.0 for o in case.offers])
    capex = {
        kind: float(book.loc[(book["kind"] == kind) & (book["payer"] == buyer), "usd"].sum()) for kind in CAPEX_KINDS
    }
    operating = book[~book["kind"].isin(FUNDING_KINDS)]
    net = np.array([
        operating.loc[(operating["quarter"] == q) & (operating["payee"] == buyer), "usd"].sum()
        - operating.loc[(operating["quarter"] == q) & (operating["payer"] == buyer), "usd"].sum()
        for q in labels
    ])  # fmt: skip
    stood = plan["initial_w"].values * overhead
    worth, owed = float(plan["residual_usd"]), float(plan.get("owed_after_usd", 0.0))
    use = float(plan.get("rest_worth_usd", 0.0))
    whole = net.copy()
    whole[-1] += worth + use - owed
    tranches = np.round(plan["tranche_usd"].values, 2)
    needed = needed_facility_w(case, plan).values / 1e9
    return {
        "scenario": case.scenario.name,
        "events": list(case.events_on),
        "objective_usd": float(plan.attrs["objective_usd"]),
        "gw_by_quarter": _series(labels, accepted.sum("offer").values / 1e9),
        "gw_by_vendor": at_end,
        "n_packages": float(packages.sum()),
        "n_dies": float((packages * dies).sum()),
        "initial_gw": float(stood.sum()) / 1e9,
        "stands_gw_by_quarter": _series(labels, stands_gw),
        "demand_driven_gw_by_quarter": _series(labels, np.minimum(needed, stands_gw)),
        "committed_idle_gw_by_quarter": _series(labels, np.maximum(stands_gw - needed, 0.0)),
        "capex_usd": float(sum(capex.values())),
        "capex_by_part_usd": capex,
        "tranches_usd": {q: float(v) for q, v in zip(labels, tranches, strict=True) if v > 0.5},
        "equity_sold_share": equity_sold(case, tranches),
        "gap_usd": float(plan["gap_usd"].sum()),
        "gap_peak_usd": float(plan["gap_owed_usd"].max()),
        "gap_owed_at_end_usd": float(plan["gap_owed_usd"][-1]),
        "residual_usd": worth,
        "owed_after_usd": owed,
        "rest_worth_usd": use,
        "vested_usd": float(plan["vested_usd"].sum()) if "vested_usd" in plan else 0.0,
        "npv_usd": float((discount_factors(case) / deflator(case) * whole).sum()),
        "irr_per_year": _yearly(float(irr(whole))),
        "circularity": [
            {
                "investor": c.investor,
                "invested_usd": c.invested_usd,
                "returned_usd": c.returned_usd,
                "share": c.share,
            }
            for c in circularity(book, buyer)
        ],
        "cost_per_mtok_usd": cost_per_mtok_usd(case, plan),
        "shadow_prices": shadow_prices(plan),
        "notes": software_notes(case),
        "low_latency_share": low_latency_share(case, plan),
        "unmet_share": unmet_share(case, plan),
        "demand": demand_rows(case, plan),
        "published": beside_published(case, _series(labels, stands_gw), float(stood.sum()) / 1e9),
    } | ({"speed_share": speeds} if (speeds := speed_share(case, plan)) else {})


def _series(labels: tuple[str, ...], values: Floats) -> dict[str, float]:
    return {label: round(float(value), 9) for label, value in zip(labels, values, strict=True)}


def _yearly(rate: float) -> float | None:
    return float((1.0 + rate) ** QUARTERS_A_YEAR - 1.0) if np.isfinite(rate) else None


def equity_sold(case: Case, tranches: Floats) -> float:
    """Share of the company sold to milestones and to rounds with a valuation (before the money), one after another."""
    kept = 1.0
    terms = case.scenario.funding.milestones
    if terms is not None and case.equity is not None:
        valuation = terms.valuation or case.equity.valuation
        kept *= 1.0 - float(stakes(tranches[tranches > 0.5], valuation.value).sum())
    for row in case.scenario.funding.rounds:
        if row.valuation is not None:
            kept *= row.valuation.value / (row.valuation.value + row.amount.value)
    return 1.0 - kept


def low_latency_share(case: Case, plan: xr.Dataset) -> float:
    """Share of inference IT power at work on SRAM machines in the last four quarters; 0 without inference."""
    kinds = {offer.system.id: offer.system.kind for offer in case.offers}
    training = {item.id for item in case.classes if item.workload.kind == "training"}
    used = daily_mean(case, plan["assign_w"]).isel(quarter=slice(-QUARTERS_A_YEAR, None)).sum("quarter")
    inference = np.array([str(w) not in training for w in used["lane_workload"].values], dtype=bool)
    sram = np.array([kinds[str(name)] == "sram" for name in used["lane_system"].values], dtype=bool)
    whole = float(used.values[inference].sum())
    return float(used.values[inference & sram].sum()) / whole if whole > 0 else 0.0


def speed_share(case: Case, plan: xr.Dataset) -> dict[str, dict[str, float]]:
    """Share of the tokens of the last four quarters served at each tier, by class with tiers; "0" is its own speed."""
    found: dict[str, dict[str, float]] = {}
    work = daily_mean(case, plan["lane_served"]).isel(quarter=slice(-QUARTERS_A_YEAR, None)).sum("quarter")
    for row in case.classes:
        if not speeds_of(row):
            continue
        speeds = (0.0, *(tier.speed.value for tier in speeds_of(row)))
        mine = work[(work["lane_workload"] == row.id).values]
        tokens = {f"{speed:g}": float(mine[(mine["lane_speed"] == speed).values].sum()) for speed in speeds}
        whole = sum(tokens.values())
        found[row.id] = {speed: value / whole if whole > 0 else 0.0 for speed, value in tokens.items()}
    return found


def unmet_share(case: Case, plan: xr.Dataset) -> float:
    """Value of what is not served over the value of all demand, over the horizon."""
    value = []
    for item in case.classes:
        per_work = item.workload.value.value if item.workload.value else item.workload.value_per_flop or 0.0
        value.append(per_work)
    weight = xr.DataArray(value, dims="workload", coords={"workload": plan["demand"]["workload"]})
    asked = float((daily_mean(case, plan["demand"]) * weight).sum())
    unmet = plan["unmet"] - plan["priced_out"] if "priced_out" in plan else plan["unmet"]
    missed = float((daily_mean(case, unmet) * weight).sum())
    return missed / asked if asked > 0 else 0.0


def demand_rows(case: Case, plan: xr.Dataset) -> list[dict[str, Any]]:
    """By class over the horizon: work asked for, served, gated, kept away by its price, and not served, with its unit.

    Asked for is what would be wanted at the lowest price of a demand curve at which revenue still rises; the parts add
    up to it. ``token`` counts
    output tokens.
    """
    parts = {"asked": "demand", "served": "served", "gated": "gated", "priced_out": "priced_out", "unmet": "unmet"}
    amounts = {
        key: daily_mean(case, plan[name]).sum("quarter") * QUARTER_S if name in plan else None
        for key, name in parts.items()
    }
    rows = []
    for item in case.classes:
        row = {key: 0.0 if each is None else float(each.sel(workload=item.id)) for key, each in amounts.items()}
        away = row.pop("unmet") - row["priced_out"]
        found = {"workload": item.id, "unit": "FLOP" if item.workload.kind == "training" else "token"}
        rows.append(found | row | {"not_served": max(0.0, away)})
    return rows


def shadow_prices(plan: xr.Dataset) -> list[dict[str, Any]]:
    """What one more of each scarce thing is worth, where it is worth most: at the start of the horizon, largest first.

    Rows of what, where, quarter, value, unit: differences of plans (``plan.scarcity``), whole gigawatts held as they
    are. A MW of connection is worth what it saves from that quarter until the next step of the schedule; a dollar is
    beyond the dollar itself.
    """
    rows = []
    kinds = (
        ("one more facility MW energised", "value_of_connection", "site", 1e6, "USD/MW"),
        ("one more package delivered", "value_of_package", "supply", 1.0, "USD"),
        ("one more dollar", "value_of_money", None, 1.0, "USD/USD"),
    )
    for what, name, dim, scale, unit in kinds:
        if name not in plan:
            continue
        values = plan[name] * scale
        for label in [None] if dim is None else values[dim].values:
            series = values if dim is None else values.sel({dim: label})
            best = int(np.nanargmax(series.values))
            value = float(series.values[best])
            if value > (1e-6 if dim is None else 1.0):
                quarter = str(series["quarter"].values[best])
                rows.append({"what": what, "where": "" if label is None else str(label), "quarter": quarter,
                             "value": value, "unit": unit})  # fmt: skip
    return sorted(rows, key=lambda row: (row["what"], -float(str(row["value"]))))
