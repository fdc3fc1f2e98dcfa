"""Keys of a scenario that say how a class is served: what speed is worth, where users are, what must go on."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from gigawatt.study.written import Block, MoneyPerToken, Name, Number, Seconds, Share, TokensPerS

if TYPE_CHECKING:
    from gigawatt.study.scenario import Scenario


class Speed(Block):
    """A tier of speed: what a token is worth at it, and the share of the class's tokens whose users would pay that.

    ``share`` counts those who would pay for a faster tier too.
    """

    speed: TokensPerS
    value: MoneyPerToken
    share: Share


class PriceStep(Block):
    """A point of a demand curve: at this price, ``volume`` times the tokens asked for are wanted."""

    price: MoneyPerToken
    volume: Number


class DemandCurve(Block):
    """What is sold at which price, from the dearest step down; the stated tokens are wanted where ``volume`` is 1.

    one-price: all customers pay the price of the last step served. own-price: each step pays its own.
    """

    pricing: Literal["one-price", "own-price"] = "one-price"
    steps: Annotated[tuple[PriceStep, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _falls(self) -> DemandCurve:
        for one, two in pairwise(self.steps):
            if two.price.value >= one.price.value or two.volume.value <= one.volume.value:
                raise ValueError(
                    f"{two.volume.text} at {two.price.text} after {one.volume.text} at {one.price.text}: "
                    "steps run from the dearest down, and each sells more than the one before"
                )
        return self


class UserRegion(Block):
    """Where a share of users lives: hours their clocks are ahead of UTC, and round-trip times to regions of sites.

    With regions, the scenario's blocks follow one another from 0:00 UTC, and ``shape`` is the day in local time.
    """

    region: Name
    share: Share
    utc: Annotated[float, Field(ge=-12, le=14)]
    round_trip: dict[Name, Seconds]


class Survive(Block):
    """What goes on when any one region of sites, or any one site, is lost: classes, and the share served of them."""

    classes: Annotated[tuple[Name, ...], Field(min_length=1)]
    share: Share | None = None
    lost: Literal["region", "site"] = "region"


class Spares(Block):
    """N+k: ``spare`` replicas stand by for each ``running`` ones, or ``units`` whole systems or halls in every pool.

    A pool is the systems of one kind in one region. A hall counts at the largest of the pool's sites.
    """

    spare: Annotated[int, Field(ge=1)] | None = None
    running: Annotated[int, Field(ge=1)] | None = None
    units: Annotated[int, Field(ge=1)] | None = None
    of: Literal["system", "hall"] = "system"

    @model_validator(mode="after")
    def _either(self) -> Spares:
        if (self.spare is None) != (self.running is None):
            raise ValueError("spares for running ones need both, for example {spare: 1, running: 19}")
        if (self.spare is None) == (self.units is None):
            raise ValueError(
                "spares stand by as a share, {spare: 1, running: 19}, or as units, {units: 1, of: system}: write one"
            )
        return self

    @property
    def share(self) -> float:
        """Share of a pool kept free, k / (N + k); 0 where whole units stand by."""
        return self.spare / (self.running + self.spare) if self.spare and self.running else 0.0


def check_rising(name: str, speeds: tuple[Speed, ...]) -> None:
    """Raises ValueError where tiers do not rise in speed and value, or more users care for a faster one."""
    for one, two in pairwise(speeds):
        if two.speed.value <= one.speed.value or two.value.value <= one.value.value:
            raise ValueError(
                f"'{name}': {two.speed.text} at {two.value.text} follows {one.speed.text} at {one.value.text}; "
                "tiers rise in speed and in value"
            )
        if two.share.value > one.share.value:
            raise ValueError(
                f"'{name}': {two.share.text} would pay for {two.speed.text}, more than the {one.share.text} "
                f"for {one.speed.text}; a share counts those of all faster tiers"
            )


def check_regions(regions: tuple[UserRegion, ...]) -> None:
    """Raises ValueError where the shares of users do not add up to 1."""
    shares = sum(region.share.value for region in regions)
    if regions and abs(shares - 1.0) > 1e-6:
        raise ValueError(f"demand.regions: the shares add up to {shares:.4g}, not 1")


def check_spares(scenario: Scenario) -> None:
    """Raises ValueError where spares contradict the reserve, or halls stand by where no site has any."""
    reserve, spares = scenario.policy.reserve, scenario.policy.spares
    if spares is None:
        return
    if reserve and spares.units is None:
        if abs(reserve.value - spares.share) > 1e-9:
            raise ValueError(
                f"policy: {spares.spare} spare for {spares.running} running keeps {100 * spares.share:.3g} % free, the "
                f"reserve {reserve.text}; write one of them, or spares as units beside the reserve"
            )
        raise ValueError("policy: reserve and spares say the same twice; give one of them")
    if spares.units and spares.of == "hall":
        without = [use.site for use in scenario.sites if use.hall is None and use.tenure != "provider"]
        if without:
            raise ValueError(
                f"policy.spares: a hall stands by, but '{without[0]}' does not say how large its halls are; "
                "give it hall, for example hall: 50 MW"
            )
