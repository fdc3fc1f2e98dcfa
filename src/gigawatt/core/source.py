"""A number that is never bare: value, unit, range, source, kind, date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["datasheet", "measured", "filing", "press", "quote", "derived", "judgement", "scenario"]
KINDS: tuple[str, ...] = (
    "datasheet",
    "measured",
    "filing",
    "press",
    "quote",
    "derived",
    "judgement",
    "scenario",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A figure and what it rests on, in base units.

    ``low`` and ``high`` bound the value where it is a judgement or the sources differ; ``alternatives`` are the
    conflicting figures that were not chosen. ``kind`` is "scenario" for a bare figure a user wrote.
    """

    value: float
    unit: str
    text: str
    source: tuple[str, ...]
    kind: Kind
    as_of: str
    low: float | None = None
    high: float | None = None
    note: str = ""
    alternatives: tuple[Fact, ...] = ()

    @property
    def range(self) -> tuple[float, float, float]:
        """(low, central, high) in base units; the value itself where no bound is stated."""
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return low, self.value, high
