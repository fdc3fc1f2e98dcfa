"""``gigawatt rights``: what each right, commitment and minimum take of a scenario costs."""

from __future__ import annotations

from typing import Annotated

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, case_of, console_of, print_json, progress
from gigawatt.cli.given import real


def rights(
    scenario: Scenario,
    event: Events = None,
    mip_gap: Annotated[
        float, typer.Option("--mip-gap", parser=real(0.0, 0.5), help="Gap at which whole gigawatts are placed.")
    ] = 0.01,
    time_limit: Annotated[
        float, typer.Option("--time-limit", parser=real(1.0), help="Seconds for each plan; the best found stays.")
    ] = 120.0,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Try every right, commitment, minimum take and option off or in its other states, and say what each costs."""
    from gigawatt.report.rights import rights_table
    from gigawatt.study.rights import cost_rows, rights_costs

    with progress() as say:
        case = case_of(scenario, event, overlay)
        costs = rights_costs(case, mip_gap=mip_gap, time_limit_s=time_limit, say=say)
    if as_json:
        print_json({"scenario": case.scenario.name, "events": list(case.events_on)} | cost_rows(costs))
        return
    console_of().print(rights_table(costs))
