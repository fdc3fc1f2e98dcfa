"""Contracts as a scenario writes them: leases of buildings, takes, exits, options, warrants, shares of revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from gigawatt.core.calendar import quarters_of, str_quarter
from gigawatt.study.written import (
    Block,
    Date,
    Money,
    MoneyPerWatt,
    Name,
    Number,
    RatePerS,
    Seconds,
    Share,
    Watts,
)

if TYPE_CHECKING:
    from gigawatt.study.scenario import Offer, Scenario


class Take(Block):
    """A minimum of capacity held from a quarter to a quarter (IT power), in sum over the sites of its offer.

    ``ramp`` is the time in which it grows to its power in even steps, one a quarter. With ``take_or_pay`` the rent of
    what does not stand is paid all the same; without it the capacity has to stand.
    """

    start: Date
    end: Date
    power: Watts
    ramp: Seconds | None = None
    take_or_pay: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Take:
        if self.end.value < self.start.value:
            raise ValueError(f"ends in {self.end.text}, before it starts in {self.start.text}")
        return self


class Exit(Block):
    """Giving up capacity before its term ends, for ``fee``: a share of the rent that remains.

    ``after`` is the time that capacity is held at least.
    """

    fee: Share
    after: Seconds | None = None


class Option(Block):
    """Capacity beyond ``firm`` (IT power standing under the offer) that opens against a premium.

    Up to ``power`` more is exercised until a quarter and stands ``notice`` later.
    """

    firm: Watts
    power: Watts
    premium: MoneyPerWatt
    until: Date
    notice: Seconds | None = None


class OfferTerms(Block):
    """What a contract says beyond price, rent and term.

    ``rent_falls``: yearly fall of the market rent from the horizon's first quarter; capacity pays the rent of its
    quarter of signing for its term and the market's afterwards. ``saving``: rent of a chip lease that costs so much
    less over its term than owning as long. ``resale_falls``: yearly fall of what owned systems are worth, in place of
    a straight line over their life. ``ageing``: share of capacity that fails in a year and is not repaired.
    ``acceptance_lag``: tests from delivery to acceptance, after the offer's ``lead_time``.
    """

    rent_falls: RatePerS | None = None
    saving: Share | None = None
    resale_falls: RatePerS | None = None
    exit: Exit | None = None
    option: Option | None = None
    acceptance_lag: Seconds | None = None
    ageing: RatePerS | None = None


class Guarantee(Block):
    """A guarantor of the rent and its fee, a share of the rent."""

    by: Name
    fee: Share


class Lease(Block):
    """Terms of a leased building.

    ``term``: what is taken into use is leased for it, from its quarter on, and after it from quarter to quarter at the
    rent of then until it is given back; what stands at the start, from the horizon's first quarter.
    ``escalator``: yearly rise of the rent, in steps from the lease's own quarter on. ``take_or_pay``: share of each
    step of the connection whose rent is due for the term from its date on, used or not. ``deposit``: months of rent
    paid with each watt taken into use and returned when it is given back or, after the horizon, at the end of its term.
    ``step_in``: a provider whose lease this is until it fails by an event.
    """

    term: Seconds
    escalator: RatePerS | None = None
    take_or_pay: Share | None = None
    deposit: Seconds | None = None
    guarantee: Guarantee | None = None
    step_in: Name | None = None

    @model_validator(mode="after")
    def _runs(self) -> Lease:
        if self.term.value <= 0:
            raise ValueError(f"a term of {self.term.text} is no lease; write how long it runs, for example 10 yr")
        return self


class Cancel(Block):
    """Release from a commitment for a fee per watt, in any quarter up to one."""

    fee: MoneyPerWatt
    until: Date | None = None


class RevenueShare(Block):
    """A share of the buyer's revenue and token sales that goes to a party first, until a quarter.

    With a ``cap``, declared revenue counts towards it first.
    """

    to: Name
    share: Share
    until: Date
    cap: Money | None = None


class Warrant(Block):
    """Shares of a vendor that vest with its deliveries: an equal number with each watt up to ``over``.

    Worth shares x (price - strike) x ``vests``, where ``price`` is assumed and ``vests`` is the share expected
    to meet the other conditions. With a ``step`` it vests in whole steps where ``policy.lumps`` is whole, and evenly
    where it is relaxed. Never cash.
    """

    id: Name
    vendor: Name
    shares: Number
    price: Money
    over: Watts
    strike: Money | None = None
    vests: Share | None = None
    step: Watts | None = None
    basis: Literal["facility", "it"] = "facility"
    deal: Name | None = None

    @model_validator(mode="after")
    def _meant(self) -> Warrant:
        if self.over.value <= 0:
            raise ValueError(f"'{self.id}' vests over {self.over.text}; give the power at which all of it has vested")
        if self.step and not 0.0 < self.step.value <= self.over.value:
            raise ValueError(
                f"'{self.id}' vests in steps of {self.step.text}; a step lies above 0 and within {self.over.text}"
            )
        if self.strike and self.strike.value > self.price.value:
            raise ValueError(f"'{self.id}' has a strike above the assumed price: it is worth nothing, drop it")
        return self


def check_dates(scenario: Scenario) -> None:
    """Raises ValueError with a sentence where a contract's dates leave it nothing to do within the horizon."""
    start, n = int(scenario.horizon.start.value), scenario.horizon.quarters
    first, last = str_quarter(start), str_quarter(start + n - 1)
    for i, offer in enumerate(scenario.offers):
        outside = [take for take in offer.minimum_take if take.start.value >= start + n or take.end.value < start]
        if outside and len(outside) == len(offer.minimum_take):  # of a ramp in steps, later ones may lie beyond
            raise ValueError(
                f"offers[{i}].minimum_take: {outside[0].start.text} to {outside[0].end.text} lies outside the horizon "
                f"of {first} to {last} and says nothing here; drop it or lengthen the horizon"
            )
        lag = offer.terms.acceptance_lag
        if lag and quarters_of(lag.value) >= n:
            raise ValueError(
                f"offers[{i}].terms.acceptance_lag: with {lag.text} of tests, nothing of '{offer.id}' could be "
                f"accepted by {last}, the end of the horizon; write for example 3 months"
            )
    for i, row in enumerate(scenario.commitments):
        if row.cancel and row.cancel.until and row.cancel.until.value < start:
            raise ValueError(
                f"commitments[{i}].cancel.until: {row.cancel.until.text} lies before the horizon, which starts in "
                f"{first}: '{row.id}' could never be cancelled; drop cancel or write a later quarter"
            )


