"""A plan small enough to solve by hand: two quarters, one site, one offer, one class, unless a test says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from gigawatt.plan.flows import EndValue, Rate, What
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.solve import LivePlan, open_plan, solve

QUARTERS = ("2027Q1", "2027Q2")


def by(dim: str, labels: list[str], values: Any) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, dtype=float), dims=dim, coords={dim: labels})


def grid(dim: str, labels: list[str], values: Any, quarters: tuple[str, ...] = QUARTERS) -> xr.DataArray:
    table = np.broadcast_to(np.asarray(values, dtype=float), (len(labels), len(quarters)))
    return xr.DataArray(table.copy(), dims=(dim, "quarter"), coords={dim: labels, "quarter": list(quarters)})


def text(dim: str, labels: list[str], values: list[str]) -> xr.DataArray:
    return xr.DataArray(values, dims=dim, coords={dim: labels})


RATES = {
    "capex_musd_per_mw": ("systems", "add"), "hold_musd_per_mw": ("maintenance", "stock"),
    "energise_musd_per_mw": ("shell", "energise"), "site_hold_musd_per_mw": ("site-rent", "in_use"),
    "commitment_penalty_musd": ("penalty", "late"),
}  # fmt: skip
ENDS = {
    "salvage_musd_per_mw": "kept", "site_salvage_musd_per_mw": "energise", "initial_salvage_musd_per_mw": "kept_initial"
}  # fmt: skip
"""What keys of ``tiny`` and ``priced`` price: kind and amount; of what stands at the end the amount."""


def rate(kind: str, on: str, musd: xr.DataArray) -> Rate:
    """A price; what a plan costs does not ask who is paid."""
    return Rate(kind=kind, on=on, musd=musd, party="someone", received=kind in ("resale", "deposit-return"))


def end(what: What, on: str, musd: xr.DataArray) -> EndValue:
    return EndValue(what=what, on=on, musd=musd)


def owed(on: str, musd: xr.DataArray) -> tuple[EndValue, EndValue]:
    """What contracts ask for after the horizon, all of it charged."""
    return end("owed", on, musd), end("charged", on, musd)


def priced(d: PlanInputs, **changes: Any) -> PlanInputs:
    """Inputs with other prices in place of all that is on their amounts, and with other fields."""
    new = [rate(*RATES[key], musd) for key, musd in changes.items() if key in RATES]
    new = [row for row in new if np.isfinite(row.musd).any()]  # a commitment that is firm has no penalty
    ends = [end("salvage", ENDS[key], musd) for key, musd in changes.items() if key in ENDS]
    rates = [*(row for row in d.rates if row.on not in {one.on for one in new}), *new, *changes.get("rates", ())]
    left = [*(row for row in d.ends if row.on not in {one.on for one in ends}), *ends, *changes.get("ends", ())]
    others = {key: value for key, value in changes.items() if key not in (*RATES, *ENDS, "rates", "ends")}
    return replace(d, rates=tuple(rates), ends=tuple(left), **others)


def tiny(
    offers: list[str] | None = None,
    quarters: tuple[str, ...] = QUARTERS,
    demand: Any = 10.0,
    **changes: Any,
) -> PlanInputs:
    """Offer "a": 2 MUSD/MW to buy, nothing to hold, 1 Mwork/s per MW; unmet work costs 100 per Mwork/s; no discount."""
    offers = offers or ["a"]
    lanes = [f"pool-{o}>work" for o in offers]

    def og(values: Any) -> xr.DataArray:
        return grid("offer", offers, values, quarters)

    def cg(values: Any) -> xr.DataArray:
        return grid("workload", ["work"], values, quarters)

    asked = xr.DataArray(
        np.broadcast_to(np.asarray(demand, dtype=float), (1, 1, len(quarters))).copy(),
        dims=("workload", "block", "quarter"),
        coords={"workload": ["work"], "block": ["day"], "quarter": list(quarters)},
    )
    none = {"supply": [], "gang": [], "commitment": []}
    empty = {name: np.empty((0, len(quarters))) for name in none}
    member = {name: np.empty((0, len(offers))) for name in none}

    def rows(name: str) -> xr.DataArray:
        return xr.DataArray(empty[name], dims=(name, "quarter"), coords={name: [], "quarter": list(quarters)})

    def links(name: str) -> xr.DataArray:
        return xr.DataArray(member[name], dims=(name, "offer"), coords={name: [], "offer": offers})

    base = PlanInputs(
        quarters=quarters,
        discount=by("quarter", list(quarters), np.ones(len(quarters))),
        offer_site=text("offer", offers, ["hall"] * len(offers)),
        offer_pool=text("offer", offers, [f"pool-{o}" for o in offers]),
        offer_system=text("offer", offers, [f"system-{o}" for o in offers]),
        offer_vendor=text("offer", offers, [f"vendor-{o}" for o in offers]),
        offer_contract=text("offer", offers, ["own"] * len(offers)),
        initial_mw=by("offer", offers, np.zeros(len(offers))),
        add_max_mw=og(np.inf),
        stock_min_mw=og(0.0),
        term_quarters=by("offer", offers, np.full(len(offers), 20)).astype(int),
        facility_over_it=by("offer", offers, np.full(len(offers), 1.25)),
        packages_per_mw=by("offer", offers, np.full(len(offers), 500.0)),
        sites=("hall",),
        connection_mw=grid("site", ["hall"], 100.0, quarters),
        energised_initial_mw=by("site", ["hall"], [0.0]),
        supply_member=links("supply"),
        supply_packages=rows("supply"),
        lane_pool=text("lane", lanes, [f"pool-{o}" for o in offers]),
        lane_workload=text("lane", lanes, ["work"] * len(offers)),
        rate=grid("lane", lanes, 1.0, quarters),
        run_musd_per_mw=by("lane", lanes, np.zeros(len(offers))),
        reserve_frac=0.0,
        hours_frac=by("block", ["day"], [1.0]),
        demand=asked,
        work_scale=by("workload", ["work"], [1e6]),
        patience=by("workload", ["work"], [0]).astype(int),
        unmet_musd=cg(100.0),
        income_musd=cg(0.0),
        delay_musd=cg(2.0),
        gate_max_frac=cg(0.0),
        gate_musd=cg(0.0),
        gang_workload=(),
        gang_mw=rows("gang"),
        gang_offer=links("gang"),
        commitment_weight=links("commitment"),
        commitment_mw=rows("commitment"),
        rights=(),
        milestones=None,
        opening_cash_musd=1e6,
        inflow_musd=by("quarter", list(quarters), np.zeros(len(quarters))),
        credit_limit_musd=0.0,
        credit_rate=0.0,
        credit_spread=0.0,
        gap_musd=by("quarter", list(quarters), np.full(len(quarters), 0.1)),
    )
    return priced(base, **{"capex_musd_per_mw": og(2.0)} | changes)


def solved(inputs: PlanInputs) -> LivePlan:
    return solve(open_plan(inputs), mip_gap=1e-6)
