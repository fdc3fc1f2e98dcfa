"""``gigawatt alternatives``: the least and most of each vendor, site, system, provider or technology."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, case_of, console_of, print_json, progress
from gigawatt.cli.given import names, number, out_folder


def alternatives(
    scenario: Scenario,
    within: Annotated[str, typer.Option("--within", help="What a plan may cost more, such as 1%,5%.")] = "1%,5%",
    by: Annotated[str, typer.Option("--by", help="Any of vendor, site, system, provider, technology.")] = "vendor,site",
    at: Annotated[str, typer.Option("--at", help="Quarter at whose end is counted; the last by default.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", callback=out_folder, help="Folder for a picture and a page.")
    ] = None,
    event: Events = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Which vendor, site, system, provider or technology could we do without, and what does it cost?"""
    from gigawatt.core.errors import ScenarioError
    from gigawatt.plan.alternatives import divisible, left_out, ranges
    from gigawatt.plan.session import PlanSession
    from gigawatt.report.ranges import percent, ranges_table, write_ranges
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.named import KINDS, labels

    slacks = _slacks(within)
    case = case_of(scenario, event, overlay)
    kinds = list(dict.fromkeys(names(by.lower())))
    if not kinds:
        raise ScenarioError(f"--by is '{by}'; write what offers are grouped by: any of {', '.join(KINDS)}")
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
    title = f"{case.scenario.name}: what a plan that costs up to {' or '.join(map(percent, slacks))} more can hold"
    subtitle = (
        f"Facility power bought by the end of {quarter}, or rented then; nothing has to come whole.\n"
        "Shares are of all that the optimum holds so counted, costs without it of the optimum's discounted cost."
    )
    files = write_ranges(out, spans, without, title=title, subtitle=subtitle) if out else ()
    if as_json:
        print_json({
            "scenario": case.scenario.name, "quarter": quarter, "ranges": [asdict(span) for span in spans],
            "without": [asdict(row) for row in without], "files": [str(path) for path in files],
        })  # fmt: skip
        return
    console = console_of()
    console.print(ranges_table(spans, without, title=subtitle))
    for row in without:
        if row.why:
            console.print(f"Without {row.by} {row.name}: {row.why}", soft_wrap=True, highlight=False, markup=False)
    for path in files:
        console.print(f"Written: {path}", soft_wrap=True, highlight=False)


def _slacks(text: str) -> list[float]:
    """Shares of "1%,5%", in rising order. Raises ScenarioError."""
    from gigawatt.core.errors import ScenarioError, shown

    parts = [part.strip() for part in text.split(",")]
    try:
        values = sorted({number(part if part.endswith("%") else f"{part}%") for part in parts})
    except typer.BadParameter:
        values = [-1.0]
    unmarked = len(parts) > 1 and not all(part.endswith("%") for part in parts)  # 0,5% is a decimal comma
    if unmarked or not all(0.0 <= value <= 1.0 for value in values):
        raise ScenarioError(f"--within is {shown(text)}; write percentages from 0 to 100, for example 1%,5%")
    return values
