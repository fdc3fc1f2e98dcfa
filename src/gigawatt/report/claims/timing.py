"""When: the first gigawatt, closing dates that slipped, needs that changed."""

from __future__ import annotations

import math
import re
from datetime import date

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Deal
from gigawatt.core.calendar import DAY_S, MONTH_S, str_quarter, year_and_number
from gigawatt.core.source import Fact
from gigawatt.demand.growth import step_series
from gigawatt.report.claims.again import event_rows
from gigawatt.report.claims.capacity import racks_per_w
from gigawatt.report.claims.model import SLACK, Asked, Band, Claim, If, Topic, at_least, at_most, band, merge
from gigawatt.report.claims.view import LETTER, View
from gigawatt.study.scenario import Event

FIRST_SYSTEM = "vr-nvl72"
REPLACED_BY = "openai-nvidia-vr-2026"
WEEKS = 2.0
"""Months up to which "coming weeks" stretches, and above which something came late."""


def first_gigawatt(view: View) -> list[Claim]:
    """GW at the promised date: accepted in the plan, energised and free at the sites, seen built, and deliverable."""
    topic = view.topic(
        "S0.11, S1.6, S3.9",
        unit="GW",
        statement="The first gigawatt runs in the second half of 2026",
        announced="1 GW, 2H 2026",
    )
    promise, deal = view.catalog.reference("first-gw-promise"), view.letter
    assert promise.power and promise.quarter
    due, asked = int(promise.quarter.range[2]), promise.power.value / 1e9
    if deal is None:
        return [topic.absent("deal with a first gigawatt")]
    if due not in view.case.quarters:
        return [topic.refuse(f"{str_quarter(due)} lies outside the horizon of this scenario")]
    at, label = view.case.quarters.index(due), str_quarter(due)
    accepted = float(view.accepted_gw[view.of_vendor(deal.seller), at].sum())
    free, seen = _free_gw(view, at), _free_gw(view, at, seen_only=True)
    least = at_least(asked * (1 - SLACK))
    rows = [
        _promised(view, topic, f"facility GW accepted by {label} in the plan", accepted, least),
        topic.row(f"energised by {label} less what stands there already, at the sites of the scenario", free, least,
                  If(text="the sites are energised on their announced dates", without=seen),
                  If(text=f"{asked - free:.2f} GW more are energised by then", then=asked)),
        topic.row("the same, of connections that were seen built", seen, least,
                  If(text=f"{asked - seen:.2f} GW more are energised by then", then=asked)),
    ]  # fmt: skip
    delivered = _delivered_gw(view, due)
    if delivered is not None:
        reading = f"{FIRST_SYSTEM} that can be delivered by {label}"
        rows.append(topic.given(reading, delivered, "what the vendor can deliver, by the scenario's rows of supply"))
    return rows + _first_quarter(view, due, asked)


def _promised(view: View, topic: Topic, reading: str, figure: float, asked: Asked) -> Claim:
    """A figure of the plan that a commitment of the scenario was written to reach: an input where it is reached.

    Where it is not, or where nothing in the scenario asks for it, the figure answers.
    """
    promise = view.catalog.reference("first-gw-promise")
    assert promise.power and promise.quarter
    at = view.case.quarters.index(int(promise.quarter.range[2]))
    if view.committed_gw[at] * 1e9 >= promise.power.value * (1 - SLACK) and asked.holds(figure):
        return topic.given(reading, figure, "a commitment of this scenario asks for that gigawatt by that date")
    return topic.row(reading, figure, asked)


def _first_quarter(view: View, due: int, gw: float) -> list[Claim]:
    """Quarters from the promised end of 2026 to the first gigawatt, to the first rack, and to availability."""
    topic = view.topic(
        "S0.11, S1.6, S3.9",
        unit=f"quarters after {str_quarter(due)}",
        statement="The first gigawatt runs in the second half of 2026",
        announced="1 GW, 2H 2026",
    )
    deal, in_time = view.letter, at_most(0.0)
    assert deal
    mine = view.accepted_gw[view.of_vendor(deal.seller)].sum(axis=0)
    rubin = view.accepted_gw[view.offers(lambda o: o.system.id == FIRST_SYSTEM)].sum(axis=0)
    rows = [
        _promised(view, topic, reading, _quarters_late(view, series >= level, due), in_time)
        for reading, series, level in (
            ("first gigawatt accepted in the plan", mine, gw * (1 - SLACK)),
            (f"first {FIRST_SYSTEM} accepted in the plan", rubin, 1e-3),
        )
    ]
    ready = view.catalog.system(FIRST_SYSTEM).first_available
    if ready:
        low, central, high = (value - due for value in ready.range)
        late = Band(low=low, central=central, high=high, sources=ready.source)
        rows.append(topic.row(f"availability of {FIRST_SYSTEM}", late, in_time))
    return rows


def _quarters_late(view: View, reached: npt.NDArray[np.bool_], due: int) -> float:
    """Quarters from ``due`` to the first that is reached; infinite where none is."""
    found = np.flatnonzero(reached)
    return float(view.case.quarters[int(found[0])] - due) if found.size else math.inf


def _free_gw(view: View, at: int, *, seen_only: bool = False) -> float:
    """GW energised at the buyer's sites by a quarter, less the stock they started with.

    seen_only: only catalogue rows of status "energised", without what a scenario assumes.
    """
    initial = view.plan["initial_w"].values * view.case.facility_over_it
    total = 0.0
    for site in view.case.sites:
        power = float(site.connection_w[at])
        if not math.isfinite(power):
            continue
        if seen_only:
            rows = site.entry.energised if site.entry and not site.use.connection else ()
            scale = site.facility_over_it if site.entry and site.entry.basis == "it" else 1.0
            power = max((row.power.value * scale for row in rows if row.status == "energised"), default=0.0)
        load = sum(float(initial[i]) for i, offer in enumerate(view.case.offers) if offer.site.id == site.id)
        total += max(0.0, power - load) / 1e9
    return total


