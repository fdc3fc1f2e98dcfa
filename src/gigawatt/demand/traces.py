"""Traces of requests from files: plain tables, Azure, Mooncake, coding agents and ServeGen."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from gigawatt.core.errors import TraceError
from gigawatt.demand.prefix import chain_blocks
from gigawatt.demand.requests import Floats, Ints, Requests
from gigawatt.demand.servegen import read_loads
from gigawatt.demand.synthetic import windows
from gigawatt.demand.table import BadRow, Table, kind_of, plain_name, read_table
from gigawatt.demand.trace_rows import ALIASES, BLOCK_TOKENS, SCALARS, requests_in
from gigawatt.demand.values import numbers

FORMATS = ("auto", "plain", "azure", "mooncake", "agentic", "servegen")
_MANY_BAD = 0.01
"""Share of rows left out from which a note says so."""

DRAWN_REQUESTS = 1_000_000
"""Requests drawn from ServeGen's rates where no limit is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How sessions of which only the inside is timed are laid over a day: starts uniform over ``over_s`` seconds."""

    over_s: float = 3600.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Requests of a file, the rows left out with the reason, and the format read.

    ``notes`` says what was decided for the reader, a sentence each.
    """

    requests: Requests
    bad: tuple[BadRow, ...]
    format: str
    notes: tuple[str, ...] = ()


def read_trace(
    path: str | Path,
    *,
    format: str = "auto",
    skip_bad: bool = False,
    limit: int | None = None,
    spread: Spread | None = None,
    say: Callable[[str], None] | None = None,
) -> Trace:
    """Requests of a file.

    Args:
        path: CSV, JSONL or parquet, gz or not.
        format: one of ``FORMATS``; 'auto' goes by the columns.
        skip_bad: leave out rows that do not stand and list them, instead of refusing the file.
        limit: read the first rows only.
        spread: for coding agents, when their sessions begin; its seed draws ServeGen's requests.
        say: told what is going on.

    Raises:
        TraceError: a file or format that cannot be read; or the first row that does not stand, and how many more.

    Source of formats: docs/traces.md.
    """
    path = Path(path)
    if format not in FORMATS:
        raise TraceError(f"no format is called '{format}'; known are {', '.join(FORMATS)}")
    if limit is not None and limit < 1:
        raise TraceError(f"a limit of {limit} rows leaves nothing; give 1 or more")
    if say:
        say(f"reading {path.name}")
    if format == "servegen" or os.path.isdir(path) or path.name.endswith((".tar.gz", ".tgz")):
        return _drawn(path, limit, spread or Spread())
    table = read_table(path, kind_of(path), limit, scalars=SCALARS)
    if format == "auto" and {"window_start_s", "requests_per_s"} <= set(table.columns.column_names):
        return _drawn(path, limit, spread or Spread())
    found = _format(path, table.columns.column_names)
    chosen = found if format == "auto" else format
    if chosen == "agentic":
        table, notes = _agentic(path, table, spread or Spread())
    else:
        table, notes = table, ()
    if say:
        say(f"checking {len(table.line):,} rows of {path.name}")
    requests, bad = requests_in(path, table, chosen, skip_bad)
    share = len(bad) / (len(bad) + len(requests))
    if share > _MANY_BAD:
        notes = (*notes, f"{len(bad):,} rows, {share:.1%} of the file, are left out: look at the reasons")
    return Trace(requests=requests, bad=bad, format=chosen, notes=notes)


def _drawn(path: Path, limit: int | None, spread: Spread) -> Trace:
    """ServeGen holds rates, not requests: the first of them, drawn."""
    loads = read_loads(path)
    rows = limit or DRAWN_REQUESTS
    day_s = max(len(one.rate_per_s) * one.bin_s for one in loads)
    requests = next(windows(loads, seed=spread.seed, horizon_s=day_s, window_requests=rows), None)
    if requests is None:
        raise TraceError(f"{path}: its rates give no request")
    note = f"the first {len(requests):,} requests of {len(loads):,} clients' rates, drawn with seed {spread.seed}"
    return Trace(requests=requests, bad=(), format="servegen", notes=(note,))


def _format(path: Path, columns: list[str]) -> str:
    names = {plain_name(name) for name in columns}
    if {"trace_id", "agent_path", "prefix_blocks_seen_before"} <= names:
        return "agentic"
    if {"timestamp", "contexttokens", "generatedtokens"} <= names:
        return "azure"
    if {"timestamp", "input_length", "output_length"} <= names:
        return "mooncake"
    missing = [key for key in ("input_tokens", "output_tokens") if not names & {key, *ALIASES[key]}]
    if not names & {"arrival_s", "arrival_ms", *ALIASES["arrival_s"], *ALIASES["arrival_ms"]}:
        missing.insert(0, "arrival_s")
    if missing:
        raise TraceError(
            f"{path} has no column {' and none '.join(missing)}; it has {', '.join(columns[:12])}. A trace needs "
            "arrival_s, input_tokens and output_tokens"
        )
    return "plain"


_AGENTIC = (
    "t_s", "in_tokens", "out_tokens", "prefix_blocks_seen_before", "block_size", "trace_id", "agent_path", "extra",
)  # fmt: skip


def _agentic(path: Path, table: Table, spread: Spread) -> tuple[Table, tuple[str, ...]]:
    """The columns of coding-agent sessions as those of a plain table, in order of arrival.

    A session begins at its drawn start. A row follows the latest row of its agent (a subagent's first, of the session)
    at or before it in time; it thinks as the row says, or where it does not, from the end of that row to its own time.
    No output is read as one token: its prompt was worked through. Blocks are those of ``chain_blocks``.
    """
    missing = [name for name in _AGENTIC if name not in table.columns.column_names]
    if missing:
        raise TraceError(f"{path} has no column {missing[0]}; sessions of coding agents have {', '.join(_AGENTIC)}")
    frame = table.columns.select(_AGENTIC).to_pandas(use_threads=False)
    raw = {name: numbers(table.columns[name]) for name in _AGENTIC[:5]}
    pattern = {key: rf'"{key}":\s*([0-9.eE+-]+)' for key in ("think_time", "api_time")}
    extra = frame["extra"].fillna("").astype(str)
    timed = {
        key: pd.to_numeric(extra.str.extract(text, expand=False), errors="coerce").to_numpy(np.float64)
        for key, text in pattern.items()
    }
    session, labels = pd.factorize(frame["trace_id"])
    starts = np.random.default_rng(spread.seed).random(len(labels)) * spread.over_s
    agent, _ = pd.factorize(frame["trace_id"].astype(str) + " " + frame["agent_path"].astype(str))
    arrival = raw["t_s"] + starts[session]
    order = np.argsort(np.where(np.isfinite(arrival), arrival, np.inf), kind="stable")
    line = table.line[order]
    previous, think = _turns(session[order], agent[order], raw["t_s"][order], timed["api_time"][order])
    given = timed["think_time"][order]
    think = np.where(np.isnan(given) | (agent[order] != agent[order][previous]), think, given)
    empty = int((raw["out_tokens"] == 0).sum())
    inputs = np.nan_to_num(raw["in_tokens"][order])
    seen = np.nan_to_num(raw["prefix_blocks_seen_before"][order] * raw["block_size"][order])
    seen = np.clip(seen, 0.0, np.maximum(inputs, 0.0))
    block_start, ids = chain_blocks(
        session[order].astype(np.int64),
        np.clip(inputs, 0.0, 2.0**40).astype(np.int64),
        seen.astype(np.int64),
        BLOCK_TOKENS,
    )
    columns = pa.table({
        "arrival_s": arrival[order], "input_tokens": raw["in_tokens"][order],
        "output_tokens": np.where(raw["out_tokens"] == 0, 1.0, raw["out_tokens"])[order],
        "session": session[order], "class": np.full(len(order), "agentic coding"), "think_s": np.maximum(think, 0.0),
        "previous_row": np.where(previous >= 0, line[previous] - 1, -1), "shared_tokens": seen,
        "hash_ids": pa.LargeListArray.from_arrays(pa.array(block_start), pa.array(ids)),
    })  # fmt: skip
    notes = (
        f"{len(labels):,} sessions begin uniformly over {spread.over_s:,.0f} s, drawn with seed {spread.seed}",
        f"{empty:,} rows without output count as one token: their prompt was worked through",
        f"blocks of {BLOCK_TOKENS} tokens are made from what each session had seen",
    )
    return Table(columns=columns, line=line, bad=table.bad), notes


def _turns(session: Ints, agent: Ints, t_s: Floats, api_s: Floats) -> tuple[Ints, Floats]:
    """(previous, think) of rows in order of time; think from the end of the row before to the row, not below 0."""
    last: dict[tuple[int, int], int] = {}
    latest: dict[int, int] = {}
    previous = np.full(len(session), -1, dtype=np.int64)
    for row, key in enumerate(zip(session.tolist(), agent.tolist(), strict=True)):
        previous[row] = last.get(key, latest.get(key[0], -1))
        last[key] = latest[key[0]] = row
    took = np.nan_to_num(api_s)
    think = np.where(previous >= 0, t_s - t_s[previous] - took[previous], 0.0)
    return previous, np.nan_to_num(np.maximum(think, 0.0))
