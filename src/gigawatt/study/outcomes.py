"""What may happen, as a scenario declares it or by default: the outcomes of each branch of its tree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import ScenarioError
from gigawatt.core.source import Fact
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.prices import Prices
from gigawatt.plan.tree import Branch, Outcome, Tree
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.orders import lead_quarters
from gigawatt.study.prices import pricer
from gigawatt.study.resolve import QUARTER_S, Case, OfferCase
from gigawatt.study.scenario import Demanded, Trained
from gigawatt.study.uncertainty import State, Uncertainty

Ints = npt.NDArray[np.int64]
Row = TypeVar("Row")

LEAD_QUARTERS = 2
"""Judgement: from order to acceptance of systems, and from the decision for a building to its use, unless said."""
LATE_FRAC, LATE_QUARTERS = 0.4, 2
"""Judgement: chance at each branch that deliveries and power come late, and by how much where no event says."""
HIGH_FRAC, HIGH, LOW = 0.5, 1.25, 0.8
"""Judgement: chance of high demand at each branch, and its factors where no figure of demand has a range."""
RANGE_SIGMAS = 1.645
"""A stated range holds nine cases in ten: it reaches this many standard deviations of the logarithm each way."""
SCARCE, AMPLE = Prices(rents=1.2, chips=1.1), Prices(rents=0.8, chips=0.9)
"""Judgement: what high and low demand do to rents and to the price of systems at each branch; their means are 1. A
year's rent of an H100 rose from 1.70 to 2.35 USD an hour between October 2025 and March 2026 (SemiAnalysis), by 38 %
as demand did: half of that. Prices stated for a rack of one generation lie within 10 to 40 % of each other."""
TIGHT, EASY = Prices(energy=1.15), Prices(energy=0.9)
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
    inputs = plan_inputs(case)
    quarters = branches_of(case, branches)
    spread = 1.0 / (RANGE_SIGMAS * math.sqrt(len(quarters)))
    if said.factors:
        for factor in said.factors:
            _check(case, factor.states)
        factors = []
        for factor in said.factors:
            total = sum(state.probability.value for state in factor.states)
            likely = [state for state in factor.states if state.probability.value > 0.0]
            factors.append([_outcome(case, inputs, state, spread, total) for state in likely])
    else:
        factors = _default_factors(case, inputs, quarters[0], spread)
    outcomes = tuple(_both(combination) for combination in itertools.product(*factors))
    asked = _quarters(said.order_lead, LEAD_QUARTERS)
    lead = {
        "add": np.array([_lead(offer, asked) for offer in case.offers], dtype=np.int64),
        "energise": np.full(len(case.sites), _quarters(said.building_lead, LEAD_QUARTERS), dtype=np.int64),
    }
    try:
        rows = tuple(Branch(quarter=quarter, outcomes=outcomes) for quarter in quarters)
        return Tree(inputs=inputs, branches=rows, lead=lead, priced=pricer(case, inputs))
    except ValueError as error:
        raise ScenarioError(f"{case.scenario.where}: uncertainty: {error}") from error


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
    if any(o.prices.tokens != 1.0 for branch in tree.branches for o in branch.outcomes) and not sold:
        found.append("token prices move nothing: no class of this scenario is sold by the token")
    return tuple(found)


def _quarters(fact: Fact | None, default: int) -> int:
    return math.ceil(fact.value / QUARTER_S - 1e-9) if fact else default


def _lead(offer: OfferCase, default: int) -> int:
    """Quarters from order to acceptance. What is rented by the quarter is there when it is asked for."""
    row = offer.offer
    on_demand = row.contract != "own" and row.term is None and not row.minimum_take
    return _quarters(offer.offer.lead_time, 0 if on_demand else default) + offer.lag


def _default_branches(case: Case) -> list[str]:
    """After one year and after two; earlier where the horizon is short."""
    n = len(case.quarters)
    return list(dict.fromkeys(case.labels[max(1, min(4 * k, k * n // 3))] for k in (1, 2)))


def _both(outcomes: tuple[Outcome, ...]) -> Outcome:
    """Independent outcomes together."""

    def most(name: str) -> Ints | None:
        rows = [getattr(outcome, name) for outcome in outcomes if getattr(outcome, name) is not None]
        return np.max(rows, axis=0) if rows else None

    demand: xr.DataArray | float = 1.0
    prices = Prices()
    for outcome in outcomes:
        demand, prices = outcome.demand * demand, outcome.prices * prices
    return Outcome(
        name=", ".join(outcome.name for outcome in outcomes), demand=demand, prices=prices,
        probability=float(np.prod([outcome.probability for outcome in outcomes])),
        late_offer=most("late_offer"), late_site=most("late_site"), late_commitment=most("late_commitment"),
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


def _outcome(case: Case, inputs: PlanInputs, state: State, spread: float, total: float) -> Outcome:
    """``total``: what the probabilities of the factor add up to, 1 but for their rounding."""
    demand: xr.DataArray | float = _ranged(case, inputs, state.demand, spread) if state.demand else 1.0
    if state.scale_demand:
        by_class = [state.scale_demand[row.id].value if row.id in state.scale_demand else 1.0 for row in case.classes]
        demand = demand * xr.DataArray(by_class, dims="workload", coords={"workload": [c.id for c in case.classes]})
    plain = Outcome(
        name=state.name, probability=state.probability.value / total, demand=demand, prices=prices_of(state)
    )
    if state.late is None:
        return plain
    late = _quarters(state.late, 0)
    return _late(plain, case, inputs, late, state.late_sites, state.late_systems, state.late_commitments)


def prices_of(state: State) -> Prices:
    """Factors on prices that a state says; ``price`` is of systems and buildings, ``chip_price`` of systems beside."""

    def said(fact: Fact | None) -> float:
        return 1.0 if fact is None else fact.value

    return Prices(
        chips=said(state.price) * said(state.chip_price), buildings=said(state.price), rents=said(state.rent),
        energy=said(state.energy_price), tokens=said(state.token_price),
    )  # fmt: skip


def _late(
    outcome: Outcome, case: Case, inputs: PlanInputs, late: int, sites: Sequence[str], systems: Sequence[str],
    commitments: Sequence[str],
) -> Outcome:  # fmt: skip
    """The outcome with something late. What stands in a late building is late; so is a due date it was to meet."""
    weight = inputs.commitment_weight.values > 0
    named = np.array([str(name) in commitments for name in inputs.commitment_mw["commitment"].values], dtype=bool)
    offer = np.array([row.site.id in sites or row.system.id in systems for row in case.offers])
    offer |= weight[named].any(axis=0)
    due = named | (weight & offer).any(axis=1)
    site = np.array([name in sites for name in inputs.sites])
    return replace(
        outcome, late_offer=late * offer.astype(np.int64), late_site=late * site.astype(np.int64),
        late_commitment=late * due.astype(np.int64),
    )  # fmt: skip


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
    ordered = tuple(sorted({row.system.id for row in case.offers if _lead(row, LEAD_QUARTERS) > row.lag}))
    if ordered:
        note = f"no building is still to be energised in {first}: 'late' is of systems alone ({', '.join(ordered)})"
        return Lateness(quarters=LATE_QUARTERS, systems=ordered, note=note)
    note = f"nothing is ordered ahead and no building is still to be energised in {first}: 'late' moves energy alone"
    return Lateness(quarters=0, note=note)


def _default_factors(case: Case, inputs: PlanInputs, first: str, spread: float) -> list[list[Outcome]]:
    """Demand high or low by the ranges of its own figures, with rents and systems dearer or cheaper; chips and power on
    time, or as late as the events say with dearer energy.
    """
    high = _ranged(case, inputs, "high", spread)
    low = _ranged(case, inputs, "low", spread)
    if float(abs(high - 1.0).max()) == float(abs(low - 1.0).max()) == 0.0:
        high, low = high * HIGH, low * LOW
    demand = [
        Outcome(name="high demand", probability=HIGH_FRAC, demand=high, prices=SCARCE),
        Outcome(name="low demand", probability=1.0 - HIGH_FRAC, demand=low, prices=AMPLE),
    ]
    late = default_lateness(case, first)
    on_time = Outcome(name="on time", probability=1.0 - LATE_FRAC, prices=EASY)
    plain = Outcome(name="late", probability=LATE_FRAC, prices=TIGHT)
    behind = _late(plain, case, inputs, late.quarters, late.sites, late.systems, late.commitments)
    return [demand, [on_time, behind]]


def _ranged(case: Case, inputs: PlanInputs, bound: str, spread: float) -> xr.DataArray:
    """(workload, quarter) factor of one branch: its part of the distance to the stated low or high figures.

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
    ends = plan_inputs(replace(case, scenario=there, classes=classes)).demand.sum("block")
    here = inputs.demand.sum("block")
    ratio = (ends / here.where(here > 0.0)).fillna(1.0)
    return ratio**spread
