"""Traces of requests from files: plain tables, Azure, Mooncake, coding agents and ServeGen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gigawatt.core.errors import TraceError
from gigawatt.demand.prefix import chain_blocks
from gigawatt.demand.requests import Floats, Ints, Requests, Stream, requests_of, starts_of
from gigawatt.demand.servegen import read_loads
from gigawatt.demand.synthetic import windows
from gigawatt.demand.table import BadRow, Table, in_order, kind_of, numbers, read_table, seconds

FORMATS = ("auto", "plain", "azure", "mooncake", "agentic", "servegen")
BLOCK_TOKENS = 512
"""Tokens of a hashed block where the file does not say: Mooncake's, and the grain of synthesised blocks."""

_LATEST_S = 9e9
"""Arrivals from here on are no seconds since 1970, which run in whole nanoseconds."""

_MANY_BAD = 0.01
"""Share of rows left out from which a note says so."""

DRAWN_REQUESTS = 1_000_000
"""Requests drawn from ServeGen's rates where no limit is given."""

ALIASES: dict[str, tuple[str, ...]] = {
    "arrival_s": ("arrival_time", "arrived_at", "arrival", "timestamp", "time", "timestamp_s", "t_s"),
    "arrival_ms": ("timestamp_ms", "arrival_time_ms"),
    "input_tokens": (
        "prompt_tokens", "input_length", "contexttokens", "context_tokens", "request_tokens", "num_prefill_tokens",
        "in_tokens", "prompt_len", "prompt_length", "isl",
    ),
    "output_tokens": (
        "completion_tokens", "output_length", "generatedtokens", "generated_tokens", "response_tokens",
        "num_decode_tokens", "out_tokens", "output_len", "osl",
    ),
    "session": ("session_id", "conversation_id", "trace_id"),
    "hash_ids": ("block_hashes", "block_ids"),
    "block_tokens": ("block_size",),
    "class": ("workload", "request_class"),
    "tier": ("service_tier",), "region": (), "priority": (), "ttft_s": (), "tpot_s": (),
    "think_s": ("think_time", "think_time_s"),
}  # fmt: skip
"""Columns of a plain table and the other names each goes by; case does not matter, a space is an underscore."""


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
    if format == "servegen" or path.is_dir() or path.name.endswith((".tar.gz", ".tgz")):
        return _drawn(path, limit, spread or Spread())
    table = read_table(path, kind_of(path), limit)
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
    requests, bad = _requests(path, table, chosen, skip_bad)
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


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _format(path: Path, columns: list[str]) -> str:
    names = {_plain(name) for name in columns}
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


def _pick(columns: pa.Table, key: str) -> pa.ChunkedArray | None:
    """Column of a key, by its own name before others."""
    names = {_plain(name): name for name in reversed(columns.column_names)}
    for name in (key, *ALIASES[key]):
        if name in names:
            return columns[names[name]]
    return None


class _Checks:
    """Reasons by row, the first one kept."""

    def __init__(self, n: int) -> None:
        self.sound = np.ones(n, dtype=np.bool_)
        self.reasons: dict[int, str] = {}

    def refuse(self, wrong: npt.NDArray[np.bool_], reason: Callable[[int], str]) -> None:
        """Marks rows and notes why."""
        for row in np.flatnonzero(wrong & self.sound):
            self.reasons[int(row)] = reason(int(row))
        self.sound &= ~wrong


