"""What may happen, as a scenario declares it or by default: the outcomes of each branch of its tree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np

from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import ScenarioError
from gigawatt.core.source import Fact
from gigawatt.plan.tree import Branch, Outcome, Tree
from gigawatt.study.change import (
    PRICES,
    Demand,
    Kept,
    Late,
    Price,
    Priced,
    apply,
    counts_for,
    lates,
    offer_lates,
)
from gigawatt.study.inputs import demand_rates, plan_inputs
from gigawatt.study.orders import LEAD_QUARTERS, lead_quarters, order_lead
from gigawatt.study.resolve import QUARTER_S, Case, OfferCase
from gigawatt.study.scenario import Demanded, Trained
from gigawatt.study.uncertainty import State, Uncertainty

Row = TypeVar("Row")

LATE_FRAC, LATE_QUARTERS = 0.4, 2
"""Judgement: chance at each branch that deliveries and power come late, and by how much where no event says."""
HIGH_FRAC, HIGH, LOW = 0.5, 1.25, 0.8
"""Judgement: chance of high demand at each branch, and its factors where no figure of demand has a range."""
RANGE_SIGMAS = 1.645
"""A stated range holds nine cases in ten: it reaches this many standard deviations of the logarithm each way."""
SCARCE = (Price(of="rents", path=(1.2,)), Price(of="chips", path=(1.1,)))
AMPLE = (Price(of="rents", path=(0.8,)), Price(of="chips", path=(0.9,)))
"""Judgement: what high and low demand do to rents and to the price of systems at each branch; their means are 1. A
year's rent of an H100 rose from 1.70 to 2.35 USD an hour between October 2025 and March 2026 (SemiAnalysis), by 38 %
as demand did: half of that. Prices stated for a rack of one generation lie within 10 to 40 % of each other."""
TIGHT, EASY = (Price(of="energy", path=(1.15,)),), (Price(of="energy", path=(0.9,)),)
"""Judgement: energy where power comes late and where it comes on time; the mean is 1 at 40 and 60 %. Prices of 0.05 to
0.09 USD/kWh around 0.07 as nine cases in ten give a standard deviation of 11 % at each of two branches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """What comes late by default: quarters, sites, systems and commitments, and a sentence where it needs one."""

    quarters: int
    sites: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    commitments: tuple[str, ...] = ()
    note: str = ""


def tree_of(case: Case, branches: Sequence[str] = ()) -> Tree:
    """The tree a scenario declares, or the default one. Raises ScenarioError with a sentence."""
    said = case.scenario.uncertainty or Uncertainty()
    quarters = branches_of(case, branches)
    spread = 1.0 / (RANGE_SIGMAS * math.sqrt(len(quarters)))
    if said.factors:
        for factor in said.factors:
            _check(case, factor.states)
        factors = []
        for factor in said.factors:
            total = sum(state.probability.value for state in factor.states)
            likely = [state for state in factor.states if state.probability.value > 0.0]
            factors.append([_outcome(case, state, spread, total) for state in likely])
    else:
        factors = _default_factors(case, quarters[0], spread)
    outcomes = tuple(_both(case, combination) for combination in itertools.product(*factors))
    lead = {
        "add": np.array([order_lead(case, offer) for offer in case.offers], dtype=np.int64),
        "energise": np.full(len(case.sites), _quarters(said.building_lead, LEAD_QUARTERS), dtype=np.int64),
    }
    try:
        rows = tuple(Branch(quarter=quarter, outcomes=outcomes) for quarter in quarters)
        return Tree(
            inputs=plan_inputs(case), branches=rows, lead=lead, at=lambda taken: plan_inputs(case_at(case, taken)),
            mean=lambda outcomes: _mean(case, outcomes),
        )  # fmt: skip
    except ValueError as error:
        raise ScenarioError(f"{case.scenario.where}: uncertainty: {error}") from error


def case_at(case: Case, taken: Sequence[tuple[int, Outcome]]) -> Case:
    """The case in which outcomes came true, each from the quarter at its place on."""
    return apply(case, (_from(case, place, change) for place, outcome in taken for change in outcome.brings))


