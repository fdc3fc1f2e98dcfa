"""``gigawatt simulate``: the planned fleet of a quarter under a day of requests."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gigawatt.cli.common import Events, Json, Overlay, Scenario, catalog_with, console_of, print_json, progress
from gigawatt.cli.given import real, whole
from gigawatt.core.calendar import HOUR_S

if TYPE_CHECKING:
    from gigawatt.demand.requests import Requests
    from gigawatt.study.cells import Cells
    from gigawatt.study.fleet import Run, Sample, Simulated
    from gigawatt.study.loop import Steady
    from gigawatt.study.results import Results

_REQUESTS = 2_000_000
_LARGE = 20_000_000  # requests from which cells are whole
_COUNTED_S = 300.0  # at least, of what is simulated
_QUIET_S = 1.0  # between two lines of progress


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
    from gigawatt.study.cells import cells_of, check_without
    from gigawatt.study.fleet import busiest
    from gigawatt.study.loop import yields
    from gigawatt.study.resolve import resolve
    from gigawatt.study.run import run as study_run
    from gigawatt.study.scenario import load_scenario

    if day not in ("peak", "ordinary"):
        raise ScenarioError(f"--day is '{day}'; it is peak or ordinary")
    if trace and resume:
        raise ScenarioError("--resume goes on with drawn requests; a trace is simulated anew")
    catalog = catalog_with(overlay)
    left_out = [name.strip() for name in without.split(",") if name.strip()]
    check_without(left_out)
    resolve(load_scenario(scenario), catalog, event or []).at(quarter)
    with progress() as say:
        results = study_run(scenario, catalog=catalog, events=event or [], say=say)

        def cells(size: int) -> tuple[Cells, ...]:
            return cells_of(
                results.case, results.plan, quarter, day, replicas=size, without=left_out, scaling=autoscaling  # type: ignore[arg-type]
            )  # fmt: skip

        found = cells(64 if scale or requests > _LARGE else 16)
        if not found:
            raise ScenarioError(f"{scenario}: the plan serves no requests in {quarter}; choose a later quarter")
        say("what replicas yield at their operating points (kernels compile once, about a minute)")
        steady = yields(found, quarter, seed)
        began = time.perf_counter()
        if trace:
            rows, is_complete = _traced(busiest(found), _read(trace, say), seed, say), True
        else:
            samples = samples_of(cells, found, requests or _REQUESTS, scale)
            asked = f"{results.hash} {quarter} {day} {','.join(left_out)}"
            rows, is_complete = _drawn(samples, asked, (seed, threads), resume, say)
    body = _body(results, (quarter, day), rows, steady, is_complete) | {
        "without": left_out, "wall_s": round(time.perf_counter() - began, 3),
    }  # fmt: skip
    if as_json:
        print_json(body)
    else:
        console_of().print(_table(body))
        for line in _sentences(body, steady):
            print(line)
    if not is_complete:
        raise SystemExit(130)


# --- drawn requests


def samples_of(
    cells: Callable[[int], Sequence[Cells]], found: Sequence[Cells], requests: float, scale: float
) -> list[Sample]:
    """What is simulated: with ``scale`` a share of the cells over all blocks, else the busiest block of each class.

    Of about ``requests``, those not counted among them. Where even five minutes of one cell a class are more, cells
    have fewer replicas; ``cells`` makes them.
    """
    from gigawatt.study.fleet import Sample, busiest

    if scale:
        return [Sample(cells=one, n=max(1, round(one.n * scale)), horizon_s=HOUR_S * one.hours) for one in found]

    def least(some: Sequence[Cells]) -> float:
        return sum(Sample(cells=one, n=1, horizon_s=_COUNTED_S).requests for one in some)

    some = busiest(found)
    for size in (8, 4, 2, 1):
        if least(some) <= requests:
            break
        some = busiest(cells(size))
    spare = max(requests - least(some), 0.0)
    a_day = sum(one.rate_per_s * one.hours for one in some)
    samples = []
    for one in some:
        more_s = spare * (one.rate_per_s * one.hours / a_day) / one.cell_rate_per_s
        whole_s = HOUR_S * one.hours
        n = min(max(1, round((_COUNTED_S + more_s) / (whole_s + 2.0 * one.warm_s))), one.n)
        horizon_s = min(_COUNTED_S + (more_s if n == 1 else whole_s), whole_s)
        samples.append(Sample(cells=one, n=n, horizon_s=horizon_s))
    return samples


@dataclass(slots=True, eq=False)
class _Clock:
    """Requests done of those asked for, and when it will end, from the start of the simulation. Mutable."""

    total: float
    say: Callable[[str], None]
    done: int = 0
    began: float = field(default_factory=time.perf_counter)
    told: float = 0.0

    def tick(self, ended: int) -> None:
        """So many more have ended."""
        self.done += ended
        now = time.perf_counter()
        if now - self.told >= _QUIET_S:
            self.told = now
            left = (now - self.began) * max(self.total - self.done, 0.0) / max(self.done, 1)
            self.say(f"{self.done:,} of about {self.total:,.0f} requests, {left:,.0f} s to go")


def _drawn(
    samples: Sequence[Sample], asked: str, how: tuple[int, int], resume: Path | None, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], bool]:
    """(a row a class, whether all cells are finished)."""
    from gigawatt.study.fleet import Run, simulate
    from gigawatt.study.saved import resume_run, run_key

    seed, threads = how
    run = Run(samples=samples, seed=seed)
    key = run_key(run, asked)
    if resume is not None:
        resume_run(run, resume, key)
    left = sum(
        one.requests / one.n for k, one in enumerate(samples) for cell in range(one.n) if (k, cell) not in run.done
    )
    say(f"simulating about {left:,.0f} requests in {sum(one.n for one in samples) - len(run.done):,} cells")
    try:
        simulate(run, threads=threads or None, tick=_Clock(total=left, say=say).tick)
    except KeyboardInterrupt:
        _keep(run, resume, key)
    return _rows(run), run.is_finished


def _keep(run: Run, resumed: Path | None, key: str) -> None:
    """Writes what an interrupted simulation goes on with, and says so."""
    from gigawatt.study.saved import save_run

    path = resumed or Path(f"simulate-{key[:12]}.npz")
    save_run(run, path, key)
    print(
        f"stopped after {len(run.done):,} of {sum(one.n for one in run.samples):,} cells; the figures are of those. "
        f"The same command with --resume {path} goes on",
        file=sys.stderr,
    )


def _rows(run: Run) -> list[dict[str, Any]]:
    """A row a class that has a finished cell, over its blocks."""
    from gigawatt.study.fleet import over_day, simulated

    rows = []
    for name in dict.fromkeys(sample.cells.name for sample in run.samples):
        blocks = []
        hours = 0.0
        for k, sample in enumerate(run.samples):
            if sample.cells.name == name and run.parts(k):
                blocks.append((sample.cells, simulated(sample.cells, run.parts(k))))
                hours += sample.horizon_s / HOUR_S
        if blocks:
            most = max(blocks, key=lambda pair: pair[0].rate_per_s)[0]
            rows.append(_row(most, over_day(blocks), hours) | {"blocks": [_block(*pair) for pair in blocks]})
    return rows


# --- traces


def _read(name: str, say: Callable[[str], None]) -> Requests:
    """Requests of a file or of a public trace, each at its own arrival."""
    from gigawatt.demand.public import unchanged
    from gigawatt.demand.traces import read_trace

    return read_trace(unchanged(name), say=say).requests.open_loop()


def _traced(found: Sequence[Cells], requests: Requests, seed: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    from gigawatt.study.fleet import of_class, simulate_trace

    rows = []
    for cells, part in of_class(found, requests):
        say(f"simulating {len(part):,} requests of {cells.name}")
        one = simulate_trace(cells, part, seed=seed)
        rows.append(
            _row(cells, one.simulated, one.counted_s / HOUR_S)
            | {"trace_requests": len(part), "trace_repeats": one.repeats, "blocks": [_block(cells, one.simulated)]}
        )
    return rows


# --- figures


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def _block(cells: Cells, one: Simulated) -> dict[str, Any]:
    return {
        "block": cells.block, "requests_per_s": cells.rate_per_s, "replicas": dict(cells.replicas),
        "cells_simulated": one.n_simulated, "requests": one.n_requests, "attained_frac": one.attained_frac,
        "is_stable": one.is_stable,
    }  # fmt: skip


def _row(cells: Cells, one: Simulated, hours: float) -> dict[str, Any]:
    total, traffic = one.metrics.total, cells.fleet.traffic[0]
    counts = ("completed", "gated", "failed", "retries", "spilled", "preemptions")
    return {
        "class": cells.name, **asdict(cells.served), "block": one.block, "requests": one.n_requests,
        **{key: total.n[key] for key in counts},
        "cells": cells.n, "cells_simulated": one.n_simulated, "hours": hours, "replicas": dict(cells.replicas),
        "attained_frac": one.attained_frac, "needed_frac": one.needed_frac, "is_stable": one.is_stable,
        "slo": _plain({"ttft_s": traffic.ttft_s, "tpot_s": traffic.tpot_s}),
        "ttft_s": _plain(total.percentiles_s("ttft")), "tpot_s": _plain(total.percentiles_s("tpot")),
        "e2e_s": _plain(total.percentiles_s("e2e")), "energy_j": one.metrics.energy_j, "kernel_s": one.kernel_s,
        "tiers": {stream.name: stream.to_dict()["slo_attained_frac"] for stream in one.metrics.streams},
    }  # fmt: skip


def _body(
    results: Results, when: tuple[str, str], rows: list[dict[str, Any]], steady: Sequence[Steady], is_complete: bool
) -> dict[str, Any]:
    spent, n_all = sum(row["kernel_s"] for row in rows), sum(row["requests"] for row in rows)
    return {
        "scenario": results.case.scenario.name, "quarter": when[0], "day": when[1], "requests": n_all,
        "kernel_s": round(spent, 3), "requests_per_s": n_all / spent if spent else 0.0, "complete": is_complete,
        "classes": rows,
        "replicas": [
            {
                "lane": one.lane, "planned_tokens_per_s": one.planned_tokens_per_s,
                "simulated_tokens_per_s": one.simulated_tokens_per_s, "is_agreed": one.is_agreed,
            }
            for one in steady
        ],
    }  # fmt: skip


def _sentences(body: dict[str, Any], steady: Sequence[Steady]) -> list[str]:
    """What the table does not say."""
    lines = [
        f"{row['class']}: requests in flight grow while it counts: no steady state, times go on rising"
        for row in body["classes"]
        if not row["is_stable"]
    ]
    lines += [
        f"{row['class']}: the trace is short and was sent {row['trace_repeats']:,} times"
        for row in body["classes"]
        if row.get("trace_repeats", 1) > 1
    ]
    return lines + [str(one) for one in steady]


def _table(body: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(
        title=f"{body['scenario']}, {body['quarter']}, {body['day']} day: {body['requests']:,} requests counted, "
        f"{body['requests_per_s'] / 1e6:.2f} million of them in a second of computing"
    )
    heads = ("class", "block", "cells", "hours", "TTFT p50", "p99", "limit", "TPOT p50", "p99", "limit", "met", "asked")
    for head in heads:
        table.add_column(head, justify="left" if head in ("class", "block") else "right")

    def seconds(value: float | None, unit: float, name: str) -> str:
        return "none" if value is None else f"{value * unit:,.3g} {name}"

    for row in body["classes"]:
        limit = row["slo"]
        table.add_row(
            row["class"], row["block"], f"{row['cells_simulated']} of {row['cells']}", f"{row['hours']:.1f}",
            seconds(row["ttft_s"]["p50"], 1.0, "s"), seconds(row["ttft_s"]["p99"], 1.0, "s"),
            seconds(limit["ttft_s"], 1.0, "s"), seconds(row["tpot_s"]["p50"], 1e3, "ms"),
            seconds(row["tpot_s"]["p99"], 1e3, "ms"), seconds(limit["tpot_s"], 1e3, "ms"),
            f"{row['attained_frac']:.1%}", f"{row['needed_frac']:.0%}",
        )  # fmt: skip
    return table
