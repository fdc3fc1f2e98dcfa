"""Quarters from text and back."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gigawatt
from gigawatt.core.calendar import (
    MONTH_S,
    QUARTER_S,
    YEAR_H,
    Quarter,
    parse_quarter,
    quarters_of,
    str_quarter,
    year_and_number,
)
from gigawatt.core.errors import UnitError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026Q3", "2026Q3"),
        ("2026q3", "2026Q3"),
        ("2026 Q3", "2026Q3"),
        ("2026-Q3", "2026Q3"),
        (" 2026Q1 ", "2026Q1"),
        ("2026-01", "2026Q1"),
        ("2026-03-31", "2026Q1"),
        ("2026-04-01", "2026Q2"),
        ("2026-08-15", "2026Q3"),
        ("2026-12", "2026Q4"),
    ],
)
def test_quarter_is_read(text: str, expected: str) -> None:
    assert str_quarter(parse_quarter(text)) == expected


def test_quarters_count_from_year_zero() -> None:
    assert parse_quarter("2026Q3") == 4 * 2026 + 2
    assert parse_quarter(date(2026, 8, 15)) == parse_quarter("2026Q3")
    assert parse_quarter("2027Q1") - parse_quarter("2026Q4") == 1


@pytest.mark.parametrize(
    "text", ["2026Q5", "2026Q0", "2026", "26Q3", "2026-13", "2026-00", "Q3 2026", "soon", "", 2026]
)
def test_what_is_no_quarter_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quarter(text)
    assert str(caught.value) == f"'{text}' is not a quarter; write for example 2026Q3 or 2026-08-15"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2027-02-30", "'2027-02-30' is no day: February 2027 has 28 days"),
        ("2027-02-29", "'2027-02-29' is no day: February 2027 has 28 days"),
        ("2028-02-30", "'2028-02-30' is no day: February 2028 has 29 days"),
        ("2027-01-99", "'2027-01-99' is no day: January 2027 has 31 days"),
        ("2027-04-00", "'2027-04-00' is no day: April 2027 has 30 days"),
        ("0027Q1", "'0027Q1' lies outside 1900 to 2199; write for example 2026Q3 or 2026-08-15"),
        ("9999-12-31", "'9999-12-31' lies outside 1900 to 2199; write for example 2026Q3 or 2026-08-15"),
        ("٢٠٢٧Q1", "'٢٠٢٧Q1' is not a quarter; write for example 2026Q3 or 2026-08-15"),
        ("27-01-15", "'27-01-15' is not a quarter; write for example 2026Q3 or 2026-08-15"),
    ],
)
def test_what_no_calendar_holds_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quarter(text)
    assert str(caught.value) == sentence


def test_a_leap_day_is_a_day() -> None:
    assert str_quarter(parse_quarter("2028-02-29")) == "2028Q1"


@given(st.integers(min_value=4 * 1900, max_value=4 * 2199 + 3))
def test_round_trip(quarter: int) -> None:
    assert parse_quarter(str_quarter(Quarter(quarter))) == quarter


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2199, 12, 31)))
def test_date_falls_into_its_quarter(day: date) -> None:
    assert str_quarter(parse_quarter(day.isoformat())) == f"{day.year}Q{(day.month + 2) // 3}"


@pytest.mark.parametrize(
    ("seconds", "quarters"),
    [
        (0.0, 0),
        (1.0, 1),  # a part counts as one
        (7_884_000.0, 1),  # 365 x 24 / 4 = 2,190 h
        (7_884_000.0 + 1e-4, 1),  # what arithmetic leaves over is none
        (7_884_001.0, 2),
        (91 * 86_400.0, 1),  # 13 weeks are 2,184 h
        (92 * 86_400.0, 2),
        (5 * 31_536_000.0, 20),
    ],
)
def test_part_of_a_quarter_counts_as_one(seconds: float, quarters: int) -> None:
    assert quarters_of(seconds) == quarters


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_year_and_number(number: int) -> None:
    assert year_and_number(f"2027Q{number}") == (2027, number)
    assert year_and_number(4 * 2027 + number - 1) == (2027, number)


def test_lengths_are_those_of_a_year_of_365_days() -> None:
    assert (YEAR_H, QUARTER_S, 12 * MONTH_S) == (8760, 2190 * 3600, 8760 * 3600)


def test_seconds_of_a_quarter_are_said_in_the_calendar_alone() -> None:
    """No other file writes 8,760 hours, 2,190, 31.5 million seconds or a day's 86,400."""
    said = re.compile(r"\b(8_?760|8_?766|2_?190|31_?536_?000|7_?884_?000|86_?400|365 ?\* ?24)(\.0)?\b")
    folder = Path(gigawatt.__file__).parent
    found = [
        f"{path.relative_to(folder)}:{number}"
        for path in folder.rglob("*.py") if path.name != "calendar.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1) if said.search(line)
    ]  # fmt: skip
    assert found == []
