"""Text with a unit to base-unit floats, and back for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import UnitError
from gigawatt.core.units import parse, pretty

YEAR_S = 8760 * 3600


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("10 GW", "W", 1e10),
        ("1.2GW", "W", 1.2e9),
        ("132 kW", "W", 132e3),
        ("$35B", "USD", 35e9),
        ("$35 bn", "USD", 35e9),
        ("$7.8M", "USD", 7.8e6),
        ("$ 1.4T", "USD", 1.4e12),
        ("$1,500", "USD", 1500),
        ("7.803 MUSD", "USD", 7.803e6),
        ("20 GUSD", "USD", 20e9),
        ("288 GB", "byte", 288e9),
        ("96 GiB", "byte", 96 * 2**30),
        ("22 TB/s", "byte/s", 22e12),
        ("0.4 Tb/s", "byte/s", 5e10),
        ("35 PFLOP/s", "FLOP/s", 35e15),
        ("8/72 EFLOP/s", "FLOP/s", 8e18 / 72),
        ("750 TOPS", "FLOP/s", 750e12),
        ("1.979 POPS", "FLOP/s", 1.979e15),
        ("5e25 FLOP", "FLOP", 5e25),
        ("40 ms", "s", 0.04),
        ("10 us", "s", 1e-5),
        ("5 yr", "s", 5 * YEAR_S),
        ("2 quarters", "s", YEAR_S / 2),
        ("0.07 USD/kWh", "USD/J", 0.07 / 3.6e6),
        ("$0.07/kWh", "USD/J", 0.07 / 3.6e6),
        ("15 MUSD/MW", "USD/W", 15),
        ("12 USD/W", "USD/W", 12),
        ("$10B/GW", "USD/W", 10),
        ("9 GUSD/GW/yr", "USD/W/s", 9 / YEAR_S),
        ("2.9 USD/h", "USD/s", 2.9 / 3600),
        ("$0.30/Mtok", "USD/token", 0.3e-6),
        ("500 tokens", "token", 500),
        ("60 tok/s", "token/s", 60),
        ("10 %/yr", "1/s", 0.1 / YEAR_S),
        ("25 %", "", 0.25),
        ("0.25", "", 0.25),
        ("671 B", "", 671e9),
        ("671B", "", 671e9),
        ("1.04e12", "", 1.04e12),
        ("1,000,000", "", 1e6),
        ("2.5 billion", "", 2.5e9),
        ("35x", "", 35),
        ("3 racks", "", 3),
        (72, "", 72),
        (0.6, "", 0.6),
        ("-3", "", -3),
    ],
)
def test_text_is_read(text: str | float, unit: str, expected: float) -> None:
    assert parse(text, unit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "sentence"),
    [
        ("10", "W", "'10' has no unit; write for example 1.2 GW"),
        (10, "W", "10 has no unit; write for example 1.2 GW"),
        (True, "W", "True is not a number; write for example 1.2 GW"),
        ("10 GB", "W", "'10 GB' is not a power; write for example 1.2 GW"),
        ("10 GW", "byte", "'10 GW' is not an amount of memory; write for example 288 GB"),
        ("10 GW", "byte/s", "'10 GW' is not a bandwidth; write for example 22 TB/s"),
        ("10 GW", "USD", "'10 GW' is not an amount of money; write for example $35B"),
        ("10 GW", "FLOP/s", "'10 GW' is not a compute rate; write for example 35 PFLOP/s"),
        ("10 FLOP/s", "FLOP", "'10 FLOP/s' is not an amount of compute; write for example 5e25 FLOP"),
        ("10 GW", "s", "'10 GW' is not a duration; write for example 6 months"),
        ("10 GW", "", "'10 GW' is not a plain number or share; write for example 0.25 or 25 %"),
        ("5 s", "token", "'5 s' is not a number of tokens; write for example 500 tokens"),
        ("5 s", "token/s", "'5 s' is not a token rate; write for example 60 tok/s"),
        ("5 s", "USD/J", "'5 s' is not a price of energy; write for example 0.07 USD/kWh"),
        ("ten GW", "W", "'ten GW' does not read as a number with a unit; write for example 1.2 GW"),
        ("10 parsec", "W", "'10 parsec' does not read as a number with a unit; write for example 1.2 GW"),
        ("", "W", "'' does not read as a number with a unit; write for example 1.2 GW"),
        (math.inf, "", "inf is not a finite number; write for example 0.25 or 25 %"),
        (math.nan, "", "nan is not a finite number; write for example 0.25 or 25 %"),
    ],
)
def test_error_says_what_would_be_right(text: str | float, unit: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, unit)
    assert str(caught.value) == sentence


def test_truth_is_not_the_number_one() -> None:
    assert parse(1, "") == 1.0
    with pytest.raises(UnitError, match="True is not a number"):
        parse(True, "")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.2e9, "W", "1.2 GW"),
        (132e3, "W", "132 kW"),
        (0.0, "W", "0 W"),
        (-5e6, "W", "-5 MW"),
        (3.5e10, "USD", "$35B"),
        (-3.5e10, "USD", "-$35B"),
        (7.8e6, "USD", "$7.8M"),
        (2.2e13, "byte/s", "22 TB/s"),
        (288e9, "byte", "288 GB"),
        (35e15, "FLOP/s", "35 PFLOP/s"),
        (0.04, "s", "40 ms"),
        (1e-5, "s", "10 us"),
        (90.0, "s", "1.5 min"),
        (7200.0, "s", "2 h"),
        (5.0 * YEAR_S, "s", "5 yr"),
        (0.07 / 3.6e6, "USD/J", "$0.07/kWh"),
        (12.0, "USD/W", "$12M/MW"),
        (0.3e-6, "USD/token", "$0.3/Mtok"),
        (2.9 / 3600, "USD/s", "$2.9/h"),
        (0.1 / YEAR_S, "1/s", "10 %/yr"),
        (60.0, "token/s", "60 tok/s"),
        (671e9, "", "671 billion"),
        (4536.0, "", "4,536"),
        (0.25, "", "0.25"),
        (None, "W", "-"),
        (math.nan, "W", "-"),
    ],
)
def test_people_read(value: float | None, unit: str, text: str) -> None:
    assert pretty(value, unit) == text


SIZES = st.floats(min_value=1e-2, max_value=1e19, allow_nan=False)
UNITS = ["W", "USD", "byte", "byte/s", "FLOP", "FLOP/s", "token", "token/s"]


@pytest.mark.parametrize("unit", UNITS)
@settings(deadline=None)
@given(value=SIZES)
def test_what_people_read_can_be_read_back(unit: str, value: float) -> None:
    """Six digits survive; below one the unit has no prefix and nothing is lost either."""
    assert parse(pretty(value, unit, digits=6), unit) == pytest.approx(value, rel=1e-5)


@settings(deadline=None)
@given(st.floats(min_value=1e-8, max_value=1e10, allow_nan=False))
def test_durations_can_be_read_back(value: float) -> None:
    assert parse(pretty(value, "s", digits=6), "s") == pytest.approx(value, rel=1e-5)


@settings(deadline=None)
@given(st.floats(min_value=1e-2, max_value=1e17, allow_nan=False))
def test_counts_can_be_read_back(value: float) -> None:
    """Thousands are shown without decimals, so half a unit may be lost there."""
    assert parse(pretty(value, "", digits=6), "") == pytest.approx(value, rel=1e-5, abs=0.5)


@pytest.mark.parametrize(
    ("unit", "scale"), [("USD/J", 1 / 3.6e6), ("USD/W", 1), ("USD/token", 1e-6), ("USD/s", 1 / 3600)]
)
@settings(deadline=None)
@given(value=st.floats(min_value=1e-2, max_value=1e4, allow_nan=False))
def test_prices_can_be_read_back(unit: str, scale: float, value: float) -> None:
    assert parse(pretty(value * scale, unit, digits=6), unit) == pytest.approx(value * scale, rel=1e-5)


@settings(deadline=None)
@given(st.floats(min_value=1e-3, max_value=1e3), st.sampled_from(["k", "M", "G", "T"]))
def test_a_prefix_is_a_factor(value: float, prefix: str) -> None:
    factor = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[prefix]
    for unit in ("W", "USD"):
        assert parse(f"{value!r} {prefix}{unit}", unit) == pytest.approx(value * factor, rel=1e-12)
    assert parse(f"{value!r} {prefix}B", "byte") == pytest.approx(value * factor, rel=1e-12)
    assert parse(f"{value!r} {prefix}b", "byte") == pytest.approx(value * factor / 8, rel=1e-12)
