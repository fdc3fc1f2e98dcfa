"""``gigawatt alternatives``: plans that cost little more, and what could be done without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def alternatives(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name or a YAML file.")],
    within: Annotated[str, typer.Option("--within", help="Shares above the cheapest plan, A,B.")] = "1%,5%",
    by: Annotated[str, typer.Option("--by", help="Groups: vendor, site, system, provider.")] = "vendor,site",
    at: Annotated[str, typer.Option("--at", help="Quarter whose capacity counts; the last of the plan.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the picture, alternatives.html.")] = None,
    event: Annotated[list[str] | None, typer.Option("--event", help="Event of the scenario to switch on.")] = None,
    overlay: Annotated[
        Path | None, typer.Option("--catalog", help="Folder whose entries win over the shipped catalogue's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")] = False,
) -> None:
    """Show how far vendors and sites can go in plans that cost little more, and what it costs to do without them."""
    from gigawatt.cli.app import _catalog, _console, _print_json, _progress
    from gigawatt.report.alternatives import figure, rows, table, write_figure
    from gigawatt.study.alternatives import other_plans
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario

    slacks = [_share(text) for text in within.split(",") if text.strip()]
    kinds = [text.strip() for text in by.split(",") if text.strip()]
    with _progress() as say:
        say("reading scenario and catalogue")
        case = resolve(load_scenario(scenario), _catalog(overlay), event or [])
        found = other_plans(case, by=kinds, slacks=slacks, at=at or None, say=say)
        path = write_figure(figure(case, found), out, "alternatives") if out else None
    if as_json:
        _print_json({
            "scenario": case.scenario.name, "at": found.at, "objective_usd": found.objective_musd * 1e6,
            "groups": rows(found), "figure": str(path) if path else None,
        })  # fmt: skip
        return
    console = _console()
    console.print(table(case, found))
    if path:
        console.print(f"Picture: {path.resolve()}", soft_wrap=True, highlight=False)


def _share(text: str) -> float:
    """A share such as 5 % or 0.05."""
    from gigawatt.core.errors import ScenarioError, UnitError
    from gigawatt.core.units import parse

    try:
        value = parse(text.strip(), "")
    except UnitError as error:
        raise ScenarioError(f"--within {text.strip()}: {error}; write for example 5%") from error
    if not 0.0 < value <= 1.0:
        raise ScenarioError(f"--within {text.strip()}: a share above the cheapest plan is more than 0 and at most 100%")
    return float(value)
