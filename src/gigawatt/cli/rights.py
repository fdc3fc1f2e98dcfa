"""``gigawatt rights``: what each right, commitment and minimum take of a scenario costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def rights(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name or a YAML file.")],
    event: Annotated[list[str] | None, typer.Option("--event", help="Event of the scenario to switch on.")] = None,
    mip_gap: Annotated[
        float, typer.Option("--mip-gap", min=0.0, max=0.5, help="Gap at which whole gigawatts are placed.")
    ] = 0.01,
    overlay: Annotated[
        Path | None, typer.Option("--catalog", help="Folder whose entries win over the shipped catalogue's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")] = False,
) -> None:
    """Switch every right, commitment and minimum take off, one at a time, and say what each costs."""
    from gigawatt.cli.app import _catalog, _console, _print_json, _progress
    from gigawatt.report.rights import rights_table
    from gigawatt.study.resolve import resolve
    from gigawatt.study.rights import cost_rows, rights_costs
    from gigawatt.study.scenario import load_scenario

    catalog = _catalog(overlay)
    with _progress() as say:
        case = resolve(load_scenario(scenario), catalog, event or [])
        costs = rights_costs(case, mip_gap=mip_gap, say=say)
    if as_json:
        _print_json({"scenario": case.scenario.name, "events": list(case.events_on)} | cost_rows(costs))
        return
    _console().print(rights_table(costs))
