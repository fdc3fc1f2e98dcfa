"""How figures are written in a scenario: bare or with their source, at one time or from a quarter on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from gigawatt.core.names import named
from gigawatt.core.quantity import Quantity
from gigawatt.core.source import Fact

Name = Annotated[str, AfterValidator(named)]
Watts = Annotated[Fact, Quantity("W", bare=True)]
Money = Annotated[Fact, Quantity("USD", bare=True)]
Number = Annotated[Fact, Quantity("", bare=True)]
Share = Annotated[Fact, Quantity("", bare=True, most=1.0)]
Seconds = Annotated[Fact, Quantity("s", bare=True)]
TokensPerS = Annotated[Fact, Quantity("token/s", bare=True)]
FlopPerS = Annotated[Fact, Quantity("FLOP/s", bare=True)]
Flop = Annotated[Fact, Quantity("FLOP", bare=True)]
RatePerS = Annotated[Fact, Quantity("1/s", bare=True)]
Rent = Annotated[Fact, Quantity("USD/W/s", bare=True)]
MoneyPerS = Annotated[Fact, Quantity("USD/s", bare=True)]
MoneyPerToken = Annotated[Fact, Quantity("USD/token", bare=True)]
MoneyPerWatt = Annotated[Fact, Quantity("USD/W", bare=True)]
MoneyPerJoule = Annotated[Fact, Quantity("USD/J", bare=True)]
Date = Annotated[Fact, Quantity("quarter", bare=True)]


class Block(BaseModel):
    """Base of all parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


class Dated(Block):
    """A figure from a quarter on: ``{quarter, value, source, ...}`` or ``{quarter, value: {...}}``."""

    quarter: Date
    value: Any

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """A dated row takes the keys of its figure beside the quarter, or one figure under ``value``."""
        keys = Quantity("", bare=True).keys
        nested = {"anyOf": [keys["value"], {"type": "object", "properties": keys, "additionalProperties": False}]}
        date = {"anyOf": [{"type": "string"}, {"type": "object"}]}
        return {
            "type": "object",
            "description": (cls.__doc__ or "").strip(),
            "required": ["quarter", "value"],
            "additionalProperties": False,
            "properties": keys | {"quarter": date, "value": nested},
        }

    @model_validator(mode="before")
    @classmethod
    def _figure(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and set(raw) - {"quarter", "value"} and not isinstance(raw.get("value"), dict):
            figure = {key: item for key, item in raw.items() if key != "quarter"}
            return {"quarter": raw["quarter"], "value": figure} if "quarter" in raw else {"value": figure}
        return raw


class DatedNumber(Dated):
    """A count from a quarter on."""

    value: Number


class DatedWatts(Dated):
    """A power from a quarter on."""

    value: Watts


class DatedMoney(Dated):
    """A yearly amount of money from a quarter on."""

    value: Money


class DatedTokens(Dated):
    """A rate of output tokens at a quarter."""

    value: TokensPerS


class DatedCompute(Dated):
    """A rate of compute at a quarter."""

    value: FlopPerS
