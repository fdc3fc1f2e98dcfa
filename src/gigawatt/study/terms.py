"""Contracts of a case as arrays of the planner: MW, and MUSD of the quarter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import QUARTERS_A_YEAR, YEAR_S, quarters_of
from gigawatt.core.money import annuity_frac
from gigawatt.demand.growth import step_series
from gigawatt.plan.lateness import moved
from gigawatt.plan.terms import Late, Leases, Options, Takes, Terms, Warrants
from gigawatt.study.arrays import labelled
from gigawatt.study.change import counts_for, fails_from, late_deliveries, lateness, places
from gigawatt.study.economics import (
    behind_w,
    deposit_usd_per_w,
    discount_rate,
    guarantee_frac,
    lease_quarters,
    rents_usd_per_w,
    signed_rents,
    site_rents,
    term_quarters,
)
from gigawatt.study.resolve import Case, OfferCase, SiteCase, dated
from gigawatt.study.scenario import Commitment, Offer

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def contract_terms(case: Case) -> Terms:
    """What has been signed beyond price, rent and term."""
    ids = [offer.id for offer in case.offers]
    gone = np.array([failed(case, offer) for offer in case.offers])
    lags = [offer.offer.terms.acceptance_lag for offer in case.offers]
    tests = [quarters_of(lag.value) if lag else 0 for lag in lags]
    return Terms(
        takes=_takes(case),
        options=_options(case),
        leases=_leases(case),
        late=_late(case),
        warrants=_warrants(case),
        testing_quarters=labelled(tests, offer=ids) if any(tests) else None,
        survival_frac=_survival(case),
        failed=labelled(gone, offer=ids, quarter=case.labels) if gone.any() else None,
    )


# --- failing providers


def failed(case: Case, offer: OfferCase) -> Bools:
    """Quarters in which the offer's provider has failed."""
    start = fails_from(case, offer.offer.provider)
    return np.asarray(case.quarters) >= (np.inf if start is None else start)


def _stays_failed(case: Case, offer: OfferCase, after: int) -> Bools:
    """The same with ``after`` quarters more: a failure stays."""
    gone = failed(case, offer)
    return np.append(gone, np.full(after, gone[-1]))


def lapse(case: Case, row: Commitment, due: Floats) -> Floats:
    """What is still due of a commitment: nothing once all its providers have failed."""
    starts = [fails_from(case, name) for name in row.providers]
    dates = [start for start in starts if start is not None]
    if not dates or len(dates) < len(starts):
        return due
    return np.where(np.asarray(case.quarters) >= max(dates), 0.0, due)


# --- what stands, what counts


def initial_w(case: Case, offer: OfferCase) -> float:
    """What stands under an offer at the start [IT W]."""
    return sum(
        row.power.value for row in case.scenario.initial if (row.offer, row.site) == (offer.offer.id, offer.site.id)
    )


def commitment_weight(case: Case, offer: OfferCase, index: int) -> float:
    """Committed MW, on the commitment's basis, per IT MW accepted under an offer; 0 where it does not count."""
    row = case.scenario.commitments[index]
    if not counts_for(case, offer, row):
        return 0.0
    return offer.site.facility_over_it if row.basis == "facility" else 1.0


# --- rents


def held_mw(case: Case, offer: OfferCase, after: int = 0) -> Floats:
    """IT MW that stood at the start and are held until a quarter (quarter), with ``after`` quarters more."""
    quarters = case.quarters[0] + np.arange(len(case.quarters) + after)
    floor = np.zeros(len(quarters))
    for row in case.scenario.initial:
        if row.held_until and (row.offer, row.site) == (offer.offer.id, offer.site.id):
            floor += np.where(quarters <= row.held_until.value, row.power.value / 1e6, 0.0)
    return np.where(_stays_failed(case, offer, after), 0.0, floor)


def over_usd_per_w(case: Case, offer: OfferCase) -> Floats:
    """What a W signed in a quarter pays over the market's rent, while its term runs (signed, quarter) [USD]."""
    market = rents_usd_per_w(case, offer)
    begun, now = np.arange(len(market))[:, None], np.arange(len(market))[None, :]
    running = (now >= begun) & (now < begun + term_quarters(case, offer)) & ~failed(case, offer)[None, :]
    return np.where(running, market[:, None] - market[None, :], 0.0)


def held_over_usd(case: Case, offer: OfferCase) -> Floats:
    """What held stock of the start pays over the market's rent: it keeps the first quarter's (quarter) [USD]."""
    market = rents_usd_per_w(case, offer)
    return np.asarray(held_mw(case, offer) * 1e6 * (market[0] - market))


