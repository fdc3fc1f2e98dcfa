"""What a claim is: a statement's figure beside ours, with a range, a reading, what is asked of it and its sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from gigawatt.core.source import Fact

KEYS = ("id", "statement", "announced", "low", "central", "high", "unit", "reading", "verdict", "sources")
"""Keys of a row, in the order of its columns."""

ABOUT = 0.10
"""What "about", "twice", "equals" and "more" mean, as a share of the figure they are said of."""
SLACK = 5e-3
"""Share by which a solved plan may miss a round figure."""
CENTRAL = "; at central values, no range"
"""Said of figures of the plan: it is solved at central values, so the ranges of what it rests on do not reach them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What makes a statement true of a figure, in the figure's unit: low <= x <= high, or outside of that."""

    low: float = -math.inf
    high: float = math.inf
    outside: bool = False

    def holds(self, value: float) -> bool:
        """True where a figure is as asked, to a billionth of the bound."""
        return self.spans(value, value)

    def spans(self, low: float, high: float) -> bool:
        """True where all figures from ``low`` to ``high`` are as asked."""
        if self.outside:
            return high <= self.low + _hair(self.low) or low >= self.high - _hair(self.high)
        return low >= self.low - _hair(self.low) and high <= self.high + _hair(self.high)

    def meets(self, low: float, high: float) -> bool:
        """True where some figure from ``low`` to ``high`` is as asked."""
        if self.outside:
            return self.spans(low, low) or self.spans(high, high)
        return low <= self.high + _hair(self.high) and high >= self.low - _hair(self.low)

    @property
    def text(self) -> str:
        """The interval in words.

        >>> at_least(2).text, between(50, 60).text, apart(0.1).text
        ('at least 2', '50 to 60', 'at most -0.1 or at least 0.1')
        """
        if self.outside:
            return f"at most {_figure(self.low)} or at least {_figure(self.high)}"
        if math.isinf(self.high):
            return f"at least {_figure(self.low)}"
        if math.isinf(self.low):
            return f"at most {_figure(self.high)}"
        return f"{_figure(self.low)} to {_figure(self.high)}"


def _hair(bound: float) -> float:
    return 1e-9 * abs(bound) if math.isfinite(bound) else 0.0


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def at_least(value: float) -> Asked:
    """``value`` or more."""
    return Asked(low=value)


def at_most(value: float) -> Asked:
    """``value`` or less."""
    return Asked(high=value)


def between(low: float, high: float) -> Asked:
    """A range that was announced."""
    return Asked(low=low, high=high)


def about(value: float) -> Asked:
    """``value`` to within ``ABOUT``."""
    return Asked(low=value * (1 - ABOUT), high=value * (1 + ABOUT))


