"""``gigawatt alternatives``: the least and most of each vendor, site, system and provider near the optimum."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, catalog_with, console_of, print_json, progress


def alternatives(
    scenario: Scenario,
    within: Annotated[str, typer.Option("--within", help="What a plan may cost more, such as 1%,5%.")] = "1%,5%",
    by: Annotated[str, typer.Option("--by", help="Any of vendor, site, system, provider.")] = "vendor,site",
    at: Annotated[str, typer.Option("--at", help="Quarter at whose end is counted; the last by default.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for a picture and a page.")] = None,
    event: Events = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Which vendor, site, system or provider could we do without, and what does it cost?"""
    from gigawatt.core.errors import ScenarioError
    from gigawatt.plan.alternatives import divisible, left_out, ranges
    from gigawatt.plan.session import PlanSession
    from gigawatt.report.ranges import price, watts, write_ranges
    from gigawatt.report.terminal import add_row, table_of
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.named import labels
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario

    slacks = _slacks(within)
    case = resolve(load_scenario(scenario), catalog_with(overlay), event or [])
    kinds = [kind.strip() for kind in by.split(",") if kind.strip()]
    groups = {kind: labels(case, kind) for kind in kinds}
    quarter = at or case.labels[-1]
    if quarter not in case.labels:
        raise ScenarioError(f"--at is '{at}'; the horizon runs from {case.labels[0]} to {case.labels[-1]}")
    with progress() as say:
        say("building and solving the plan")
        session = PlanSession(divisible(plan_inputs(case)))
        session.solve(say=say)
        spans = ranges(session, groups, slacks_frac=slacks, quarter=quarter, say=say)
        without = left_out(session, groups, say=say)
    title = f"{case.scenario.name}: what a plan within {' or '.join(f'{s:.3g} %' for s in _percent(slacks))} can hold"
    subtitle = f"Bought by the end of {quarter}, or rented then; milestone equity by the fraction of a gigawatt."
    files = write_ranges(out, spans, without, title=title, subtitle=subtitle) if out else ()
    if as_json:
        print_json({
            "scenario": case.scenario.name, "quarter": quarter, "ranges": [asdict(span) for span in spans],
            "without": [asdict(row) for row in without], "files": [str(path) for path in files],
        })  # fmt: skip
        return
    console = console_of()
    heads = [("Name", "left", 0), ("By", "left", 0), ("Optimum", "right", 0)]
    heads += [(f"within {slack:.3g} %", "right", 0) for slack in _percent(slacks)] + [("Cost without it", "right", 0)]
    table = table_of(heads, title=f"Facility power. {subtitle}")
    cost = {(row.by, row.name): row for row in without}
    found = {(span.by, span.name, span.slack_frac): span for span in spans}
    for kind, name in cost:
        rows = [found[kind, name, slack] for slack in slacks]
        cells = [f"{watts(span.least_gw)} to {watts(span.most_gw)}" for span in rows]
        add_row(table, [name, kind, watts(rows[0].optimum_gw), *cells, price(cost[kind, name])])
    console.print(table)
    for row in without:
        if row.why:
            console.print(f"Without {row.by} {row.name}: {row.why}", soft_wrap=True, highlight=False, markup=False)
    for path in files:
        console.print(f"Written: {path}", soft_wrap=True, highlight=False)


def _slacks(text: str) -> list[float]:
    """Shares of "1%,5%", in rising order. Raises ScenarioError."""
    from gigawatt.core.errors import ScenarioError

    try:
        values = sorted({float(part.strip().rstrip("%")) / 100.0 for part in text.split(",")})
    except ValueError:
        values = [-1.0]
    if not all(0.0 <= value <= 1.0 for value in values):
        raise ScenarioError(f"--within is '{text}'; write percentages from 0 to 100, for example 1%,5%")
    return values


def _percent(slacks: list[float]) -> list[float]:
    return [100.0 * slack for slack in slacks]
