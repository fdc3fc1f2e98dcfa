"""Contracts against the rest of the scenario and the catalogue: parties that exist, terms that can be kept."""

from __future__ import annotations

import difflib

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Provider
from gigawatt.core.calendar import QUARTERS_A_YEAR, YEAR_S
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty
from gigawatt.demand.growth import series
from gigawatt.study.contracts import RevenueShare
from gigawatt.study.scenario import Scenario


def check_contracts(scenario: Scenario, catalog: Catalog) -> None:
    """Raises CatalogError naming the key, what is wrong and what would be right."""
    _offers(scenario, catalog)
    providers = {offer.provider for offer in scenario.offers}
    parties = {entry.id for entry in catalog.all(Provider)} | providers
    vendors = {catalog.system(offer.system).vendor for offer in scenario.offers}
    for i, use in enumerate(scenario.sites):
        if use.lease and use.lease.guarantee:
            _party(f"sites[{i}].lease.guarantee.by", use.lease.guarantee.by, parties, scenario.buyer, "guarantor")
        if use.lease and use.lease.step_in:
            _among(f"sites[{i}].lease.step_in", use.lease.step_in, providers, "a provider")
        if use.lease and use.lease.escalator:
            _yearly(f"sites[{i}].lease.escalator", use.lease.escalator)
    for i, row in enumerate(scenario.commitments):
        others = [name for name in row.providers if name != scenario.buyer]
        if row.damages and not (row.vendor or len(others) == 1):
            raise CatalogError(f"commitments[{i}].damages: '{row.id}' needs a vendor or one provider that pays them")
        if row.cancel and not (row.vendor or len(others) == 1):
            raise CatalogError(f"commitments[{i}].cancel: '{row.id}' needs a vendor or one provider that is paid")
    _holders(scenario, catalog)
    for i, warrant in enumerate(scenario.warrants):
        _among(f"warrants[{i}].vendor", warrant.vendor, vendors, "a vendor of the offers")
        if warrant.deal:
            catalog.deal(warrant.deal, at=f"warrants[{i}].deal")
    if share := scenario.funding.revenue_share:
        _party("funding.revenue_share.to", share.to, parties, scenario.buyer, "partner")
        _shared(scenario, share)
    for i, event in enumerate(scenario.events):
        for name in event.fails:
            _among(f"events[{i}].fails", name, providers, "a provider")
        if event.fails and event.start is None:
            raise CatalogError(f"events[{i}]: '{event.id}' lets a provider fail: say from when, start: 2028Q1")


def _holders(scenario: Scenario, catalog: Catalog) -> None:
    """Whoever is to get new capacity offers some of it."""
    for i, right in enumerate(scenario.rights):
        if right.kind == "non-exclusive" or right.outcome == "declined" or (right.share and right.share.value == 0.0):
            continue
        asked = [offer for offer in scenario.offers if offer.contract in right.contracts]
        if not any(right.holder in (offer.provider, catalog.system(offer.system).vendor) for offer in asked):
            raise CatalogError(
                f"rights[{i}].holder: {right.holder} offers nothing under {' or '.join(right.contracts)}, so "
                f"'{right.id}' would keep the buyer from adding anything; give an offer of theirs, or drop the right"
            )


def _shared(scenario: Scenario, share: RevenueShare) -> None:
    where, sold = "funding.revenue_share", any(row.price or row.curve for row in scenario.demand.inference)
    if not (sold or scenario.funding.revenue):
        raise CatalogError(f"{where}: there is nothing to share; give funding.revenue, or a class a price")
    if sold and share.cap and (paid := _declared_share(scenario, share)) < share.cap.value:
        raise CatalogError(
            f"{where}.cap: declared revenue uses up {pretty(paid, 'USD')} of {share.cap.text}, and when token sales "
            "would use up the rest depends on the plan, which is not planned; drop the cap and end the share with until"
        )


def _declared_share(scenario: Scenario, share: RevenueShare) -> float:
    """What falls on declared revenue within the horizon, without a cap [USD]."""
    start, points = int(scenario.horizon.start.value), scenario.funding.revenue
    quarters = range(start, min(start + scenario.horizon.quarters, int(share.until.value) + 1))
    if not (points and quarters):
        return 0.0
    revenue = series([(int(row.quarter.value), row.value.value) for row in points], tuple(quarters))
    return share.share.value * float(revenue.sum()) / QUARTERS_A_YEAR


def _offers(scenario: Scenario, catalog: Catalog) -> None:
    for i, offer in enumerate(scenario.offers):
        terms, where = offer.terms, f"offers[{i}].terms"
        for key in ("rent_falls", "resale_falls", "ageing"):
            if fact := getattr(terms, key):
                _yearly(f"{where}.{key}", fact)
        if terms.saving and offer.price is None and catalog.system(offer.system).price is None:
            raise CatalogError(f"{where}.saving: the price of {offer.system} is not public; give one under price")
        if terms.option and terms.option.until.value < scenario.horizon.start.value:
            raise CatalogError(
                f"{where}.option.until: {terms.option.until.text} lies before the horizon; drop the option"
            )


def _yearly(where: str, fact: Fact) -> None:
    if fact.value * YEAR_S >= 1.0:
        raise CatalogError(f"{where}: {fact.text} is all of it within a year; write less than 100 %/yr")


def _among(where: str, name: str, known: set[str], what: str) -> None:
    if name not in known:
        raise CatalogError(f"{where}: '{name}' is not {what} of this scenario ({', '.join(sorted(known)) or 'none'})")


def _party(where: str, name: str, parties: set[str], buyer: str, role: str) -> None:
    if name == buyer:
        raise CatalogError(f"{where}: {name} is the buyer and cannot be its own {role}")
    if name not in parties:
        raise no_party(where, name, parties)


def no_party(where: str, name: str, parties: set[str]) -> CatalogError:
    """The error for a name that is none of the parties, with the nearest."""
    near = difflib.get_close_matches(name, sorted(parties), n=1)
    hint = f"did you mean {near[0]}?" if near else "'gigawatt show providers' lists the parties"
    return CatalogError(f"{where}: no party is called '{name}'; {hint}")