def _requests(path: Path, table: Table, chosen: str, skip_bad: bool) -> tuple[Requests, tuple[BadRow, ...]]:
    columns, checks = table.columns, _Checks(len(table.columns))
    arrival = _arrivals(columns, chosen)
    named = _named(columns, "arrival_s") if _pick(columns, "arrival_s") is not None else _named(columns, "arrival_ms")
    tokens = {key: _tokens(columns, key, checks) for key in ("input_tokens", "output_tokens")}
    _check_arrivals(arrival, columns, named, table.line, checks)
    extra = {key: _extra(columns, key, checks) for key in ("ttft_s", "tpot_s", "think_s", "priority")}
    blocks = _blocks(columns, checks)
    bad = sorted(
        [*table.bad, *(BadRow(line=int(table.line[row]), reason=why) for row, why in checks.reasons.items())],
        key=lambda one: one.line,
    )
    if bad and not skip_bad:
        more = f". {len(bad) - 1:,} more rows do not stand" if len(bad) > 1 else ""
        raise TraceError(f"{path}, row {bad[0].line:,}: {bad[0].reason}{more}. --skip-bad leaves such rows out, listed")
    keep = np.flatnonzero(checks.sound)
    if not len(keep):
        raise TraceError(f"{path} holds no row that stands; the first: {bad[0].reason if bad else 'there is none'}")
    optional: dict[str, Any] = {"line": table.line[keep]}
    for key in ("ttft_s", "tpot_s"):
        if extra[key] is not None:
            optional[key] = extra[key][keep]  # type: ignore[index]
    optional["streams"], optional["stream"] = _streams(columns.take(pa.array(keep)), extra["priority"], keep)
    optional |= _sessions(columns, extra["think_s"], keep)
    if blocks is not None:
        optional |= _kept_blocks(columns, *blocks, keep)
    if "shared_tokens" in columns.column_names:
        optional["shared_tokens"] = np.asarray(columns["shared_tokens"])[keep]
    requests = requests_of(
        arrival[keep], tokens["input_tokens"][keep].astype(np.int64), tokens["output_tokens"][keep].astype(np.int64),
        **optional,
    )  # fmt: skip
    return requests, tuple(bad)


def _named(columns: pa.Table, key: str) -> str:
    """The file's own name of a column."""
    names = {_plain(name): name for name in reversed(columns.column_names)}
    return next((names[name] for name in (key, *ALIASES[key]) if name in names), key)


def _arrivals(columns: pa.Table, chosen: str) -> Floats:
    """(n,) seconds; Mooncake's timestamps and columns that say so are milliseconds."""
    column = _pick(columns, "arrival_s")
    if column is None:
        column = _pick(columns, "arrival_ms")
        assert column is not None
        return numbers(column) / 1e3
    found = seconds(column)
    return found / 1e3 if chosen == "mooncake" else found


def _shown(columns: pa.Table, name: str, row: int) -> str:
    value = columns[name][row].as_py()
    return "missing" if value is None or value != value else f"'{value}'" if isinstance(value, str) else f"{value}"


def _check_arrivals(arrival: Floats, columns: pa.Table, name: str, line: Ints, checks: _Checks) -> None:
    checks.refuse(
        ~np.isfinite(arrival),
        lambda row: f"{name} is {_shown(columns, name, row)}; a time in seconds or a date is right",
    )
    checks.refuse(
        ~(arrival >= 0.0), lambda row: f"{name} is {_shown(columns, name, row)}, before the start; 0 or later is right"
    )
    checks.refuse(
        arrival >= _LATEST_S,
        lambda row: (
            f"{name} is {_shown(columns, name, row)} s, beyond the year 2250; it looks like {_unit(arrival[row])}: "
            "divide it to seconds, or name a column of milliseconds arrival_ms"
        ),
    )
    sound = np.flatnonzero(checks.sound)
    kept = sound[in_order(arrival[sound])]
    if len(kept) == len(sound):
        return
    wrong = checks.sound.copy()
    wrong[kept] = False

    def unsorted(row: int) -> str:
        place = int(np.searchsorted(kept, row))
        is_early = place > 0 and arrival[row] < arrival[kept[place - 1]]
        other = int(kept[place - 1] if is_early else kept[place])
        return (
            f"{name} is {arrival[row]:.9g} s but row {line[other]:,}{'' if is_early else ', after it,'} is at "
            f"{arrival[other]:.9g} s; rows in order of arrival are right: sort the file"
        )

    checks.refuse(wrong, unsorted)


def _unit(value: float) -> str:
    """What a time since 1970 that is too large for seconds is likely counted in."""
    return "milliseconds" if value < 1e14 else "microseconds" if value < 1e17 else "nanoseconds"


