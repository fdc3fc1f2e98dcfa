"""``gigawatt why`` and ``gigawatt worth``: what binds a plan, what would change it, what a month of a date is worth."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, case_of, console_of, print_json, progress
from gigawatt.cli.given import whole

if TYPE_CHECKING:
    from gigawatt.plan.session import PlanSession


def why(
    scenario: Scenario,
    why: Annotated[str, typer.Option("--why", help="A system, site, provider or vendor: why it is chosen.")] = "",
    why_not: Annotated[
        str,
        typer.Option("--why-not", help="Likewise, mostly for what is not chosen: what would bring it in."),
    ] = "",
    most: Annotated[int, typer.Option("--most", parser=whole(1), help="How many limits are named.")] = 8,
    event: Events = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Say which limits bind a plan by quarter, what one more unit is worth, and why a choice was made or not."""
    from gigawatt.core.errors import InfeasibleError
    from gigawatt.plan.session import PlanSession
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.named import find
    from gigawatt.study.why import binding, one_quarter, reasons

    case = case_of(scenario, event, overlay)
    names = [find(case, name) for name in (why, why_not) if name]
    said: dict[str, list[str]] = {}
    found: dict[str, Any] = {"scenario": case.scenario.name}
    with progress() as say:
        say("building and solving the plan")
        session = PlanSession(plan_inputs(case))
        try:
            session.solve(say=say)
        except InfeasibleError:
            _conflict(session)
            raise
        for named in names:
            say(f"asking why {named.id} is or is not in the plan")
            said[named.id] = reasons(case, session, named.id)
            if named.offers:
                said[named.id] += list(one_quarter(case, session, named))
        limits = binding(session, names[0] if names else None, most)
    sentences = [line for limit in limits for line in limit.sentences()]
    if as_json:
        rows = [limit.row() for limit in limits]
        print_json(found | {"reasons": said, "binding": rows, "sentences": sentences})
        return
    console = console_of()
    for lines in said.values():
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    about = f" of {names[0].id}" if names else ""
    console.print(f"Limits{about} that bind, those worth most over the horizon first (discounted):", highlight=False)
    for line in sentences or ["  none"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _conflict(session: PlanSession) -> None:
    """Limits that cannot hold together, on standard error: none of them can be left out."""
    from gigawatt.plan.infeasible import conflicting_rows

    rows = conflicting_rows(session.live.model, session.inputs)
    if rows:
        print("These limits cannot hold together; without any one of them the others could:", file=sys.stderr)
    for line in rows:
        print(f"  {line}", file=sys.stderr)


def worth(scenario: Scenario, event: Events = None, overlay: Overlay = None, as_json: Json = False) -> None:
    """Say what each month of each hardware generation and dated software step is worth, by finite differences."""
    from gigawatt.report.worth import worth_body, worth_table
    from gigawatt.study.worth import worth as study_worth

    case = case_of(scenario, event, overlay)
    with progress() as say:
        say("building and solving the plan")
        rows = study_worth(case, say=say)
    body = worth_body(case, rows)
    if as_json:
        print_json(body)
        return
    console = console_of()
    console.print(worth_table(rows))
    console.print("Milestone equity is released here by the fraction of a gigawatt.", highlight=False)
    for note in body["notes"]:
        console.print(note, highlight=False)
