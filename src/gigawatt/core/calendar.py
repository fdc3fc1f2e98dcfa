"""Quarters: the one clock of plans and cash."""

from __future__ import annotations

import re
from typing import NewType

from gigawatt.core.errors import UnitError

Quarter = NewType("Quarter", int)
"""Quarters since year 0: 4 * year + (quarter - 1)."""

_TEXT = re.compile(r"(\d{4})\s*-?\s*Q([1-4])", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})-(\d{2})(?:-\d{2})?")


def parse_quarter(text: object) -> Quarter:
    """Quarter of "2026Q3", of "2026-08" or of "2026-08-15".

    >>> str_quarter(parse_quarter("2026-08-15"))
    '2026Q3'
    """
    word = str(text).strip()
    if match := _TEXT.fullmatch(word):
        return Quarter(4 * int(match[1]) + int(match[2]) - 1)
    if (match := _DATE.fullmatch(word)) and 1 <= int(match[2]) <= 12:
        return Quarter(4 * int(match[1]) + (int(match[2]) - 1) // 3)
    raise UnitError(f"'{word}' is not a quarter; write for example 2026Q3 or 2026-08-15")


def str_quarter(quarter: int) -> str:
    """Quarter as people write it, "2026Q3"."""
    return f"{quarter // 4}Q{quarter % 4 + 1}"
