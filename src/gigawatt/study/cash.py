"""Plan to flows of money between the parties, in USD of the quarter: what the ledger books."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.money import per_quarter
from gigawatt.finance.ledger import Flow
from gigawatt.study.cash_contracts import contract_flows, each, rent_usd, site_rent_usd
from gigawatt.study.economics import (
    facility_cost,
    idle_energy_usd_per_w,
    revenue_share_usd,
    revenue_usd,
    sales_share_frac,
    site_capex,
    system_usd_per_w,
    upkeep_usd_per_w,
    work_energy_usd_per_w,
)
from gigawatt.study.money import flows_in_terms, price_level
from gigawatt.study.resolve import QUARTER_S, Case
from gigawatt.study.service import class_level, price_usd_per_token

Floats = npt.NDArray[np.float64]

NETWORK_VENDORS, BUILDERS, SERVICES = "network-vendors", "builders", "service-companies"
UTILITIES, CUSTOMERS, MARKETS = "utilities", "customers", "capital-markets"
SECONDARY = "secondary-market"


def flows(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    """Every flow of the programme, quarter by quarter, in the scenario's terms of money.

    Args:
        case: the case.
        plan: as extracted, its money in money of the quarter.
    """
    rows = (_capacity, _buildings, contract_flows, _fit_out, _income, _funding)
    yield from flows_in_terms(case, chain.from_iterable(row(case, plan) for row in rows))


def daily_mean(case: Case, values: xr.DataArray) -> xr.DataArray:
    """Mean over the day of something by block."""
    hours = xr.DataArray(
        [b.hours / 24.0 for b in case.scenario.blocks], dims="block", coords={"block": values["block"]}
    )
    return (values * hours).sum("block")


def _capacity(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer, rise = case.scenario.buyer, price_level(case, of="chips")
    for index, offer in enumerate(case.offers):
        add, stock = plan["add_w"].values[index], plan["stock_w"].values[index]
        systems = add * system_usd_per_w(offer) * rise
        yield from each(case, systems, buyer, offer.system.vendor, "systems", offer.id)
        network = systems * case.costs.network_over_system.value
        yield from each(case, network, buyer, NETWORK_VENDORS, "network", offer.id)
        yield from each(case, stock * upkeep_usd_per_w(case, offer), buyer, SERVICES, "maintenance", offer.id)
        work = plan["work_w"].values[index] * work_energy_usd_per_w(case, offer)
        energy = (stock * idle_energy_usd_per_w(case, offer) + work) * price_level(case, of="energy")
        yield from each(case, energy, buyer, UTILITIES, "energy", offer.id)
        if "resale_usd" in plan:
            yield from each(case, plan["resale_usd"].values[index], SECONDARY, buyer, "resale", offer.id)
        kind = "cloud-rent" if offer.offer.contract == "cloud" else "chip-rent"
        rent = rent_usd(case, offer, plan)
        yield from each(case, rent, buyer, offer.offer.provider, kind, offer.id)


def _buildings(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer, cost, rise = case.scenario.buyer, facility_cost(case), price_level(case, of="buildings")
    parts = {"shell": cost.shell_usd_per_w, "power": cost.power_usd_per_w, "cooling": cost.cooling_usd_per_w}
    for index, site in enumerate(case.sites):
        taken = plan["energise_w"].values[index] * rise
        whole = site_capex(case, site)
        for part, usd_per_w in parts.items():
            usd = taken * whole * usd_per_w / cost.capex_usd_per_w
            yield from each(case, usd, buyer, BUILDERS, part, site.id)
        if "opened" in plan and site.id in plan["opened_site"].values and site.use.opening:
            opened = np.diff(plan["opened"].sel(opened_site=site.id).values, prepend=0.0)
            yield from each(case, opened * site.use.opening.value * rise, buyer, BUILDERS, "site-opening", site.id)
        owned = site.use.tenure == "own"
        payee, kind = (SERVICES, "facility-upkeep") if owned else (site.landlord, "site-rent")
        yield from each(case, site_rent_usd(case, site, plan), buyer, payee, kind, site.id)


def _fit_out(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    rules = case.scenario.hosting
    if rules is None:
        return
    price = {row.id: row.fit.value if row.fit else 0.0 for row in rules.classes}
    price |= {f"{row.start}>{row.end}": row.cost.value for row in rules.retrofits}
    for name, dim in (("fit_w", "hosting"), ("retrofit_w", "retrofit")):
        for label in plan[dim].values if name in plan else ():
            watts = plan[name].sel({dim: label}).sum("hosting_site").values * price_level(case, of="buildings")
            yield from each(case, watts * price[str(label)], case.scenario.buyer, BUILDERS, "fit-out", str(label))


def _income(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer = case.scenario.buyer
    shared = revenue_share_usd(case)
    sales = revenue_usd(case) + shared
    yield from each(case, sales, CUSTOMERS, buyer, "sales", "revenue that pays for compute")
    if (terms := case.scenario.funding.revenue_share) is not None:
        yield from each(case, shared, buyer, terms.to, "revenue-share", terms.to)
    hours = np.array([block.hours / 24.0 for block in case.scenario.blocks])
    sold = np.zeros(len(case.quarters))
    for item in case.classes:
        price = price_usd_per_token(item)
        if price > 0.0:
            served = plan["served"].sel(workload=item.id).transpose("block", "quarter").values
            usd = (served * hours[:, None]).sum(axis=0) * price * QUARTER_S * class_level(case, item)
            if "extra_income_usd" in plan:
                usd = usd + plan["extra_income_usd"].sel(workload=item.id).values
            yield from each(case, usd, CUSTOMERS, buyer, "sales", item.id)
            sold += usd
    if terms is not None:
        yield from each(case, sold * sales_share_frac(case), buyer, terms.to, "revenue-share", "of token sales")


def _funding(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer, funding = case.scenario.buyer, case.scenario.funding
    for row in funding.rounds:
        index = int(row.quarter.value) - case.quarters[0]
        if index in range(len(case.quarters)):
            yield Flow(quarter=case.labels[index], payer=row.investor, payee=buyer, kind="equity",
                       usd=row.amount.value, memo=row.deal or "")  # fmt: skip
    if case.milestone_deal is not None:
        deal = case.milestone_deal
        yield from each(case, plan["tranche_usd"].values, deal.seller, buyer, "milestone-equity", deal.id)
    yield from each(case, plan["gap_usd"].values, MARKETS, buyer, "gap-financing", "still to be found")
    yield from each(case, plan["gap_repaid_usd"].values, buyer, MARKETS, "gap-repayment", "still to be found")
    if funding.credit is not None:
        debt = plan["debt_usd"].values
        change = np.diff(debt, prepend=0.0)
        owed = np.concatenate([[0.0], debt[:-1]])
        lender = funding.credit.lender
        yield from each(case, np.maximum(change, 0.0), lender, buyer, "debt-draw", "credit line")
        yield from each(case, np.maximum(-change, 0.0), buyer, lender, "debt-repayment", "credit line")
        yield from each(case, owed * per_quarter(funding.credit.rate.value), buyer, lender, "interest", "credit line")
