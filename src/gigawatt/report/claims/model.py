"""What a claim is: a statement's figure beside ours, with a range, a reading, a verdict and its sources."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import Any

from gigawatt.core.source import Fact

VERDICT = re.compile(r"holds|fails|holds if \S.*|holds if \S.*|not computable: \S.*")
"""Grammar of a verdict; the whole text matches."""

KEYS = ("id", "statement", "announced", "low", "central", "high", "unit", "reading", "verdict", "sources")
"""Keys of a row, in the order of its columns."""

ABOUT = 0.10
"""Tolerance of statements that say "about", "twice" or "equals", as a share of the figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One reading of one or more statements. low, central and high are in ``unit``; None where nothing is a number."""

    id: str
    statement: str
    announced: str
    low: float | None
    central: float | None
    high: float | None
    unit: str
    reading: str
    verdict: str
    sources: tuple[str, ...]

    @property
    def seeds(self) -> tuple[str, ...]:
        """The statements it answers, "S0.8"."""
        return tuple(part.strip() for part in self.id.split(","))

    @property
    def is_computed(self) -> bool:
        """False where the verdict says why there is no figure."""
        return not self.verdict.startswith("not computable")

    def row(self) -> dict[str, Any]:
        """The claim with exactly the keys of ``KEYS``; sources as a list, an end without bound as None."""
        ends = {key: value for key in ("low", "central", "high") if (value := getattr(self, key)) is not None}
        bounded = {key: value if math.isfinite(value) else None for key, value in ends.items()}
        return asdict(self) | bounded | {"sources": list(self.sources)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A figure that is not negative, with its range and what it rests on.

    Sums, products and quotients take the extreme combination of the ends (interval arithmetic): honest for a few
    independent factors, too wide for many; ``quadrature`` is for those.
    """

    low: float
    central: float
    high: float
    sources: tuple[str, ...] = ()

    def __add__(self, other: Band) -> Band:
        return Band(
            low=self.low + other.low,
            central=self.central + other.central,
            high=self.high + other.high,
            sources=merge(self.sources, other.sources),
        )

    def __mul__(self, other: Band | float) -> Band:
        if isinstance(other, Band):
            return Band(
                low=self.low * other.low,
                central=self.central * other.central,
                high=self.high * other.high,
                sources=merge(self.sources, other.sources),
            )
        return replace(self, low=self.low * other, central=self.central * other, high=self.high * other)

    def __truediv__(self, other: Band | float) -> Band:
        if isinstance(other, Band):
            return self * other.inverse
        return self * (1.0 / other)

    @property
    def inverse(self) -> Band:
        """1 over it; the ends change places."""
        top = math.inf if self.low == 0 else 1.0 / self.low
        return replace(self, low=1.0 / self.high, central=1.0 / self.central, high=top)

    @property
    def is_point(self) -> bool:
        """True where low, central and high agree."""
        return self.low == self.central == self.high


def merge(*groups: Iterable[str]) -> tuple[str, ...]:
    """All keys of the groups, each once, in order of first appearance."""
    return tuple(dict.fromkeys(key for group in groups for key in group))


def band(fact: Fact, scale: float = 1.0) -> Band:
    """A fact's range times a factor (1e-9 turns W into GW)."""
    low, central, high = fact.range
    return Band(low=low * scale, central=central * scale, high=high * scale, sources=fact.source)


def whole(fact: Fact, scale: float = 1.0) -> Band:
    """Range over a fact and the conflicting figures beside it."""
    ends = [end for one in (fact, *fact.alternatives) for end in one.range]
    sources = merge(*(one.source for one in (fact, *fact.alternatives)))
    return Band(low=min(ends) * scale, central=fact.value * scale, high=max(ends) * scale, sources=sources)


def point(value: float, sources: Iterable[str] = ()) -> Band:
    """A figure without a range."""
    return Band(low=value, central=value, high=value, sources=tuple(sources))


def quadrature(formula: Callable[[SimpleNamespace], float], facts: Mapping[str, Fact]) -> Band:
    """Figure of many independent factors: each moved to its ends alone, the swings added in quadrature.

        high = c + sqrt(sum_i max(0, f(.., x_i at an end, ..) - c)^2),  c = f(all central)

    For five or more factors, where the extreme combination of all ends would never occur.
    """
    middle = {name: fact.value for name, fact in facts.items()}
    central = formula(SimpleNamespace(**middle))
    up = down = 0.0
    for name, fact in facts.items():
        swings = [
            formula(SimpleNamespace(**(middle | {name: end}))) - central for end in (fact.range[0], fact.range[2])
        ]
        up += max(0.0, *swings) ** 2
        down += min(0.0, *swings) ** 2
    return Band(
        low=central - math.sqrt(down),
        central=central,
        high=central + math.sqrt(up),
        sources=merge(*(fact.source for fact in facts.values())),
    )


def judge(value: Band, low: float, high: float, when: str) -> str:
    """Verdict on an announced range [low, high]; ``when`` is the condition at which it comes true.

    The whole band inside: holds. The central figure inside: holds if. An end inside: holds if. Else: fails.
    """
    slack = 1e-9 * max(abs(value.central), 1e-30)
    if low - slack <= value.low and value.high <= high + slack:
        return "holds"
    if low - slack <= value.central <= high + slack:
        return f"holds if {when}"
    return f"holds if {when}" if value.high >= low and value.low <= high else "fails"


def near(value: Band, target: float, when: str, tolerance: float = ABOUT) -> str:
    """Verdict on "about ``target``"."""
    return judge(value, target * (1 - tolerance), target * (1 + tolerance), when)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What the rows of one or more statements share."""

    id: str
    statement: str
    announced: str
    unit: str
    sources: tuple[str, ...]

    def row(
        self,
        reading: str,
        value: Band | float | None,
        verdict: str,
        *,
        unit: str | None = None,
        sources: Iterable[str] = (),
    ) -> Claim:
        """One reading. A plain float is its own range; a Band brings its sources, before those of the statements."""
        low = central = high = None
        if isinstance(value, Band):
            central = value.central
            low, high = value.low, value.high
            sources = merge(value.sources, sources)
        elif value is not None:
            low = central = high = float(value)
        return Claim(
            id=self.id,
            statement=self.statement,
            announced=self.announced,
            low=low,
            central=central,
            high=high,
            unit=self.unit if unit is None else unit,
            reading=reading,
            verdict=verdict,
            sources=merge(sources, self.sources),
        )

    def span(self, reading: str, low: float, high: float, verdict: str, *, sources: Iterable[str] = ()) -> Claim:
        """A reading of which only the ends are known."""
        return replace(self.row(reading, None, verdict, sources=sources), low=low, high=high)

    def absent(self, what: str) -> Claim:
        """Row of a scenario that has no such thing."""
        return self.row("", None, f"not computable: this scenario has no {what}", unit="")

    def refuse(self, why: str) -> Claim:
        """Row of something that cannot be computed at all."""
        return self.row("", None, f"not computable: {why}", unit="")
