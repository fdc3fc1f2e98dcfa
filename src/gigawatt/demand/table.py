"""A trace file as a table of columns, each row with its number; rows that do not parse are named."""

from __future__ import annotations

import gzip
import io
import json
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
    try:
        if kind == "csv":
            return _csv(data, limit)
        if kind == "jsonl":
            return _jsonl(data, limit)
        columns = pyarrow.parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise TraceError(f"{path} is no {kind} file that can be read: {_first_line(error)}") from error
    columns = columns if limit is None else columns.slice(0, limit)
    return Table(columns=columns, line=np.arange(1, len(columns) + 1), bad=())


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
    return "parquet" if start.startswith(b"PAR1") else "jsonl" if start.startswith(b"{") else "csv"


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
    parsing = pyarrow.csv.ParseOptions(invalid_row_handler=note)
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
