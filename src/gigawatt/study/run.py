"""The one way: scenario -> case -> inputs -> plan -> books -> results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gigawatt.catalog.load import Catalog, load_catalog
from gigawatt.core.errors import InfeasibleError, ScenarioError, SolverError
from gigawatt.study.results import Results
from gigawatt.study.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.study.resolve import Case

Say = Callable[[str], None]


def _quiet(_: str) -> None:
    return None


def run(
    scenario: Scenario | str | Path,
    *,
    catalog: Catalog | None = None,
    events: Sequence[str] = (),
    mip_gap: float = 1e-2,
    time_limit_s: float = 120.0,
    lumps: Literal["relaxed", "whole"] | None = None,
    look_ahead: int | None = None,
    simulate: Sequence[str] = (),
    say: Say = _quiet,
) -> Results:
    """Results of a scenario: the optimal plan, the books of all parties, and a summary.

    Args:
        scenario: a Scenario, a shipped name or a file.
        catalog: another catalogue than the shipped one.
        events: names of the scenario's events to switch on.
        mip_gap: relative gap at which whole numbers count as placed.
        time_limit_s: of one run of the solver; what stops early leaves its best plan and the bound.
        lumps: whether halls and openings are whole, instead of what the scenario says.
        look_ahead: quarters that a planner sees who orders window by window; None sees the whole horizon.
        simulate: quarters whose fleets are simulated; classes that miss their objective are derated and planned again.
        say: called with a sentence at each step.

    Raises ScenarioError, InfeasibleError or SolverError, each with a sentence.
    """
    from gigawatt.finance.ledger import ledger
    from gigawatt.plan.extract import extract
    from gigawatt.plan.scarcity import prices
    from gigawatt.plan.solve import open_plan, solve
    from gigawatt.study.cash import flows
    from gigawatt.study.change import Without, apply
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.lumps import lump_rows
    from gigawatt.study.measure import summary
    from gigawatt.study.money import plan_in_terms
    from gigawatt.study.orders import orders
    from gigawatt.study.resolve import resolve
    from gigawatt.study.results import input_hash
    from gigawatt.study.rolling import regret, roll

    start = time.perf_counter()
    say("reading scenario and catalogue")
    catalog = catalog or load_catalog()
    chosen = (scenario if isinstance(scenario, Scenario) else load_scenario(scenario)).with_lumps(lumps)
    say("looking up systems, sites and classes")
    if look_ahead is not None and simulate:
        raise ScenarioError("--look-ahead and --simulate are two studies: run them one after the other")
    case = resolve(chosen, catalog, events)
    for quarter in simulate:
        case.at(quarter)
    say("building the plan")
    live = open_plan(plan_inputs(case))
    say(f"solving {live.model.n_columns:,} decisions under {live.model.n_rows:,} constraints")
    try:
        solve(live, mip_gap=mip_gap, time_limit_s=time_limit_s, say=say)
    except InfeasibleError as error:
        raise _because_of_leads(case, error, time_limit_s) from error
    rolled: dict[str, Any] | None = None
    if look_ahead is not None:
        full = live
        live, ends = roll(case, look_ahead, mip_gap=mip_gap, time_limit_s=time_limit_s, say=say)
        rolled = regret(live, full, look_ahead, ends)
    plan = extract(live)
    looped = None
    if simulate:
        from gigawatt.study.loop import close_loop

        def again(derated: Case) -> xr.Dataset:
            nonlocal live
            live = solve(open_plan(plan_inputs(derated)), mip_gap=mip_gap, time_limit_s=time_limit_s, say=say)
            return extract(live)

        case, plan, looped = close_loop(case, plan, again, simulate, say=say)
    say("pricing what is scarce")
    plan = plan.assign(prices(live))
    say("closing the books")
    book = ledger(flows(case, live, plan))
    plan = plan_in_terms(case, plan)
    figures = summary(case, plan, book)
    if looped is not None:
        figures["simulated"] = looped.to_dict()
    if case.scenario.commitments:
        say("planning once more without commitments, to tell demand from promises")
        promises = [Without(kind="commitment", id=row.id) for row in case.scenario.commitments]
        free = _accepted_gw(plan_inputs(apply(case, promises)), mip_gap, time_limit_s)
        figures["gw_without_commitments"] = free[-1]
        figures["gw_without_commitments_by_quarter"] = dict(zip(case.labels, free, strict=True))
    figures |= {"mip_gap": live.mip_gap, "bound_usd": live.bound_musd * 1e6, "lumps": lump_rows(case, plan)}
    figures["orders"] = orders(case, plan)
    if rolled is not None:
        figures |= {"rolling": rolled, "bound_usd": rolled["full_foresight_bound_usd"]}
    asked = [f"mip_gap={mip_gap!r}", *([f"look_ahead={look_ahead}"] if look_ahead is not None else [])]
    digest = input_hash(chosen, catalog, [*case.events_on, *asked, *simulate])
    figures["solve_s"] = round(live.solve_s, 3)
    figures["build_s"] = round(live.build_s + live.hand_off_s, 3)
    figures["wall_s"] = round(time.perf_counter() - start, 3)
    return Results(
        case=case,
        plan=plan,
        book=book,
        summary=figures,
        hash=digest,
    )


def _because_of_leads(case: Case, error: InfeasibleError, time_limit_s: float) -> InfeasibleError:
    """The error, with a sentence more where it is lead times made rules that leave no plan."""
    from gigawatt.plan.solve import open_plan, solve
    from gigawatt.study.change import Without, apply
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.orders import enforced_sentence

    if not case.scenario.policy.enforce_lead_times:
        return error
    inputs = plan_inputs(apply(case, [Without(kind="rule", id="enforce_lead_times")]))
    try:
        solve(open_plan(inputs), mip_gap=1.0, time_limit_s=time_limit_s, explain=False)
    except (InfeasibleError, SolverError):
        return error
    return InfeasibleError(f"{error}\n{enforced_sentence(case)}")


def _accepted_gw(inputs: PlanInputs, mip_gap: float, time_limit_s: float) -> list[float]:
    """Facility GW accepted since the start in a plan of these inputs (quarter)."""
    from gigawatt.plan.extract import extract
    from gigawatt.plan.solve import open_plan, solve

    plan = extract(solve(open_plan(inputs), mip_gap=mip_gap, time_limit_s=time_limit_s))
    return [float(value) for value in plan["accepted_facility_w"].sum("offer").values / 1e9]
