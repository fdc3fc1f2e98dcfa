"""``gigawatt delays``: a plan that is kept while buildings and systems come late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, case_of, console_of, print_json, progress
from gigawatt.cli.given import out_file, real, whole


def delays(
    scenario: Scenario,
    draws: Annotated[int, typer.Option("--draws", parser=whole(10, 1_000_000), help="Draws of lateness.")] = 1000,
    site_mean: Annotated[
        float, typer.Option("--site-mean", parser=real(0.0, 20.0), help="Quarters a building is late in the mean.")
    ] = 1.0,
    system_mean: Annotated[
        float, typer.Option("--system-mean", parser=real(0.0, 20.0), help="Quarters a system is late in the mean.")
    ] = 0.5,
    seed: Annotated[int, typer.Option("--seed", parser=whole(0), help="The same seed gives the same draws.")] = 0,
    figure: Annotated[
        Path | None, typer.Option("--figure", callback=out_file, help="HTML file for the fan of what stands.")
    ] = None,
    event: Events = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Play a plan forward, unchanged, under thousands of draws of late buildings and systems."""
    from gigawatt.core.writing import write_whole
    from gigawatt.report.delays import delay_tables
    from gigawatt.study.delays import delayed

    case = case_of(scenario, event, overlay)
    with progress() as say:
        found = delayed(case, n_draws=draws, site_mean=site_mean, system_mean=system_mean, seed=seed, say=say)
    body = found.to_dict()
    if figure is not None:
        from gigawatt.report.fan import late_fan

        write_whole(figure, late_fan(found).to_html())
    if as_json:
        print_json(body)
        return
    console = console_of()
    for table in delay_tables(body):
        console.print(table)
    console.print(
        f"Quarters late in the mean: {site_mean:g} a building, {system_mean:g} a system (judgements; Poisson, each on "
        "its own). The plan does not answer to them; gigawatt tree does.",
        highlight=False,
    )  # fmt: skip
