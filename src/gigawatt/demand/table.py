"""A trace file as a table of columns, each row with its number; rows that do not parse are named."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from gigawatt.core.errors import TraceError
from gigawatt.core.reading import BLOCK_BYTES, DEEPEST, MOST_BYTES, blocks, is_gzip, json_of, opened, unread
from gigawatt.demand.values import PER_S, value_of

pa.enable_signal_handlers(False)  # Ctrl-C is Python's, and no thread of Arrow's waits for it until the end

Ints = npt.NDArray[np.int64]
Kind = Literal["csv", "jsonl", "parquet"]

MOST_ROWS = 50_000_000
"""Rows read at once. Judgement: a week of Azure's requests are 27 million; a row takes some 100 bytes."""
MOST_COLUMNS = 1_000
MOST_LINE_BYTES = 16 << 20
"""Bytes of a line of text. Judgement: a million hashes of a prompt's blocks."""

_BATCH = 1 << 16
_OPENED, _CLOSED, _LIST, _ESCAPE, _NEWLINE, _RETURN = b"{}[\\\n\r"


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


def read_table(
    path: Path, kind: Kind, limit: int | None, *, scalars: Collection[str] = (), texts: Collection[str] = ()
) -> Table:
    """The first ``limit`` rows of a file (all for none); gz is unpacked, and no further than needed.

    Nothing that Python owns is lent to threads of Arrow's, and no more of them are started than need be: one that
    drops its last hold on such an object waits for the interpreter, and where that is ending, the process aborts after
    its work is done.

    Args:
        path: the file.
        kind: of it.
        limit: rows to read.
        scalars: columns, by ``plain_name``, in which a list or an object does not stand.
        texts: columns that stay as they are written, such as times with an offset from UTC.

    Raises:
        TraceError: a file that cannot be read, is empty or too large, or is not of its kind.
    """
    try:
        if kind == "parquet":
            table = _rows_of(_parquet(path, limit))
        else:
            text = _text(path, None if limit is None else limit + (kind == "csv"))
            table = _csv(text, texts) if kind == "csv" else _jsonl(text, scalars, texts)
    except OSError as error:
        if not error.errno:  # Arrow's own
            raise TraceError(f"{path} is no {kind} file that can be read: {_first_line(error)}") from error
        raise TraceError(unread(path, error)) from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise TraceError(f"{path} is no {kind} file that can be read: {_first_line(error)}") from error
    return _checked(path, table, scalars)


def _text(path: Path, lines: int | None) -> pa.Buffer:
    """The first lines of a text in memory of Arrow's own. Raises TraceError and OSError."""
    kept, decoder = pa.BufferOutputStream(), codecs.getincrementaldecoder("utf-8")()
    n_lines, long, is_blank = 0, 0, True
    try:
        for block in blocks(path):
            if b"\0" in block:
                raise TraceError(
                    f"{path} holds bytes that are no text; UTF-8 text, or parquet named .parquet, is right"
                )
            found = block.count(b"\n")
            if lines is not None and n_lines + found >= lines:
                block = _head(block, lines - n_lines)
            decoder.decode(block)
            n_lines, long = n_lines + found, len(block) - block.rfind(b"\n") if found else long + len(block)
            is_blank = is_blank and not block.strip()
            _check_size(path, n_lines, long)
            kept.write(block)
            if lines is not None and n_lines >= lines:
                break
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is no UTF-8 text ({error.reason}); save it as UTF-8") from error
    if is_blank:
        raise TraceError(f"{path} is empty; a trace has at least one request")
    return kept.getvalue()


def _check_size(path: Path, n_rows: int, long: int = 0) -> None:
    if n_rows > MOST_ROWS:
        raise TraceError(
            f"{path} holds {n_rows:,} rows or more; up to {MOST_ROWS:,} are read at once: --limit reads the first, "
            "or part the file"
        )
    if long > MOST_LINE_BYTES:
        raise TraceError(f"{path} has a line of more than {MOST_LINE_BYTES >> 20} MiB; a row a line is right")


def _head(data: bytes, lines: int) -> bytes:
    end = -1
    for _ in range(lines):
        end = data.find(b"\n", end + 1)
        if end < 0:
            return data
    return data[: end + 1]


def _checked(path: Path, table: Table, scalars: Collection[str]) -> Table:
    """The table without rows of lists in scalars; raises TraceError where a name stands twice or no row is there."""
    names = table.columns.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TraceError(f"{path} names the column {twice} twice; each name once is right")
    for name in names:
        if plain_name(name) in scalars and pa.types.is_nested(table.columns[name].type):
            table = _without_lists(table, name)
    if not len(table.columns) and table.bad:
        raise TraceError(f"{path} holds no row that stands: row {table.bad[0].line:,}: {table.bad[0].reason}")
    if not len(table.columns):
        raise TraceError(f"{path} holds a header and no row; a trace has at least one request")
    return table


