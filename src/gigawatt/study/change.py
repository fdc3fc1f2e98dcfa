"""What may change about a case, and the case after it.

    late = apply(case, (Late(kind="site", id="hall", quarters=2),))
    inputs = plan_inputs(late)

An event, an outcome of a tree, a date moved by ``why`` or ``worth``, a right left out, a price asked for, a horizon cut
and a coefficient found by simulation are all such changes: each means the same wherever it is said, because what the
engines read is built anew from the case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import quarters_of
from gigawatt.core.errors import ScenarioError
from gigawatt.core.source import Fact
from gigawatt.demand.growth import step_series
from gigawatt.plan.lateness import moved
from gigawatt.study.lanes import Served, served_of, speeds_of, users_of
from gigawatt.study.orders import connection_in_time_w

if TYPE_CHECKING:
    from gigawatt.study.resolve import Case, OfferCase, SiteCase
    from gigawatt.study.scenario import Commitment, Event

Floats = npt.NDArray[np.float64]

Priced = Literal["chips", "buildings", "rents", "energy", "tokens"]
PRICES: tuple[Priced, ...] = get_args(Priced)
"""What has prices that move.

chips: systems and their network where they are bought, and what the first fleet is worth and sold for. buildings:
shell, power and cooling where they are owned, openings, fit-outs and retrofits. rents: chips and cloud capacity signed
from then on; what is signed keeps its rent for its term. energy: every bill of it. tokens: what is sold by the token,
and what is lost where that goes unserved. What is bought is worth, at the end, a share of what was paid for it.
"""


Comes = Literal["site", "offer", "system", "commitment", "due", "software"]
LeftOut = Literal["right", "commitment", "take", "rule", "offer", "system"]
Held = Literal["right", "option"]
SettledAs = Literal["exercised", "declined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What was to come in a quarter from ``start`` on (all where None) comes ``quarters`` later; sooner if negative.

    site: its energised power, what its lease owes used or not, and minimum takes of offers there. offer, or all offers
    of a system: its deliveries and its minimum take; a vendor's supply does not shrink, and what comes draws on that of
    the quarter it was ordered for (sooner: the supply moves too); and the due dates of commitments that they count for,
    with damages. commitment: its due dates, what of it is delivered, damages, the signing of its deal, and minimum
    takes of offers that count for it. due: the due dates of a commitment alone. software: the date of a step.
    """

    kind: Comes
    id: str
    quarters: int
    start: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Prices of a kind (``PRICES``) times a path of factors from quarter ``start`` on, the last of which goes on."""

    of: Priced
    path: tuple[float, ...]
    start: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPrice:
    """The price or rent of an offer, at one site or at all of its own, at a share of what it is."""

    id: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Demand of a class times a path of factors from quarter ``start`` on, the last of which goes on."""

    id: str
    path: tuple[float, ...]
    start: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """A provider fails in a quarter: nothing of it stands from then on."""

    provider: str
    quarter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """The case without a right, a commitment, a minimum take (by its offer), a rule of policy (as where the scenario
    does not say it), or new capacity of an offer or a system.
    """

    kind: LeftOut
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A right or an option as its holder settles it."""

    kind: Held
    id: str
    outcome: SettledAs


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """The same start and so many quarters."""

    quarters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Derate:
    """Output of a system for what is served, a class at a speed to users of a region, times a factor."""

    system: str
    served: Served
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The multiplier of a software step."""

    id: str
    multiplier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """An event of the scenario switched on or off."""

    id: str
    on: bool


Change = Late | Price | OfferPrice | Demand | Fails | Without | Settled | Horizon | Derate | Gain | Switched
Kept = Late | Price | Demand | Fails
"""Changes that a case carries: what is built from it asks for them."""


def of_event(event: Event, first: int) -> Iterator[Kept]:
    """What an event changes; ``first`` is the first quarter of the horizon, and what a site has by then it keeps."""
    delay = quarters_of(event.delay.value) if event.delay else 0
    start = int(event.start.value) if event.start else None
    yield from (Late(kind="site", id=name, quarters=delay, start=first + 1) for name in event.delay_sites)
    yield from (Late(kind="commitment", id=name, quarters=delay) for name in event.delay_commitments)
    yield from (Demand(id=name, path=(by.value,), start=start) for name, by in event.scale_demand.items())
    if start is not None:
        yield from (Fails(provider=name, quarter=start) for name in event.fails)


# --- what a case says of its changes


