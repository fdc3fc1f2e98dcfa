"""A trace file as a table of columns, each row with its number; rows that do not parse are named."""

from __future__ import annotations

import codecs
import gzip
import io
import json
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from gigawatt.core.errors import TraceError

Ints = npt.NDArray[np.int64]
Kind = Literal["csv", "jsonl", "parquet"]

_PART = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that does not stand: its number (1 = first row of data) and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Columns of a file.

    Attributes:
        columns: arrow table, one row a request.
        line: (n,) row numbers; blank lines are not counted.
        bad: rows that did not parse.
    """

    columns: pa.Table
    line: Ints
    bad: tuple[BadRow, ...]


def read_table(path: Path, kind: Kind, limit: int | None) -> Table:
    """The first ``limit`` rows of a file (all for none); gz is unpacked.

    Raises:
        TraceError: a file that cannot be read, is empty, or is not of its kind.
    """
    try:
        data = _bytes(path)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TraceError(f"{path} cannot be read: {reason}; name a file that exists") from error
    if not data[:1000].strip() and not data.strip():
        raise TraceError(f"{path} is empty; a trace has at least one request")
    if kind != "parquet":
        _check_text(path, data)
    try:
        if kind != "parquet":
            return _checked(path, _csv(data, limit) if kind == "csv" else _jsonl(data, limit))
        columns = pyarrow.parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise TraceError(f"{path} is no {kind} file that can be read: {_first_line(error)}") from error
    columns = columns if limit is None else columns.slice(0, limit)
    return _checked(path, Table(columns=columns, line=np.arange(1, len(columns) + 1), bad=()))


def _check_text(path: Path, data: bytes) -> None:
    """Raises TraceError for bytes that are no UTF-8 text, looked at a part at a time."""
    if b"\0" in data[:_PART]:
        raise TraceError(f"{path} holds bytes that are no text; UTF-8 text, or parquet named .parquet, is right")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _PART):
            decoder.decode(data[start : start + _PART], final=start + _PART >= len(data))
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is no UTF-8 text ({error.reason}); save it as UTF-8") from error


def _checked(path: Path, table: Table) -> Table:
    """The table; raises TraceError where a column is named twice or there is no row at all."""
    names = table.columns.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TraceError(f"{path} names the column {twice} twice; each name once is right")
    if not len(table.columns) and table.bad:
        raise TraceError(f"{path} holds no row that stands: row {table.bad[0].line:,}: {table.bad[0].reason}")
    if not len(table.columns):
        raise TraceError(f"{path} holds a header and no row; a trace has at least one request")
    return table


def kind_of(path: Path) -> Kind:
    """csv, jsonl or parquet, by the name or else by the first character.

    Raises:
        TraceError: a file that cannot be read.
    """
    names = [suffix.lower() for suffix in path.suffixes]
    for suffix, kind in ((".parquet", "parquet"), (".jsonl", "jsonl"), (".ndjson", "jsonl"), (".csv", "csv")):
        if suffix in names:
            return kind  # type: ignore[return-value]
    try:
        with gzip.open(path) if names[-1:] == [".gz"] else path.open("rb") as file:
            start = file.read(200).lstrip()
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TraceError(f"{path} cannot be read: {reason}; name a file that exists") from error
    return "parquet" if start.startswith(b"PAR1") else "jsonl" if start.startswith((b"{", b"[")) else "csv"


def _bytes(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as file:
            return file.read()
    return path.read_bytes()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _csv(data: bytes, limit: int | None) -> Table:
    """Arrow's own reader; on a row of the wrong width again on one thread, which knows its number."""
    bad: list[BadRow] = []

    def note(row: Any) -> str:
        bad.append(
            BadRow(
                line=(row.number or 1) - 1,
                reason=f"has {row.actual_columns} fields where the header names {row.expected_columns}",
            )
        )
        return "skip"

    if limit is not None:  # the header, what was asked for, and some for blank lines
        data = b"".join(io.BytesIO(data).readlines()[: limit + 1]) if len(data) < 1 << 20 else _head(data, limit + 1)
    header = data[: data.find(b"\n") + 1] or data
    between = next((one for one in (",", ";", "\t") if one.encode() in header), ",")
    parsing = pyarrow.csv.ParseOptions(delimiter=between, invalid_row_handler=note)
    # zones and mixed forms are read by us: all that Arrow infers beyond numbers, whole timestamps and text is off
    convert = pyarrow.csv.ConvertOptions(null_values=["", "nan", "NaN", "null", "NA", "None"], strings_can_be_null=True)
    columns = pyarrow.csv.read_csv(pa.BufferReader(data), parse_options=parsing, convert_options=convert)
    if bad:
        bad.clear()
        one = pyarrow.csv.ReadOptions(use_threads=False)
        columns = pyarrow.csv.read_csv(
            pa.BufferReader(data), read_options=one, parse_options=parsing, convert_options=convert
        )
    lines = np.delete(np.arange(1, len(columns) + len(bad) + 1), [one.line - 1 for one in bad])
    return Table(columns=columns, line=lines, bad=tuple(bad))


