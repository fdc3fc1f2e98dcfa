"""What may happen, as a scenario declares it or by default: the outcomes of each branch of its tree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import QUARTERS_A_YEAR, quarters_of, str_quarter
from gigawatt.core.errors import ScenarioError
from gigawatt.core.source import Fact
from gigawatt.plan.tree import Branch, Outcome, Tree
from gigawatt.study.change import PRICES, Demand, Late, Price, Priced, apply, counts_for
from gigawatt.study.inputs import demand_rates, plan_inputs
from gigawatt.study.orders import LEAD_QUARTERS, order_lead
from gigawatt.study.resolve import Case
from gigawatt.study.scenario import Demanded, Trained
from gigawatt.study.uncertainty import State, Uncertainty

Ints = npt.NDArray[np.int64]
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
    building = quarters_of(said.building_lead.value) if said.building_lead else LEAD_QUARTERS
    lead = {
        "add": np.array([order_lead(case, offer) for offer in case.offers], dtype=np.int64),
        "energise": np.full(len(case.sites), building, dtype=np.int64),
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


def _from(case: Case, place: int, change: Any) -> Any:
    path = {"path": change.path[place:]} if isinstance(change, Demand) else {}  # of a tree: by quarter of the horizon
    return replace(change, start=case.quarters[place], **path)


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
    if not said.factors and (note := default_lateness(case, tree.branches[0].quarter)[1]):
        found.append(note)
    sold = any(bool((tree.inputs.income_musd.sel(workload=row.id) > 0).any()) for row in case.classes)
    if any(prices_of(o)["tokens"] != 1.0 for branch in tree.branches for o in branch.outcomes) and not sold:
        found.append("token prices move nothing: no class of this scenario is sold by the token")
    return tuple(found)


def _default_branches(case: Case) -> list[str]:
    """After one year and after two; earlier where the horizon is short."""
    n = len(case.quarters)
    return list(dict.fromkeys(case.labels[max(1, min(QUARTERS_A_YEAR * k, k * n // 3))] for k in (1, 2)))


def _both(case: Case, outcomes: Sequence[Outcome]) -> Outcome:
    """Independent outcomes together: factors multiply, and what is late by several is as late as the latest."""

    def together(rows: Sequence[tuple[float, Any]]) -> Any:
        first = rows[0][1]
        if isinstance(first, Late):
            return max((change for _, change in rows), key=lambda late: late.quarters)
        return replace(first, path=tuple(np.prod([change.path for _, change in rows], axis=0).tolist()))

    name = ", ".join(outcome.name for outcome in outcomes)
    return _brought(case, name, float(np.prod([outcome.probability for outcome in outcomes])), outcomes, together)


def _mean(case: Case, outcomes: Sequence[Outcome]) -> Outcome:
    """Their probability-weighted mean; of lateness in quarters, rounded to a whole one, a half upwards."""

    def mean(rows: Sequence[tuple[float, Any]]) -> Any:
        first = rows[0][1]
        if isinstance(first, Late):
            return replace(first, quarters=math.floor(sum(p * change.quarters for p, change in rows) + 0.5))
        moved = np.sum([p * (np.array(change.path) - 1.0) for p, change in rows], axis=0)
        return replace(first, path=tuple((1.0 + moved).tolist()))

    return _brought(case, "mean", 1.0, outcomes, mean)


def _brought(
    case: Case, name: str, probability: float, outcomes: Sequence[Outcome], of: Callable[[Sequence[Any]], Any]
) -> Outcome:
    """An outcome of several: of (probability, change) of one thing, one change."""
    rows: dict[Any, list[tuple[float, Any]]] = {}
    for outcome in outcomes:
        for change in outcome.brings:
            what = replace(change, quarters=0) if isinstance(change, Late) else replace(change, path=())
            rows.setdefault(what, []).append((outcome.probability, change))
    brings = tuple(of(changes) for changes in rows.values())
    sites = [_most(case, brings, [("site", site.id)]) for site in case.sites]
    return Outcome(
        name=name, probability=probability, brings=brings, late_offer=_late_orders(case, brings),
        late_site=np.array(sites, dtype=np.int64),
    )  # fmt: skip


def _most(case: Case, brings: Sequence[Any], names: Sequence[tuple[str, str]]) -> int:
    late = (change for change in brings if isinstance(change, Late) and (change.kind, change.id) in names)
    return max((change.quarters for change in late), default=0)


def _late_orders(case: Case, brings: Sequence[Any]) -> Ints:
    """(offer) quarters by which orders come later: of late systems, for late sites, for late commitments."""
    found = []
    for offer in case.offers:
        counts = [("commitment", row.id) for row in case.scenario.commitments if counts_for(case, offer, row)]
        found.append(_most(case, brings, [("system", offer.system.id), ("site", offer.site.id), *counts]))
    return np.array(found, dtype=np.int64)


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
        demand[name] = tuple(by.value * np.array(demand.get(name, (1.0,) * len(case.quarters))))
    late = quarters_of(state.late.value) if state.late else 0
    return Outcome(
        name=state.name, probability=state.probability.value / total,
        brings=(
            *(Demand(id=name, path=path) for name, path in demand.items()), *_prices(state),
            *(Late(kind="site", id=name, quarters=late) for name in state.late_sites),
            *(Late(kind="system", id=name, quarters=late) for name in state.late_systems),
            *(Late(kind="commitment", id=name, quarters=late) for name in state.late_commitments),
        ),
    )  # fmt: skip


def _prices(state: State) -> Iterator[Price]:
    """Prices that a state moves; ``price`` is of systems and buildings, ``chip_price`` of systems beside."""
    said: tuple[tuple[Priced, Fact | None], ...] = (
        ("chips", state.price), ("chips", state.chip_price), ("buildings", state.price), ("rents", state.rent),
        ("energy", state.energy_price), ("tokens", state.token_price),
    )  # fmt: skip
    return (Price(of=of, path=(fact.value,)) for of, fact in said if fact is not None and fact.value != 1.0)


def prices_of(outcome: Outcome) -> dict[Priced, float]:
    """Factor on every kind of price that an outcome brings."""
    brings = {change.of: change.path[0] for change in outcome.brings if isinstance(change, Price)}
    return dict.fromkeys(PRICES, 1.0) | brings


def default_lateness(case: Case, first: str) -> tuple[list[Late], str]:
    """(what comes late at branches from the quarter ``first`` on where the scenario does not say, a sentence if needed)

    What its events delay; else every building still to be energised then; else the systems that are bought, or
    rented for a term.
    """
    events = [event for event in case.scenario.events if event.delay]
    if events:
        quarters = max(quarters_of(event.delay.value) for event in events if event.delay)
        sites = [Late(kind="site", id=name, quarters=quarters) for event in events for name in event.delay_sites]
        named = (name for event in events for name in event.delay_commitments)
        return [*sites, *(Late(kind="commitment", id=name, quarters=quarters) for name in named)], ""
    after = case.labels.index(first) if first in case.labels else 0
    still = {site.id: site.connection_w[max(0, after - 1) :] for site in case.sites}
    names = [name for name, power in still.items() if (power[1:] != power[:-1]).any()]  # inf where unlimited
    if names:
        return [Late(kind="site", id=name, quarters=LATE_QUARTERS) for name in names], ""
    ordered = sorted({row.system.id for row in case.offers if order_lead(case, row) > row.lag})
    none = f"no building is still to be energised in {first}"
    note = f"nothing is ordered ahead and {none}: 'late' moves energy alone"
    if ordered:
        note = f"{none}: 'late' is of systems alone ({', '.join(ordered)})"
    return [Late(kind="system", id=name, quarters=LATE_QUARTERS) for name in ordered], note


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
    late, _ = default_lateness(case, first)
    behind = Outcome(name="late", probability=LATE_FRAC, brings=(*TIGHT, *late, *_due(case, late)))
    return [demand, [on_time, behind]]


def _due(case: Case, late: Sequence[Late]) -> Iterator[Late]:
    """Every due date that what is late was to meet."""
    orders = _late_orders(case, late)
    for row in case.scenario.commitments:
        mine = [quarters for offer, quarters in zip(case.offers, orders, strict=True) if counts_for(case, offer, row)]
        if max(mine, default=0) > 0:
            yield Late(kind="due", id=row.id, quarters=int(max(mine)))


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
