"""Flows that contracts add to a plan's: rents by signing, what is paid for nothing, fees, premiums, damages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import QUARTER_S
from gigawatt.finance.ledger import Flow
from gigawatt.study.economics import (
    counterparty,
    damages_usd,
    deposit_usd_per_w,
    guarantee_frac,
    rents_usd_per_w,
    site_over,
    site_rents,
)
from gigawatt.study.resolve import Case, OfferCase, SiteCase
from gigawatt.study.terms import (
    exit_usd_per_w,
    held_over_usd,
    lease_deposit_usd_per_w,
    over_usd_per_w,
    unused_usd_per_w,
)

Floats = npt.NDArray[np.float64]


def each(case: Case, values: Floats, payer: str, payee: str, kind: str, memo: str) -> Iterator[Flow]:
    """A flow in each quarter in which there is one."""
    if payer == payee:
        return  # what a party does for itself is no flow between parties
    for label, usd in zip(case.labels, values, strict=True):
        if usd > 1e-2:
            yield Flow(quarter=label, payer=payer, payee=payee, kind=kind, usd=float(usd), memo=memo)


def rent_usd(case: Case, offer: OfferCase, plan: xr.Dataset) -> Floats:
    """Rent paid under an offer by quarter [USD]: the market's for all that stands, and for what is within its term the
    difference to the rent of its quarter of signing.
    """
    stock, add = plan["stock_w"].sel(offer=offer.id).values, plan["add_w"].sel(offer=offer.id).values
    within = np.broadcast_to(add[:, None], (len(add), len(add))) - _left(plan, offer).cumsum(axis=1)
    over = (within * over_usd_per_w(case, offer)).sum(axis=0)
    return np.asarray(stock * rents_usd_per_w(case, offer) + over + held_over_usd(case, offer))


def site_rent_usd(case: Case, site: SiteCase, plan: xr.Dataset) -> Floats:
    """Rent or upkeep of a building in use by quarter, without the guarantor's fee [USD]: what a new lease asks for all
    that is in use, and for what is within its term the difference to its own.
    """
    index = [row.id for row in case.sites].index(site.id)
    in_use, taken = plan["in_use_facility_w"].values[index], plan["energise_w"].values[index].copy()
    taken[0] += sum(
        float(watts) * offer.site.facility_over_it
        for watts, offer in zip(plan["initial_w"].values, case.offers, strict=True)
        if offer.site.id == site.id
    )
    return np.asarray(in_use * site_rents(case, site) + taken @ site_over(case, site))


def _left(plan: xr.Dataset, offer: OfferCase) -> Floats:
    """W given up before their term ends (signed, quarter)."""
    n = plan.sizes["quarter"]
    if "left_w" not in plan or not offer.offer.terms.exit:
        return np.zeros((n, n))
    return np.asarray(plan["left_w"].sel(offer=offer.id).transpose("signed", "quarter").values)


def contract_flows(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    """Flows of contracts beside rents of what stands and buildings in use."""
    yield from _offers(case, plan)
    yield from _sites(case, plan)
    yield from _commitments(case, plan)


def _offers(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer = case.scenario.buyer
    for offer in case.offers:
        if offer.offer.terms.exit:
            fees = exit_usd_per_w(case, offer)
            paid = (_left(plan, offer) * np.where(np.isfinite(fees), fees, 0.0)).sum(axis=0)
            yield from each(case, paid, buyer, offer.offer.provider, "exit-fee", offer.id)
    for offer in {row.offer.id: row for row in case.offers}.values():
        name, provider = offer.offer.id, offer.offer.provider
        if offer.offer.minimum_take and "short_w" in plan:
            paid = plan["short_w"].sel(take=name).values * rents_usd_per_w(case, offer)
            yield from each(case, paid, buyer, provider, "take-or-pay", name)
        if (option := offer.offer.terms.option) and "exercised_w" in plan:
            paid = plan["exercised_w"].sel(option=name).values * option.premium.value
            yield from each(case, paid, buyer, provider, "option-premium", name)


def _sites(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer = case.scenario.buyer
    for site in case.sites:
        if (lease := site.use.lease) is None:
            continue
        fee = guarantee_frac(site)
        unused = plan["unused_w"].sel(site=site.id).values if "unused_w" in plan else np.zeros(len(case.labels))
        unpaid = unused * unused_usd_per_w(case, site) / (1.0 + fee)
        yield from each(case, unpaid, buyer, site.landlord, "take-or-pay", site.id)
        deposits = plan["energise_w"].sel(site=site.id).values * deposit_usd_per_w(case, site)
        yield from each(case, deposits, buyer, site.landlord, "deposit", site.id)
        if "vacate_w" in plan:
            back = plan["vacate_w"].sel(site=site.id).values * lease_deposit_usd_per_w(case, site)
            yield from each(case, back, site.landlord, buyer, "deposit-return", site.id)
        if lease.guarantee:
            fees = (site_rent_usd(case, site, plan) + unpaid) * fee
            yield from each(case, fees, buyer, lease.guarantee.by, "guarantee-fee", site.id)


def _commitments(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer = case.scenario.buyer
    for row in case.scenario.commitments:
        if row.cancel and "cancelled_w" in plan:
            paid = plan["cancelled_w"].sel(commitment=row.id).values * row.cancel.fee.value
            payee = counterparty(case, row)
            yield from each(case, paid, buyer, payee, "cancellation", row.id)
        if not row.firm and row.penalty is not None and "late_w" in plan:
            paid = plan["late_w"].sel(commitment=row.id).values * row.penalty.value * QUARTER_S
            yield from each(case, paid, buyer, counterparty(case, row), "penalty", row.id)
    for (name, payer), received in damages_usd(case).items():
        yield from each(case, received, payer, buyer, "delay-damages", name)
