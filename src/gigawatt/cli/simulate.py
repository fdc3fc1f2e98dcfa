"""``gigawatt simulate``: the planned fleet of a quarter under a day of requests."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gigawatt.demand.requests import Requests
    from gigawatt.study.fleet import Cells, Simulated

_REQUESTS = 2_000_000
_LARGE = 20_000_000  # requests from which cells are whole


def simulate(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name or a YAML file.")],
    quarter: Annotated[str, typer.Option("--quarter", help="Quarter whose fleet is simulated, for example 2027Q3.")],
    day: Annotated[str, typer.Option("--day", help="peak, as the plan was sized, or ordinary.")] = "peak",
    requests: Annotated[
        int, typer.Option("--requests", min=0, help="About how many requests in all; cells are a sample of the fleet.")
    ] = 0,
    scale: Annotated[
        float, typer.Option("--scale", min=0.0, max=1.0, help="Share of the fleet's cells, over the whole day.")
    ] = 0.0,
    trace: Annotated[
        str,
        typer.Option("--trace", help="Requests of a file or public trace in place of drawn ones."),
    ] = "",
    event: Annotated[list[str] | None, typer.Option("--event", help="Event of the scenario to switch on.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of all random numbers.")] = 0,
    overlay: Annotated[
        Path | None, typer.Option("--catalog", help="Folder whose entries win over the shipped catalogue's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")] = False,
) -> None:
    """Simulate the planned fleet of a quarter request by request: latencies, goodput, use, energy by class."""
    from gigawatt.cli.app import _catalog, _console, _print_json, _progress
    from gigawatt.core.errors import ScenarioError
    from gigawatt.study.fleet import DAY_S, cells_of, simulate_cells
    from gigawatt.study.loop import busiest_s
    from gigawatt.study.run import run as study_run

    if day not in ("peak", "ordinary"):
        raise ScenarioError(f"--day is '{day}'; it is peak or ordinary")
    catalog = _catalog(overlay)
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    stopped = False
    with _progress() as say:
        results = study_run(scenario, catalog=catalog, events=event or [], say=say)
        size = 64 if scale or requests > _LARGE else 16
        found = cells_of(results.case, results.plan, quarter, day, replicas=size)  # type: ignore[arg-type]
        if not found:
            raise ScenarioError(f"{scenario}: the plan serves no requests in {quarter}; choose a later quarter")
        say(f"simulating {len(found)} classes (kernels compile once, about a minute)")
        if trace:
            from gigawatt.study.fleet import of_class, simulate_trace

            asked_for = of_class(found, _read(trace, say).open_loop())
            rows = [
                _row(cells, simulate_trace(cells, part, seed=seed), part.arrival_s[-1] - part.arrival_s[0])
                for cells, part in asked_for
            ]
            found = ()
        total = sum(cells.rate_per_s for cells in found) * DAY_S
        asked = float(requests or (total * scale if scale else _REQUESTS))
        done = 0
        try:
            for cells in found:
                n, horizon = _sample(cells, asked * cells.rate_per_s * DAY_S / total if total else 0.0, scale)
                start = busiest_s(cells) if horizon < DAY_S else 0.0

                def tick(ended: int, name: str = cells.name) -> None:
                    nonlocal done
                    done += ended
                    left = (time.perf_counter() - began) * max(asked - done, 0.0) / max(done, 1)
                    say(f"{name}: {done:,} of about {asked:,.0f} requests, {left:,.0f} s to go")

                one = simulate_cells(cells, n=n, horizon_s=horizon, start_s=start, seed=seed, tick=tick)
                rows.append(_row(cells, one, horizon))
        except KeyboardInterrupt:
            stopped = True
    if stopped:
        names = ", ".join(row["class"] for row in rows) or "none"
        print(f"Stopped. Classes that are complete: {names}. The same command with the same --seed gives the same.",
              file=sys.stderr)  # fmt: skip
    spent = sum(row["kernel_s"] for row in rows)
    n_all = sum(row["requests"] for row in rows)
    body = {
        "scenario": results.case.scenario.name, "quarter": quarter, "day": day, "requests": n_all,
        "wall_s": round(time.perf_counter() - began, 3), "kernel_s": round(spent, 3),
        "requests_per_s": n_all / spent if spent else 0.0, "complete": not stopped, "classes": rows,
    }  # fmt: skip
    if as_json:
        _print_json(body)
        return
    _console().print(_table(body))


def _read(name: str, say: Callable[[str], None]) -> Requests:
    """Requests of a file or of a public trace."""
    from gigawatt.demand.public import find_public
    from gigawatt.demand.traces import read_trace

    return read_trace(find_public(name), say=say).requests


def _sample(cells: Cells, requests: float, scale: float) -> tuple[int, float]:
    """(cells, seconds) to simulate: whole days of some cells, or the busiest time of one."""
    from gigawatt.study.fleet import DAY_S

    if scale:
        return max(1, round(cells.n * scale)), DAY_S
    a_day = float(cells.load.rate_per_s.mean()) * DAY_S
    n = requests / a_day if a_day else 1.0
    if n >= 1.0:
        return min(max(1, round(n)), cells.n), DAY_S
    return 1, max(DAY_S * n, 600.0)


def _row(cells: Cells, one: Simulated, horizon_s: float) -> dict[str, Any]:
    total = one.metrics.total

    def plain(values: dict[str, float]) -> dict[str, float | None]:
        return {key: value if math.isfinite(value) else None for key, value in values.items()}

    traffic = cells.fleet.traffic[0]
    return {
        "class": cells.name, "requests": one.n_requests, "completed": total.n["completed"], "cells": cells.n,
        "cells_simulated": one.n_simulated, "hours": horizon_s / 3600.0,
        "replicas": dict(cells.replicas),
        "attained_frac": one.attained_frac, "needed_frac": one.needed_frac,
        "slo": plain({"ttft_s": traffic.ttft_s, "tpot_s": traffic.tpot_s}),
        "ttft_s": plain(total.percentiles_s("ttft")), "tpot_s": plain(total.percentiles_s("tpot")),
        "e2e_s": plain(total.percentiles_s("e2e")), "energy_j": one.metrics.energy_j, "kernel_s": one.kernel_s,
    }  # fmt: skip


def _table(body: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(
        title=f"{body['scenario']}, {body['quarter']}, {body['day']} day: {body['requests']:,} requests simulated at "
        f"{body['requests_per_s'] / 1e6:.2f} million a second"
    )
    heads = ("class", "cells", "hours", "TTFT p50", "p99", "limit", "TPOT p50", "p99", "limit", "met", "asked")
    for head in heads:
        table.add_column(head, justify="left" if head == "class" else "right")

    def seconds(value: float | None, unit: float, name: str) -> str:
        return "none" if value is None else f"{value * unit:,.3g} {name}"

    for row in body["classes"]:
        limit = row["slo"]
        table.add_row(
            row["class"], f"{row['cells_simulated']} of {row['cells']}", f"{row['hours']:.1f}",
            seconds(row["ttft_s"]["p50"], 1.0, "s"), seconds(row["ttft_s"]["p99"], 1.0, "s"),
            seconds(limit["ttft_s"], 1.0, "s"), seconds(row["tpot_s"]["p50"], 1e3, "ms"),
            seconds(row["tpot_s"]["p99"], 1e3, "ms"), seconds(limit["tpot_s"], 1e3, "ms"),
            f"{row['attained_frac']:.1%}", f"{row['needed_frac']:.0%}",
        )  # fmt: skip
    return table