def _from(case: Case, place: int, change: Kept) -> Kept:
    start = case.quarters[place]
    if isinstance(change, Demand):  # of a tree: by quarter of the horizon
        return replace(change, start=start, path=change.path[place:])
    assert isinstance(change, Late | Price)
    return replace(change, start=start)


def branches_of(case: Case, asked: Sequence[str] = ()) -> list[str]:
    """Quarters of the branches: those asked for, else the scenario's, else the default ones."""
    said = case.scenario.uncertainty or Uncertainty()
    return list(asked) or [str_quarter(int(date.value)) for date in said.branches] or _default_branches(case)


def notes_of(case: Case, tree: Tree) -> tuple[str, ...]:
    """Sentences on what a tree of the case does not say by itself: lateness that moves nothing, states left out."""
    said = case.scenario.uncertainty or Uncertainty()
    found = [
        f"'{state.name}' of '{factor.name}' has probability 0 and is left out"
        for factor in said.factors for state in factor.states if state.probability.value == 0.0
    ]  # fmt: skip
    if not said.factors and (note := default_lateness(case, tree.branches[0].quarter).note):
        found.append(note)
    sold = any(bool((tree.inputs.income_musd.sel(workload=row.id) > 0).any()) for row in case.classes)
    if any(prices_of(o)["tokens"] != 1.0 for branch in tree.branches for o in branch.outcomes) and not sold:
        found.append("token prices move nothing: no class of this scenario is sold by the token")
    return tuple(found)


def _quarters(fact: Fact | None, default: int) -> int:
    return math.ceil(fact.value / QUARTER_S - 1e-9) if fact else default