def plain_name(name: str) -> str:
    """Name of a column without case, with underscores for spaces and hyphens."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _without_lists(table: Table, name: str) -> Table:
    """The table without the rows in which a column that holds lists or objects has one."""
    column = table.columns[name]
    reasons = {
        int(row): _no_scalar(name, value_of(column[row])) for row in np.flatnonzero(np.asarray(column.is_valid()))
    }
    at = table.columns.column_names.index(name)
    return _without(replace(table, columns=table.columns.set_column(at, name, pa.nulls(len(column)))), reasons)


def _no_scalar(name: str, value: Any) -> str:
    words = "object" if isinstance(value, dict) else "list"
    return f"{name} is {str(value)[:60]}; one number or text, not {'a' if words == 'list' else 'an'} {words}, is right"


def _without(table: Table, reasons: dict[int, str]) -> Table:
    """The table without some rows, which are listed with the reason."""
    if not reasons:
        return table
    more = tuple(BadRow(line=int(table.line[row]), reason=reason) for row, reason in reasons.items())
    keep = np.delete(np.arange(len(table.line)), list(reasons))
    return Table(columns=table.columns.take(pa.array(keep)), line=table.line[keep], bad=table.bad + more)


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
        with opened(path) as file:
            start = file.read(200).lstrip()
    except OSError as error:
        raise TraceError(unread(path, error)) from error
    return "parquet" if start.startswith(b"PAR1") else "jsonl" if start.startswith((b"{", b"[")) else "csv"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _rows_of(columns: pa.Table) -> Table:
    """A table of all rows but those whose text is none."""
    table = Table(columns=columns, line=np.arange(1, len(columns) + 1), bad=())
    for at, name in enumerate(columns.column_names):
        column, kind = table.columns[at], table.columns[at].type
        text, raw = _TEXTS.get(kind, (kind, kind))
        try:
            column = column.cast(text)
            column.validate(full=True)
        except pa.ArrowInvalid:
            if text == raw:
                raise
            table = _decoded(table, at, column.cast(raw).to_pylist())
        else:
            table = replace(table, columns=table.columns.set_column(at, name, column))
    return table


_TEXTS = {kind: pair for pair in ((pa.string(), pa.binary()), (pa.large_string(), pa.large_binary())) for kind in pair}


def _decoded(table: Table, at: int, raw: list[bytes | None]) -> Table:
    """The table with a column as text, without the rows in which it is none."""
    name = table.columns.column_names[at]
    text = [None if one is None else one.decode(errors="replace") for one in raw]
    reasons = {
        row: f"{name} is {one!r}, no UTF-8 text"
        for row, (one, shown) in enumerate(zip(raw, text, strict=True))
        if one is not None and shown is not None and shown.encode() != one
    }
    return _without(replace(table, columns=table.columns.set_column(at, name, pa.array(text, pa.string()))), reasons)


# ------------------------------------------------------------------ parquet


def _parquet(path: Path, limit: int | None) -> pa.Table:
    """Columns of a parquet file; what it unpacks to is known from its metadata before it is."""
    if is_gzip(path):
        kept = pa.BufferOutputStream()
        for block in blocks(path):
            kept.write(block)
        source = pa.BufferReader(kept.getvalue())
    else:
        source = pa.OSFile(os.fsencode(path))
    told = pyarrow.parquet.ParquetFile(source).metadata
    _check_metadata(path, told, limit)
    leaves = [told.schema.column(at) for at in range(told.num_columns)]
    # text that repeats stays packed until its size is known
    texts = [one.path for one in leaves if one.physical_type == "BYTE_ARRAY" and not one.max_repetition_level]
    file_of = pyarrow.parquet.ParquetFile(source, read_dictionary=texts, pre_buffer=False)
    batches, n_rows, n_bytes = [], 0, 0
    for batch in file_of.iter_batches(batch_size=min(limit or _BATCH, _BATCH), use_threads=False):
        batches.append(batch if limit is None else batch.slice(0, limit - n_rows))
        n_rows, n_bytes = n_rows + len(batch), n_bytes + batch.nbytes
        _check_bytes(path, n_bytes)
        if limit is not None and n_rows >= limit:
            break
    columns = pa.Table.from_batches(batches, schema=None if batches else file_of.schema_arrow)
    return _unpacked(path, columns)


def _check_metadata(path: Path, told: Any, limit: int | None) -> None:
    if told.num_columns > MOST_COLUMNS:
        raise TraceError(f"{path} has {told.num_columns:,} columns; up to {MOST_COLUMNS:,} are read")
    if limit is not None:
        return _check_size(path, limit)
    _check_size(path, told.num_rows)
    parts = [told.row_group(at).column(of) for at in range(told.num_row_groups) for of in range(told.num_columns)]
    _check_bytes(path, max(8 * sum(one.num_values for one in parts), sum(one.total_uncompressed_size for one in parts)))
    return None


def _check_bytes(path: Path, n_bytes: int) -> None:
    if n_bytes > MOST_BYTES:
        raise TraceError(
            f"{path} unpacks to {n_bytes >> 20:,} MiB or more; up to {MOST_BYTES >> 20:,} MiB are read at once: "
            "--limit reads the first rows, or part the file"
        )


def _unpacked(path: Path, columns: pa.Table) -> pa.Table:
    """Columns of plain types: no dictionaries, lists of one length or decimals; times of day and spans are seconds."""
    n_bytes = 0
    for at, name in enumerate(columns.column_names):
        column, kind = columns[at], columns[at].type
        if pa.types.is_dictionary(kind):
            for chunk in column.chunks:
                if kind.value_type in _TEXTS:
                    sizes = pc.binary_length(chunk.dictionary.cast(pa.binary())).cast(pa.int64())
                    n_bytes += pc.sum(sizes.take(chunk.indices)).as_py() or 0
            _check_bytes(path, n_bytes)
            column = column.cast(kind.value_type)
        elif pa.types.is_fixed_size_list(kind):
            column = column.cast(pa.large_list(kind.value_type))
        elif pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        elif pa.types.is_time(kind) or pa.types.is_duration(kind):
            whole = column.cast(pa.int32()) if pa.types.is_time32(kind) else column
            column = pc.divide(whole.cast(pa.int64()).cast(pa.float64()), float(PER_S[kind.unit]))
        elif pa.types.is_timestamp(kind) and not _is_zone(kind.tz):
            raise TraceError(f"{path}: {name} is in the time zone '{kind.tz}', which is not known here; UTC is right")
        columns = columns.set_column(at, name, column)
    return columns


def _is_zone(name: str | None) -> bool:
    if name is None or re.fullmatch(r"[+-][0-9]{2}:[0-9]{2}", name):
        return True
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


# ------------------------------------------------------------------ text


def _csv(text: pa.Buffer, texts: Collection[str]) -> Table:
    """Arrow's own reader, on one thread, which knows the number of a row of the wrong width."""
    start = text.slice(0, min(len(text), BLOCK_BYTES)).to_pybytes()
    header = start[: start.find(b"\n") + 1] or start
    between = next((one for one in (",", ";", "\t") if one.encode() in header), ",")
    if header.count(between.encode()) >= MOST_COLUMNS:
        raise pa.ArrowInvalid(f"its header has more than {MOST_COLUMNS:,} columns")
    try:
        names = next(csv.reader([header.decode("utf-8-sig", errors="replace")], delimiter=between), [])
    except csv.Error as error:
        raise pa.ArrowInvalid(f"its header: {error}") from error
    kept = {name: pa.string() for name in names if plain_name(name) in texts}
    columns, bad = _csv_read(text, between, kept)
    whole = [one.name for one in columns.schema if pa.types.is_integer(one.type)]
    if whole and re.search(rb"0[xX]", text):  # Arrow reads 0x10 as 16; as text it is no number
        columns, bad = _csv_read(text, between, kept | dict.fromkeys(whole, pa.string()))
    lines = np.delete(np.arange(1, len(columns) + len(bad) + 1), [one.line - 1 for one in bad])
    return Table(columns=columns, line=lines, bad=tuple(bad))