def _tokens(columns: pa.Table, key: str, checks: _Checks) -> Floats:
    column = _pick(columns, key)
    assert column is not None
    name, found = _named(columns, key), numbers(column)
    right = "a whole number of at least 1 is right"
    zero = ", as zero tokens are no request"
    checks.refuse(
        ~((found >= 1.0) & (found < 2.0**40) & (found == np.rint(found))),
        lambda row: f"{name} is {_shown(columns, name, row)}; {right}{zero if found[row] == 0.0 else ''}",
    )
    return found


_RULES: dict[str, tuple[float, bool, str]] = {
    "ttft_s": (0.0, False, "seconds above 0, or nothing, are right"),
    "tpot_s": (0.0, False, "seconds above 0, or nothing, are right"),
    "think_s": (0.0, True, "seconds of at least 0 are right"),
    "priority": (0.0, True, "a whole number of at least 0 is right"),
}


def _extra(columns: pa.Table, key: str, checks: _Checks) -> Floats | None:
    """(n,) numbers of an optional column; nan where the row leaves it out."""
    column = _pick(columns, key)
    if column is None:
        return None
    least, included, right = _RULES[key]
    found, missing = numbers(column), np.asarray(column.is_null())
    enough = found >= least if included else found > least
    if key == "priority":
        enough &= found == np.rint(found)
    name = _named(columns, key)
    checks.refuse(~(missing | enough), lambda row: f"{name} is {_shown(columns, name, row)}; {right}")
    return found


def _streams(columns: pa.Table, priority: Floats | None, keep: Ints) -> tuple[tuple[Stream, ...], npt.NDArray[Any]]:
    """Kinds of traffic, and each row's, from class, tier, region and priority."""
    parts: dict[str, Any] = {}
    for key in ("class", "tier", "region"):
        column = _pick(columns, key)
        if column is not None:
            parts[key] = column.to_pandas().fillna("").astype(str)
    if priority is not None:
        parts["priority"] = pd.Series(np.nan_to_num(priority[keep]).astype(np.int64))
    if not parts:
        return (Stream(name="default"),), np.broadcast_to(np.int32(0), (len(keep),))
    frame = pd.DataFrame(parts)
    streams = tuple(
        Stream(
            name=str(one.get("class", "")) or "default", tier=str(one.get("tier", "")),
            region=str(one.get("region", "")), priority=int(one.get("priority", 0)),
        )
        for one in frame.drop_duplicates().to_dict("records")
    )  # fmt: skip
    return streams, np.asarray(frame.groupby(list(parts), sort=False).ngroup(), dtype=np.int32)


def _sessions(columns: pa.Table, think: Floats | None, keep: Ints) -> dict[str, Any]:
    """session, and with a column of thinking times the row before in the same session (and the same agent in it)."""
    column = _pick(columns, "session")
    if column is None:
        return {}
    labels = column.to_pandas().iloc[keep].reset_index(drop=True)
    codes, _ = pd.factorize(labels)
    found: dict[str, Any] = {"session": codes.astype(np.int64)}
    if think is None:
        return found
    if "previous_row" in columns.column_names:
        place = np.full(len(columns) + 1, -1, dtype=np.int64)
        place[keep] = np.arange(len(keep))
        previous = place[np.asarray(columns["previous_row"])[keep]]
    else:
        order = np.lexsort((np.arange(len(codes)), codes))
        same = np.flatnonzero((codes[order][1:] == codes[order][:-1]) & (codes[order][1:] >= 0))
        previous = np.full(len(codes), -1, dtype=np.int64)
        previous[order[same + 1]] = order[same]
    pause = np.nan_to_num(think[keep])
    return found | {"previous": previous, "think_s": np.where(previous >= 0, pause, 0.0)}


