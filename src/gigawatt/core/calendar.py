"""Quarters: the one clock of plans and cash, and how long days, quarters and years are.

A year has 365 days, whichever it is: 8,760 hours, of which each quarter has a fourth.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from datetime import date
from typing import NewType

from gigawatt.core.errors import UnitError, shown

Quarter = NewType("Quarter", int)
"""Quarters since year 0: 4 x year + (number - 1)."""

HOUR_S, DAY_H, QUARTERS_A_YEAR = 3600, 24, 4
DAY_S, YEAR_H = DAY_H * HOUR_S, 365 * DAY_H
YEAR_S = float(YEAR_H * HOUR_S)
QUARTER_S, MONTH_S = YEAR_S / QUARTERS_A_YEAR, YEAR_S / 12

_ROUNDING = 1e-9
"""Part of a quarter that is none: what arithmetic in seconds leaves over."""
_TEXT = re.compile(r"([0-9]{4})\s*-?\s*Q([1-4])", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?")
_FIRST, _LAST = 1900, 2199
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905


def parse_quarter(text: object) -> Quarter:
    """Quarter of "2026Q3", of "2026-08", of "2026-08-15" or of a date. Raises UnitError for what no calendar holds.

    >>> str_quarter(parse_quarter("2026-08-15"))
    '2026Q3'
    """
    word = text.strip() if isinstance(text, str) else text.isoformat() if type(text) is date else text
    named = _TEXT.fullmatch(word) if isinstance(word, str) else None
    dated = _DATE.fullmatch(word) if isinstance(word, str) else None
    month = 3 * int(named[2]) - 2 if named else int(dated[2]) if dated else 0
    if not 1 <= month <= 12:
        raise UnitError(f"{shown(str(word))} is not a quarter; write for example 2026Q3 or 2026-08-15")
    year = int((named or dated)[1])  # type: ignore[index]
    if not _FIRST <= year <= _LAST:
        raise UnitError(f"{shown(word)} lies outside {_FIRST} to {_LAST}; write for example 2026Q3 or 2026-08-15")
    days = monthrange(year, month)[1]
    if dated and dated[3] and not 1 <= int(dated[3]) <= days:
        raise UnitError(f"{shown(word)} is no day: {_MONTHS[month - 1]} {year} has {days} days")
    return Quarter(QUARTERS_A_YEAR * year + (month - 1) // 3)


def str_quarter(quarter: int) -> str:
    """Quarter as people write it, "2026Q3"."""
    year, number = year_and_number(quarter)
    return f"{year}Q{number}"


def year_and_number(quarter: int | str) -> tuple[int, int]:
    """(year, 1 to 4) of a quarter, or of how people write it.

    >>> year_and_number("2026Q3"), year_and_number(4 * 2026 + 2)
    ((2026, 3), (2026, 3))
    """
    year, before = divmod(parse_quarter(quarter) if isinstance(quarter, str) else quarter, QUARTERS_A_YEAR)
    return year, before + 1


def quarters_of(seconds: float) -> int:
    """Whole quarters of a time; a part of a quarter counts as one.

    >>> quarters_of(0.0), quarters_of(MONTH_S), quarters_of(YEAR_S), quarters_of(YEAR_S + DAY_S)
    (0, 1, 4, 5)
    """
    return math.ceil(seconds / QUARTER_S - _ROUNDING)
