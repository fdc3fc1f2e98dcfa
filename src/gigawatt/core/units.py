"""The only conversion code: text with a unit in, float in base units out, and back for people.

Base units: W, J, s, byte, FLOP, USD, token, and plain numbers for counts and shares. A figure is read by a grammar and
nothing in it is evaluated:

    figure = [sign] [$] number [/ number] [multiple] [unit]        8/72 EFLOP/s, $35B, 2.5 billion, 10 %/yr
    number = digits, or 1,234,567 in threes, with a decimal point, perhaps e+6
    unit   = names joined by "-" or "*", over others behind "/" or "per"

A table of our own keeps "GB" a gigabyte and refuses what the field never says.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from gigawatt.core.calendar import DAY_S, HOUR_S, MONTH_S, QUARTER_S, YEAR_S
from gigawatt.core.errors import UnitError, shown

_UNITS: dict[str, tuple[float, str]] = {
    "s": (1.0, "s"), "second": (1.0, "s"), "min": (60.0, "s"), "minute": (60.0, "s"), "h": (HOUR_S, "s"),
    "hr": (HOUR_S, "s"), "hour": (HOUR_S, "s"), "d": (DAY_S, "s"), "day": (DAY_S, "s"), "wk": (7 * DAY_S, "s"),
    "week": (7 * DAY_S, "s"), "mo": (MONTH_S, "s"), "month": (MONTH_S, "s"), "quarter": (QUARTER_S, "s"),
    "yr": (YEAR_S, "s"), "year": (YEAR_S, "s"), "J": (1.0, "J"), "joule": (1.0, "J"), "Wh": (3600.0, "J"),
    "W": (1.0, "W"), "watt": (1.0, "W"), "B": (1.0, "byte"), "byte": (1.0, "byte"), "b": (0.125, "byte"),
    "bit": (0.125, "byte"), "FLOP": (1.0, "FLOP"), "OP": (1.0, "FLOP"), "FLOPS": (1.0, "FLOP/s"),
    "OPS": (1.0, "FLOP/s"), "USD": (1.0, "USD"), "$": (1.0, "USD"), "dollar": (1.0, "USD"), "tok": (1.0, "token"),
    "token": (1.0, "token"), "%": (0.01, ""), "percent": (0.01, ""), "x": (1.0, ""), "times": (1.0, ""),
    "user": (1.0, ""), "message": (1.0, ""), "request": (1.0, ""), "package": (1.0, ""), "die": (1.0, ""),
    "rack": (1.0, ""),
}  # fmt: skip
_PREFIXES = {
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "m": 1e-3, "u": 1e-6, "n": 1e-9,
    "kilo": 1e3, "mega": 1e6, "giga": 1e9, "tera": 1e12, "peta": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip
_SCALED = frozenset(
    ("W", "Wh", "J", "B", "b", "bit", "byte", "FLOP", "FLOPS", "OP", "OPS", "USD", "$", "tok", "token", "joule", "watt")
)
_DIVIDED = frozenset(("s", "J"))  # nobody means a milliwatt or a millibit
_MULTIPLES = {"k": 1e3, "M": 1e6, "B": 1e9, "bn": 1e9, "T": 1e12,
              "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}  # fmt: skip
_LONGEST, _LEAST = 200, 1e-30
_CURRENCIES = frozenset("€£¥₹₩") | frozenset(
    (
        "EUR",
        "GBP",
        "CHF",
        "JPY",
        "CNY",
        "RMB",
        "INR",
        "KRW",
        "CAD",
        "AUD",
        "SEK",
        "NOK",
        "DKK",
        "SGD",
        "HKD",
        "BRL",
        "AED",
    )
)

_PLAIN = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_FIGURE = re.compile(
    r"\s*(?P<sign>[+-]?)\s*(?P<money>\$?)\s*(?P<number>[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"(?:\s*/\s*(?P<over>[0-9][0-9.,]*))?\s*(?P<rest>.*?)\s*"
)
_MULTIPLE = re.compile(r"(k|M|bn|B|T)(?![A-Za-z])|(thousand|million|billion|trillion)(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a base unit measures, in words: an example, the units people may write, and the most that can be meant.

    ``per`` names the things that it may be of one of: 60 tok/s/user.
    """

    what: str
    example: str
    units: str
    most: float
    per: tuple[str, ...] = ()


