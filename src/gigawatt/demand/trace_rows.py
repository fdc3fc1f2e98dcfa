"""Rows of a table as requests: each value checked, what does not stand refused by row with what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gigawatt.core.errors import TraceError, shown
from gigawatt.demand.requests import Floats, Ints, Requests, Stream, requests_of, starts_of
from gigawatt.demand.table import BadRow, Table, plain_name
from gigawatt.demand.values import LATEST_S, in_order, labels, numbers, seconds, value_of, with_zone

BLOCK_TOKENS = 512
"""Tokens of a hashed block where the file does not say: Mooncake's, and the grain of synthesised blocks."""

MOST_BLOCK_TOKENS = 1_048_576

ALIASES: dict[str, tuple[str, ...]] = {
    "arrival_s": ("arrival_time", "arrived_at", "arrival", "timestamp", "time", "timestamp_s", "t_s"),
    "arrival_ms": ("timestamp_ms", "arrival_time_ms"),
    "input_tokens": (
        "prompt_tokens", "input_length", "contexttokens", "context_tokens", "request_tokens", "num_prefill_tokens",
        "in_tokens", "prompt_len", "prompt_length", "num_prompt_tokens", "isl", "input",
    ),
    "output_tokens": (
        "completion_tokens", "output_length", "generatedtokens", "generated_tokens", "response_tokens",
        "num_decode_tokens", "num_output_tokens", "num_completion_tokens", "out_tokens", "output_len", "osl", "output",
    ),
    "session": ("session_id", "conversation_id", "trace_id"),
    "hash_ids": ("block_hashes", "block_ids"),
    "block_tokens": ("block_size",),
    "class": ("workload", "request_class"),
    "tier": ("service_tier",), "region": (), "priority": (), "ttft_s": (), "tpot_s": (),
    "think_s": ("think_time", "think_time_s"),
}  # fmt: skip
"""Columns of a plain table and the other names each goes by; case does not matter, a space is an underscore."""

SCALARS = frozenset(name for key, names in ALIASES.items() if key != "hash_ids" for name in (key, *names)) | {
    "previous_row", "shared_tokens",
}  # fmt: skip
"""Columns that hold one number or text a row."""


def _pick(columns: pa.Table, key: str) -> pa.ChunkedArray | None:
    """Column of a key, by its own name before others."""
    names = {plain_name(name): name for name in reversed(columns.column_names)}
    for name in (key, *ALIASES[key]):
        if name in names:
            return columns[names[name]]
    return None


class Checks:
    """Reasons by row, the first one kept."""

    def __init__(self, n: int) -> None:
        self.sound = np.ones(n, dtype=np.bool_)
        self.reasons: dict[int, str] = {}

    def refuse(self, wrong: npt.NDArray[np.bool_], reason: Callable[[int], str]) -> None:
        """Marks rows and notes why."""
        for row in np.flatnonzero(wrong & self.sound):
            self.reasons[int(row)] = reason(int(row))
        self.sound &= ~wrong


def requests_in(path: Path, table: Table, chosen: str, skip_bad: bool) -> tuple[Requests, tuple[BadRow, ...]]:
    """(requests of the rows that stand, the others). Raises TraceError where there are others unless ``skip_bad``."""
    columns, checks = table.columns, Checks(len(table.columns))
    arrival = _arrivals(columns, chosen)
    named = _named(columns, "arrival_s") if _pick(columns, "arrival_s") is not None else _named(columns, "arrival_ms")
    tokens = {key: _tokens(columns, key, checks) for key in ("input_tokens", "output_tokens")}
    _check_arrivals(arrival, columns, named, table.line, checks)
    extra = {key: _extra(columns, key, checks) for key in ("ttft_s", "tpot_s", "think_s", "priority")}
    _check_names(columns, checks)
    shared = _shared(columns, tokens["input_tokens"], checks)
    previous = _previous(columns, table.line, checks)
    blocks, block_tokens = _blocks(columns, checks), _block_tokens(columns, checks)
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
    optional |= _sessions(columns, extra["think_s"], previous, keep)
    if blocks is not None:
        optional |= _kept_blocks(*blocks, keep, block_tokens)
    if shared is not None:
        optional["shared_tokens"] = shared[keep]
    requests = requests_of(
        arrival[keep], tokens["input_tokens"][keep].astype(np.int64), tokens["output_tokens"][keep].astype(np.int64),
        **optional,
    )  # fmt: skip
    return requests, tuple(bad)


