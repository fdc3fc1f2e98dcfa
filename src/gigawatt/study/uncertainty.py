"""What a scenario may say about the unknown: when something is learned, what it may be, and how likely that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gigawatt.study.written import Block, Date, Name, Number, Seconds, Share

_FACTORS = ("price", "chip_price", "rent", "energy_price", "token_price")


class State(Block):
    """One way a factor may go at a branch.

    ``demand`` moves every class within the range of its own figures, ``scale_demand`` moves classes by a number.
    Factors on prices: ``price`` of systems and buildings that are bought, ``chip_price`` of systems alone, beside it,
    ``rent`` of chips and cloud capacity signed from then on, ``energy_price``, and ``token_price`` of what is sold.
    ``late`` is by how much the named sites, systems and commitments are late.
    """

    name: Name
    probability: Share
    demand: Literal["low", "high"] | None = None
    scale_demand: dict[Name, Number] = Field(default_factory=dict)
    price: Number | None = None
    chip_price: Number | None = None
    rent: Number | None = None
    energy_price: Number | None = None
    token_price: Number | None = None
    late: Seconds | None = None
    late_sites: tuple[Name, ...] = ()
    late_systems: tuple[str, ...] = ()
    late_commitments: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _said(self) -> State:
        named = self.late_sites or self.late_systems or self.late_commitments
        if bool(named) != (self.late is not None):
            raise ValueError(
                f"'{self.name}' needs both: late, for example 6 months, and what is late (late_sites, ...)"
            )
        for key in _FACTORS:
            fact = getattr(self, key)
            if fact is not None and not fact.value > 0.0:
                raise ValueError(
                    f"'{self.name}': {key} is {fact.value:g}; a factor above 0 is right, 1.1 for 10 % more"
                )
        for name, fact in self.scale_demand.items():
            if not fact.value >= 0.0:
                raise ValueError(
                    f"'{self.name}': scale_demand of {name} is {fact.value:g}; a factor of at least 0 is right"
                )
        return self


class Factor(Block):
    """Something unknown, in states whose probabilities add up to 1. Factors are independent."""

    name: Name
    states: Annotated[tuple[State, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Factor:
        total = sum(state.probability.value for state in self.states)
        if abs(total - 1.0) > 1e-4:
            raise ValueError(f"'{self.name}': the probabilities of its states add up to {total:.6g}, not 1")
        if twice := _twice(state.name for state in self.states):
            raise ValueError(f"'{self.name}': two of its states are called '{twice}'; names tell cases apart")
        return self


class Uncertainty(Block):
    """Branches, factors, and how long before its quarter an order is placed.

    At every branch each factor goes one of its ways. Blank ``branches`` and ``factors`` take the default tree.
    """

    branches: tuple[Date, ...] = ()
    factors: tuple[Factor, ...] = ()
    order_lead: Seconds | None = None
    building_lead: Seconds | None = None

    @model_validator(mode="after")
    def _told_apart(self) -> Uncertainty:
        if twice := _twice(factor.name for factor in self.factors):
            raise ValueError(f"two factors are called '{twice}'; give each its own name")
        return self


def _twice(names: Iterable[str]) -> str:
    """A name that stands more than once; blank where none does."""
    return next((name for name, count in Counter(names).items() if count > 1), "")