def check_offer(offer: Offer) -> None:
    """Raises ValueError with a sentence where an offer's terms do not fit its contract."""
    terms, name = offer.terms, offer.id
    if terms.saving:
        if offer.contract != "lease" or offer.rent or offer.rent_per_package_hour:
            raise ValueError(f"'{name}' has a saving: that is the rent of a lease of chips, drop rent or terms.saving")
        if offer.term is None:
            raise ValueError(f"'{name}' has a saving over buying: give the term of its lease, for example 5 yr")
    if offer.contract == "own":
        wrong = [key for key in ("rent_falls", "exit", "option") if getattr(terms, key) is not None]
        if wrong:
            raise ValueError(f"'{name}' is owned and pays no rent: drop terms.{wrong[0]}")
    elif terms.resale_falls:
        raise ValueError(f"'{name}' is not owned and cannot be sold: drop terms.resale_falls")
    if offer.term is not None and offer.term.value <= 0:
        raise ValueError(f"'{name}' has a term of {offer.term.text}; write how long it is held, or drop the term")
    if terms.exit and offer.term is None:
        raise ValueError(f"'{name}' may be left early: give the term that it is left before, for example 5 yr")
    if terms.exit and terms.exit.after and offer.term and terms.exit.after.value >= offer.term.value:
        raise ValueError(
            f"'{name}' could never be left early: {terms.exit.after.text} have passed only when its term of "
            f"{offer.term.text} is over; write an earlier terms.exit.after, or drop the exit"
        )
    if any(take.take_or_pay for take in offer.minimum_take) and offer.contract == "own":
        raise ValueError(f"'{name}' is owned and pays no rent: drop take_or_pay")
