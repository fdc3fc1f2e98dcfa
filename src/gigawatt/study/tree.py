"""Scenario to tree of inputs, and the questions put to it: the plan, its worth, the regret of single-case orders."""

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
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import Extensive, extensive
from gigawatt.plan.foresight import Followed, first_stage, follow_orders, orders_of, regrets
from gigawatt.plan.found import Say, TreePlan, quiet
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan
from gigawatt.plan.recourse import Executor, Processes, Serial
from gigawatt.plan.solve import open_plan, solve
from gigawatt.plan.tail import Tail
from gigawatt.plan.tree import Branch, Outcome, Tree
from gigawatt.plan.whole import solve_whole
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import QUARTER_S, Case, delay_quarters
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeResults:
    """A plan of the whole tree and what it is worth [MUSD]. None where it was not asked for or not reached.

    ``central`` is the plan of the scenario as it stands, ``mean`` the tree's cost if that plan's first orders are
    placed, ``regrets`` the same for the plan of each leaf.
    """

    case: Case
    whole: Extensive
    tail: Tail
    found: TreePlan
    central: LivePlan
    foresight_musd: float | None
    mean: Followed | None
    regrets: tuple[Followed, ...]

    def orders(self, family: str) -> tuple[xr.DataArray, xr.DataArray]:
        """((row, quarter) MW of the first orders in the tree, the same cells of the central plan).

        Buildings are those the buyer rents or owns: what a provider opens is the provider's.
        """
        columns, values = orders_of(self.whole, self.central)
        central = np.zeros(self.whole.lower.size)
        central[columns] = values
        here, there = first_stage(self.whole, self.found.x, family), first_stage(self.whole, central, family)
        if family != "energise":
            return here, there
        mine = [site.id for site in self.case.sites if site.use.tenure != "provider"]
        return here.sel(site=mine), there.sel(site=mine)

    def violation(self) -> float:
        """Most by which a rule of the tree is missed, relative; computed from the rows, without the solver."""
        return self.whole.violation(self.found.x)


def plan_tree(
    case: Case,
    *,
    branches: Sequence[str] = (),
    tail: Tail | None = None,
    gap: float = 5e-3,
    time_limit_s: float = 180.0,
    as_one: bool = False,
    worth: bool = True,
    regret_gap: float = 1e-2,
    regret_limit_s: float = 0.0,
    executor: Executor | None = None,
    say: Say = quiet,
) -> TreeResults:
    """Plan of a case's tree.

    Args:
        case: what is planned.
        branches: quarters, in place of the scenario's.
        tail: how bad leaves weigh.
        gap: relative distance of the bounds at which the search ends.
        time_limit_s: of the search; what it has by then is kept.
        as_one: solve the tree as one problem instead.
        worth: ask for the value of the plan over the plan for the mean, and for the value of foresight.
        regret_gap: of each plan with given first orders.
        regret_limit_s: of each leaf whose orders are followed; 0 leaves that out.
        executor: where leaves are solved; two processes if not given.
        say: called with a line at each step and round.

    Raises ScenarioError, InfeasibleError, SolverError.
    """
    tail = tail or Tail()
    say("planning the central case")
    tree = tree_of(case, branches)
    central = solve(open_plan(tree.inputs), say=say)
    say(f"building {math.prod(len(branch.outcomes) for branch in tree.branches)} cases")
    whole = extensive(tree)
    say(f"{whole.lower.size:,} decisions under {whole.row_lower.size:,} constraints")
    results = TreeResults(
        case=case, whole=whole, tail=tail, central=central, foresight_musd=None, mean=None, regrets=(),
        found=TreePlan(x=np.zeros(0), leaf_cost=np.zeros(0), lower=-np.inf, upper=np.inf, rounds=(), ended="time"),
    )  # fmt: skip
    if as_one:
        found = solve_whole(whole, tail=tail, time_limit_s=time_limit_s)
        results = replace(results, found=found)
        if not worth:
            return results
    with Decomposition(whole, tail=tail, executor=executor or Processes(2)) as search:
        say("planning each case alone, with foresight")
        if not as_one:
            results = replace(results, found=search.run(gap=gap, time_limit_s=time_limit_s, say=say))
        if results.found.ended == "interrupted":
            return replace(results, foresight_musd=search.lower_bound)
        search.foresee()
        results = replace(results, foresight_musd=search.lower_bound)
        if not worth:
            return results
        try:
            say("following the orders of the central plan")
            mean = follow_orders(
                search, "central plan", orders_of(whole, central), gap=gap, time_limit_s=time_limit_s, say=say
            )
            results = replace(results, mean=mean)
            if regret_limit_s > 0.0:
                for row in regrets(search, gap=regret_gap, time_limit_s=regret_limit_s, say=say):
                    results = replace(results, regrets=(*results.regrets, row))
        except KeyboardInterrupt:
            say("stopped; what is known stays")
    return results


