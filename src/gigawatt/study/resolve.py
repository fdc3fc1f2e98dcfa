"""Scenario and catalogue to a Case: every name looked up, every default filled, every date on the horizon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Costs, Deal, Efficiency, Equity, Provider, Site, Software, System, Workload
from gigawatt.core.calendar import quarters_of, str_quarter
from gigawatt.core.errors import CatalogError, ScenarioError
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty
from gigawatt.demand.growth import series
from gigawatt.perf.point import ServingPoint, TrainingPoint, require_figures
from gigawatt.perf.search import Basis, basis_of
from gigawatt.perf.serving import serving_point
from gigawatt.perf.training import training_point
from gigawatt.study.change import Kept, Switched, apply, of_event
from gigawatt.study.contracts_check import check_contracts, no_party
from gigawatt.study.hosting import check_classes
from gigawatt.study.lanes import Served, check_served
from gigawatt.study.orders import check_needs
from gigawatt.study.scenario import Demanded, Offer, Scenario, SiteUse, Trained
from gigawatt.study.software import steps_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCase:
    """A site as the scenario uses it; power in facility W."""

    use: SiteUse
    entry: Site | None
    region: str
    landlord: str
    dated_w: tuple[tuple[int, float], ...]
    """(quarter, power energised from then on) as dated, before anything is late; none where it is unlimited"""
    connection_w: Floats
    """by quarter, with what is late (``change.connection_w``)"""
    facility_over_it: float
    annual_pue: float
    power_price_usd_per_j: float

    @property
    def id(self) -> str:
        """The site's identifier."""
        return self.use.site


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCase:
    """One offer at one site."""

    offer: Offer
    system: System
    site: SiteCase
    first: int
    last: int
    lead: int
    """quarters from order to delivery: the offer's own lead time, else the default of the costs"""

    @property
    def id(self) -> str:
        """Identifier of offer and site together; the offer's own where it names one site."""
        return self.offer.id if len(self.offer.sites) == 1 else f"{self.offer.id}@{self.site.id}"

    @property
    def lead_is_default(self) -> bool:
        """True where the offer says no lead time: a date of its order, no rule, unless the policy makes it one."""
        return self.offer.lead_time is None

    @property
    def lag(self) -> int:
        """Quarters of tests, from delivery to acceptance."""
        lag = self.offer.terms.acceptance_lag
        return quarters_of(lag.value) if lag else 0

    @property
    def pool(self) -> str:
        """Region and system whose capacity is interchangeable, kept apart where an offer serves some classes only."""
        tied = f"|{'+'.join(self.offer.only)}" if self.offer.only else ""
        return f"{self.site.region}|{self.system.id}{tied}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCase:
    """A class of demand with what the scenario overrides."""

    row: Demanded | Trained
    workload: Workload

    @property
    def id(self) -> str:
        """Name of the class in this run."""
        return (self.row.name or self.row.workload) if isinstance(self.row, Demanded) else self.row.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything looked up; still catalogue entries and facts, no arrays of the engines."""

    scenario: Scenario
    catalog: Catalog
    quarters: tuple[int, ...]
    costs: Costs
    efficiency: Efficiency
    basis: Basis
    sites: tuple[SiteCase, ...]
    offers: tuple[OfferCase, ...]
    classes: tuple[ClassCase, ...]
    software: tuple[Software, ...]
    serving: dict[tuple[str, str], ServingPoint]
    training: dict[tuple[str, str], TrainingPoint]
    milestone_deal: Deal | None
    equity: Equity | None
    events_on: tuple[str, ...]
    derated: Mapping[tuple[str, Served], float] = field(default_factory=dict)
    """factors on what a system yields for what is served, where a simulated fleet missed its objective"""
    made: tuple[Kept, ...] = ()
    """changes made to it beside its events: see ``study.change.apply``"""

    @property
    def changes(self) -> tuple[Kept, ...]:
        """What differs from the scenario as written: its events that are on, then what was changed beside them."""
        on = (event for event in self.scenario.events if event.id in self.events_on)
        return (*(change for event in on for change in of_event(event, self.quarters[0])), *self.made)

    @property
    def labels(self) -> tuple[str, ...]:
        """Quarters as people write them."""
        return tuple(str_quarter(q) for q in self.quarters)

    def at(self, quarter: str) -> int:
        """Place of a quarter as people write it. Raises ScenarioError where the plan does not have it."""
        if quarter not in self.labels:
            raise ScenarioError(f"{quarter} is not in the plan; it runs from {self.labels[0]} to {self.labels[-1]}")
        return self.labels.index(quarter)

    @property
    def facility_over_it(self) -> npt.NDArray[np.float64]:
        """(offer) facility W per IT W of what stands at the offer's site."""
        return np.array([offer.site.facility_over_it for offer in self.offers])


