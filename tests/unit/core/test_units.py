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
        ("1,234 kW", "W", 1.234e6),
        ("$1,234,567.5", "USD", 1234567.5),
        ("-$5M", "USD", -5e6),
        ("20M$", "USD", 20e6),
        ("0.25 $/Mtok", "USD/token", 0.25e-6),
        ("20 million USD", "USD", 20e6),
        ("$200/kW-month", "USD/W/s", 0.2 / (YEAR_S / 12)),
        ("0.07 USD per kWh", "USD/J", 0.07 / 3.6e6),
        ("2 Megawatts", "W", 2e6),
        ("6mo", "s", YEAR_S / 2),
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
        ("1.2 MWh", "J", 1.2e6 * 3600),
        # one of a thing, where the kind is said so
        ("60 tok/s/user", "token/s", 60),
        ("$2/h/package", "USD/s", 2 / 3600),
        ("500 tokens/request", "token", 500),
        ("8 packages/yr", "1/s", 8 / YEAR_S),
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
        ("10 GB", "W", "'10 GB' is not a power; write for example 1.2 GW (units: W, kW, MW, GW)"),
        (
            "10 GW",
            "byte",
            "'10 GW' is not an amount of memory; write for example 288 GB (units: B, kB, MB, GB, TB, PB, KiB, MiB, GiB, TiB)",
        ),
        (
            "10 GW",
            "byte/s",
            "'10 GW' is not a bandwidth; write for example 22 TB/s (units: GB/s, TB/s, PB/s, Gb/s, Tb/s)",
        ),
        (
            "10 GW",
            "USD",
            "'10 GW' is not an amount of money; write for example $35B (units: USD or $, with k, M, B, T)",
        ),
        (
            "10 GW",
            "FLOP/s",
            "'10 GW' is not a compute rate; write for example 35 PFLOP/s (units: GFLOP/s, TFLOP/s, PFLOP/s, EFLOP/s, TOPS, POPS)",
        ),
        (
            "10 FLOP/s",
            "FLOP",
            "'10 FLOP/s' is not an amount of compute; write for example 5e25 FLOP (units: FLOP, TFLOP, PFLOP, EFLOP)",
        ),
        (
            "10 GW",
            "s",
            "'10 GW' is not a duration; write for example 6 months (units: ms, s, min, h, days, weeks, months, quarters, yr)",
        ),
        (
            "10 GW",
            "",
            "'10 GW' is not a plain number or share; write for example 0.25 or 25 % (units: none, %, x, k, M, B, T, million, billion, packages)",
        ),
        (
            "5 s",
            "token",
            "'5 s' is not a number of tokens; write for example 500 tokens (units: tokens, ktok, Mtok, Gtok)",
        ),
        (
            "5 s",
            "token/s",
            "'5 s' is not a token rate; write for example 60 tok/s (units: tok/s, ktok/s, Mtok/s, tok/day)",
        ),
        (
            "5 s",
            "USD/J",
            "'5 s' is not a price of energy; write for example 0.07 USD/kWh (units: USD or $ over Wh, kWh, MWh, J)",
        ),
        ("ten GW", "W", "'ten GW' does not read as a number with a unit; write for example 1.2 GW"),
        ("10 parsec", "W", "'10 parsec': no unit is called 'parsec'; a power is in W, kW, MW, GW, for example 1.2 GW"),
        ("", "W", "'' does not read as a number with a unit; write for example 1.2 GW"),
        (math.inf, "", "inf is not a finite number; write for example 0.25 or 25 %"),
        (math.nan, "", "nan is not a finite number; write for example 0.25 or 25 %"),
    ],
)
def test_error_says_what_would_be_right(text: str | float, unit: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, unit)
    assert str(caught.value) == sentence


COMMA = "a comma parts thousands, as in 1,234; write {}, with a decimal point"
THREES = "write thousands in threes with commas, as in 1,234,567.5, or without any"
UNREAD = "does not read as a number with a unit; write for example"


