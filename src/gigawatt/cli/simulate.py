"""``gigawatt simulate``: the planned fleet of a quarter under a day of requests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, catalog_with, console_of, print_json, progress
from gigawatt.cli.given import names, real, whole


def simulate(
    scenario: Scenario,
    quarter: Annotated[str, typer.Option("--quarter", help="Quarter whose fleet is simulated, for example 2027Q3.")],
    day: Annotated[str, typer.Option("--day", help="peak, as the plan was sized, or ordinary.")] = "peak",
    requests: Annotated[
        int,
        typer.Option(
            "--requests", parser=whole(0), help="About how many requests in all; cells are a sample of the fleet."
        ),
    ] = 0,
    scale: Annotated[
        float, typer.Option("--scale", parser=real(0.0, 1.0), help="Share of the fleet's cells, over the whole day.")
    ] = 0.0,
    trace: Annotated[
        str,
        typer.Option("--trace", help="Requests of a file or public trace in place of drawn ones."),
    ] = "",
    without: Annotated[
        str,
        typer.Option("--without", help="What to leave out: latency,failures,tiers,bursts,sessions."),
    ] = "",
    autoscaling: Annotated[
        bool, typer.Option("--autoscaling", help="Let pools switch off replicas that are not needed at the moment.")
    ] = False,
    event: Events = None,
    seed: Annotated[int, typer.Option("--seed", parser=whole(0), help="Of all random numbers.")] = 0,
    threads: Annotated[
        int, typer.Option("--threads", parser=whole(0), help="At most; 0 is one a core. No figure changes.")
    ] = 0,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="File of an interrupted simulation to go on with.")
    ] = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Simulate the planned fleet of a quarter request by request: latencies, goodput, use, energy by class."""
    from gigawatt.core.errors import ScenarioError
    from gigawatt.report.day import day_body, day_sentences, day_table
    from gigawatt.study.cells import check_without
    from gigawatt.study.day import DayOptions, simulate_day
    from gigawatt.study.resolve import resolve
    from gigawatt.study.run import run as study_run
    from gigawatt.study.scenario import load_scenario

    if day not in ("peak", "ordinary"):
        raise ScenarioError(f"--day is '{day}'; it is peak or ordinary")
    if trace and resume:
        raise ScenarioError("--resume goes on with drawn requests; a trace is simulated anew")
    ask = DayOptions(
        quarter=quarter, day=day, requests=requests, scale=scale, trace=trace, without=names(without),  # type: ignore[arg-type]
        scaling=autoscaling, seed=seed, threads=threads, resume=resume,
    )  # fmt: skip
    catalog = catalog_with(overlay)
    check_without(ask.without)
    resolve(load_scenario(scenario), catalog, event or []).at(quarter)
    with progress() as say:
        results = study_run(scenario, catalog=catalog, events=event or [], say=say)
        found = simulate_day(results, ask, say)
    body = day_body(results.case.scenario.name, found)
    if found.stopped:
        print(found.stopped, file=sys.stderr)
    if as_json:
        print_json(body)
    else:
        console_of().print(day_table(body))
        for line in day_sentences(body, found):
            print(line)
    if found.stopped:
        raise SystemExit(130)