def _csv_read(text: pa.Buffer, between: str, types: dict[str, pa.DataType]) -> tuple[pa.Table, list[BadRow]]:
    bad: list[BadRow] = []

    def note(row: Any) -> str:
        fields = f"has {row.actual_columns} fields where the header names {row.expected_columns}"
        bad.append(BadRow(line=(row.number or 1) - 1, reason=fields))
        return "skip"

    # zones and mixed forms are read by us: all that Arrow infers beyond numbers, whole timestamps and text is off
    convert = pyarrow.csv.ConvertOptions(
        null_values=["", "nan", "NaN", "null", "NA", "None"], strings_can_be_null=True, true_values=[],
        false_values=[], column_types=types,
    )  # fmt: skip
    parsing = pyarrow.csv.ParseOptions(delimiter=between, invalid_row_handler=note)
    columns = pyarrow.csv.read_csv(
        pa.BufferReader(text), parse_options=parsing, convert_options=convert,
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
    )  # fmt: skip
    return columns, bad


def _jsonl(text: pa.Buffer, scalars: Collection[str], texts: Collection[str]) -> Table:
    """Arrow's own reader where it can be trusted; else line by line, so that lines that do not stand have a number."""
    if not texts and _is_simple(text):
        try:
            columns = _json_read(text)
            times = [one.name for one in columns.schema if pa.types.is_timestamp(one.type)]
            if times:  # Arrow drops their zones
                columns = _json_read(text, pa.schema([(name, pa.string()) for name in times]))
            columns.validate(full=True)  # lists that hold null come out broken
        except pa.ArrowException:
            columns = None
        if columns is not None and _says_once(text, columns):
            return Table(columns=columns, line=np.arange(1, len(columns) + 1), bad=())
    bad: list[BadRow] = []
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    parts: dict[str, list[tuple[int, pa.Array]]] = {}
    for line, row in enumerate(_lines(text), start=1):
        found = _object_of(row, scalars)
        if isinstance(found, str):
            bad.append(BadRow(line=line, reason=found))
            continue
        rows.append(found)
        lines.append(line)
        if len(rows) == _BATCH:
            _to_columns(rows, len(lines) - len(rows), parts)
            rows = []
    _to_columns(rows, len(lines) - len(rows), parts)
    arrays = {name: _joined(some, len(lines)) for name, some in parts.items()}
    return Table(columns=pa.table(arrays), line=np.array(lines, dtype=np.int64), bad=tuple(bad))


