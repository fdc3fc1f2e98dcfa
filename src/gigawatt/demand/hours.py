"""A series of hours from a file: demand, price and the time of day of each row, with what is odd about them by row.

A column of times says where hours are missing, stand twice, or a day has 23 or 25 of them as clocks are changed; the
time of day is that of the clock as it is written. Without one the first row is the hour from 0:00.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gigawatt.core.calendar import DAY_H, DAY_S, HOUR_S, YEAR_H
from gigawatt.core.errors import TraceError, shown
from gigawatt.core.reading import read_bytes
from gigawatt.demand.table import Table, kind_of, plain_name, read_table
from gigawatt.demand.values import numbers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

YEARS_H = (YEAR_H, YEAR_H + DAY_H)
"""Of a year, and of a leap year."""
MOST_HOURS = 10 * YEARS_H[1]
"""Rows of a series; more are no hours. Judgement: ten years."""
MOST_NOTES = 12

BEGINS = (
    "time", "timestamp", "datetime", "date_time", "interval_start", "interval_start_local", "interval_start_utc",
    "hour_beginning", "period_start", "time_local", "local_time", "utc_time", "time_utc", "date",
)  # fmt: skip
"""Columns whose time is where the hour begins, the first that is there."""
ENDS = ("hour_ending", "hourending", "he", "hour_end", "interval_end", "interval_end_local", "interval_end_utc")
"""Columns whose time is where it ends: a date and time, or with a column of dates the number of the hour, 1 to 25."""
DATES = ("date", "day", "oper_day", "operday", "operating_day", "delivery_date", "deliverydate")

_TIME = (
    r"^\s*(?:HE\s*)?(?P<date>[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4})?(?:[T\s]*(?P<h>[0-9]{1,2})(?::(?P<m>[0-9]{2})"
    r"(?::(?P<s>[0-9]{2})(?:\.0*)?)?)?)?\s*(?P<half>[AaPp][Mm])?\s*(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{2})?\s*(?:DST)?\s*$"
)
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """(hour,) demand, price or None, and time of day at which each begins [h]; what is odd, a sentence each."""

    demand: Floats
    price: Floats | None
    clock_h: Floats
    notes: tuple[str, ...]


def read_hours(path: Path) -> Hours:
    """Hours of a CSV, JSONL or parquet with the column demand, perhaps price, perhaps a time.

    Raises TraceError, naming the row: a blank or broken one, a time that is none, runs back or is no whole hour on.
    """
    kind, texts = kind_of(path), (*BEGINS, *ENDS, *DATES)
    table = read_table(path, kind, None, scalars=("demand", "price", *texts), texts=texts)
    names = {plain_name(name): name for name in reversed(table.columns.column_names)}
    if "demand" not in names:
        raise TraceError(f"{path} has no column demand; it has {', '.join(table.columns.column_names)}")
    if kind != "parquet":
        _check_blank(path)
    if table.bad:
        raise TraceError(f"{path}, row {table.bad[0].line:,}: {table.bad[0].reason}")
    n = len(table.columns)
    if n > MOST_HOURS:
        raise TraceError(f"{path} has {n:,} rows; up to {MOST_HOURS:,} hours, ten years, are right")
    demand = _figures(path, table, names["demand"], 0.0, "a number of at least 0")
    price = _figures(path, table, names["price"], -np.inf, "a number") if "price" in names else None
    wall, steps = _times(path, table, names)
    if wall is None:
        clock, notes = (np.arange(n) % 24).astype(np.float64), tuple(_counted(n))
    else:
        clock, notes = wall % DAY_S / HOUR_S, tuple(_odd(path, wall, steps))
        notes = notes if len(notes) <= MOST_NOTES else (*notes[:MOST_NOTES], f"and {len(notes) - MOST_NOTES:,} more")
    return Hours(demand=demand, price=price, clock_h=clock, notes=notes)


def _figures(path: Path, table: Table, name: str, least: float, right: str) -> Floats:
    """(hour,) numbers of a column. Raises TraceError with the first that is none, as it is written."""
    column = table.columns[name]
    found = numbers(column)
    for row in np.flatnonzero(~np.isfinite(found) | (found < least))[:1]:
        value = column[int(row)].as_py()
        told = "no number" if value is None else shown(value)
        raise TraceError(f"{path}, row {table.line[row]:,}: {name} is {told}; {right} is right")
    return found


def _check_blank(path: Path) -> None:
    for line, text in enumerate(read_bytes(path).rstrip().splitlines(), start=1):
        if not text.strip():
            raise TraceError(f"{path}, line {line:,}: is blank; an hour's demand, or no line at all, is right")


def _counted(n: int) -> Iterator[str]:
    """What the number of rows says where no time does."""
    if n == YEARS_H[1]:
        yield f"{n:,} rows: the hours of a leap year"
    elif n != YEARS_H[0]:
        yield f"{n:,} rows: a year has 8,760 hours, a leap year 8,784"
    if n % 24:
        yield (
            "days are not whole, and without a column of times nothing says which hours are missing or extra: those "
            "after them count at another time of day"
        )


# ------------------------------------------------------------------ times


def _times(path: Path, table: Table, names: dict[str, str]) -> tuple[Ints | None, Ints]:
    """((hour,) where each hour begins on its clock, (hour - 1,) seconds from each to the next); none without a time."""
    nothing = np.zeros(0, dtype=np.int64)
    ending = next((name for name in ENDS if name in names), None)
    beginning = next((name for name in BEGINS if name in names), None)
    chosen = ending if ending and (beginning is None or beginning == "date") else beginning
    if chosen is None:
        return None, nothing
    column, name = table.columns[names[chosen]], names[chosen]
    if chosen == beginning and _are_counts(column):
        return None, nothing
    if pa.types.is_temporal(column.type):
        wall, zone = _stamped(column)
    else:
        day = next((table.columns[names[one]] for one in DATES if one in names), None)
        if chosen == "date":
            day = None
        wall, zone = _written(path, name, column, day if chosen == ending else None)
    if chosen == ending:
        wall = wall - HOUR_S
    return wall, np.diff(wall - zone)


def _are_counts(column: pa.ChunkedArray) -> bool:
    """Whether numbers of hours stand where times would, which say no more than the order of rows."""
    return not pa.types.is_temporal(column.type) and bool(np.isfinite(numbers(column)).all())


def _stamped(column: pa.ChunkedArray) -> tuple[Ints, Ints | int]:
    """(time on the clock [s], its offset from UTC [s]) of a column of times."""
    times = pd.Series(pd.to_datetime(column.to_pandas()))
    if times.dt.tz is None:
        return _seconds(times), 0
    wall = _seconds(times.dt.tz_localize(None))
    return wall, wall - _seconds(times.dt.tz_convert("UTC").dt.tz_localize(None))


def _seconds(times: pd.Series[pd.Timestamp]) -> Ints:
    return np.asarray(times).astype("datetime64[s]").astype(np.int64)


def _written(path: Path, name: str, column: pa.ChunkedArray, day: pa.ChunkedArray | None) -> tuple[Ints, Ints | int]:
    """The same of text, or of the numbers of hours with the text of their days beside them."""
    text = pd.Series(column.cast(pa.string()).to_pandas(), dtype=object).fillna("").astype(str)
    parts = text.str.extract(_TIME)
    dates = parts["date"]
    if day is not None and dates.isna().all():
        dates = pd.Series(day.cast(pa.string()).to_pandas(), dtype=object).fillna("").astype(str)
        dates = dates.str.extract(_TIME)["date"]
    start = _dates(dates)
    clock = pd.to_numeric(parts["h"]).where(parts["h"].notna(), 0.0).astype(float)
    if day is not None:
        clock = _one_hour_twice(start, clock)
    half = parts["half"].str.lower()
    clock = clock.where(half.isna(), clock % 12 + 12.0 * (half == "pm"))
    bad = np.flatnonzero(start.isna() | (clock > 25) | (text == ""))
    if bad.size:
        raise TraceError(
            f"{path}, row {bad[0] + 1:,}: {name} is '{text[bad[0]]}'; a date and time such as 2026-03-08 01:00 is right"
        )
    rest = 60.0 * pd.to_numeric(parts["m"]).fillna(0) + pd.to_numeric(parts["s"]).fillna(0)
    wall = _seconds(start) + np.asarray(HOUR_S * clock + rest).astype(np.int64)
    return wall, _offsets(path, name, parts["zone"])


def _one_hour_twice(day: pd.Series[pd.Timestamp], hour: pd.Series[float]) -> pd.Series[float]:
    """Numbers of hours of a day that end; on a day that counts to 25 the third is the second again, from 1:00."""
    order = hour.groupby(day).cumcount() + 1
    long = (hour == 25).groupby(day).transform("any") & (hour == order)
    return (hour - ((hour >= 3) & long)).where((hour != 25) | long, 2.0)


def _dates(text: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """Days, by the first way to write them that all follow; of two, that in which they do not run back."""
    read = [pd.to_datetime(text, format=one, errors="coerce") for one in _DATES]
    whole = [one for one in read if one.notna().all()]
    rising = [one for one in whole if one.is_monotonic_increasing]
    return (rising or whole or sorted(read, key=lambda one: int(one.isna().sum())))[0]


def _offsets(path: Path, name: str, zone: pd.Series[str]) -> Ints | int:
    if zone.isna().all():
        return 0
    bare = np.flatnonzero(zone.isna())
    if bare.size:
        raise TraceError(
            f"{path}, row {bare[0] + 1:,}: {name} has no offset from UTC where others do; one way is right"
        )
    parts = zone.str.replace(":", "").replace({"Z": "+0000", "UTC": "+0000"}).str.extract("([+-])([0-9]{2})([0-9]{2})")
    ahead = HOUR_S * pd.to_numeric(parts[1]) + 60 * pd.to_numeric(parts[2])
    return np.asarray(ahead.where(parts[0] == "+", -ahead), dtype=np.int64)


# ------------------------------------------------------------------ what is odd


def _odd(path: Path, wall: Ints, steps: Ints) -> Iterator[str]:
    """Hours missing or twice and days of 23 or 25 hours, by row. Raises TraceError for rows that are no hours."""
    wrong = np.flatnonzero((steps < 0) | (steps % HOUR_S != 0))
    if wrong.size:
        row, usual = int(wrong[0]) + 2, int(np.median(steps))
        if usual != HOUR_S and usual > 0:
            raise TraceError(f"{path}: rows are {usual / 60:g} minutes apart; an hour a row is right")
        back = "before" if steps[wrong[0]] < 0 else f"{steps[wrong[0]] / 60:g} minutes after"
        raise TraceError(f"{path}, row {row:,}: {_shown(wall[row - 1])} is {back} the row before; an hour on is right")
    for at in np.flatnonzero((steps != HOUR_S) | (np.diff(wall) != HOUR_S)):
        yield _oddity(int(at) + 2, wall[at], wall[at + 1], int(steps[at]) // HOUR_S)
    if len(wall) != YEARS_H[0]:
        first, last = _shown(wall[0]), _shown(wall[-1])
        yield f"{len(wall):,} rows, from {first} to {last}: a year has 8,760 hours, a leap year 8,784"


def _oddity(row: int, before: np.int64, here: np.int64, hours: int) -> str:
    """What is odd about a row, some hours after the one before."""
    day, missed = _shown(here)[:10], before + HOUR_S
    if hours == 1:
        long = 23 if here - before > HOUR_S else 25
        return f"{day} has {long} hours: the clock goes from {_clock(before)} to {_clock(here)} at row {row:,}"
    if hours == 0:
        return f"{day} has 25 hours or a row too many: {_clock(here)} stands twice, at rows {row - 1:,} and {row:,}"
    if hours == 2:
        day = _shown(missed)[:10]
        return f"{day} has 23 hours or a row too few: {_clock(missed)} is missing before row {row:,}"
    return f"{hours - 1:,} hours are missing before row {row:,}, from {_shown(missed)}"


def _shown(wall: np.int64) -> str:
    return str(np.datetime64(int(wall), "s"))[:16].replace("T", " ")


def _clock(wall: np.int64) -> str:
    return f"{int(wall) % DAY_S // HOUR_S}:{int(wall) % HOUR_S // 60:02d}"
