"""``gigawatt blocks``: a year of hours as the few blocks of a scenario's day."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from gigawatt.cli.common import Json, print_json
from gigawatt.cli.given import real, whole


def blocks(
    year: Annotated[Path, typer.Argument(help="CSV, JSONL or parquet, a row an hour: demand, perhaps price.")],
    n: Annotated[int, typer.Option("--blocks", parser=whole(2, 24), help="How many blocks.")] = 4,
    peak: Annotated[
        float, typer.Option("--peak", parser=real(), help="Share of hours that are the peak, up to 0.5.")
    ] = 1.0 / 24.0,
    as_json: Json = False,
) -> None:
    """Cluster a year of demand, and price, into blocks to put into a scenario; the busiest hours stay their own.

    A column of times gives the time of day, and what is missing or stands twice is said by row; without one the first
    row is the hour from 0:00. Blocks come in the order of the clock.
    """
    from gigawatt.demand.blocks import blocks_of
    from gigawatt.demand.hours import read_hours

    read = read_hours(year)
    found, ratio = blocks_of(read.demand, n, price=read.price, peak_frac=peak, clock_h=read.clock_h)
    fewer = len(found) < n
    if as_json:
        rows: list[dict[str, Any]] = [
            {"name": one.name, "hours": one.hours, "load_over_mean": one.load, "shape": one.shape,
             "clock_h": one.clock_h, "price": one.price if isfinite(one.price) else None} for one in found
        ]  # fmt: skip
        print_json({"peak_to_mean": ratio, "blocks_asked": n, "blocks": rows, "notes": list(read.notes)})
        return
    print(f"# peak over mean {ratio:.4g}: peak_to_mean of classes that follow this year")
    print("blocks:")
    for one in found:
        note = f" # mean price {one.price:.4g}" if isfinite(one.price) else ""
        print(f"  - {{name: {one.name}, hours: {one.hours!r}, shape: {one.shape!r}}}{note}")
    for note in read.notes:
        print(f"# {note}")
    if fewer:
        print(
            f"# {len(found)} blocks, not {n}: the quietest hours lie further below the mean than the peak above it "
            "and are joined with the next until they do not"
        )
