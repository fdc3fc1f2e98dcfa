"""``gigawatt why`` and ``gigawatt worth``: what binds a plan, what would change it, what a month of a date is worth."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, catalog_with, console_of, print_json, progress
from gigawatt.cli.given import whole

if TYPE_CHECKING:
    from gigawatt.plan.session import PlanSession
    from gigawatt.study.worth import Worth


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
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario
    from gigawatt.study.why import binding, one_quarter, reasons

    case = resolve(load_scenario(scenario), catalog_with(overlay), event or [])
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
    from gigawatt.report.terminal import add_row, table_of
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario
    from gigawatt.study.software import software_notes
    from gigawatt.study.worth import worth as study_worth

    case = resolve(load_scenario(scenario), catalog_with(overlay), event or [])
    with progress() as say:
        say("building and solving the plan")
        rows = study_worth(case, say=say)
    if as_json:
        print_json(
            {
                "scenario": case.scenario.name,
                "method": "finite difference of one quarter, over 3 months",
                "milestones": "released by the fraction of a gigawatt",
                "worth": [asdict(row) for row in rows],
                "notes": software_notes(case),
            }
        )
        return
    heads = [("What", "left", 0), ("From", "left", 0), ("A month earlier saves", "right", 0)]
    heads += [("A month later costs", "right", 0), ("Multiplier low / central / high", "right", 0)]
    heads += [("Cost at low / at high", "right", 0)]
    table = table_of(heads, title="Finite differences of one quarter, over three months; discounted")
    for row in rows:
        add_row(table, _cells(row))
    console = console_of()
    console.print(table)
    console.print("Milestone equity is released here by the fraction of a gigawatt.", highlight=False)
    for note in software_notes(case):
        console.print(note, highlight=False)


def _cells(row: Worth) -> list[str]:
    from gigawatt.core.units import pretty

    def money(value: float | None) -> str:
        return "–" if value is None else pretty(value, "USD")

    factor = "" if row.multiplier is None else " / ".join(f"{value:g}" for value in row.multiplier)
    ends = "" if row.multiplier is None else f"{money(row.low_usd)} / {money(row.high_usd)}"
    return [row.id, row.quarter, money(row.earlier_usd_per_month), money(row.later_usd_per_month), factor, ends]
