"""A figure of the catalogue or a scenario as people read it: value, range, sources, what was not chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gigawatt.core.calendar import str_quarter
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty


def number_text(value: float, fact: Fact) -> str:
    """``value`` in the unit of ``fact``: a date as a quarter, a share as per cent where it was written so.

    >>> number_text(0.25, Fact(value=0.2, unit="", text="20 %", source=(), kind="scenario", as_of=""))
    '25 %'
    """
    if fact.unit == "quarter":
        return str_quarter(int(value))
    if fact.unit == "" and fact.text.endswith("%"):
        return f"{value * 100:.4g} %"
    return "0 s" if fact.unit == "s" and value == 0 else pretty(value, fact.unit)


def bare(fact: Fact | None) -> float | None:
    """Value of a figure in base units; None where there is none."""
    return fact.value if fact else None


def value_text(fact: Fact) -> str:
    """Value of a figure with its unit."""
    return number_text(fact.value, fact)


def range_text(fact: Fact) -> str:
    """Range of a figure, "3 to 5 %"; empty where none is stated."""
    if fact.low is None and fact.high is None:
        return ""
    low, _, high = fact.range
    return f"{number_text(low, fact)} to {number_text(high, fact)}"


def spread(fact: Fact) -> float | None:
    """High end over low end of a range; None without a range, or where it starts at 0 or is a date."""
    low, _, high = fact.range
    return high / low if fact.unit != "quarter" and low > 0 and high > low else None


def fact_row(place: str, fact: Fact) -> dict[str, Any]:
    """A figure as plain data in base units, with the figures that were not chosen."""
    return {
        "place": place,
        "value": fact.value,
        "unit": fact.unit,
        "low": fact.low,
        "high": fact.high,
        "text": value_text(fact),
        "range": range_text(fact),
        "kind": fact.kind,
        "as_of": fact.as_of,
        "sources": list(fact.source),
        "note": fact.note,
        "alternatives": [fact_row(place, other) for other in fact.alternatives],
    }


def with_alternatives(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(mark, row) of a figure and of those that conflict with it; the mark is empty without conflict."""
    yield ("chosen" if row["alternatives"] else ""), row
    for other in row["alternatives"]:
        yield "not chosen", other