def _json_read(text: pa.Buffer, schema: pa.Schema | None = None) -> pa.Table:
    return pyarrow.json.read_json(
        pa.BufferReader(text), read_options=pyarrow.json.ReadOptions(use_threads=False),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema),
    )  # fmt: skip


def _is_simple(text: pa.Buffer) -> bool:
    """Whether each line is an object of few brackets and no escape: Arrow's parser goes as deep as it is led."""
    data = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    last = data[ends - 1]
    last = np.where(last == _RETURN, data[ends - 2], last)
    if (data[starts] != _OPENED).any() or (last != _CLOSED).any() or (data == _ESCAPE).any():
        return False
    inner = np.flatnonzero((data == _OPENED) | (data == _LIST))
    return int(np.bincount(np.searchsorted(ends, inner)).max(initial=0)) <= DEEPEST


def _says_once(text: pa.Buffer, columns: pa.Table) -> bool:
    """Whether no row can hold a key twice: names stand in the file no more often than they have values."""
    data = text.to_pybytes()
    for field, column in zip(columns.schema, columns.columns, strict=True):
        inner = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_nested(inner) or data.count(f'"{field.name}"'.encode()) > len(column) - column.null_count:
            return False
    return True


def _lines(text: pa.Buffer) -> Iterator[str]:
    """Lines that are not blank."""
    for at, line in enumerate(io.BytesIO(text)):
        if line.strip():
            yield line.decode("utf-8" if at else "utf-8-sig")


def _object_of(text: str, scalars: Collection[str]) -> dict[str, Any] | str:
    """A line's object, or why it does not stand."""
    try:
        row = json_of(text)
    except json.JSONDecodeError:
        row = None
    except ValueError as error:
        return f"does not stand: {error}"
    if not isinstance(row, dict):
        return 'is no JSON object; one request a line is right, {"arrival_s": 0, ...}'
    for name, value in row.items():
        if isinstance(value, list | dict) and plain_name(name) in scalars:
            return _no_scalar(name, value)
    return row


def _to_columns(rows: list[dict[str, Any]], start: int, parts: dict[str, list[tuple[int, pa.Array]]]) -> None:
    """Puts the values of rows into arrays by key, each with the place of its first row."""
    for name in dict.fromkeys(name for row in rows for name in row):
        parts.setdefault(name, []).append((start, _column([row.get(name) for row in rows])))


def _joined(parts: list[tuple[int, pa.Array]], n: int) -> pa.ChunkedArray:
    """(n,) column of parts, null between them; text where their kinds differ."""
    kinds = {array.type for _, array in parts if not pa.types.is_null(array.type)}
    kind = kinds.pop() if len(kinds) == 1 else pa.null() if not kinds else None
    if kind is None and all(pa.types.is_integer(one) or pa.types.is_floating(one) for one in kinds):
        kind = pa.float64()
    chunks, done = [], 0
    for start, array in [*parts, (n, pa.nulls(0))]:
        chunks += [pa.nulls(start - done), array]
        done = start + len(array)
    made = kind or pa.string()
    return pa.chunked_array([_text_of(one.to_pylist()) if kind is None else one.cast(made) for one in chunks], made)


def _column(values: list[Any]) -> pa.Array:
    """An arrow column; where the kinds of values differ, their text, in which a number can still be read."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return _text_of(values)


def _text_of(values: list[Any]) -> pa.Array:
    return pa.array(
        [one if one is None or isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in values],
        pa.string(),
    )
