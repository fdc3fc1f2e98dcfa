"""Optimum to a labelled dataset in base units, every variable with its unit; duals are values, not signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.amounts import at_end, numbers
from gigawatt.plan.cashflow import released_cash
from gigawatt.plan.decisions import COLUMNS, Decisions
from gigawatt.plan.energy import offers_at_work
from gigawatt.plan.flows import What, ending, money
from gigawatt.plan.gangs import lane_offer
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import WORK, Column
from gigawatt.plan.signed import in_test
from gigawatt.plan.solve import LivePlan
from gigawatt.plan.worth import extra_musd, priced_out


def extract(plan: LivePlan) -> xr.Dataset:
    """Plan as an xarray Dataset with dims quarter, offer, site, lane, workload, block, pool, supply, commitment.

    IT power in W; facility power where the name says so; money in USD of the quarter; work in token/s or FLOP/s.
    What one more of each scarce thing is worth is asked of the solver: ``plan.scarcity``.
    """
    d = plan.inputs
    scale = d.work_scale
    data: dict[str, tuple[xr.DataArray, str, str]] = {}

    def put(name: str, values: xr.DataArray, unit: str, what: str) -> None:
        data[name] = (values, unit, what)

    for column in COLUMNS.values():
        if column.result and column in plan.model:
            put(column.result_name, _decided(plan, column), column.unit.base, column.text)
    add, stock = plan.value("add") * 1e6, plan.value("stock") * 1e6
    accepted = _accepted(add, stock, d.offer_contract == "own")
    put("accepted_facility_w", accepted * d.facility_over_it, "W",
        "cumulative facility power accepted since the start")  # fmt: skip
    put("in_use_facility_w", _in_use(plan) * 1e6, "W", "facility power in use; of a provider's site what stands there")
    put(
        "connection_w",
        d.connection_mw * 1e6,
        "W",
        "facility power energised by the connection; inf if not the buyer's",
    )
    put("initial_w", d.initial_mw * 1e6, "W", "IT power before the first quarter")
    put("work_w", offers_at_work(plan) * 1e6, "W", "IT power at work by offer, mean of the day")
    put("needed_w", needed_mw(plan) * 1e6, "W",
        "IT power the demand makes necessary: the busiest block, with the reserve")  # fmt: skip
    served, by_lane = (
        d.demand * 0.0,
        plan.value("assign") * d.rate * scale.sel(workload=d.lane_workload).drop_vars("workload"),
    )
    put("lane_served", by_lane, "token/s or FLOP/s", "work served by pool, class and block")
    if d.rate.sizes["lane"]:
        served = by_lane.groupby(d.lane_workload.rename("workload")).sum()
        served = served.reindex(workload=d.demand["workload"], fill_value=0.0)
    put("served", served, "token/s or FLOP/s", "work served")
    put("demand", d.demand * scale, "token/s or FLOP/s", "work asked for")
    if d.service is not None:
        extra = extra_musd(d, Decisions(plan.model, d))
        income = d.unmet_musd * 0.0 if extra is None else plan.amount(extra)
        put("extra_income_usd", income * 1e6, "USD", "income of the class beyond its first price")
        put("priced_out", priced_out(plan) * scale, "token/s or FLOP/s", "work unmet because its price keeps it away")
    _signed(plan, put)
    put("committed_w", d.commitment_mw * 1e6, "W", "cumulative capacity committed, on its own basis")
    put("accepted_committed_w", (accepted * d.commitment_weight).sum("offer"), "W",
        "cumulative capacity accepted towards each commitment, on its own basis")  # fmt: skip
    put("packages", stock * d.packages_per_mw / 1e6, "1", "packages that stand")
    put(
        "packages_accepted",
        accepted * d.packages_per_mw / 1e6,
        "1",
        "packages accepted since the start",
    )
    if Decisions.sold in plan.model:
        put("resale_usd", _resold(plan) * 1e6, "USD", "paid for systems that are sold on")
    owed = plan.value("gap") * 1e6
    found = owed.diff("quarter").reindex(quarter=owed["quarter"], fill_value=0.0)
    found[0] = owed[0]
    put("gap_usd", found.clip(min=0.0), "USD", "money still to be found in the quarter")
    put("gap_repaid_usd", (-found).clip(min=0.0), "USD", "of what was to be found, paid back in the quarter")
    put("gap_owed_usd", owed, "USD", "money still to be found that is owed at the end of the quarter")
    put("debt_usd", plan.value("debt") * 1e6, "USD", Decisions.debt.text)
    put("residual_usd", xr.DataArray(_at_the_end(plan, "salvage")), "USD",
        "worth of what stands at the end, in money of the last quarter")  # fmt: skip
    put("released_gw", _released(plan), "GW", "gigawatts released to milestone equity")
    paid = plan.value("cash") * 0.0
    if d.milestones is not None:
        paid = plan.amount(released_cash(d, Decisions(plan.model, d)))
    put("tranche_usd", paid * 1e6, "USD", "milestone equity paid in the quarter")
    if "demand_now" in plan.model.constraints:
        per_work = plan.dual("demand_now") / d.hours_frac
        put("marginal_cost", per_work, "MUSD per Mwork/s and quarter",
            "of serving one more unit in the block: a dual, one of several where plans tie")  # fmt: skip
    out = xr.Dataset(
        {name: values.assign_attrs(units=unit, long_name=what) for name, (values, unit, what) in data.items()}
    )
    out = out.assign_coords(lane_coords(d)).assign_coords(
        system=("offer", d.offer_system.values.astype(str)), vendor=("offer", d.offer_vendor.values.astype(str)),
        at_site=("offer", d.offer_site.values.astype(str)), contract=("offer", d.offer_contract.values.astype(str)),
        offer_pool=("offer", d.offer_pool.values.astype(str)),
    )  # fmt: skip
    out.attrs = {
        "objective_usd": plan.objective_musd * 1e6,
        "mip_gap": plan.mip_gap,
        "bound_usd": plan.bound_musd * 1e6,
        "n_variables": plan.model.n_columns,
        "n_constraints": plan.model.n_rows,
    }
    return out


def needed_mw(plan: LivePlan) -> xr.DataArray:
    """IT MW that the demand makes necessary (pool, quarter): the busiest block with the reserve, or with what stands
    by.
    """
    d, busy = plan.inputs, plan.value("busy")
    needed = busy / (1.0 - d.reserve_frac)
    if d.spares_mw is not None and Decisions.open in plan.model:
        held = busy + plan.value("open") * d.spares_mw
        needed = needed.where(needed > held, held)
    return needed


def lane_coords(d: PlanInputs) -> dict[str, tuple[str, npt.NDArray[Any]]]:
    """What lanes are, as coordinates of a plan: lane_pool, lane_workload, lane_offer, and what ``Lanes`` has."""
    found = {"pool": d.lane_pool.values.astype(str), "workload": d.lane_workload.values.astype(str)}
    found["offer"] = lane_offer(d)
    if d.lanes is not None:
        found |= {one.name: getattr(d.lanes, one.name).values for one in fields(d.lanes)}
    return {f"lane_{name}": ("lane", values) for name, values in found.items()}


def _decided(plan: LivePlan, column: Column) -> xr.DataArray:
    """A decision in base units. A dataset holds one list of each axis: of some offers it is over all, and an axis of
    some sites has a name of its own.
    """
    d, value = plan.inputs, plan.value(column.name)
    if column.unit is WORK:
        return value * d.work_scale
    if "offer" in value.dims and value.sizes["offer"] != d.offer_site.sizes["offer"]:
        value = value.reindex(offer=d.offer_site["offer"].values, fill_value=0.0)
    return (value.rename(site=column.sites) if column.sites else value) * column.unit.scale


def _in_use(plan: LivePlan) -> xr.DataArray:
    """Facility MW in use (site, quarter): taken and not given back, and of a provider's site what stands or is tested
    there, as nobody gives back what is not his.
    """
    d, order = plan.inputs, ("site", "quarter")
    x = Decisions(plan.model, d)
    in_use = plan.amount(x.in_use) + d.energised_initial_mw
    stands = plan.value("stock").transpose("offer", "quarter")
    if (tests := in_test(d, x)) is not None:
        stands = stands + plan.amount(tests)
    load = (stands * d.facility_over_it).groupby(d.offer_site.rename("site")).sum()
    bought = {str(site) for site in d.offer_site.values[d.offer_contract.values != "cloud"]}
    rented = [site for site in d.sites if site in load["site"].values and site not in bought]
    in_use.loc[{"site": rented}] = load.sel(site=rented).transpose(*order).values
    return in_use


def _at_the_end(plan: LivePlan, what: What) -> float:
    """Values at the end of the horizon, in money of the last quarter [USD]."""
    amount = plan.amount(at_end(plan.inputs, Decisions(plan.model, plan.inputs), what))
    return float(amount) * 1e6 / float(plan.inputs.discount[-1])


def _signed(plan: LivePlan, put: Callable[[str, xr.DataArray, str, str], None]) -> None:
    """What contracts opened and what was made of it."""
    d = plan.inputs
    if ending(d.ends, "owed"):
        owed, charged = _at_the_end(plan, "owed"), _at_the_end(plan, "charged")
        put("owed_after_usd", xr.DataArray(owed), "USD", "rents owed after the horizon, in money of the last quarter")
        put("rest_worth_usd", xr.DataArray(owed - charged), "USD", "what the use of what they pay for is worth then")
    if d.terms.warrants is not None:
        vested = money(ending(d.ends, "vested"), numbers(plan), "warrant", "quarter")
        put("vested_usd", vested / d.discount * 1e6, "USD", "worth of the shares that vest in the quarter")


def _resold(plan: LivePlan) -> xr.DataArray:
    """Paid for systems that are sold on (offer, quarter) [MUSD]."""
    rates = [rate for rate in plan.inputs.rates if rate.on in ("sold", "sold_initial")]
    paid = -money(rates, numbers(plan), "offer", "quarter")
    return paid.reindex(offer=plan.inputs.initial_mw["offer"].values, fill_value=0.0)


def _accepted(add: xr.DataArray, stock: xr.DataArray, owned: xr.DataArray) -> xr.DataArray:
    """IT power accepted since the start (offer, quarter): all that was bought, and of what is rented the most that
    stood at once, so that giving up and renting again counts once.
    """
    bought = add.cumsum("quarter")
    rented = np.maximum.accumulate(np.minimum(bought.values, stock.values), axis=1)
    return bought.where(owned, bought.copy(data=rented))


def _released(plan: LivePlan) -> xr.DataArray:
    terms = plan.inputs.milestones
    if terms is None:
        return plan.value("cash") * 0.0
    z = plan.value("z")
    return z.sum("tranche") if terms.whole else z