def charged_frac(case: Case, term: int, rest: int, market: float = 1.0) -> float:
    """Share charged of the rent of the last ``rest`` of ``term`` quarters; the other part is what its use is worth.

    What is left of a contract is worth what is left of a purchase: its present value when it began, by a straight line,
    as the salvage of what is bought; and not more than ``market``, the same capacity at the market's rents then, as a
    share of the rent owed. The scenario's ``rest_worth`` stands in place of both.

        worth = min(rest / term x A(term) / A(rest), market),   A(k) = (1 - (1+r)^-k) / r
    """
    if rest <= 0:
        return 0.0
    said = case.scenario.policy.rest_worth
    if said is not None:
        return 1.0 - said.value
    rate = discount_rate(case)
    line = rest / term * annuity_frac(rate, rest) / annuity_frac(rate, term)
    return 1.0 - min(1.0, line, market)


def _after(case: Case, rents: Floats) -> float:
    """Rents of the quarters that follow the horizon, discounted to the start."""
    n = len(case.quarters)
    return float((rents * (1.0 + discount_rate(case)) ** -np.arange(n + 1.0, n + 1 + len(rents))).sum())


def owed_usd_per_w(case: Case, offer: OfferCase) -> Floats:
    """Rent owed after the horizon by quarter of signing, discounted to the start (signed) [USD per IT W]."""
    market, term, n = rents_usd_per_w(case, offer), term_quarters(case, offer), len(case.quarters)
    if offer.offer.contract == "own" or failed(case, offer)[-1]:
        return np.zeros(n)
    return np.array([_after(case, np.full(max(0, u + term - n), market[u])) for u in range(n)])


def owed_share(case: Case, offer: OfferCase) -> Floats:
    """Share of ``owed_usd_per_w`` that is charged (signed)."""
    term, n = term_quarters(case, offer), len(case.quarters)
    market, shares = rents_usd_per_w(case, offer, term), np.zeros(n)
    for u in range(n):
        rest = max(0, u + term - n)
        owed = market[u] * rest
        there = _after(case, market[n : n + rest]) / _after(case, np.full(rest, market[u])) if owed > 0.0 else 1.0
        shares[u] = charged_frac(case, term, rest, there)
    return shares


def held_owed(case: Case, offer: OfferCase) -> tuple[float, float]:
    """Rent that held stock of the start owes after the horizon, and what of it is charged, discounted [USD].

    It counts as begun with the horizon.
    """
    last = max((row.held_until.value for row in case.scenario.initial if row.held_until), default=0)
    n = len(case.quarters)
    held = held_mw(case, offer, max(0, int(last) - case.quarters[-1]))[n:]
    rest, first = int((held > 0).sum()), rents_usd_per_w(case, offer, len(held))
    owed = _after(case, held * 1e6 * first[0])
    there = _after(case, held * 1e6 * first[n:]) / owed if owed > 0.0 else 1.0
    return owed, owed * charged_frac(case, n + rest, rest, there)


# --- takes, exits, options


def _member(case: Case, offers: list[Offer]) -> list[list[float]]:
    return [[float(row.offer.id == offer.id) for row in case.offers] for offer in offers]


def _one_of(case: Case, offer: Offer) -> OfferCase:
    return next(row for row in case.offers if row.offer.id == offer.id)


def _takes(case: Case) -> Takes | None:
    offers = [offer for offer in case.scenario.offers if offer.minimum_take]
    if not offers:
        return None
    n, last = len(case.quarters), max(int(take.end.value) for offer in offers for take in offer.minimum_take)
    after = max(0, last - case.quarters[-1])
    quarters = case.quarters[0] + np.arange(n + after)
    due = []
    for offer in offers:
        one, floor = _one_of(case, offer), np.zeros(n + after)
        for take in offer.minimum_take:
            age = quarters - take.start.value
            within = (age >= 0) & (quarters <= take.end.value)
            ramp = quarters_of(take.ramp.value) if take.ramp else 1
            floor[within] = (take.power.value / 1e6 * np.minimum(1.0, (age + 1) / max(ramp, 1)))[within]
        floor = np.where(_stays_failed(case, one, after), 0.0, _when_it_comes(case, offer, floor))
        held = sum((held_mw(case, row, after)[n:] for row in case.offers if row.offer.id == offer.id), np.zeros(after))
        due.append(np.append(floor[:n], np.maximum(0.0, floor[n:] - held)))
    names, ids = [offer.id for offer in offers], [offer.id for offer in case.offers]
    labels, whole = [f"+{k}" for k in range(1, after + 1)], np.array(due)
    return Takes(
        member=labelled(_member(case, offers), take=names, offer=ids),
        mw=labelled(whole[:, :n], take=names, quarter=case.labels),
        after_mw=labelled(whole[:, n:], take=names, after=labels) if after else None,
    )