def _head(data: bytes, lines: int) -> bytes:
    end = -1
    for _ in range(lines):
        end = data.find(b"\n", end + 1)
        if end < 0:
            return data
    return data[: end + 1]


def _jsonl(data: bytes, limit: int | None) -> Table:
    """Arrow's own reader; where it refuses, line by line, so that the lines that do not parse have a number."""
    data = data if limit is None else _head(data, limit)
    try:
        columns = pyarrow.json.read_json(pa.BufferReader(data))
        return Table(columns=columns, line=np.arange(1, len(columns) + 1), bad=())
    except pa.ArrowException:
        pass
    bad, rows, lines = [], [], []
    for line, text in enumerate((text for text in data.splitlines() if text.strip()), start=1):
        try:
            row = json.loads(text)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            bad.append(
                BadRow(line=line, reason='is no JSON object; one request a line is right, {"arrival_s": 0, ...}')
            )
            continue
        rows.append(row)
        lines.append(line)
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = {name: _column([row.get(name) for row in rows]) for name in names}
    return Table(columns=pa.table(arrays), line=np.array(lines, dtype=np.int64), bad=tuple(bad))


def _column(values: list[Any]) -> pa.Array:
    """An arrow column; where the kinds of values differ, their text, in which a number can still be read."""
    try:
        return pa.array(values)
    except pa.ArrowException:
        return pa.array([None if value is None else json.dumps(value).strip('"') for value in values])


def numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """(n,) numbers of a column; nan where there is none."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(column.to_pandas(), dtype=np.float64)
    return np.asarray(pd.to_numeric(column.to_pandas(), errors="coerce"), dtype=np.float64)


def seconds(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """(n,) seconds: numbers as they are, dates and times from the first that can be read; nan where neither."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return numbers(column)
    if pa.types.is_timestamp(kind):
        stamps = column.cast(pa.timestamp("ns")).combine_chunks() if kind.tz is None else column
        times = pd.to_datetime(stamps.to_pandas(), utc=True)
    else:
        text = column.to_pandas()
        found = numbers(column)
        if np.isfinite(found).sum() * 2 > len(found):
            return found
        times = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    ticks = np.asarray(times.dt.as_unit("ns").astype("int64"), dtype=np.int64)
    missing = np.asarray(times.isna())
    if missing.all():
        return np.full(len(missing), np.nan)
    origin = ticks[int(np.argmin(missing))]
    return np.where(missing, np.nan, (ticks - origin) / 1e9)


def in_order(values: npt.NDArray[np.float64]) -> Ints:
    """(m,) places of a longest run of values that does not fall; where there are several, of the earlier ones.

    Patience from the back, O(n log n). Source: Fredman 1975, doi:10.1016/0012-365X(75)90103-X.

    >>> in_order(np.array([0.0, 900.0, 1.0, 2.0, 2.0])).tolist()
    [0, 2, 3, 4]
    >>> in_order(np.array([0.0, 2.0, 1.0, 6.0])).tolist()
    [0, 1, 3]
    """
    if not (np.diff(values) < 0.0).any():
        return np.arange(len(values))
    least: list[float] = []  # of each length, the largest first value, negated
    ends: list[int] = []
    after = np.full(len(values), -1, dtype=np.int64)
    for place in range(len(values) - 1, -1, -1):
        value = -float(values[place])
        length = bisect_right(least, value)
        after[place] = ends[length - 1] if length else -1
        if length == len(least):
            least.append(value)
            ends.append(place)
        else:
            least[length], ends[length] = value, place
    kept, place = [], ends[-1]
    while place >= 0:
        kept.append(place)
        place = int(after[place])
    return np.array(kept, dtype=np.int64)
