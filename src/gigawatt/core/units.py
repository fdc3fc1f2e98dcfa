"""The only conversion code: text with a unit in, float in base units out, and back for people.

Base units: W, J, s, byte, FLOP, USD, token, and plain numbers for counts and shares.
A registry of our own (not pint's default one) keeps "GB" a gigabyte and refuses what the field never says.
"""

from __future__ import annotations

import math
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from gigawatt.core.errors import UnitError

if TYPE_CHECKING:
    import pint

HOURS_PER_YEAR = 8760.0
SECONDS_PER_QUARTER = HOURS_PER_YEAR / 4 * 3600.0

_DEFINITIONS = """
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
exa- = 1e18 = E-
zetta- = 1e21 = Z-
milli- = 1e-3 = m-
micro- = 1e-6 = u-
nano- = 1e-9 = n-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
tebi- = 1099511627776 = Ti-
second = [time] = s
minute = 60 * second = min
hour = 3600 * second = h = hours
day = 24 * hour = d = days
week = 7 * day = wk = weeks
year = 8760 * hour = yr = years
quarter = 2190 * hour = quarters
month = 730 * hour = months
joule = [energy] = J
watt = joule / second = W
watt_hour = 3600 * joule = Wh
byte = [information] = B = bytes
bit = byte / 8 = b = bits
flop = [computation] = FLOP
flops = flop / second = FLOPS
op = flop = OP
ops = flop / second = OPS
dollar = [money] = USD
token = [text] = tok = tokens
percent = 0.01
times = 1 = x
million = 1e6
billion = 1e9
trillion = 1e12
user = 1 = users
message = 1 = messages
request = 1 = requests
package = 1 = packages
die = 1 = dies
rack = 1 = racks
"""

_MULTIPLIER = {"k": 1e3, "M": 1e6, "B": 1e9, "bn": 1e9, "T": 1e12}
_MONEY = re.compile(r"\$\s*([0-9][0-9,]*\.?[0-9]*(?:e[+-]?\d+)?)\s*(k|M|bn|B|T)?(?![A-Za-z])")
_READABLE = re.compile(r"[0-9A-Za-z.+\-*/^() ]*")
_PLAIN = re.compile(r"\s*([+-]?[0-9][0-9,]*\.?[0-9]*(?:[eE][+-]?\d+)?)\s*(k|M|B|bn|T)?\s*")


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry(None, autoconvert_offset_to_baseunit=False)
    registry.load_definitions(_DEFINITIONS.strip().splitlines())
    return registry


def _example(unit: str) -> str:
    return {
        "W": "1.2 GW",
        "USD": "$35B",
        "byte": "288 GB",
        "byte/s": "22 TB/s",
        "FLOP/s": "35 PFLOP/s",
        "FLOP": "5e25 FLOP",
        "s": "6 months",
        "USD/J": "0.07 USD/kWh",
        "USD/W": "15 MUSD/MW",
        "USD/W/s": "9 USD/W/yr",
        "USD/s": "2.9 USD/h",
        "USD/token": "$0.30/Mtok",
        "token": "500 tokens",
        "token/s": "60 tok/s",
        "1/s": "10 %/yr",
        "": "0.25 or 25 %",
    }.get(unit, f"a number with a unit such as {unit}")


@lru_cache(maxsize=65536, typed=True)
def parse(text: str | float | int, unit: str) -> float:
    """Value of ``text`` in base ``unit`` ("" for a count or share).

    Raises UnitError with a sentence where the text is no number, has no unit, or one of another dimension.

    >>> parse("10 GW", "W"), parse("$35B", "USD"), parse("0.4 Tb/s", "byte/s"), parse("25 %", "")
    (10000000000.0, 35000000000.0, 50000000000.0, 0.25)
    """
    if isinstance(text, bool):
        raise UnitError(f"{text!r} is not a number; write for example {_example(unit)}")
    if isinstance(text, (int, float)):
        if unit != "":
            raise UnitError(f"{text!r} has no unit; write for example {_example(unit)}")
        return _finite(float(text), text, unit)
    plain = _PLAIN.fullmatch(text)
    if plain and unit == "":
        return float(plain[1].replace(",", "")) * _MULTIPLIER.get(plain[2] or "", 1.0)
    if plain and plain[2] is None:
        raise UnitError(f"'{text}' has no unit; write for example {_example(unit)}")
    spelled = _MONEY.sub(lambda m: f"{float(m[1].replace(',', '')) * _MULTIPLIER.get(m[2] or '', 1.0)!r} USD", text)
    spelled = re.sub(r"(?<=\d),(?=\d{3})", "", spelled).replace("%", " percent")

    if re.search(r"(?<![A-Za-z])mW(?![A-Za-z])", spelled):
        raise UnitError(f"'{text}' is in milliwatts; write MW for megawatts")
    if not _READABLE.fullmatch(spelled):
        raise UnitError(f"'{text}' does not read as a number with a unit; write for example {_example(unit)}")
    registry = _registry()
    try:
        value: Any = registry.Quantity(spelled).to(unit or "dimensionless").magnitude
    except Exception as error:
        name = type(error).__name__
        if name == "DimensionalityError":
            raise UnitError(f"'{text}' is not {_dimension(unit)}; write for example {_example(unit)}") from error
        raise UnitError(
            f"'{text}' does not read as a number with a unit; write for example {_example(unit)}"
        ) from error
    return _finite(float(value), text, unit)


def _finite(value: float, text: object, unit: str) -> float:
    if not math.isfinite(value):
        raise UnitError(f"{text!r} is not a finite number; write for example {_example(unit)}")
    return value


def _dimension(unit: str) -> str:
    return {
        "W": "a power",
        "USD": "an amount of money",
        "byte": "an amount of memory",
        "byte/s": "a bandwidth",
        "FLOP/s": "a compute rate",
        "FLOP": "an amount of compute",
        "s": "a duration",
        "": "a plain number or share",
        "USD/W/s": "a rent",
        "USD/W": "a price of power",
        "USD/J": "a price of energy",
        "USD/s": "a price of time",
        "USD/token": "a price of tokens",
        "1/s": "a rate",
        "token": "a number of tokens",
        "token/s": "a token rate",
    }.get(unit, f"a quantity in {unit}")


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
        "USD/s": (3600.0, "$", "/h"),
        "USD/W/s": (365 * 24 * 3600.0, "$", "/W/yr"),
        "1/s": (365 * 24 * 3600.0 * 100, "", " %/yr"),
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
        for step, name in ((HOURS_PER_YEAR * 3600, "yr"), (86400.0, "days"), (3600.0, "h"), (60.0, "min")):
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
