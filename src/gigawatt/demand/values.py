"""Numbers, times and order of the columns of a table."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]

LATEST_S = 9e9
"""Seconds since 1970 end here, in the year 2255; what is larger is likely counted in smaller units."""


PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """(n,) numbers of a column; nan where there is none: truth values, dates and lists are no numbers."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(column.to_pandas(), dtype=np.float64)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return np.full(len(column), np.nan)
    return np.asarray(pd.to_numeric(column.to_pandas(), errors="coerce"), dtype=np.float64)


def seconds(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """(n,) seconds: numbers as they are, times from the first that can be read; nan where neither.

    Dates before 1970 and beyond ``LATEST_S`` are no times of a trace.
    """
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s" if pa.types.is_date32(kind) else "ms"))
        kind = column.type
    if pa.types.is_timestamp(kind):
        missing = np.asarray(column.is_null())
        ticks, per_s = np.asarray(column.cast(pa.int64()).fill_null(0)), PER_S[kind.unit]
    else:
        found = numbers(column)
        n_numbers = int(np.isfinite(found).sum())
        if not pa.types.is_string(kind) or 2 * n_numbers > len(found):
            return found
        times = pd.to_datetime(column.to_pandas(), format="ISO8601", utc=True, errors="coerce")
        missing, per_s = np.asarray(times.isna()), PER_S[times.dt.unit]
        if n_numbers >= len(missing) - int(missing.sum()):
            return found
        ticks = np.asarray(times.astype("int64"), dtype=np.int64)
    missing = missing | (ticks < 0) | (ticks >= int(LATEST_S) * per_s)
    if missing.all():
        return np.full(len(missing), np.nan)
    origin = ticks[int(np.argmin(missing))]
    return np.where(missing, np.nan, (np.where(missing, origin, ticks) - origin) / per_s)


def labels(column: pa.ChunkedArray) -> pd.Series:
    """Values of a column that are only compared and printed; dates as text, also those beyond Python's years."""
    found: pd.Series = (column.cast(pa.string()) if pa.types.is_temporal(column.type) else column).to_pandas()
    return found


def value_of(scalar: pa.Scalar) -> Any:
    """Python's value, or the number and its type as text where Python has none: beyond its years."""
    try:
        return scalar.as_py()
    except (OverflowError, ValueError, KeyError, NotImplementedError, pa.ArrowException):
        return f"{getattr(scalar, 'value', 'a value')} {scalar.type}"


def with_zone(column: pa.ChunkedArray) -> npt.NDArray[np.bool_] | None:
    """(n,) whether each text is a time with a zone or an offset from UTC; None for columns that hold no text."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    found = pc.match_substring_regex(column, r"[0-9][Tt ][0-9].*([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)\s*$")
    return np.asarray(found.fill_null(False), dtype=np.bool_)


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
