"""``gigawatt speed``: what speed must be worth for a share of inference on low-latency silicon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gigawatt.cli.common import Events, Json, Overlay, case_of, console_of, print_json, progress
from gigawatt.cli.given import names, number, out_folder


def speed(
    scenario: Annotated[
        str, typer.Argument(help="A shipped scenario's name or a YAML file, with classes that have speeds.")
    ] = "value-of-speed",
    scales: Annotated[
        str,
        typer.Option(
            "--scales",
            help="Factors on what speed is worth, A,B,...: commas part them; else 0 and 17 from 0.1 to 10.",
        ),
    ] = "",
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="A curve without this system (repeatable), or none; else without the largest."),
    ] = None,
    event: Events = None,
    out: Annotated[
        Path | None, typer.Option("--out", callback=out_folder, help="Folder for the page with the figure.")
    ] = None,
    as_json: Json = False,
    overlay: Overlay = None,
) -> None:
    """Scale what users pay for speed and draw the share of inference that low-latency silicon takes."""
    from gigawatt.core.names import slug
    from gigawatt.report.speed_page import sentences, speed_table, write_page
    from gigawatt.study.speed import SCALES, sweep

    factors = parsed(scales) if scales else SCALES
    with progress() as say:
        say("looking up systems, sites and classes")
        case = case_of(scenario, event, overlay)
        found = sweep(case, scales=factors, without=[] if without == ["none"] else without, say=say)
        page = write_page(found, out / f"speed-{slug(case.scenario.name)}.html") if out else None
    if as_json:
        print_json(found.to_dict() | ({"page": str(page)} if page else {}))
        return
    console = console_of()
    console.print(speed_table(found))
    for sentence in sentences(found):
        console.print(sentence, highlight=False)
    if page:
        console.print(f"page: {page}", highlight=False, soft_wrap=True)


def parsed(text: str) -> tuple[float, ...]:
    """Factors of ``--scales``, smallest first. Raises ScenarioError where one is no number or below 0."""
    from gigawatt.core.errors import ScenarioError, shown

    try:
        factors = sorted({number(part) for part in names(text)})
    except typer.BadParameter:
        factors = []
    if not factors or factors[0] < 0.0 or factors[-1] > 1e6:
        raise ScenarioError(f"--scales is {shown(text)}; write factors of 0 and more, for example 0,0.1,1,10")
    return tuple(factors)