def _named(columns: pa.Table, key: str) -> str:
    """The file's own name of a column."""
    names = {plain_name(name): name for name in reversed(columns.column_names)}
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
    value = value_of(columns[name][row])
    return "missing" if value is None or value != value else shown(value) if isinstance(value, str) else f"{value}"


def _hint(said: str) -> str:
    """What is likely meant by text that is neither a number nor a date."""
    if re.match(r"'[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{4}", said):
        return "; write the year first: 2026-10-05 09:00:00"
    if re.fullmatch(r"'-?[0-9]+(,[0-9]+)+(\.[0-9]+)?'", said):
        return "; write a point for decimals and nothing for thousands"
    return ""


def _check_arrivals(arrival: Floats, columns: pa.Table, name: str, line: Ints, checks: Checks) -> None:
    checks.refuse(
        ~np.isfinite(arrival),
        lambda row: (
            f"{name} is {_shown(columns, name, row)}; a time in seconds or a date is right, from 1970 to 2255"
            + _hint(_shown(columns, name, row))
        ),
    )
    _check_zones(columns, name, line, checks)
    checks.refuse(
        ~(arrival >= 0.0), lambda row: f"{name} is {_shown(columns, name, row)}, before the start; 0 or later is right"
    )
    checks.refuse(
        arrival >= LATEST_S,
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


def _check_zones(columns: pa.Table, name: str, line: Ints, checks: Checks) -> None:
    """One clock for all rows: times with a zone do not stand beside times without, whose zone nothing says."""
    is_zoned, sound = with_zone(columns[name]), np.flatnonzero(checks.sound)
    if is_zoned is None or not len(sound):
        return
    first = int(sound[0])
    words = ("without", "with") if is_zoned[first] else ("with", "without")
    checks.refuse(
        is_zoned != is_zoned[first],
        lambda row: (
            f"{name} is {_shown(columns, name, row)}, {words[0]} a zone where row {line[first]:,} is {words[1]} one; "
            "all with a zone, such as Z, or all without are right"
        ),
    )


def _unit(value: float) -> str:
    """What a time since 1970 that is too large for seconds is likely counted in."""
    return "milliseconds" if value < 1e14 else "microseconds" if value < 1e17 else "nanoseconds"


def _tokens(columns: pa.Table, key: str, checks: Checks) -> Floats:
    column = _pick(columns, key)
    assert column is not None
    name, found = _named(columns, key), numbers(column)
    beyond = f"a whole number from 1 to {_MOST_TOKENS:,} is right"
    right, zero = "a whole number of at least 1 is right", ", as zero tokens are no request"
    checks.refuse(
        ~((found >= 1.0) & (found <= _MOST_TOKENS) & (found == np.rint(found))),
        lambda row: (
            f"{name} is {_shown(columns, name, row)}; {beyond if found[row] > _MOST_TOKENS else right}"
            f"{zero if found[row] == 0.0 else ''}" + _hint(_shown(columns, name, row))
        ),
    )
    return found


_MOST_TOKENS = 2**40 - 1
_MOST_S = 1e9
"""Limits and pauses beyond some 30 years are none [s]."""
_RULES: dict[str, tuple[float, float, bool, str]] = {
    "ttft_s": (0.0, _MOST_S, False, "seconds above 0 and up to 1e9, or nothing, are right"),
    "tpot_s": (0.0, _MOST_S, False, "seconds above 0 and up to 1e9, or nothing, are right"),
    "think_s": (0.0, _MOST_S, True, "seconds of at least 0 and up to 1e9 are right"),
    "priority": (0.0, 1e6, True, "a whole number of at least 0 and up to 1,000,000 is right"),
}


def _extra(columns: pa.Table, key: str, checks: Checks) -> Floats | None:
    """(n,) numbers of an optional column; nan where the row leaves it out."""
    column = _pick(columns, key)
    if column is None:
        return None
    least, most, included, right = _RULES[key]
    found, missing = numbers(column), np.asarray(column.is_null())
    enough = (found >= least if included else found > least) & (found <= most)
    if key == "priority":
        enough &= found == np.rint(found)
    name = _named(columns, key)
    checks.refuse(~(missing | enough), lambda row: f"{name} is {_shown(columns, name, row)}; {right}")
    return found


def _whole(
    columns: pa.Table, name: str, wrong: Callable[[Floats], npt.NDArray[np.bool_]], right: str, checks: Checks
) -> Ints:
    """(n,) whole numbers of an optional column, -1 where there is none."""
    found, missing = numbers(columns[name]), np.asarray(columns[name].is_null())
    stands = (found == np.rint(found)) & ~wrong(found)
    checks.refuse(~(missing | stands), lambda row: f"{name} is {_shown(columns, name, row)}; {right}")
    return np.where(missing | ~stands, -1.0, found).astype(np.int64)


def _shared(columns: pa.Table, inputs: Floats, checks: Checks) -> Ints | None:
    """(n,) leading tokens that were shown before, -1 unknown; None where no row says."""
    if "shared_tokens" not in columns.column_names:
        return None
    right = "a whole number up to the row's input, or -1 where it is unknown, is right"
    return _whole(columns, "shared_tokens", lambda found: ~((found >= -1.0) & (found <= inputs)), right, checks)


def _previous(columns: pa.Table, line: Ints, checks: Checks) -> Ints | None:
    """(n,) row of the table that each row follows, -1 none; None where no row says.

    The file names it by its number from 0. A row that was left out before is none.
    """
    if "previous_row" not in columns.column_names:
        return None
    n_rows, right = int(line.max(initial=0)), "the number of an earlier row of its session, from 0, or -1 is right"
    named = _whole(columns, "previous_row", lambda found: ~((found >= -1.0) & (found < n_rows)), right, checks)
    place = np.full(n_rows + 1, -1, dtype=np.int64)  # the last entry answers for -1
    place[line - 1] = np.arange(len(line))
    found = place[named]
    wrong = found >= np.arange(len(found))
    session = _pick(columns, "session")
    if session is not None:
        codes, _ = pd.factorize(labels(session))
        wrong |= (found >= 0) & (codes != codes[found])
    checks.refuse(wrong, lambda row: f"previous_row is {_shown(columns, 'previous_row', row)}; {right}")
    return np.where(wrong, -1, found)


_CONTROL = "[\\p{Cc}\\p{Cf}]"  # what moves a terminal, or is not seen


def _check_names(columns: pa.Table, checks: Checks) -> None:
    """Names that are printed hold what can be."""
    for key in ("class", "tier", "region"):
        column, name = _pick(columns, key), _named(columns, key)
        if column is None or not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        wrong = np.asarray(pc.match_substring_regex(column, _CONTROL).fill_null(False), dtype=np.bool_)

        def reason(row: int, name: str = name) -> str:
            return f"{name} is {_shown(columns, name, row)}; a name without control characters is right"

        checks.refuse(wrong, reason)


def _streams(columns: pa.Table, priority: Floats | None, keep: Ints) -> tuple[tuple[Stream, ...], npt.NDArray[Any]]:
    """Kinds of traffic, and each row's, from class, tier, region and priority."""
    parts: dict[str, Any] = {}
    for key in ("class", "tier", "region"):
        column = _pick(columns, key)
        if column is not None:
            parts[key] = labels(column).fillna("").astype(str)
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


def _sessions(columns: pa.Table, think: Floats | None, named: Ints | None, keep: Ints) -> dict[str, Any]:
    """session, and with a column of thinking times the row before in the same session (and the same agent in it)."""
    column = _pick(columns, "session")
    if column is None:
        return {}
    codes, _ = pd.factorize(labels(column).iloc[keep].reset_index(drop=True))
    found: dict[str, Any] = {"session": codes.astype(np.int64)}
    if think is None:
        return found
    if named is not None:
        place = np.full(len(columns) + 1, -1, dtype=np.int64)  # the last entry answers for -1
        place[keep] = np.arange(len(keep))
        previous = place[named[keep]]
    else:
        order = np.lexsort((np.arange(len(codes)), codes))
        same = np.flatnonzero((codes[order][1:] == codes[order][:-1]) & (codes[order][1:] >= 0))
        previous = np.full(len(codes), -1, dtype=np.int64)
        previous[order[same + 1]] = order[same]
    pause = np.nan_to_num(think[keep])
    return found | {"previous": previous, "think_s": np.where(previous >= 0, pause, 0.0)}


def _blocks(columns: pa.Table, checks: Checks) -> tuple[Ints, Ints] | None:
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
        counts = np.asarray(pc.list_value_length(array).fill_null(0), dtype=np.int64)
        return starts_of(counts), np.asarray(array.flatten(), dtype=np.int64)
    lists = [_ids(value_of(one)) for one in array]
    wrong = np.array([one is None for one in lists], dtype=np.bool_)
    checks.refuse(
        wrong, lambda row: f"hash_ids is {shown(value_of(array[row]))}; a list of whole numbers, [1, 2], is right"
    )
    counts = np.array([len(one or ()) for one in lists], dtype=np.int64)
    return starts_of(counts), np.array([part for one in lists for part in one or ()], dtype=np.int64)


_ID = re.compile(r"-?([0-9]{1,19}|[0-9]{1,15}\.0)")


def _ids(value: Any) -> list[int] | None:
    """Whole numbers of a list, or of text such as '[1, 2]' or '1 2'; None where something else stands in it."""
    parts = value if isinstance(value, list) else str("" if value is None else value).strip("[] ").split()
    words = [word.strip() for part in parts for word in str(part).split(",") if word.strip()]
    if not all(_ID.fullmatch(word) for word in words):
        return None
    found = [int(word.removesuffix(".0")) for word in words]
    return found if all(-(2**63) <= one < 2**63 for one in found) else None


def _block_tokens(columns: pa.Table, checks: Checks) -> int:
    """Tokens of a block, the same in all rows."""
    column = _pick(columns, "block_tokens")
    if column is None:
        return BLOCK_TOKENS
    found, name = numbers(column), _named(columns, "block_tokens")
    stands = (found >= 1.0) & (found <= MOST_BLOCK_TOKENS) & (found == np.rint(found))
    right = f"a whole number of tokens from 1 to {MOST_BLOCK_TOKENS:,} is right"
    checks.refuse(~stands, lambda row: f"{name} is {_shown(columns, name, row)}; {right}")
    size = int(found[np.argmax(stands)]) if stands.any() else BLOCK_TOKENS
    checks.refuse(
        found != size, lambda row: f"{name} is {found[row]:g}, not {size} as before; blocks of one size are right"
    )
    return size


def _kept_blocks(starts: Ints, ids: Ints, keep: Ints, size: int) -> dict[str, Any]:
    counts = np.diff(starts)[keep]
    kept = starts_of(counts)
    if len(keep) == len(starts) - 1:
        return {"block_start": starts, "block_ids": ids, "block_tokens": size}
    inside = np.arange(int(counts.sum())) - np.repeat(kept[:-1], counts)
    return {"block_start": kept, "block_ids": ids[np.repeat(starts[:-1][keep], counts) + inside], "block_tokens": size}