def _delivered_gw(view: View, due: int) -> Band | None:
    """Facility GW of the first system that supply rows allow by a quarter; None without a row."""
    system = view.catalog.system(FIRST_SYSTEM)
    assert system.n_packages
    per_w = racks_per_w(system, view.case.costs.facility_over_it) * system.n_packages.value
    quarters = [q for q in view.case.quarters if q <= due]
    ready = max((o.first for o in view.case.offers if o.system.id == FIRST_SYSTEM), default=due)
    totals, keys, found = [0.0, 0.0, 0.0], [], False
    for row in view.case.scenario.supply:
        if FIRST_SYSTEM not in {view.catalog.system(name).id for name in row.systems}:
            continue
        found = True
        for end in range(3):
            points = [(int(p.quarter.value), p.value.range[end]) for p in row.packages_per_quarter]
            flow = step_series(points, quarters)
            totals[end] += float(sum(v for q, v in zip(quarters, flow, strict=True) if q >= min(ready, due)))
        keys += [key for p in row.packages_per_quarter for key in p.value.source]
    if not found:
        return None
    supply = Band(low=totals[0], central=totals[1], high=totals[2], sources=merge(keys))
    return supply / per_w * 1e-9


def months_between(first: Fact, second: Fact) -> Band:
    """Months between two dates; a date that names only a month or quarter is taken at its middle, +- half of it."""
    a, half_a = _day(first)
    b, half_b = _day(second)
    days, half = b - a, half_a + half_b
    month = MONTH_S / DAY_S
    return Band(
        low=max(0.0, days - half) / month,
        central=days / month,
        high=(days + half) / month,
        sources=merge(first.source, second.source),
    )


def _day(fact: Fact) -> tuple[float, float]:
    """(day since year 1, half of the span the date leaves open [days])."""
    text = fact.text.strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return float(date.fromisoformat(text).toordinal()), 0.0
    if match := re.fullmatch(r"(\d{4})-(\d{2})", text):
        return float(date(int(match[1]), int(match[2]), 15).toordinal()), 15.0
    year, number = year_and_number(int(fact.value))
    return float(date(year, 3 * number - 1, 15).toordinal()), 45.0


def slipped_months(view: View) -> Band:
    """Months from the letter to the deal that came in its place."""
    return months_between(view.catalog.deal(LETTER).signed, view.catalog.deal(REPLACED_BY).signed)


def slip(view: View) -> list[Claim]:
    """Months from the letter to the deal that came, and what the scenario's event assumes."""
    topic = view.topic("S4.8", unit="months")
    if not view.is_programme:
        return [topic.absent("letter of intent")]
    came: Deal = view.catalog.deal(REPLACED_BY)
    rows = [topic.row(f"from the letter to {came.name}", slipped_months(view), at_least(WEEKS))]
    closes = {row.id for row in view.case.scenario.commitments if row.deal == LETTER}
    for event in view.case.scenario.events:
        if event.delay and closes & set(event.delay_commitments):
            after = _signing(view)
            starts = f"; money starts in {after}" if after else ""
            assumed = band(event.delay, 1.0 / MONTH_S)
            reading = f"event {event.id}, {_switched(view, event)} in this run{starts}"
            rows.append(topic.given(reading, assumed, f"event {event.id}"))
            rows += event_rows(view, topic, event)
    return rows


def _switched(view: View, event: Event) -> str:
    return "switched on" if event.id in view.case.events_on else "switched off"


def _signing(view: View) -> str:
    """First quarter with milestone equity in the plan; empty without any."""
    paid = np.flatnonzero(view.plan["tranche_usd"].values > 0.5)
    return view.case.labels[int(paid[0])] if paid.size else ""


def changed_needs(view: View) -> list[Claim]:
    """Change of IT power at work for inference where an event scales demand, and what a plan made for it changes.

    The power is first order, a class keeps the systems it has: the event's own factors, so an input. The other rows
    come from planning again.
    """
    topic = view.topic("S4.10", unit="%", announced="1 source")
    events: list[Event] = [event for event in view.case.scenario.events if event.scale_demand]
    if not events:
        return [topic.absent("event that changes demand")]
    rows = []
    for event in events:
        start = int(event.start.value) if event.start else view.case.quarters[0]
        after = tuple(n for n, q in zip(view.case.labels, view.case.quarters, strict=True) if q >= start)
        if not after:
            continue
        on = event.id in view.case.events_on
        inference = view.work_w(after, task="inference")
        change = Band(low=0.0, central=0.0, high=0.0)
        for end in range(3):
            total = 0.0
            for name, factor in event.scale_demand.items():
                w, f = view.work_w(after, workload=name), factor.range[end]
                total += w * (1 - 1 / f) if on else w * (f - 1)
            before = inference - total if on else inference
            share = 100.0 * total / before if before > 0 else 0.0
            change = _with(change, end, share)
        keys = merge(*(factor.source for factor in event.scale_demand.values()))
        state = "on: as in this run" if on else "off: at this plan's power per class"
        reading = f"change of inference power by event {event.id}, {state}"
        rows.append(topic.given(reading, change, f"the factors of event {event.id}", sources=keys))
        rows += event_rows(view, topic, event, asks_need=True)
    return rows or [topic.absent("event within its horizon")]


def _with(value: Band, end: int, figure: float) -> Band:
    ends = [value.low, value.central, value.high]
    ends[end] = figure
    return Band(low=ends[0], central=ends[1], high=ends[2])