def dated(rows: Sequence[Any]) -> list[tuple[int, float]]:
    """(quarter, value) of a scenario's dated figures."""
    return [(int(row.quarter.value), row.value.value) for row in rows]


def resolve(scenario: Scenario, catalog: Catalog, events: Sequence[str] = ()) -> Case:
    """Case of a scenario with some events switched on. Raises ScenarioError or CatalogError with a sentence."""
    start = int(scenario.horizon.start.value)
    quarters = tuple(range(start, start + scenario.horizon.quarters))
    try:
        costs = catalog.costs(scenario.costs, at="costs")
        efficiency = catalog.efficiency(scenario.efficiency, at="efficiency")
        basis = _basis(catalog, scenario.costs, scenario.efficiency)
        sites = tuple(_site(i, use, catalog, costs) for i, use in enumerate(scenario.sites))
        offers = _offers(scenario, catalog, costs, {site.id: site for site in sites}, quarters)
        classes = _classes(scenario, catalog)
        software = steps_of(scenario.software, catalog, offers, classes)
        for index, name in enumerate(scenario.deals):
            catalog.deal(name, at=f"deals[{index}]")
        check_needs(scenario, costs)
        check_classes(scenario, catalog)
        _check_names(scenario, catalog, [row.id for row in classes])
        check_served(scenario, classes, sites)
        check_contracts(scenario, catalog)
        milestones = scenario.funding.milestones
        deal = catalog.deal(milestones.deal, at="funding.milestones.deal") if milestones else None
        serving, training = _performance(offers, classes, catalog, efficiency, basis)
    except CatalogError as error:
        raise ScenarioError(f"{scenario.where}: {error}") from error
    if deal is not None and deal.equity is None:
        raise ScenarioError(f"{scenario.where}: funding.milestones: the deal '{deal.id}' has no milestone equity")
    written = Case(
        scenario=scenario, catalog=catalog, quarters=quarters, costs=costs, efficiency=efficiency, basis=basis,
        sites=sites, offers=offers, classes=classes, software=software, serving=serving, training=training,
        milestone_deal=deal, equity=deal.equity if deal else None,
        events_on=tuple(event.id for event in scenario.events if event.on),
    )  # fmt: skip
    case = apply(written, (Switched(id=name, on=True) for name in events))
    _check_load(scenario, case.sites, quarters)
    _check_halls(scenario, case.sites)
    return case


