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

    The first row is the hour from 0:00. Blocks come in the order of the clock.
    """
    from gigawatt.core.errors import TraceError
    from gigawatt.demand.blocks import blocks_of
    from gigawatt.demand.table import kind_of, numbers, read_table

    columns = read_table(year, kind_of(year), None).columns
    names = {name.strip().lower(): name for name in columns.column_names}
    if "demand" not in names:
        raise TraceError(f"{year} has no column demand; it has {', '.join(columns.column_names)}")
    price = numbers(columns[names["price"]]) if "price" in names else None
    found, ratio = blocks_of(numbers(columns[names["demand"]]), n, price=price, peak_frac=peak)
    fewer = len(found) < n
    if as_json:
        rows: list[dict[str, Any]] = [
            {"name": one.name, "hours": one.hours, "load_over_mean": one.load, "shape": one.shape,
             "clock_h": one.clock_h, "price": one.price if isfinite(one.price) else None} for one in found
        ]  # fmt: skip
        print_json({"peak_to_mean": ratio, "blocks_asked": n, "blocks": rows})
        return
    print(f"# peak over mean {ratio:.4g}: peak_to_mean of classes that follow this year")
    print("blocks:")
    for one in found:
        note = f" # mean price {one.price:.4g}" if isfinite(one.price) else ""
        print(f"  - {{name: {one.name}, hours: {one.hours!r}, shape: {one.shape!r}}}{note}")
    if fewer:
        print(
            f"# {len(found)} blocks, not {n}: the quietest hours lie further below the mean than the peak above it "
            "and are joined with the next until they do not"
        )