def apart(value: float) -> Asked:
    """A change by ``value`` or more, up or down."""
    return Asked(low=-value, high=value, outside=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class If:
    """A condition on which a statement comes true: the figure under it, and without it, in the row's unit.

    None stands for the row's own figure. The condition is said only where it decides: as asked under it, not without.
    """

    text: str
    then: float | None = None
    without: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One reading of one or more statements. low, central and high are in ``unit``; None where nothing is a number.

    ``asked`` is what makes the statement true of the figure and ``ifs`` the conditions that are tried; without
    ``asked``, ``why`` says why there is no verdict: "input: ..." or "not computable: ...".
    """

    id: str
    statement: str
    announced: str
    low: float | None
    central: float | None
    high: float | None
    unit: str
    reading: str
    sources: tuple[str, ...]
    asked: Asked | None = None
    ifs: tuple[If, ...] = ()
    why: str = ""

    @property
    def verdict(self) -> str:
        """What follows from the figure, what is asked of it and the conditions; nothing else is a verdict."""
        if self.asked is None or self.low is None or self.high is None:
            return self.why
        return judge((self.low, self.central, self.high), self.asked, *self.ifs, unit=self.unit)

    @property
    def seeds(self) -> tuple[str, ...]:
        """The statements it answers, "S0.8"."""
        return tuple(part.strip() for part in self.id.split(","))

    @property
    def is_computed(self) -> bool:
        """False where the verdict says why there is no answer."""
        return not self.verdict.startswith("not computable")

    def row(self) -> dict[str, Any]:
        """The claim with exactly the keys of ``KEYS``; sources as a list, an end without bound as None."""
        row = {key: getattr(self, key) for key in KEYS} | {"sources": list(self.sources)}
        ends = {key: row[key] for key in ("low", "central", "high") if row[key] is not None}
        return row | {key: value if math.isfinite(value) else None for key, value in ends.items()}


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


def judge(figure: tuple[float, float | None, float], asked: Asked, *ifs: If, unit: str = "") -> str:
    """Verdict on a figure (low, central, high).

    The first condition that decides: as asked under it and not without it. Else the whole range as asked: holds.
    Else, where no condition was given, part of the range: holds if it comes there. Else: fails.
    """
    low, central, high = figure
    inside = asked.spans(low, high)
    middle = inside if central is None else asked.holds(central)
    for one in ifs:
        then = middle if one.then is None else asked.holds(one.then)
        without = inside if one.without is None else asked.holds(one.without)
        if then and not without:
            return f"holds if {one.text}"
    if inside:
        return "holds"
    reached = not ifs and asked.meets(low, high)
    return f"holds if it comes to {asked.text} {unit}".rstrip() if reached else "fails"


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
        value: Band | float,
        asked: Asked,
        *ifs: If,
        unit: str | None = None,
        sources: Iterable[str] = (),
    ) -> Claim:
        """One reading and what is asked of its figure.

        A plain float is a figure of the plan, its own range; a Band brings its sources, before those of the statements.
        """
        unit = self.unit if unit is None else unit
        said = f"{asked.text} {unit}".rstrip()
        made = self._made(reading, value, unit, sources)
        return replace(made, reading=f"{made.reading}; asked: {said}", asked=asked, ifs=ifs)

    def given(
        self, reading: str, value: Band | float | None, why: str, *, unit: str | None = None,
        sources: Iterable[str] = (),
    ) -> Claim:  # fmt: skip
        """A reading that was put into the run, and where: no evidence for the statement."""
        unit = self.unit if unit is None else unit
        return replace(self._made(reading, value, unit, sources), why=f"input: {why}")

    def aside(
        self, reading: str, value: Band | float | None, why: str, *, unit: str | None = None,
        sources: Iterable[str] = (),
    ) -> Claim:  # fmt: skip
        """A figure beside the statement, and why it does not decide it."""
        unit = self.unit if unit is None else unit
        return replace(self._made(reading, value, unit, sources), why=f"not computable: {why}")

    def _made(self, reading: str, value: Band | float | None, unit: str, sources: Iterable[str]) -> Claim:
        low = central = high = None
        if isinstance(value, Band):
            low, central, high = value.low, value.central, value.high
            sources = merge(value.sources, sources)
        elif value is not None:
            low = central = high = float(value)
            reading = f"{reading}{CENTRAL}"
        return Claim(
            id=self.id,
            statement=self.statement,
            announced=self.announced,
            low=low,
            central=central,
            high=high,
            unit=unit,
            reading=reading,
            sources=merge(sources, self.sources),
        )

    def span(self, reading: str, value: Band, asked: Asked, *ifs: If) -> Claim:
        """A reading of which only the ends are known; the middle of ``value`` is left out."""
        return replace(self.row(reading, value, asked, *ifs), central=None)

    def absent(self, what: str) -> Claim:
        """Row of a scenario that has no such thing."""
        return self.refuse(f"this scenario has no {what}")

    def refuse(self, why: str) -> Claim:
        """Row of something that cannot be computed at all."""
        return self.aside("", None, why, unit="")
