"""``gigawatt delays``: a plan that is kept while buildings and systems come late."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, catalog_with, console_of, print_json, progress
from gigawatt.cli.given import out_file, real, whole

if TYPE_CHECKING:
    from rich.table import Table


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
    from gigawatt.study.delays import delayed
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario

    case = resolve(load_scenario(scenario), catalog_with(overlay), event or [])
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
    for table in _tables(body):
        console.print(table)
    console.print(
        f"Quarters late in the mean: {site_mean:g} a building, {system_mean:g} a system (judgements; Poisson, each on "
        "its own). The plan does not answer to them; gigawatt tree does.",
        highlight=False,
    )  # fmt: skip


def _tables(body: dict[str, Any]) -> list[Table]:
    from gigawatt.core.calendar import year_and_number
    from gigawatt.core.units import pretty
    from gigawatt.report.terminal import add_row, table_of

    share = [("", "left", 0), ("as planned", "right", 0)] + [(f"P{100 * q:.0f}", "right", 0) for q in body["quantiles"]]
    table = table_of(share, title=f"{body['scenario']} under {body['draws']:,} draws of delays")
    for row in body["gw"]:
        if year_and_number(row["quarter"])[1] == 4:
            cells = [pretty(gw * 1e9, "W") for gw in (row["planned"], *row["gw"])]
            add_row(table, (f"Stands at the end of {row['quarter']}", *cells))
    for name, late in body["committed_late_gw"].items():
        add_row(table, (f"Most behind {name}", "", *(pretty(gw * 1e9, "W") for gw in late)))
    add_row(table, ("Costs more, discounted", "", *(pretty(value, "USD") for value in body["extra_usd"])))
    add_row(table, ("Money to be found", "", *(pretty(value, "USD") for value in body["to_be_found_usd"])))
    add_row(table, ("Work unmet, by value", "", *(f"{100 * value:.2f} %" for value in body["unmet_frac"])))
    one = table_of([("One quarter late, alone", "left", 0), ("costs more, discounted", "right", 0)])
    shown = [(name, usd) for name, usd in body["one_quarter_late_usd"].items() if abs(usd) >= 1.0]
    for name, usd in shown[:12]:
        add_row(one, (name, pretty(usd, "USD")))
    return [table, one] if shown else [table]
