"""``gigawatt tree``: what to order now if demand, chips and power may turn out otherwise."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, case_of, console_of, print_json, progress
from gigawatt.cli.given import names, number, out_file, real, whole

if TYPE_CHECKING:
    from gigawatt.plan.tail import Tail


def tree(
    scenario: Scenario,
    branches: Annotated[
        str, typer.Option("--branches", help="Quarters in which something is learned, A,B; or the scenario's.")
    ] = "",
    cvar: Annotated[
        str, typer.Option("--cvar", help="LEVEL:WEIGHT, 0.9:0.5 gives the mean of the worst tenth half the weight.")
    ] = "",
    gap: Annotated[str, typer.Option("--gap", help="Relative gap of the bounds at which the search ends.")] = "0.5%",
    time_limit: Annotated[
        float, typer.Option("--time-limit", parser=real(1.0), help="Seconds of the search with its foresight.")
    ] = 180.0,
    lumps: Annotated[
        bool, typer.Option("--lumps", help="Lumps decided before the first branch whole, whatever the scenario says.")
    ] = False,
    extensive: Annotated[bool, typer.Option("--extensive", help="Solve the tree as one problem.")] = False,
    regret: Annotated[
        float,
        typer.Option("--regret", parser=real(0.0), help="Seconds for each case whose orders are followed; 0: none."),
    ] = 30.0,
    workers: Annotated[
        int, typer.Option("--workers", parser=whole(1, 64), help="Processes; the result is the same.")
    ] = 2,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", callback=out_file, help="HTML file for the fan of what stands in every case."),
    ] = None,
    event: Events = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Plan over a tree of what may happen: orders to place now, bounds, and what foresight would be worth."""
    from gigawatt.core.writing import write_whole
    from gigawatt.report.tree import tree_body, tree_ending, tree_parts
    from gigawatt.study.tree import plan_tree, serial_or_processes

    tail, wanted = _tail(cvar), _share(gap)
    with closing(serial_or_processes(workers)) as executor, progress() as say:
        case = case_of(scenario, event, overlay, lumps="whole" if lumps else None)
        results = plan_tree(
            case, branches=names(branches), tail=tail, gap=wanted, time_limit_s=time_limit, as_one=extensive,
            regret_limit_s=regret, executor=executor, say=say,
        )  # fmt: skip
    body = tree_body(results)
    if ending := tree_ending(body, time_limit, is_stopped=results.is_stopped):
        print(ending, file=sys.stderr)
    if figure is not None:
        from gigawatt.report.fan import stock_fan

        write_whole(figure, stock_fan(results).to_html())
    if as_json:
        print_json(body)
    else:
        console = console_of()
        for part in tree_parts(body):
            console.print(part, highlight=False, soft_wrap=isinstance(part, str))
    if results.is_stopped:
        raise SystemExit(130)


def _share(text: str) -> float:
    from gigawatt.core.errors import ScenarioError, shown

    try:
        value = number(text)
    except typer.BadParameter:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise ScenarioError(f"--gap is {shown(text)}; write a share, for example 0.5% or 0.005")
    return value


def _tail(text: str) -> Tail:
    from gigawatt.core.errors import ScenarioError, shown
    from gigawatt.plan.tail import Tail

    if not text:
        return Tail()
    try:
        level, weight = (number(part) for part in text.split(":"))
    except (ValueError, typer.BadParameter):
        raise ScenarioError(f"--cvar is {shown(text)}; write LEVEL:WEIGHT, for example 0.9:0.5") from None
    try:
        return Tail(level=level, weight=weight)
    except ValueError as error:
        raise ScenarioError(f"--cvar is {shown(text)}: {error}") from None