def _site(index: int, use: SiteUse, catalog: Catalog, costs: Costs) -> SiteCase:
    try:
        entry: Site | None = catalog.site(use.site)
    except CatalogError:
        if use.region is None or not (use.connection or use.tenure == "provider"):
            raise CatalogError(
                f"sites[{index}]: '{use.site}' is not in the catalogue: a new site needs region and connection"
            ) from None
        entry = None
    overhead = _first(use.facility_over_it, entry.facility_over_it if entry else None, costs.facility_over_it)
    pue = _first(use.annual_pue, entry.annual_pue if entry else None, costs.annual_pue)
    price = _first(use.power_price, entry.power_price if entry else None, costs.power_price)
    if use.connection:
        points = dated(use.connection)
    elif entry is not None and entry.energised:
        scale = overhead.value if entry.basis == "it" else 1.0
        points = [(int(row.quarter.value), row.power.value * scale) for row in entry.energised]
    elif use.tenure == "provider":
        points = []
    else:
        known = "; ".join(f"{key}: {why}" for key, why in entry.unknown.items()) if entry else ""
        raise CatalogError(
            f"sites[{index}].connection: '{use.site}' has no energisation dates in the catalogue "
            f"({known or 'not public'}); add connection: [{{quarter, value}}] to it in the scenario"
        )
    return SiteCase(
        use=use, entry=entry, region=use.region or (entry.region if entry else "anywhere"),
        landlord=use.landlord or (entry.developer if entry and entry.developer else "landlord"),
        dated_w=tuple(points), connection_w=np.empty(0), facility_over_it=overhead.value, annual_pue=pue.value,
        power_price_usd_per_j=price.value,
    )  # fmt: skip


def _first(*facts: Fact | None) -> Fact:
    return next(fact for fact in facts if fact is not None)


def _offers(
    scenario: Scenario, catalog: Catalog, costs: Costs, sites: dict[str, SiteCase], quarters: tuple[int, ...]
) -> tuple[OfferCase, ...]:
    rows = []
    for index, offer in enumerate(scenario.offers):
        if offer.provider != scenario.buyer:
            catalog.provider(offer.provider, at=f"offers[{index}].provider")
        system = catalog.system(offer.system, at=f"offers[{index}].system")
        if system.status == "undisclosed":
            raise CatalogError(f"offers[{index}].system: {system.id} cannot be planned: {system.refusal}")
        if system.status == "withdrawn" and not scenario.as_announced:
            raise CatalogError(
                f"offers[{index}].system: {system.id} was withdrawn; set 'as_announced: true' to plan with it"
            )
        require_figures(system)
        if offer.contract == "own" and offer.price is None and system.price is None:
            raise CatalogError(f"offers[{index}].price: the price of {system.id} is not public; give one")
        ready = system.first_available.value if system.first_available else float(quarters[0])
        asked = offer.available.value if offer.available else ready
        lead = quarters_of((offer.lead_time or costs.system_lead_time).value)
        lag = quarters_of(offer.terms.acceptance_lag.value) if offer.terms.acceptance_lag else 0
        first = max(int(asked), quarters[0] + (lead if offer.lead_time else 0)) + lag
        last = int(offer.until.value) if offer.until else quarters[-1]
        if offer.until and offer.available and offer.until.value < offer.available.value:
            raise CatalogError(
                f"offers[{index}].until: '{offer.id}' ends in {offer.until.text}, before it is available in "
                f"{offer.available.text}"
            )
        rows += [
            OfferCase(offer=offer, system=system, site=sites[name], first=first, last=last, lead=lead)
            for name in offer.sites
        ]
    return tuple(rows)