def _blocks(columns: pa.Table, checks: _Checks) -> tuple[Ints, Ints] | None:
    """(start, ids) of all rows; lists, or text such as '[1, 2]' or '1 2'."""
    column = _pick(columns, "hash_ids")
    if column is None:
        return None
    array = column.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    kind = array.type
    if pa.types.is_null(kind):
        return np.zeros(len(columns) + 1, dtype=np.int64), np.zeros(0, dtype=np.int64)
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if is_list and pa.types.is_integer(kind.value_type) and array.flatten().null_count == 0:
        counts = np.asarray(pa.compute.list_value_length(array).fill_null(0), dtype=np.int64)
        return starts_of(counts), np.asarray(array.flatten(), dtype=np.int64)
    lists: list[list[int]] = []
    wrong = np.zeros(len(columns), dtype=np.bool_)
    for row, value in enumerate(array.to_pylist()):
        try:
            parts = value if isinstance(value, list) else str("" if value is None else value).strip("[] ").split()
            lists.append([int(str(part).strip(", ")) for part in _split(parts)])
        except ValueError:
            wrong[row] = True
            lists.append([])
    checks.refuse(wrong, lambda row: f"hash_ids is {array[row].as_py()!r}; a list of whole numbers, [1, 2], is right")
    counts = np.array([len(one) for one in lists], dtype=np.int64)
    return starts_of(counts), np.array([part for one in lists for part in one], dtype=np.int64)


def _split(parts: list[Any]) -> list[str]:
    return [piece for part in parts for piece in str(part).split(",") if piece.strip()]


def _kept_blocks(columns: pa.Table, starts: Ints, ids: Ints, keep: Ints) -> dict[str, Any]:
    column = _pick(columns, "block_tokens")
    size = BLOCK_TOKENS
    if column is not None:
        sizes = np.unique(numbers(column)[keep])
        if len(sizes) != 1 or not sizes[0] >= 1:
            raise TraceError("block_tokens differs between rows; blocks of one size, in tokens, are right")
        size = int(sizes[0])
    counts = np.diff(starts)[keep]
    kept = starts_of(counts)
    if len(keep) == len(starts) - 1:
        return {"block_start": starts, "block_ids": ids, "block_tokens": size}
    inside = np.arange(int(counts.sum())) - np.repeat(kept[:-1], counts)
    return {"block_start": kept, "block_ids": ids[np.repeat(starts[:-1][keep], counts) + inside], "block_tokens": size}


def _agentic(path: Path, table: Table, spread: Spread) -> tuple[Table, tuple[str, ...]]:
    """The columns of coding-agent sessions as those of a plain table, in order of arrival.

    A session begins at its drawn start. A row follows the latest row of its agent (a subagent's first, of the session)
    at or before it in time; it thinks as the row says, or where it does not, from the end of that row to its own time.
    No output is read as one token: its prompt was worked through. Blocks are those of ``chain_blocks``.
    """
    frame = table.columns.to_pandas()
    raw = {name: pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64) for name in (
        "t_s", "in_tokens", "out_tokens", "prefix_blocks_seen_before", "block_size",
    )}  # fmt: skip
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
    previous, think = _turns(session[order], agent[order], raw["t_s"][order], timed["api_time"][order])
    given = timed["think_time"][order]
    think = np.where(np.isnan(given) | (agent[order] != agent[order][previous]), think, given)
    empty = int((raw["out_tokens"] == 0).sum())
    inputs = np.nan_to_num(raw["in_tokens"][order])
    seen = np.nan_to_num(raw["prefix_blocks_seen_before"][order] * raw["block_size"][order])
    seen = np.clip(seen, 0.0, np.maximum(inputs, 0.0)).astype(np.int64)
    block_start, ids = chain_blocks(
        session[order].astype(np.int64), np.clip(inputs, 0.0, 2.0**40).astype(np.int64), seen, BLOCK_TOKENS
    )
    columns = pa.table({
        "arrival_s": arrival[order], "input_tokens": raw["in_tokens"][order],
        "output_tokens": np.where(raw["out_tokens"] == 0, 1.0, raw["out_tokens"])[order],
        "session": session[order], "class": np.full(len(order), "agentic coding"), "think_s": np.maximum(think, 0.0),
        "previous_row": previous, "shared_tokens": seen,
        "hash_ids": pa.LargeListArray.from_arrays(pa.array(block_start), pa.array(ids)),
    })  # fmt: skip
    notes = (
        f"{len(labels):,} sessions begin uniformly over {spread.over_s:,.0f} s, drawn with seed {spread.seed}",
        f"{empty:,} rows without output count as one token: their prompt was worked through",
        f"blocks of {BLOCK_TOKENS} tokens are made from what each session had seen",
    )
    return Table(columns=columns, line=table.line[order], bad=table.bad), notes


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
