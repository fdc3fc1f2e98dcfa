"""How a figure is written at a door: pydantic metadata that reads text or a mapping into a Fact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from gigawatt.core.calendar import parse_quarter
from gigawatt.core.errors import UnitError, shown
from gigawatt.core.source import KINDS, Fact
from gigawatt.core.units import parse

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import core_schema

_KEYS = {"value", "source", "kind", "as_of", "low", "high", "note", "chosen"}


@dataclass(frozen=True, slots=True)
class Quantity:
    """Metadata of a field that holds a Fact in ``unit``.

    ``bare=True`` (scenarios) also takes "10 GW" without a source; the catalogue never does.
    The unit "quarter" reads dates, as quarters since year 0. ``most`` bounds the value, 1 for shares.
    """

    unit: str
    bare: bool = False
    most: float | None = None

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Reads text, a mapping, or a list of conflicting mappings of which one is ``chosen``."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What an editor shows: the unit, and an example in words."""
        text = {
            "type": ["string", "number"],
            "description": f"in {self.unit or 'plain numbers'}, unit written out",
        }
        figure = {
            "type": "object",
            "required": ["value"] if self.bare else ["value", "source", "kind", "as_of"],
            "additionalProperties": False,
            "properties": self.keys,
        }
        several = {"type": "array", "items": figure, "minItems": 2}
        return {"anyOf": [text, figure, several] if self.bare else [figure, several]}

    @property
    def keys(self) -> dict[str, Any]:
        """Keys of a figure written as a mapping, as JSON Schema."""
        text = {"type": ["string", "number"]}
        return {
            "value": text,
            "low": text,
            "high": text,
            "source": {"type": ["string", "array"]},
            "kind": {"enum": list(KINDS)},
            "as_of": {"type": ["string", "integer", "number"]},
            "note": {"type": "string"},
            "chosen": {"type": "boolean"},
        }

    def read(self, raw: Any) -> Fact:
        """Fact written as ``raw``. Raises ValueError with a sentence."""
        try:
            if isinstance(raw, Fact):
                return raw
            if isinstance(raw, Mapping):
                return self._figure(raw)
            if isinstance(raw, list) and raw and all(isinstance(item, Mapping) for item in raw):
                return self._conflict(raw)
            if self.bare:
                return Fact(
                    value=self._number(raw),
                    unit=self.unit,
                    text=str(raw),
                    source=(),
                    kind="scenario",
                    as_of="",
                )
        except UnitError as error:
            raise ValueError(str(error)) from error
        raise ValueError(f"{shown(raw)} is a bare number; write {{value, source, kind, as_of}}")

    def _number(self, raw: Any) -> float:
        if self.unit == "quarter":
            return float(parse_quarter(raw))
        if not isinstance(raw, (str, int, float)):
            raise UnitError(f"{shown(raw)} is not a number with a unit")
        value = parse(raw, self.unit)
        if self.most is not None and value > self.most:
            raise UnitError(f"{raw} is more than {self.most:g}; a share lies between 0 and 1, or 0 % and 100 %")
        return value

    def _conflict(self, rows: list[Any]) -> Fact:
        chosen = [row for row in rows if _is_chosen(row)]
        if len(chosen) != 1:
            raise UnitError(f"{len(rows)} conflicting figures need exactly one with 'chosen: true', not {len(chosen)}")
        others = tuple(self._figure(row) for row in rows if row is not chosen[0])
        return self._figure(chosen[0], others)

    def _figure(self, row: Mapping[str, Any], others: tuple[Fact, ...] = ()) -> Fact:
        if unknown := sorted(set(map(str, row)) - _KEYS):
            if row.get(unknown[0], "") is None:
                raise UnitError(f"{shown(unknown[0])} {ALONE}")
            raise UnitError(f"a figure has no key {shown(unknown[0])}; it has {', '.join(sorted(_KEYS))}")
        if "value" not in row:
            raise UnitError("a figure needs a 'value'")
        value, low, high = self._range(row)
        sources, as_of, note = _sources(row), _text(row, "as_of"), _text(row, "note")
        _is_chosen(row)
        kind = row.get("kind", "scenario" if self.bare else None)
        if kind not in KINDS:
            raise UnitError(f"kind is {shown(kind)}; it is one of {', '.join(KINDS)}")
        if not self.bare:
            if not sources:
                raise UnitError(f"the figure {row['value']} has no source; name a key of sources.yaml")
            if as_of and not _is_date(as_of):
                raise UnitError(f"as_of is {shown(as_of)}; write a year from 1900 to 2199, perhaps with its month")
            if not as_of:
                raise UnitError(f"the figure {row['value']} has no date; add as_of")
            if kind == "judgement" and (low is None or high is None or not note):
                raise UnitError(f"the judgement {row['value']} needs low, high and a note that says why")
        return Fact(
            value=value, unit=self.unit, text=str(row["value"]), source=sources, kind=kind,
            as_of=as_of, low=low, high=high, note=note, alternatives=others,
        )  # fmt: skip

    def _range(self, row: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
        value = self._number(row["value"])
        low = None if row.get("low") is None else self._number(row["low"])
        high = None if row.get("high") is None else self._number(row["high"])
        if low is not None and low > value:
            raise UnitError(f"value {row['value']} lies below its low {row['low']}")
        if high is not None and high < value:
            raise UnitError(f"value {row['value']} lies above its high {row['high']}")
        return value, low, high


ALONE = "stands alone; in {...} a comma parts two keys, so write decimals with a point or the whole in quotes"


def _sources(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of the sources of a figure: one, or a list of them."""
    given = row.get("source", ())
    keys = (given,) if isinstance(given, str) else given
    if not isinstance(keys, (list, tuple)) or not all(isinstance(key, str) and key.strip() for key in keys):
        raise UnitError(f"source is {shown(given)}; write the key of a source, or a list of keys")
    return tuple(keys)


def _is_date(text: str) -> bool:
    """Whether what looks like a number or a date can be one; words are left as they are."""
    if not re.fullmatch(r"[-+0-9./]+", text):
        return True
    return bool(re.fullmatch(r"(19|20|21)[0-9]{2}(-(0[1-9]|1[0-2])(-[0-3][0-9])?)?", text))


def _text(row: Mapping[str, Any], key: str) -> str:
    """Text of a figure's ``as_of`` or ``note``; empty where it says none."""
    given = row.get(key)
    if given is not None and (isinstance(given, bool) or not isinstance(given, (str, int, float))):
        raise UnitError(f"{key} is {shown(given)}; write {'a date' if key == 'as_of' else 'a sentence'}")
    return "" if given is None else str(given)


def _is_chosen(row: Mapping[str, Any]) -> bool:
    given = str(row.get("chosen", False)).lower()
    if given not in ("true", "false"):
        raise UnitError(f"chosen is {shown(row['chosen'])}; write true or false")
    return given == "true"


Watts = Annotated[Fact, Quantity("W")]
Money = Annotated[Fact, Quantity("USD")]
Bytes = Annotated[Fact, Quantity("byte")]
BytesPerS = Annotated[Fact, Quantity("byte/s")]
FlopPerS = Annotated[Fact, Quantity("FLOP/s")]
Seconds = Annotated[Fact, Quantity("s")]
Number = Annotated[Fact, Quantity("")]
Tokens = Annotated[Fact, Quantity("token")]
TokensPerS = Annotated[Fact, Quantity("token/s")]
MoneyPerToken = Annotated[Fact, Quantity("USD/token")]
MoneyPerWatt = Annotated[Fact, Quantity("USD/W")]
MoneyPerJoule = Annotated[Fact, Quantity("USD/J")]
RatePerS = Annotated[Fact, Quantity("1/s")]
Date = Annotated[Fact, Quantity("quarter")]