def lateness(case: Case, kind: str, *names: str) -> list[Late]:
    """Lateness of something by one of its names, in the order in which it is learned."""
    found = [row for row in case.changes if isinstance(row, Late) and row.kind == kind and row.id in names]
    return sorted(found, key=lambda row: row.start or 0)


def places(case: Case, rows: Iterable[Late]) -> list[tuple[int, int]]:
    """(place of the first quarter concerned, quarters) of rows of lateness."""
    return [(max(0, (row.start or 0) - case.quarters[0]), row.quarters) for row in rows]


def late_deliveries(case: Case, offer: OfferCase) -> list[Late]:
    """Lateness of deliveries under an offer."""
    return lateness(case, "offer", offer.id, offer.offer.id) + lateness(case, "system", offer.system.id)


def counts_for(case: Case, offer: OfferCase, row: Commitment) -> bool:
    """Whether what is accepted under an offer counts for a commitment."""
    systems = {case.catalog.system(name).id for name in row.systems}
    of_vendor = not row.vendor or offer.system.vendor == row.vendor
    of_system = not systems or offer.system.id in systems
    return of_vendor and of_system and (not row.providers or offer.offer.provider in row.providers)


def withheld(case: Case, row: Commitment) -> list[list[Late]]:
    """Lateness of what a commitment's vendor or provider brings: its own, and that of each offer that counts for it."""
    offers = [late_deliveries(case, offer) for offer in case.offers if counts_for(case, offer, row)]
    return [late for late in (lateness(case, "commitment", row.id), *offers) if late]


def later(points: Iterable[tuple[int, float]], rows: Sequence[Sequence[Late]]) -> list[tuple[int, float]]:
    """Dated points, each as late as the latest of several rows of lateness."""
    return [(max([quarter, *(_later(quarter, row) for row in rows)]), value) for quarter, value in points]


def _later(quarter: int, rows: Sequence[Late]) -> int:
    for row in rows:
        if row.start is None or quarter >= row.start:
            quarter += row.quarters
    return quarter


def signed_late(case: Case, quarter: int, deal: str) -> int:
    """Quarter in which a deal is signed: as late as the latest of its commitments."""
    rows = [lateness(case, "commitment", row.id) for row in case.scenario.commitments if row.deal == deal]
    return later([(quarter, 0.0)], rows)[0][0]


def fails_from(case: Case, provider: str) -> int | None:
    """Quarter in which a provider has failed; None where it stands."""
    rows = (row.quarter for row in case.changes if isinstance(row, Fails) and row.provider == provider)
    return min(rows, default=None)


def price_path(case: Case, of: Priced, after: int = 0) -> Floats:
    """Factor on prices of a kind, by quarter of the horizon and ``after`` quarters more (quarter)."""
    return _path(case, [row for row in case.changes if isinstance(row, Price) and row.of == of], after)


def demand_path(case: Case, workload: str) -> Floats:
    """Factor on the demand of a class (quarter)."""
    return _path(case, [row for row in case.changes if isinstance(row, Demand) and row.id == workload])


def _path(case: Case, rows: Sequence[Price | Demand], after: int = 0) -> Floats:
    whole = np.ones(len(case.quarters) + after)
    for row in rows:
        since = np.arange(len(whole)) - (0 if row.start is None else row.start - case.quarters[0])
        whole *= np.where(since >= 0, np.array(row.path)[np.clip(since, 0, len(row.path) - 1)], 1.0)
    return whole


def connection_w(case: Case, site: SiteCase) -> Floats:
    """Facility power of a site that is energised in each quarter: its dates, what is late, who holds its lease, and
    what could be ordered in time where policy asks for that (quarter) [W].
    """
    power = step_series(site.dated_w, case.quarters) if site.dated_w else np.full(len(case.quarters), np.inf)
    stands = sum(row.power.value for row in case.scenario.initial if row.site == site.id) * site.facility_over_it
    power = moved(power, places(case, lateness(case, "site", site.id)), min(stands, float(power[0])))
    if site.use.lease and site.use.lease.step_in:
        taken_over = fails_from(case, site.use.lease.step_in)
        power = np.where(np.asarray(case.quarters) >= (taken_over or np.inf), power, 0.0)
    if case.scenario.policy.enforce_lead_times:
        power = connection_in_time_w(replace(site, connection_w=power), case.costs, case.quarters)
    return power


# --- the case after a change