def _default_branches(case: Case) -> list[str]:
    """After one year and after two; earlier where the horizon is short."""
    n = len(case.quarters)
    return list(dict.fromkeys(case.labels[max(1, min(4 * k, k * n // 3))] for k in (1, 2)))


def _both(case: Case, outcomes: Sequence[Outcome]) -> Outcome:
    """Independent outcomes together: factors multiply, and what is late by several is as late as the latest."""
    found: dict[Any, Kept] = {}
    for change in (change for outcome in outcomes for change in outcome.brings):
        key, had = _what(change), found.get(_what(change))
        if isinstance(change, Late) and isinstance(had, Late):
            change = max(had, change, key=lambda late: late.quarters)
        elif isinstance(change, Price | Demand) and isinstance(had, Price | Demand):
            change = replace(change, path=tuple(np.multiply(had.path, change.path).tolist()))
        found[key] = change
    return _brought(case, Outcome(
        name=", ".join(outcome.name for outcome in outcomes), brings=tuple(found.values()),
        probability=float(np.prod([outcome.probability for outcome in outcomes])),
    ))  # fmt: skip


def _mean(case: Case, outcomes: Sequence[Outcome]) -> Outcome:
    """Their probability-weighted mean; of lateness in quarters, rounded to a whole one, a half upwards."""
    kinds = {_what(change): change for outcome in outcomes for change in outcome.brings}
    means: list[Kept] = []
    for key, like in kinds.items():
        mine = [(o.probability, change) for o in outcomes for change in o.brings if _what(change) == key]
        if isinstance(like, Late):
            late = sum(p * change.quarters for p, change in mine if isinstance(change, Late))
            means.append(replace(like, quarters=math.floor(late + 0.5)))
        else:
            paths = [(p, change.path) for p, change in mine if isinstance(change, Price | Demand)]
            rest = 1.0 - sum(p for p, _ in paths)
            path = np.sum([p * np.array(path) for p, path in paths], axis=0) + rest
            means.append(replace(like, path=tuple(path.tolist())))
    return _brought(case, Outcome(name="mean", probability=1.0, brings=tuple(means)))


def _what(change: Kept) -> tuple[Any, ...]:
    """What a change is of."""
    match change:
        case Late():
            return Late, change.kind, change.id
        case Price():
            return Price, change.of
        case Demand():
            return Demand, change.id
    raise TypeError(f"no outcome of a tree brings {change}")


def _brought(case: Case, outcome: Outcome) -> Outcome:
    """The outcome with what waits for what it brings late: orders for a late site and of a late commitment too."""
    late = replace(case, events_on=(), made=tuple(change for change in outcome.brings if isinstance(change, Late)))

    def most(rows: Iterable[Late]) -> int:
        return max((row.quarters for row in rows), default=0)

    def of_offer(offer: OfferCase) -> int:
        named = (row.id for row in case.scenario.commitments if counts_for(case, offer, row))
        return max(
            most(offer_lates(late, offer)), most(lates(late, "site", offer.site.id)),
            most(lates(late, "commitment", *named)),
        )  # fmt: skip

    return replace(
        outcome, late_offer=np.array([of_offer(offer) for offer in case.offers], dtype=np.int64),
        late_site=np.array([most(lates(late, "site", site.id)) for site in case.sites], dtype=np.int64),
    )  # fmt: skip


def _check(case: Case, states: Sequence[State]) -> None:
    known = {
        "scale_demand": [row.id for row in case.classes], "late_sites": [site.id for site in case.sites],
        "late_systems": sorted({offer.system.id for offer in case.offers}),
        "late_commitments": [row.id for row in case.scenario.commitments],
    }  # fmt: skip
    for state in states:
        for key, names in known.items():
            for name in getattr(state, key):
                if name not in names:
                    raise ScenarioError(
                        f"{case.scenario.where}: uncertainty: '{state.name}' names '{name}' in {key}; "
                        f"this scenario has {', '.join(names) or 'none'}"
                    )


def _outcome(case: Case, state: State, spread: float, total: float) -> Outcome:
    """``total``: what the probabilities of the factor add up to, 1 but for their rounding."""
    demand = _ranged(case, state.demand, spread) if state.demand else {}
    for name, by in state.scale_demand.items():
        path = np.array(demand.get(name, (1.0,) * len(case.quarters))) * by.value
        demand[name] = tuple(path.tolist())
    named = (
        ("site", state.late_sites), ("system", state.late_systems), ("commitment", state.late_commitments),
    )  # fmt: skip
    quarters = _quarters(state.late, 0)
    return Outcome(
        name=state.name, probability=state.probability.value / total,
        brings=(
            *(Demand(id=name, path=path) for name, path in demand.items()), *_prices(state),
            *(Late(kind=kind, id=name, quarters=quarters) for kind, names in named for name in names),  # type: ignore[arg-type]
        ),
    )  # fmt: skip


def _prices(state: State) -> Iterator[Price]:
    """Prices that a state moves; ``price`` is of systems and buildings, ``chip_price`` of systems beside."""

    def said(fact: Fact | None) -> float:
        return 1.0 if fact is None else fact.value

    factors: dict[Priced, float] = {
        "chips": said(state.price) * said(state.chip_price), "buildings": said(state.price), "rents": said(state.rent),
        "energy": said(state.energy_price), "tokens": said(state.token_price),
    }  # fmt: skip
    return (Price(of=of, path=(factor,)) for of, factor in factors.items() if factor != 1.0)


def prices_of(outcome: Outcome) -> dict[Priced, float]:
    """Factor on every kind of price that an outcome brings."""
    brings = {change.of: change.path[0] for change in outcome.brings if isinstance(change, Price)}
    return {of: brings.get(of, 1.0) for of in PRICES}


def default_lateness(case: Case, first: str) -> Lateness:
    """What comes late at branches from the quarter ``first`` on, where the scenario does not say.

    What its events delay; else every building still to be energised then; else the systems that are bought, or
    rented for a term.
    """
    events = [event for event in case.scenario.events if event.delay]
    if events:
        return Lateness(
            quarters=max(lead_quarters(event.delay.value) for event in events if event.delay),
            sites=tuple(name for event in events for name in event.delay_sites),
            commitments=tuple(name for event in events for name in event.delay_commitments),
        )
    after = case.labels.index(first) if first in case.labels else 0
    still = {site.id: site.connection_w[max(0, after - 1) :] for site in case.sites}
    sites = tuple(name for name, power in still.items() if (power[1:] != power[:-1]).any())  # inf where unlimited
    if sites:
        return Lateness(quarters=LATE_QUARTERS, sites=sites)
    ordered = tuple(sorted({row.system.id for row in case.offers if order_lead(case, row) > row.lag}))
    if ordered:
        note = f"no building is still to be energised in {first}: 'late' is of systems alone ({', '.join(ordered)})"
        return Lateness(quarters=LATE_QUARTERS, systems=ordered, note=note)
    note = f"nothing is ordered ahead and no building is still to be energised in {first}: 'late' moves energy alone"
    return Lateness(quarters=0, note=note)


def _default_factors(case: Case, first: str, spread: float) -> list[list[Outcome]]:
    """Demand high or low by the ranges of its own figures, with rents and systems dearer or cheaper; chips and power on
    time, or as late as the events say with dearer energy.
    """
    high, low = _ranged(case, "high", spread), _ranged(case, "low", spread)
    if all(factor == 1.0 for paths in (high, low) for path in paths.values() for factor in path):
        high, low = ({name: (by,) * len(case.quarters) for name in high} for by in (HIGH, LOW))
    demand = [
        Outcome(name=name, probability=p, brings=(*(Demand(id=row, path=path) for row, path in paths.items()), *prices))
        for name, p, paths, prices in (
            ("high demand", HIGH_FRAC, high, SCARCE), ("low demand", 1.0 - HIGH_FRAC, low, AMPLE),
        )
    ]  # fmt: skip
    on_time = Outcome(name="on time", probability=1.0 - LATE_FRAC, brings=EASY)
    behind = Outcome(name="late", probability=LATE_FRAC, brings=(*TIGHT, *_lates(case, default_lateness(case, first))))
    return [demand, [on_time, behind]]


def _lates(case: Case, late: Lateness) -> Iterator[Late]:
    """What is late by default, and every due date that it was to meet."""
    yield from (Late(kind="site", id=name, quarters=late.quarters) for name in late.sites)
    yield from (Late(kind="system", id=name, quarters=late.quarters) for name in late.systems)
    yield from (Late(kind="commitment", id=name, quarters=late.quarters) for name in late.commitments)
    waits = [offer for offer in case.offers if offer.site.id in late.sites or offer.system.id in late.systems]
    named = [row for row in case.scenario.commitments if row.id in late.commitments]
    waits += [offer for offer in case.offers if any(counts_for(case, offer, row) for row in named)]
    for row in case.scenario.commitments:
        if any(counts_for(case, offer, row) for offer in waits):
            yield Late(kind="due", id=row.id, quarters=late.quarters)


def _ranged(case: Case, bound: Literal["low", "high"], spread: float) -> dict[str, tuple[float, ...]]:
    """Factor of one branch on each class by quarter: its part of the distance to the stated low or high figures.

    The ranges of weekly users, of token rates and of training are taken as nine cases in ten of a lognormal, whose
    variance comes evenly from all branches; one branch moves demand by one standard deviation of its part.
    """
    demand = case.scenario.demand

    def moved(fact: Fact) -> Fact:
        other = fact.low if bound == "low" else fact.high
        return fact if other is None else replace(fact, value=other)

    def dated(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        return tuple(row.model_copy(update={"value": moved(row.value)}) for row in rows)  # type: ignore[attr-defined]

    def asked(row: Demanded | Trained) -> Demanded | Trained:
        if isinstance(row, Demanded):
            return row.model_copy(update={"tokens_per_s": dated(row.tokens_per_s)})
        amount = moved(row.amount) if row.amount else None
        return row.model_copy(update={"rate": dated(row.rate), "amount": amount})

    there = case.scenario.model_copy(
        update={"demand": demand.model_copy(update={"weekly_users": dated(demand.weekly_users)})}
    )
    classes = tuple(replace(row, row=asked(row.row)) for row in case.classes)
    ends = demand_rates(replace(case, scenario=there, classes=classes))[0].sum("block")
    here = demand_rates(case)[0].sum("block")
    ratio = (ends / here.where(here > 0.0)).fillna(1.0) ** spread
    return {row.id: tuple(ratio.sel(workload=row.id).values.tolist()) for row in case.classes}