def _named(case: Case, name: str) -> Offer:
    return next(offer for offer in case.scenario.offers if offer.id == name)


def take_rents(case: Case, name: str) -> Floats:
    """Rent of a W of an offer's minimum take that does not stand (quarter) [USD]; inf where it has to stand."""
    offer, quarters = _named(case, name), np.asarray(case.quarters)
    paid = np.zeros(len(quarters), dtype=bool)
    for take in offer.minimum_take:
        paid |= take.take_or_pay & (quarters >= take.start.value) & (quarters <= take.end.value)
    return np.where(paid, rents_usd_per_w(case, _one_of(case, offer)), np.inf)


def take_price_after(case: Case, name: str, after: int) -> Floats:
    """Rent of a W of a minimum take in the ``after`` quarters after the horizon, discounted to the start [USD]."""
    n = len(case.quarters)
    rents = rents_usd_per_w(case, _one_of(case, _named(case, name)), after)[n:]
    return np.asarray(rents * (1.0 + discount_rate(case)) ** -np.arange(n + 1.0, n + 1 + after))


def take_span(case: Case, name: str) -> tuple[int, int]:
    """(quarters from the first start of an offer's minimum takes to their last end, those after the horizon)."""
    rows = _named(case, name).minimum_take
    began, ends = min(take.start.value for take in rows), max(take.end.value for take in rows)
    return int(ends - began) + 1, int(ends) - case.quarters[-1]


def _when_it_comes(case: Case, offer: Offer, floor: Floats) -> Floats:
    """A minimum take (quarter) that waits for the latest of what is to stand under it, and is never more for that.

    Until it comes, the take is for what stood before.
    """
    rows = [row for row in case.offers if row.offer.id == offer.id]
    stood = sum(initial_w(case, row) for row in rows) / 1e6
    waits = [late for row in rows for late in (late_deliveries(case, row), lateness(case, "site", row.site.id))]
    waits += [
        lateness(case, "commitment", commitment.id) for commitment in case.scenario.commitments
        if any(counts_for(case, row, commitment) for row in rows)
    ]  # fmt: skip
    return np.asarray(np.min([floor, *(moved(floor, places(case, late), stood) for late in waits)], axis=0))


def exit_usd_per_w(case: Case, offer: OfferCase) -> Floats:
    """Fee for leaving a W before its term ends, inf where that cannot be (signed, quarter) [USD]."""
    rule, term, market = offer.offer.terms.exit, term_quarters(case, offer), rents_usd_per_w(case, offer)
    assert rule is not None
    begun, now = np.arange(len(market))[:, None], np.arange(len(market))[None, :]
    least = max(1, quarters_of(rule.after.value)) if rule.after else 1
    may = (now >= begun + least) & (now < begun + term)
    return np.where(may, rule.fee.value * market[:, None] * (begun + term - now), np.inf)


def _options(case: Case) -> Options | None:
    offers = [offer for offer in case.scenario.offers if offer.terms.option]
    if not offers:
        return None
    rules = [offer.terms.option for offer in offers if offer.terms.option]
    names, ids = [offer.id for offer in offers], [offer.id for offer in case.offers]
    return Options(
        member=labelled(_member(case, offers), option=names, offer=ids),
        firm_mw=labelled([rule.firm.value / 1e6 for rule in rules], option=names),
        most_mw=labelled([rule.power.value / 1e6 for rule in rules], option=names),
        notice=labelled([quarters_of(rule.notice.value) if rule.notice else 0 for rule in rules], option=names),
    )


# --- buildings


def _leases(case: Case) -> Leases | None:
    if not any(site.use.lease for site in case.sites):
        return None
    names = [site.id for site in case.sites]
    return Leases(
        due_mw=labelled([_due_w(case, site) / 1e6 for site in case.sites], site=names, quarter=case.labels),
        term_quarters=labelled([lease_quarters(case, site) for site in case.sites], site=names),
    )


def _steps_w(case: Case, site: SiteCase) -> Floats:
    """Facility W that each quarter's step of the connection brings, where they are paid for used or not (quarter)."""
    lease = site.use.lease
    paid = lease.take_or_pay.value if lease and lease.take_or_pay else 0.0
    return paid * np.diff(site.connection_w, prepend=0.0) if paid else np.zeros(len(case.quarters))


def _due_w(case: Case, site: SiteCase) -> Floats:
    """Facility W paid for whether used or not: each step of the connection for its term (quarter)."""
    begun = np.cumsum(_steps_w(case, site))
    term = lease_quarters(case, site)
    ended = np.concatenate([np.zeros(term), begun])[: len(begun)]
    return np.asarray(begun - ended)