def _classes(scenario: Scenario, catalog: Catalog) -> tuple[ClassCase, ...]:
    rows: list[ClassCase] = []
    tiers = {tier.tier for tier in scenario.demand.tiers}
    for index, row in enumerate(scenario.demand.inference):
        where = f"demand.inference[{index}]"
        workload = catalog.workload(row.workload, at=f"{where}.workload")
        if workload.kind != "inference":
            raise CatalogError(f"{where}: '{row.workload}' is a training workload; put it under demand.training")
        if row.requests_per_user_day and not scenario.demand.weekly_users:
            raise CatalogError(f"{where}: requests per user need demand.weekly_users")
        for tier in row.requests_per_user_day:
            if tier not in tiers:
                raise CatalogError(
                    f"{where}: '{tier}' is not among demand.tiers ({', '.join(sorted(tiers)) or 'none'})"
                )
        changes: dict[str, Any] = {}
        if row.model:
            changes["model"] = catalog.model(row.model, at=f"{where}.model").id
        if value := row.value or row.price or (row.curve.steps[0].price if row.curve else None):
            changes["value"] = value
        if row.speed and workload.slo:
            changes["slo"] = workload.slo.model_copy(update={"speed": row.speed})
        rows.append(ClassCase(row=row, workload=workload.model_copy(update=changes)))
    for index, job in enumerate(scenario.demand.training):
        workload = catalog.workload(job.workload, at=f"demand.training[{index}].workload")
        if workload.kind != "training":
            raise CatalogError(f"demand.training[{index}]: '{job.workload}' is an inference workload")
        rows.append(ClassCase(row=job, workload=workload))
    names = [row.id for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise CatalogError(f"demand: the class '{name}' stands {names.count(name)} times")
    for gate in scenario.policy.gating:
        if gate.workload not in names:
            raise CatalogError(f"policy.gating: '{gate.workload}' is not a class of this scenario ({', '.join(names)})")
    return tuple(rows)


def _parties(scenario: Scenario) -> Iterator[tuple[str, str]]:
    for i, use in enumerate(scenario.sites):
        if use.landlord:
            yield f"sites[{i}].landlord", use.landlord
    for i, right in enumerate(scenario.rights):
        yield f"rights[{i}].holder", right.holder
    for i, row in enumerate(scenario.funding.rounds):
        yield f"funding.rounds[{i}].investor", row.investor
    if scenario.funding.credit:
        yield "funding.credit.lender", scenario.funding.credit.lender
    for i, commitment in enumerate(scenario.commitments):
        if commitment.vendor:
            yield f"commitments[{i}].vendor", commitment.vendor


def _check_names(scenario: Scenario, catalog: Catalog, classes: list[str]) -> None:
    """Names that point elsewhere in the scenario do so, and parties are parties."""
    held = {entry.id for entry in catalog.all(Provider)}
    held |= {scenario.buyer} | {offer.provider for offer in scenario.offers}
    for where, party in _parties(scenario):
        acts = where.endswith((".holder", ".vendor"))
        if acts and party not in held:
            raise no_party(where, party, held)
        if party == scenario.buyer:
            raise CatalogError(f"{where}: {party} is the buyer and cannot be its own {where.rpartition('.')[2]}")
    for index, offer in enumerate(scenario.offers):
        if offer.provider == scenario.buyer and offer.contract != "own":
            raise CatalogError(f"offers[{index}].provider: {scenario.buyer} cannot rent from itself; contract: own")
        if offer.contract == "own" and catalog.system(offer.system).vendor == scenario.buyer:
            raise CatalogError(f"offers[{index}].system: {scenario.buyer} makes it and cannot buy it from itself")
    sites, commitments = {use.site for use in scenario.sites}, {row.id for row in scenario.commitments}

    def known(where: str, names: Iterable[str], among: Iterable[str], what: str) -> None:
        for name in names:
            if name not in set(among):
                raise CatalogError(f"{where}: '{name}' is not {what} of this scenario ({', '.join(among) or 'none'})")

    for index, offer in enumerate(scenario.offers):
        known(f"offers[{index}].only", offer.only, classes, "a class")
    for index, row in enumerate(scenario.supply):
        for name in row.systems:
            system = catalog.system(name, at=f"supply[{index}].systems")
            if system.vendor != row.vendor:
                raise CatalogError(f"supply[{index}]: {system.id} is made by {system.vendor}, not by {row.vendor}")
    for index, right in enumerate(scenario.rights):
        if right.ends_on:
            known(f"rights[{index}].ends_on", [right.ends_on], [event.id for event in scenario.events], "an event")
    tiered = {row.name or row.workload for row in scenario.demand.inference if row.requests_per_user_day}
    for index, gate in enumerate(scenario.policy.gating):
        known(f"policy.gating[{index}].open_to", gate.open_to, [tier.tier for tier in scenario.demand.tiers], "a tier")
        if gate.workload in classes and gate.workload not in tiered:
            raise CatalogError(
                f"policy.gating[{index}]: '{gate.workload}' has no tiers; ask for it by requests_per_user_day"
            )
    for index, event in enumerate(scenario.events):
        where = f"events[{index}]"
        known(f"{where}.scale_demand", event.scale_demand, classes, "a class")
        known(f"{where}.delay_sites", event.delay_sites, sorted(sites), "a site")
        known(f"{where}.delay_commitments", event.delay_commitments, sorted(commitments), "a commitment")
        if (event.delay_sites or event.delay_commitments) and event.delay is None:
            raise CatalogError(f"{where}: '{event.id}' delays something: say by how long, delay: 6 months")
    for index, commitment in enumerate(scenario.commitments):
        for name in commitment.systems:
            catalog.system(name, at=f"commitments[{index}].systems")
        if commitment.deal:
            catalog.deal(commitment.deal, at=f"commitments[{index}].deal")
        known(
            f"commitments[{index}].providers", commitment.providers, [o.provider for o in scenario.offers], "a provider"
        )


def _check_load(scenario: Scenario, sites: tuple[SiteCase, ...], quarters: tuple[int, ...]) -> None:
    """A site cannot start with more load than its connection carries."""
    for site in sites:
        load = sum(s.power.value for s in scenario.initial if s.site == site.id) * site.facility_over_it
        if load > site.connection_w[0] * (1 + 1e-9):
            raise ScenarioError(
                f"{scenario.where}: initial: '{site.id}' starts with {pretty(load, 'W')} of facility load "
                f"but is energised to {pretty(float(site.connection_w[0]), 'W')} in {str_quarter(quarters[0])}. "
                "Lower the stock or add an energisation date"
            )


def _check_halls(scenario: Scenario, sites: tuple[SiteCase, ...]) -> None:
    """A whole hall that the scenario gives a site fits its connection at its largest."""
    for index, site in enumerate(sites):
        points = dated(site.use.connection)
        if scenario.policy.lumps == "whole" and site.use.hall and points:
            most = max(value for _, value in points)
            if site.use.hall.value > most * (1 + 1e-9):
                raise ScenarioError(
                    f"{scenario.where}: sites[{index}].hall: a whole hall of {site.use.hall.text} never fits "
                    f"'{site.id}', energised to {pretty(most, 'W')} at its most; write a smaller hall, or "
                    "policy.lumps: relaxed"
                )


_BASES: dict[tuple[int, str, str], tuple[Catalog, Basis]] = {}  # searches are shared by the cases of a catalogue


def _basis(catalog: Catalog, costs: str, efficiency: str) -> Basis:
    key = (id(catalog), costs, efficiency)
    if key not in _BASES:
        while len(_BASES) >= 4:
            del _BASES[next(iter(_BASES))]
        _BASES[key] = (catalog, basis_of(catalog, costs=costs, efficiency=efficiency))
    return _BASES[key][1]


def _performance(
    offers: tuple[OfferCase, ...],
    classes: tuple[ClassCase, ...],
    catalog: Catalog,
    efficiency: Efficiency,
    basis: Basis,
) -> tuple[dict[tuple[str, str], ServingPoint], dict[tuple[str, str], TrainingPoint]]:
    serving: dict[tuple[str, str], ServingPoint] = {}
    training: dict[tuple[str, str], TrainingPoint] = {}
    systems = {row.system.id: row.system for row in offers}
    for row in classes:
        for name, system in systems.items():
            if row.workload.kind == "training":
                training[name, row.id] = training_point(system, row.workload, efficiency)
            else:
                assert row.workload.model
                model = catalog.model(row.workload.model)
                serving[name, row.id] = serving_point(system, row.workload, model, basis)
    return serving, training


def users(case: Case) -> Floats:
    """Weekly users in each quarter."""
    rows = case.scenario.demand.weekly_users
    return series(dated(rows), case.quarters) if rows else np.zeros(len(case.quarters))