@pytest.mark.parametrize(
    ("text", "unit", "sentence"),
    [
        # a decimal comma is no thousands mark, a point is the decimal point
        ("$0,25/Mtok", "USD/token", COMMA.format("0.25")),
        ("$1,60/h", "USD/s", COMMA.format("1.60")),
        ("1,3", "", COMMA.format("1.3")),
        ("1,25", "", COMMA.format("1.25")),
        ("0,5%", "", COMMA.format("0.5")),
        ("$20,5M", "USD", COMMA.format("20.5")),
        ("$2,0M", "USD", COMMA.format("2.0")),
        ("0,08 USD/kWh", "USD/J", COMMA.format("0.08")),
        ("0,080 USD/kWh", "USD/J", COMMA.format("0.080")),
        ("2.000,5 MW", "W", COMMA.format("2000.5")),
        ("1234,567 kW", "W", COMMA.format("1234.567")),
        ("$1,2,3", "USD", THREES),
        ("$20.000.000", "USD", THREES),
        ("1,23,456", "", THREES),
        ("1,234,56", "", THREES),
        # nothing is evaluated
        ("9**9**9 s", "s", f"{UNREAD} 6 months"),
        ("9**9**9**9 USD", "USD", f"{UNREAD} $35B"),
        ("10^10^10 USD", "USD", f"{UNREAD} $35B"),
        ("1<<99 s", "s", f"{UNREAD} 6 months"),
        ("(1+1) MW", "W", f"{UNREAD} 1.2 GW"),
        ("2*3 MW", "W", f"{UNREAD} 1.2 GW"),
        ("5 s^2", "s", f"{UNREAD} 6 months"),
        ("5 %%", "", f"{UNREAD} 0.25 or 25 %"),
        ("5 % %", "", f"{UNREAD} 0.25 or 25 %"),
        ("1 234 kW", "W", f"{UNREAD} 1.2 GW"),
        ("1_000 kW", "W", f"{UNREAD} 1.2 GW"),
        # other scripts, other money
        ("٢٠ MW", "W", "has digits of another script; write 0 to 9, for example 1.2 GW"),
        ("5٢ MW", "W", "has digits of another script; write 0 to 9, for example 1.2 GW"),
        ("0.08 EUR/kWh", "USD/J", "is in EUR; money is known in USD only, so convert it: for example 0.07 USD/kWh"),
        ("€0.08/kWh", "USD/J", "is in €; money is known in USD only, so convert it: for example 0.07 USD/kWh"),
        ("20 MEUR", "USD", "is in MEUR; money is known in USD only, so convert it: for example $35B"),
        # beyond what can be meant
        ("1e400", "", "is not a finite number; write for example 0.25 or 25 %"),
        ("-inf", "", "is not a finite number; write for example 0.25 or 25 %"),
        ("nan MW", "W", "is not a finite number; write for example 1.2 GW"),
        ("1/0", "", "is not a finite number; write for example 0.25 or 25 %"),
        ("1e300 s", "s", "is more than a duration can be; write for example 6 months"),
        ("1000000 yr", "s", "is more than a duration can be; write for example 6 months"),
        ("0.07 USD/kWh", "USD/W/s", "is not a rent; write for example 9 USD/W/yr "
         "(units: USD or $ over W, kW, MW, GW, over h, month, yr)"),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_figure_is_refused(text: str, unit: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, unit)
    assert str(caught.value).removeprefix(f"'{text}'").lstrip(": ") == sentence


SHARE = (
    "is not a plain number or share; write for example 0.25 or 25 % "
    "(units: none, %, x, k, M, B, T, million, billion, packages)"
)
POWER = "is not a power; write for example 1.2 GW (units: W, kW, MW, GW)"
RATE = "is not a rate; write for example 10 %/yr (units: % or a number over h, day, month, yr)"


@pytest.mark.parametrize(
    ("text", "unit", "sentence"),
    [
        # names without a dimension stand alone or over a time
        ("5 %*%", "", SHARE), ("5 %-%", "", SHARE), ("5 x-packages", "", SHARE), ("5 %/%", "", SHARE),
        ("5 /%", "", SHARE), ("5 %/user", "", SHARE), ("11 %*%/yr", "1/s", RATE), ("11 %/yr/user", "1/s", RATE),
        ("2 GW/%", "W", POWER), ("2 %*GW", "W", POWER), ("2 MW-die", "W", POWER), ("1 GW/user", "W", POWER),
        ("1 GW/x", "W", POWER),
        # one thing at most, last, and of a kind that is per it
        ("60 tok/s/user/user", "token/s", "is not a token rate; write for example 60 tok/s "
         "(units: tok/s, ktok/s, Mtok/s, tok/day)"),
        ("60 tok/user/s", "token/s", "is not a token rate; write for example 60 tok/s "
         "(units: tok/s, ktok/s, Mtok/s, tok/day)"),
        # what cancels is a ratio, which nobody means
        ("3 MW/kW", "", SHARE), ("3 h/day", "", SHARE), ("3 W*kB/MB", "W", POWER), ("3 FLOPS*s/FLOP", "", SHARE),
        ("3", "J", "has no unit; write for example 1.2 MWh"),
        ("3 W", "J", "is not an energy; write for example 1.2 MWh (units: J, Wh, kWh, MWh, GWh)"),
    ],
)  # fmt: skip
def test_each_name_of_a_unit_counts_once(text: str, unit: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, unit)
    assert str(caught.value) == f"'{text}' {sentence}"


@pytest.mark.parametrize(
    ("text", "unit", "sentence"),
    [
        ("8 ct/kWh", "USD/J", "'ct'; a price of energy is in USD or $ over Wh, kWh, MWh, J, for example 0.07 USD/kWh"),
        ("11 %/a", "1/s", "'a'; a rate is in % or a number over h, day, month, yr, for example 10 %/yr"),
        ("$1.60/GPU-hour", "USD/s", "'GPU'; a price of time is in USD or $ over s, min, h, day, month, yr, "
         "for example 2.9 USD/h"),
        ("2 MVA", "W", "'MVA'; a power is in W, kW, MW, GW, for example 1.2 GW"),
        ("2 KW", "W", "'KW'; a power is in W, kW, MW, GW, for example 1.2 GW"),
        ("600 GPUs", "", "'GPUs'; a plain number or share is in none, %, x, k, M, B, T, million, billion, packages, "
         "for example 0.25 or 25 %"),
    ],
)  # fmt: skip
def test_an_unknown_unit_names_those_there_are(text: str, unit: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, unit)
    assert str(caught.value) == f"'{text}': no unit is called {sentence}"


def test_endless_digits_are_refused() -> None:
    """400 digits are more than a float, 4,301 more than Python reads; both end in a sentence of bounded length."""
    for digits in (400, 4301):
        with pytest.raises(UnitError, match=f"'9{{60}}...' is {digits:,} characters long; write for example 1.2 GW"):
            parse("9" * digits, "W")
    with pytest.raises(UnitError, match="a number of thousands of digits is not a finite number"):
        parse(10**5000, "")


WRITTEN = st.text(alphabet="0123456789.,eE+-*/^%$ ()kMGTBWhsUSDtoky٣x²∞", max_size=24)


@settings(max_examples=500)
@given(text=st.one_of(WRITTEN, st.text(max_size=40)), unit=st.sampled_from(["", "W", "s", "USD", "USD/token", "1/s"]))
def test_any_text_is_a_finite_number_or_a_sentence(text: str, unit: str) -> None:
    said = ""
    try:
        assert math.isfinite(parse(text, unit))
    except UnitError as error:
        said = str(error)
    assert len(said) < 300
    assert said.isprintable()


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