def tree_of(case: Case, branches: Sequence[str] = ()) -> Tree:
    """The tree a scenario declares, or the default one. Raises ScenarioError with a sentence."""
    said = case.scenario.uncertainty or Uncertainty()
    inputs = plan_inputs(case)
    declared = [str_quarter(int(date.value)) for date in said.branches]
    quarters = list(branches) or declared or _default_branches(case)
    spread = 1.0 / (RANGE_SIGMAS * math.sqrt(len(quarters)))
    if said.factors:
        for factor in said.factors:
            _check(case, factor.states)
        factors = []
        for factor in said.factors:
            total = sum(state.probability.value for state in factor.states)
            factors.append([_outcome(case, inputs, state, spread, total) for state in factor.states])
    else:
        factors = _default_factors(case, inputs, quarters[0], spread)
    outcomes = tuple(_both(combination) for combination in itertools.product(*factors))
    asked = _quarters(said.order_lead, LEAD_QUARTERS)
    lead = {
        "add": np.array([_quarters(o.offer.lead_time, asked) + o.lag for o in case.offers], dtype=np.int64),
        "energise": np.full(len(case.sites), _quarters(said.building_lead, LEAD_QUARTERS), dtype=np.int64),
    }
    try:
        rows = tuple(Branch(quarter=quarter, outcomes=outcomes) for quarter in quarters)
        return Tree(inputs=inputs, branches=rows, lead=lead)
    except ValueError as error:
        raise ScenarioError(f"{case.scenario.name}: uncertainty: {error}") from error


def _quarters(fact: Fact | None, default: int) -> int:
    return math.ceil(fact.value / QUARTER_S - 1e-9) if fact else default


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
    for outcome in outcomes:
        demand = outcome.demand * demand
    return Outcome(
        name=", ".join(outcome.name for outcome in outcomes), demand=demand,
        probability=float(np.prod([outcome.probability for outcome in outcomes])),
        prices=float(np.prod([outcome.prices for outcome in outcomes])),
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
                        f"{case.scenario.name}: uncertainty: '{state.name}' names '{name}' in {key}; "
                        f"this scenario has {', '.join(names) or 'none'}"
                    )


def _outcome(case: Case, inputs: PlanInputs, state: State, spread: float, total: float) -> Outcome:
    """``total``: what the probabilities of the factor add up to, 1 but for their rounding."""
    demand: xr.DataArray | float = _ranged(case, inputs, state.demand, spread) if state.demand else 1.0
    if state.scale_demand:
        by_class = [state.scale_demand[row.id].value if row.id in state.scale_demand else 1.0 for row in case.classes]
        demand = demand * xr.DataArray(by_class, dims="workload", coords={"workload": [c.id for c in case.classes]})
    price = state.price.value if state.price else 1.0
    plain = Outcome(name=state.name, probability=state.probability.value / total, demand=demand, prices=price)
    if state.late is None:
        return plain
    late = _quarters(state.late, 0)
    return _late(plain, case, inputs, late, state.late_sites, state.late_systems, state.late_commitments)


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


def _default_factors(case: Case, inputs: PlanInputs, first: str, spread: float) -> list[list[Outcome]]:
    """Demand high or low by the ranges of its own figures; chips and power on time, or as late as the events say."""
    high = _ranged(case, inputs, "high", spread)
    low = _ranged(case, inputs, "low", spread)
    if float(abs(high - 1.0).max()) == float(abs(low - 1.0).max()) == 0.0:
        high, low = high * HIGH, low * LOW
    demand = [
        Outcome(name="high demand", probability=HIGH_FRAC, demand=high),
        Outcome(name="low demand", probability=1.0 - HIGH_FRAC, demand=low),
    ]
    events = [event for event in case.scenario.events if event.delay]
    if events:
        late = max(delay_quarters(event) for event in events)
        sites = [name for event in events for name in event.delay_sites]
        commitments = [name for event in events for name in event.delay_commitments]
    else:
        late, commitments = LATE_QUARTERS, []
        after = case.labels.index(first) if first in case.labels else 0
        still = {site.id: site.connection_w[max(0, after - 1) :] for site in case.sites}
        sites = [name for name, power in still.items() if (power[1:] != power[:-1]).any()]  # inf where unlimited
    on_time = Outcome(name="on time", probability=1.0 - LATE_FRAC)
    behind = _late(Outcome(name="late", probability=LATE_FRAC), case, inputs, late, sites, [], commitments)
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


def serial_or_processes(count: int) -> Executor:
    """One process for every leaf in turn, or several."""
    return Serial() if count <= 1 else Processes(count)