def unused_usd_per_w(case: Case, site: SiteCase) -> Floats:
    """Rent of a facility W that is paid for and not in use, without the guarantor's fee (quarter) [USD].

    Mean over the steps of the connection whose term runs, each at the rent of its own date.
    """
    steps, signed = _steps_w(case, site), signed_rents(case, site)
    running = (steps[:, None] * (signed > 0.0)).sum(axis=0)
    return np.asarray(np.divide(steps @ signed, running, out=site_rents(case, site).copy(), where=running > 0.0))


def site_owed(case: Case, site: SiteCase) -> Floats:
    """Rent owed after the horizon for a facility W, by the quarter it was taken into use (quarter) [USD, discounted].

    What was in use before the horizon counts as leased from its first quarter.
    """
    n, term = len(case.quarters), lease_quarters(case, site)
    if site.use.lease is None:
        return np.zeros(n)
    rents = signed_rents(case, site, term) * (1.0 + guarantee_frac(site))
    return np.array([_after(case, rents[begun, n:]) for begun in range(n)])


def site_owed_share(case: Case, site: SiteCase) -> Floats:
    """Share of ``site_owed`` that is charged (quarter)."""
    n, term = len(case.quarters), lease_quarters(case, site)
    return np.array([charged_frac(case, term, begun + term - n) for begun in range(n)])


def unused_owed(case: Case, site: SiteCase) -> tuple[float, float]:
    """Rent owed after the horizon for a facility W paid for and not in use at its end, and the share charged [USD, 1].

    Means over the steps of the connection whose term has not ended by then; discounted.
    """
    n, term = len(case.quarters), lease_quarters(case, site)
    steps = np.where(np.arange(n) + term >= n, _steps_w(case, site), 0.0)
    owed = steps * site_owed(case, site)
    whole, due = float(steps.sum()), float(owed.sum())
    return (due / whole, float(owed @ site_owed_share(case, site)) / due) if due > 0.0 else (0.0, 0.0)


def returned_deposit_usd_per_w(case: Case, site: SiteCase) -> Floats:
    """Deposits that come back when their lease has ended, after the horizon, discounted to the start (quarter)."""
    lease, n = site.use.lease, len(case.quarters)
    if lease is None:
        return np.zeros(n)
    ends = np.maximum(np.arange(n) + quarters_of(lease.term.value), n)
    return np.asarray(deposit_usd_per_w(case, site) * (1.0 + discount_rate(case)) ** -(ends + 1.0))


# --- delays, warrants, cancellations, ageing


def _late(case: Case) -> Late | None:
    late = behind_w(case)
    rows, n = case.scenario.commitments, len(case.quarters)
    capped = {name: places(case, lateness(case, "commitment", name)) for name in late}
    begin = min((place for steps in capped.values() for place, _ in steps), default=0)
    most = np.full((len(rows), n), np.inf)
    for index, row in enumerate(rows):
        if capped.get(row.id):
            promised = step_series(dated(row.by), case.quarters)
            comes = promised - late[row.id] - (promised[begin - 1] if begin else 0.0)
            most[index] = np.where(late[row.id] > 0.0, comes / 1e6, np.inf)
    if np.isinf(most).all():
        return None
    return Late(most_mw=labelled(most, commitment=[row.id for row in rows], quarter=case.labels), start=begin)


def _warrants(case: Case) -> Warrants | None:
    rows = case.scenario.warrants
    if not rows:
        return None
    names, ids = [row.id for row in rows], [offer.id for offer in case.offers]
    weight = []
    for row in rows:
        mine = [float(offer.system.vendor == row.vendor) for offer in case.offers]
        basis = [offer.site.facility_over_it if row.basis == "facility" else 1.0 for offer in case.offers]
        weight.append([a * b for a, b in zip(mine, basis, strict=True)])
    steps = [row.step.value / 1e6 if row.step else np.nan for row in rows]
    whole = case.scenario.policy.lumps == "whole" and not np.isnan(steps).all()
    return Warrants(
        weight=labelled(weight, warrant=names, offer=ids),
        most_mw=labelled([row.over.value / 1e6 for row in rows], warrant=names),
        step_mw=labelled(steps, warrant=names) if whole else None,
    )


def _survival(case: Case) -> xr.DataArray | None:
    rates = {offer.id: offer.offer.terms.ageing for offer in case.offers}
    aged = {name: (1.0 - rate.value * YEAR_S) ** (1 / QUARTERS_A_YEAR) for name, rate in rates.items() if rate}
    return labelled(list(aged.values()), offer=list(aged)) if aged else None