def apply(case: Case, changes: Iterable[Change]) -> Case:
    """The case with changes made, one after the other. Raises ScenarioError where one names what the case has not."""
    for change in changes:
        _check(case, change)
        case = _changed(case, change)
    sites = {site.id: replace(site, connection_w=connection_w(case, site)) for site in case.sites}
    offers = tuple(replace(offer, site=sites[offer.site.id]) for offer in case.offers)
    return replace(case, sites=tuple(sites.values()), offers=offers)


def _check(case: Case, change: Change) -> None:
    where = case.scenario.where
    for what, name, known in _named(case, change):
        if name not in known:
            raise ScenarioError(f"{where}: no {what} '{name}'; this scenario has {', '.join(known) or 'none'}")
    for what, name, there in _written(change):
        if name not in there:
            raise ScenarioError(f"{where}: {type(change).__name__}: no {what} '{name}'; there is {', '.join(there)}")
    if said := _unfit(change):
        raise ScenarioError(f"{where}: {type(change).__name__}: {said}")


def _written(change: Change) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(what, name, names there are in any case) that a change gives."""
    match change:
        case Late():
            yield "kind", change.kind, get_args(Comes)
        case Without():
            yield "kind", change.kind, get_args(LeftOut)
        case Settled():
            yield "kind", change.kind, get_args(Held)
            yield "outcome", change.outcome, get_args(SettledAs)
        case Price():
            yield "price", change.of, PRICES


def _named(case: Case, change: Change) -> Iterator[tuple[str, str, Sequence[str]]]:
    """(what, name, names that the case has) of what a change is about."""
    known = _known(case)
    match change:
        case Late() | Without() | Settled():
            if change.kind in known:
                yield change.kind, change.id, known[change.kind]
        case OfferPrice():
            yield "offer", change.id, known["offer"]
        case Demand():
            yield "class", change.id, known["class"]
        case Gain():
            yield "software", change.id, known["software"]
        case Switched():
            yield "event", change.id, known["event"]
        case Fails():
            yield "provider", change.provider, known["provider"]
        case Derate():
            yield "system", change.system, known["system"]
            yield "class served", str(change.served), [str(served) for served in _served(case)]


def _known(case: Case) -> dict[str, list[str]]:
    scenario = case.scenario
    commitments, signed = [row.id for row in scenario.commitments], [offer.id for offer in scenario.offers]
    return {
        "site": [site.id for site in case.sites],
        "offer": list(dict.fromkeys([*signed, *(offer.id for offer in case.offers)])),
        "take": [offer.id for offer in scenario.offers if offer.minimum_take],
        "option": [offer.id for offer in scenario.offers if offer.terms.option],
        "commitment": commitments, "due": commitments, "rule": list(type(scenario.policy).model_fields),
        "system": sorted({offer.system.id for offer in case.offers}), "event": [row.id for row in scenario.events],
        "right": [right.id for right in scenario.rights], "software": [step.id for step in case.software],
        "class": [row.id for row in case.classes], "provider": sorted({offer.provider for offer in scenario.offers}),
    }  # fmt: skip


def _served(case: Case) -> Iterator[Served]:
    """Everything that is served by machines with an operating point that may be found worse."""
    for row in case.classes:
        if row.workload.kind == "inference":
            yield from (
                served_of(row, users, tier) for users in users_of(case, row) for tier in (None, *speeds_of(row))
            )


def _unfit(change: Change) -> str:
    """What is wrong with the numbers of a change, and what would be right."""
    match change:
        case Horizon() if change.quarters < 1:
            return f"{change.quarters} quarters; a horizon has one or more"
        case Price() | Demand() if not change.path:
            return "an empty path; give one factor or more"
        case Price() | Demand():
            factors = change.path
        case OfferPrice():
            factors = (change.share,)
        case Derate():
            factors = (change.factor,)
        case Gain():
            factors = (change.multiplier,)
        case Settled(kind="option", outcome="exercised"):
            return f"how much of the option of '{change.id}' is exercised is the plan's; it can be declined"
        case _:
            return ""
    wrong = next((factor for factor in factors if not 0.0 <= factor < np.inf), None)
    return "" if wrong is None else f"factor {wrong:g}; give a finite one, 0 or more"


def _changed(case: Case, change: Change) -> Case:
    match change:
        case Late(kind="software"):
            (date,) = (step.available for step in case.software if step.id == change.id)
            later = replace(date, value=date.value + change.quarters)
            return replace(case, software=_updated(case.software, change.id, {"available": later}))
        case Gain():
            (now,) = (step.multiplier for step in case.software if step.id == change.id)
            changed = {"multiplier": replace(now, value=change.multiplier)}
            return replace(case, software=_updated(case.software, change.id, changed))
        case Late() | Price() | Demand() | Fails():
            return replace(case, made=(*case.made, change))
        case OfferPrice():
            return _offers(case, change.id, lambda row: _priced(row, change.share))
        case Switched():
            on = {*case.events_on, change.id} if change.on else {*case.events_on} - {change.id}
            return replace(case, events_on=tuple(row.id for row in case.scenario.events if row.id in on))
        case Derate():
            of = change.system, change.served
            return replace(case, derated={**case.derated, of: case.derated.get(of, 1.0) * change.factor})
        case Horizon():
            return _cut(case, change.quarters)
        case Without():
            return _without(case, change)
        case Settled():
            return _settled(case, change)


def _offers(case: Case, name: str, changed: Callable[[OfferCase], OfferCase]) -> Case:
    """The case with an offer changed at one site, where that is named, or at all of its own."""
    rows = (changed(row) if name in (row.id, row.offer.id) else row for row in case.offers)
    return replace(case, offers=tuple(rows))


def _in_scenario(case: Case, **changed: Any) -> Case:
    """The case with fields of its scenario changed, and its offers as they stand there."""
    scenario = case.scenario.model_copy(update=changed)
    if "offers" not in changed:
        return replace(case, scenario=scenario)
    offers = {offer.id: offer for offer in scenario.offers}
    rows = (replace(row, offer=offers[row.offer.id]) for row in case.offers)
    return replace(case, scenario=scenario, offers=tuple(rows))


def _cut(case: Case, n: int) -> Case:
    quarters = tuple(range(case.quarters[0], case.quarters[0] + n))
    horizon = case.scenario.horizon.model_copy(update={"quarters": n})
    open_ended = [row.last == case.quarters[-1] and not row.offer.until for row in case.offers]
    rows = zip(case.offers, open_ended, strict=True)
    offers = tuple(replace(row, last=quarters[-1]) if is_open else row for row, is_open in rows)
    return replace(_in_scenario(case, horizon=horizon), quarters=quarters, offers=offers)


def _without(case: Case, change: Without) -> Case:
    scenario, name = case.scenario, change.id
    match change.kind:
        case "right":
            return _in_scenario(case, rights=tuple(row for row in scenario.rights if row.id != name))
        case "commitment":
            return _in_scenario(case, commitments=tuple(row for row in scenario.commitments if row.id != name))
        case "rule":
            unsaid = type(scenario.policy).model_fields[name].default
            return _in_scenario(case, policy=scenario.policy.model_copy(update={name: unsaid}))
        case "take":
            return _in_scenario(case, offers=_updated(scenario.offers, name, {"minimum_take": ()}))
        case "offer":
            return _offers(case, name, lambda row: _shut(case, row))
        case "system":
            shut = (_shut(case, row) if row.system.id == name else row for row in case.offers)
            return replace(case, offers=tuple(shut))


def _shut(case: Case, offer: OfferCase) -> OfferCase:
    return replace(offer, last=case.quarters[0] - 1)


def _settled(case: Case, change: Settled) -> Case:
    scenario, name = case.scenario, change.id
    if change.kind == "right":
        return _in_scenario(case, rights=_updated(scenario.rights, name, {"outcome": change.outcome}))
    terms = next(row.terms for row in scenario.offers if row.id == name)
    assert terms.option
    none = terms.option.model_copy(update={"power": replace(terms.option.power, value=0.0)})
    changed = {"terms": terms.model_copy(update={"option": none})}
    return _in_scenario(case, offers=_updated(scenario.offers, name, changed))


def _updated(rows: Iterable[Any], name: str, changed: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.model_copy(update=changed) if row.id == name else row for row in rows)


def _priced(offer: OfferCase, share: float) -> OfferCase:
    row, price = offer.offer, offer.offer.price or offer.system.price
    if row.contract == "own":
        return replace(offer, offer=row.model_copy(update={"price": _times(price, share)}))
    terms = row.terms
    if terms.saving is not None:
        saving = replace(terms.saving, value=1.0 - (1.0 - terms.saving.value) * share)
        terms = terms.model_copy(update={"saving": saving})
    rents = {"rent": _times(row.rent, share), "rent_per_package_hour": _times(row.rent_per_package_hour, share)}
    return replace(offer, offer=row.model_copy(update=rents | {"terms": terms}))


def _times(fact: Fact | None, share: float) -> Fact | None:
    return None if fact is None else replace(fact, value=fact.value * share)