_ENERGY = "USD or $ over Wh, kWh, MWh, J"
_POWERS = "USD or $ over W, kW, MW, GW"
_TIMES = "ms, s, min, h, days, weeks, months, quarters, yr"
_KINDS = {
    "W": _Kind("a power", "1.2 GW", "W, kW, MW, GW", 1e20),
    "J": _Kind("an energy", "1.2 MWh", "J, Wh, kWh, MWh, GWh", 1e24),
    "USD": _Kind("an amount of money", "$35B", "USD or $, with k, M, B, T", 1e20),
    "byte": _Kind("an amount of memory", "288 GB", "B, kB, MB, GB, TB, PB, KiB, MiB, GiB, TiB", 1e20),
    "byte/s": _Kind("a bandwidth", "22 TB/s", "GB/s, TB/s, PB/s, Gb/s, Tb/s", 1e20),
    "FLOP/s": _Kind("a compute rate", "35 PFLOP/s", "GFLOP/s, TFLOP/s, PFLOP/s, EFLOP/s, TOPS, POPS", 1e30),
    "FLOP": _Kind("an amount of compute", "5e25 FLOP", "FLOP, TFLOP, PFLOP, EFLOP", 1e36),
    "s": _Kind("a duration", "6 months", _TIMES, 1000 * YEAR_S),
    "USD/J": _Kind("a price of energy", "0.07 USD/kWh", _ENERGY, 1.0),
    "USD/W": _Kind("a price of power", "15 MUSD/MW", _POWERS, 1e9),
    "USD/W/s": _Kind("a rent", "9 USD/W/yr", f"{_POWERS}, over h, month, yr", 1e3),
    "USD/s": _Kind("a price of time", "2.9 USD/h", "USD or $ over s, min, h, day, month, yr", 1e12, ("package",)),
    "USD/token": _Kind("a price of tokens", "$0.30/Mtok", "USD or $ over tok, ktok, Mtok", 1e6),
    "token": _Kind("a number of tokens", "500 tokens", "tokens, ktok, Mtok, Gtok", 1e20, ("request", "message")),
    "token/s": _Kind("a token rate", "60 tok/s", "tok/s, ktok/s, Mtok/s, tok/day", 1e20, ("user",)),
    "1/s": _Kind("a rate", "10 %/yr", "% or a number over h, day, month, yr", 100 / YEAR_S),
    "": _Kind("a plain number or share", "0.25 or 25 %", "none, %, x, k, M, B, T, million, billion, packages", 1e24),
}  # fmt: skip


def _kind(unit: str) -> _Kind:
    return _KINDS.get(unit) or _Kind(f"a quantity in {unit}", f"a number with a unit such as {unit}", unit, 1e24)


