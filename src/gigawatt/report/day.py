"""A simulated day of a fleet: its figures as plain data, and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gigawatt.study.day import ClassDay, FleetDay
from gigawatt.study.fleet import Simulated

if TYPE_CHECKING:
    from rich.table import Table

    from gigawatt.study.cells import Cells

_COUNTS = ("completed", "gated", "failed", "retries", "spilled", "preemptions")


def day_body(scenario: str, found: FleetDay) -> dict[str, Any]:
    """Everything of a simulated day as plain data: times in s, energy in J."""
    rows, ask = [_row(one) for one in found.classes], found.ask
    spent, n_all = sum(row["kernel_s"] for row in rows), sum(row["requests"] for row in rows)
    return {
        "scenario": scenario, "quarter": ask.quarter, "day": ask.day, "requests": n_all, "kernel_s": round(spent, 3),
        "requests_per_s": n_all / spent if spent else 0.0, "complete": not found.stopped, "classes": rows,
        "replicas": [
            {
                "lane": one.lane, "planned_tokens_per_s": one.planned_tokens_per_s,
                "simulated_tokens_per_s": one.simulated_tokens_per_s, "is_agreed": one.is_agreed,
            }
            for one in found.steady
        ],
        "without": list(ask.without), "wall_s": round(found.wall_s, 3),
    }  # fmt: skip


def _row(row: ClassDay) -> dict[str, Any]:
    one, cells = row.simulated, row.cells
    total, traffic = one.metrics.total, cells.fleet.traffic[0]
    traced = {} if row.trace is None else {"trace_requests": row.trace[0], "trace_repeats": row.trace[1]}
    return {
        "class": cells.name, **asdict(cells.served), "block": one.block, "requests": one.n_requests,
        **{key: total.n[key] for key in _COUNTS},
        "cells": cells.n, "cells_simulated": one.n_simulated, "hours": row.hours, "replicas": dict(cells.replicas),
        "attained_frac": one.attained_frac, "needed_frac": one.needed_frac, "is_stable": one.is_stable,
        "slo": _plain({"ttft_s": traffic.ttft_s, "tpot_s": traffic.tpot_s}),
        "ttft_s": _plain(total.percentiles_s("ttft")), "tpot_s": _plain(total.percentiles_s("tpot")),
        "e2e_s": _plain(total.percentiles_s("e2e")), "energy_j": one.metrics.energy_j, "kernel_s": one.kernel_s,
        "tiers": {stream.name: stream.to_dict()["slo_attained_frac"] for stream in one.metrics.streams},
        **traced, "blocks": [_block(*pair) for pair in row.blocks],
    }  # fmt: skip


def _block(cells: Cells, one: Simulated) -> dict[str, Any]:
    return {
        "block": cells.block, "requests_per_s": cells.rate_per_s, "replicas": dict(cells.replicas),
        "cells_simulated": one.n_simulated, "requests": one.n_requests, "attained_frac": one.attained_frac,
        "is_stable": one.is_stable,
    }  # fmt: skip


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def day_sentences(body: Mapping[str, Any], found: FleetDay) -> list[str]:
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
    return lines + [str(one) for one in found.steady]


def day_table(body: Mapping[str, Any]) -> Table:
    """A row a class: its cells, times beside their limits, and the share of requests within both."""
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