@lru_cache(maxsize=65536, typed=True)
def parse(text: str | float | int, unit: str, example: str = "") -> float:
    """Value of ``text`` in base ``unit`` ("" for a count or share).

    ``example`` is what the place of the figure would have in it, in place of the unit's own.

    Raises UnitError with a sentence where the text is no number, has no unit, one of another dimension, or is beyond
    what can be meant.

    >>> parse("10 GW", "W"), parse("$35B", "USD"), parse("0.4 Tb/s", "byte/s"), parse("25 %", "")
    (10000000000.0, 35000000000.0, 50000000000.0, 0.25)
    """
    kind = replace(_kind(unit), example=example) if example else _kind(unit)
    if isinstance(text, bool):
        raise UnitError(f"{text!r} is not a number; write for example {kind.example}")
    if isinstance(text, (int, float)):
        if unit != "":
            raise UnitError(f"{shown(text)} has no unit; write for example {kind.example}")
        return _held(text, text, kind)
    match = _FIGURE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise UnitError(_unread(text, kind))
    value = _number(match["number"], text)
    if match["over"]:
        value /= _number(match["over"], text) or math.nan
    rest = re.sub(r"\s+per\s+", "/", match["rest"])
    scale = _MULTIPLE.match(rest)
    if scale and (scale[2] or match["money"] or not unit):
        value *= _MULTIPLES[scale[0]]
        rest = rest[scale.end() :].strip()
    if match["money"]:
        rest = f"${rest}" if not rest or rest.startswith("/") else f"$*{rest}"
    if unit and not rest:
        raise UnitError(f"{shown(text)} has no unit; write for example {kind.example}")
    return _held((-value if match["sign"] == "-" else value) * _factor(rest, unit, text, kind), text, kind)


def _number(digits: str, text: str) -> float:
    """Value of digits with a decimal point and commas in threes. Raises UnitError for any other comma or point."""
    if _GROUPED.fullmatch(digits):
        return float(digits.replace(",", ""))
    if _PLAIN.fullmatch(digits):
        return float(digits)
    whole, _, decimals = digits.partition(",")
    if decimals.isdigit():
        right = f"{whole.replace('.', '')}.{decimals}"
        raise UnitError(f"{shown(text)}: a comma parts thousands, as in 1,234; write {right}, with a decimal point")
    raise UnitError(f"{shown(text)}: write thousands in threes with commas, as in 1,234,567.5, or without any")


def _factor(rest: str, unit: str, text: str, kind: _Kind) -> float:
    """Base units in one of what ``rest`` names, which are those of ``unit``, each once: nothing cancels.

    A name without a dimension (%, x, packages) stands alone or over a time, or comes last where a kind is ``per`` it.
    Raises UnitError for anything else.
    """
    factor, found = 1.0, Counter[tuple[str, int]]()
    above, *below = rest.split("/")
    if below and below[-1].strip() in kind.per:
        below.pop()
    for group, sign in ((above, 1), *((one, -1) for one in below)):
        for name in re.split(r"[-*·]", group) if group or sign < 0 else ():
            size, base = _unit(name.strip(), text, kind)
            factor = factor * size if sign > 0 else factor / size
            found.update((part, sign * power) for part, power in (_powers(base) or {"": 1}).items())
    n_plain = found.pop(("", 1), 0)
    if found != Counter(_powers(unit).items()) or n_plain > (unit in ("", "1/s")):
        raise UnitError(f"{shown(text)} is not {kind.what}; write for example {kind.example} (units: {kind.units})")
    return factor


def _powers(base: str) -> dict[str, int]:
    """Powers of the base units, ``{"USD": 1, "W": -1, "s": -1}`` of "USD/W/s"."""
    above, *below = base.split("/")
    return {part: power for part, power in ((above, 1), *((one, -1) for one in below)) if part not in ("", "1")}


def _unit(name: str, text: str, kind: _Kind) -> tuple[float, str]:
    """(base units in one, base unit) of a unit's name with its prefix. Raises UnitError listing the units there are."""
    for word in (name, name.lower()) if len(name) > 3 else (name,):
        for one in (word, word[:-1]) if len(word) > 3 and word.endswith("s") else (word,):
            if one in _UNITS:
                return _UNITS[one]
            for prefix, base in ((one[:n], one[n:]) for n in (1, 2, 3, 4)):
                size = _PREFIXES.get(prefix, 0.0)
                if size and base in (_SCALED if size > 1.0 else _DIVIDED):
                    return size * _UNITS[base][0], _UNITS[base][1]
    if name == "mW":
        raise UnitError(f"{shown(text)} is in milliwatts; write MW for megawatts")
    if not name.isalpha() or not name.isascii():
        raise UnitError(_unread(text, kind))
    if name in _CURRENCIES or name[1:] in _CURRENCIES:
        raise UnitError(_foreign(text, name, kind))
    raise UnitError(
        f"{shown(text)}: no unit is called '{name}'; {kind.what} is in {kind.units}, for example {kind.example}"
    )


def _foreign(text: str, currency: str, kind: _Kind) -> str:
    return f"{shown(text)} is in {currency}; money is known in USD only, so convert it: for example {kind.example}"


def _unread(text: str, kind: _Kind) -> str:
    """Sentence for a text that is no figure."""
    if len(text) > _LONGEST:
        return f"{shown(text)} is {len(text):,} characters long; write for example {kind.example}"
    if any(letter.isdecimal() and not letter.isascii() for letter in text):
        return f"{shown(text)} has digits of another script; write 0 to 9, for example {kind.example}"
    if re.match(r"\s*[+-]?(inf|nan)", text, re.IGNORECASE):
        return f"{shown(text)} is not a finite number; write for example {kind.example}"
    foreign = [word for word in re.findall(r"[A-Za-z]+|[^\w\s]", text) if word in _CURRENCIES]
    if foreign:
        return _foreign(text, foreign[0], kind)
    return f"{shown(text)} does not read as a number with a unit; write for example {kind.example}"


def _held(value: float, text: object, kind: _Kind) -> float:
    """The value as a float, 0 where it is next to nothing.

    Raises UnitError where it is not finite, or beyond what can be meant.
    """
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnitError(f"{shown(text)} is not a finite number; write for example {kind.example}")
    if abs(number) > kind.most:
        raise UnitError(f"{shown(text)} is more than {kind.what} can be; write for example {kind.example}")
    return number if abs(number) >= _LEAST else 0.0


_STEPS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_MONEY_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def pretty(value: float | None, unit: str = "", digits: int = 3) -> str:
    """``value`` in base ``unit`` as people write it.

    >>> pretty(1.2e9, "W"), pretty(3.5e10, "USD"), pretty(2.2e13, "byte/s"), pretty(0.04, "s")
    ('1.2 GW', '$35B', '22 TB/s', '40 ms')
    """
    if value is None or math.isnan(value):
        return "-"
    special = {
        "USD/J": (3.6e6, "$", "/kWh"),
        "USD/W": (1.0, "$", "M/MW"),
        "USD/token": (1e6, "$", "/Mtok"),
        "USD/s": (HOUR_S, "$", "/h"),
        "USD/W/s": (YEAR_S, "$", "/W/yr"),
        "1/s": (YEAR_S * 100, "", " %/yr"),
    }
    if unit in special:
        factor, before, after = special[unit]
        return f"{before}{_short(value * factor, digits)}{after}"
    if value == 0 and unit in ("s", "USD"):
        return "0 s" if unit == "s" else "$0"
    sign, size = ("-" if value < 0 else ""), abs(value)
    if unit == "USD":
        step, letter = next(((s, t) for s, t in _MONEY_STEPS if size >= s), (1.0, ""))
        return f"{sign}${_short(size / step, digits)}{letter}"
    if unit == "s" and size < 60:
        step, name = next(((s, t) for s, t in _SMALL if size >= s), _SMALL[-1])
        return f"{sign}{_short(size / step, digits)} {name}"
    if unit == "s":
        for step, name in ((YEAR_S, "yr"), (DAY_S, "days"), (HOUR_S, "h"), (60.0, "min")):
            if size >= step:
                return f"{sign}{_short(size / step, digits)} {name}"
    step, prefix = next(((s, t) for s, t in _STEPS if size >= s), (1.0, ""))
    if unit == "":
        words = {"E": "e18", "P": "e15", "T": " trillion", "G": " billion", "M": " million", "k": ",", "": ""}
        if prefix == "k":
            return f"{sign}{size:,.0f}"
        return f"{sign}{_short(size / step, digits)}{words[prefix]}"
    return f"{sign}{_short(size / step, digits)} {prefix}{unit.replace('byte', 'B').replace('token', 'tok')}"


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text else text
