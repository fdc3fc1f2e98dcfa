"""What a user may write: one YAML file, parsed once, refused with a sentence where it cannot stand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, field_validator, model_validator

from gigawatt.catalog.load import explain, facts
from gigawatt.catalog.plausible import impossible
from gigawatt.catalog.reading import read_yaml
from gigawatt.core.calendar import DAY_H, str_quarter
from gigawatt.core.errors import CatalogError, ScenarioError, shown
from gigawatt.core.names import slug
from gigawatt.core.quantity import ALONE
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty
from gigawatt.study.contracts import Cancel, Lease, OfferTerms, RevenueShare, Take, Warrant, check_dates, check_offer
from gigawatt.study.hosting import AgedShare, HostingRules, check_hosting
from gigawatt.study.lumps import Fibre, check_lumps
from gigawatt.study.money import check_money
from gigawatt.study.served import (
    DemandCurve,
    Spares,
    Speed,
    Survive,
    UserRegion,
    check_regions,
    check_rising,
    check_spares,
)
from gigawatt.study.software import SoftwareUse
from gigawatt.study.uncertainty import Uncertainty
from gigawatt.study.written import (
    Block,
    Date,
    DatedCompute,
    DatedMoney,
    DatedNumber,
    DatedTokens,
    DatedWatts,
    Flop,
    FlopPerS,
    Money,
    MoneyPerJoule,
    MoneyPerS,
    MoneyPerToken,
    MoneyPerWatt,
    Name,
    Number,
    RatePerS,
    Rent,
    Seconds,
    Share,
    TokensPerS,
    Watts,
)

BUNDLED = Path(__file__).parent.parent / "examples"


class Horizon(Block):
    """First quarter and number of quarters."""

    start: Date
    quarters: Annotated[int, Field(ge=2, le=80)]


class HourBlock(Block):
    """Hours of a day with one load; ``shape`` is 1 at the peak and sums to 0 over the day, weighted by hours."""

    name: Name
    hours: Annotated[float, Field(gt=0, le=DAY_H)]
    shape: Annotated[float, Field(ge=-1, le=1)]


class Tier(Block):
    """A tier of users and its share of weekly users."""

    tier: Name
    share: Share


class Demanded(Block):
    """Demand of one class: by users and tier, or as a rate of output tokens.

    ``model``, ``speed`` (tokens a second for each user) and ``value`` override the class; ``name`` tells two uses of
    one class apart. ``speeds`` are faster tiers that some users would pay for, ``curve`` what sells at which price.
    """

    workload: Name
    model: str = ""
    requests_per_user_day: dict[str, Number] = Field(default_factory=dict)
    growth: RatePerS | None = None
    tokens_per_s: tuple[DatedTokens, ...] = ()
    price: MoneyPerToken | None = None
    value: MoneyPerToken | None = None
    speed: TokensPerS | None = None
    name: Name | None = None
    speeds: tuple[Speed, ...] = ()
    curve: DemandCurve | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Demanded:
        check_rising(self.workload, self.speeds)
        if bool(self.requests_per_user_day) == bool(self.tokens_per_s):
            raise ValueError(f"'{self.workload}' needs requests_per_user_day or tokens_per_s, and not both")
        return self


class Trained(Block):
    """Training: a steady rate of compute, or an amount with a start and a deadline, and the gang it needs.

    ``spread`` of an amount: even runs it at one rate from start to deadline, as a run that is never resized; free lets
    the plan put it off or hurry, in each quarter at most what ``most`` says, else what its gang does on the fastest
    system that can hold it.
    """

    name: Name
    workload: Name
    rate: tuple[DatedCompute, ...] = ()
    amount: Flop | None = None
    start: Date | None = None
    deadline: Date | None = None
    gang: Watts | None = None
    spread: Literal["even", "free"] = "even"
    most: FlopPerS | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Trained:
        run = self.amount is not None and self.start is not None and self.deadline is not None
        if bool(self.rate) == run:
            raise ValueError(f"'{self.name}' needs either rate, or amount with start and deadline")
        if self.start and self.deadline and self.deadline.value < self.start.value:
            raise ValueError(f"'{self.name}' has its deadline {self.deadline.text} before its start {self.start.text}")
        if self.spread == "free" and not run:
            raise ValueError(f"'{self.name}' is a rate, which has no deadline to spread work to; drop spread: free")
        if self.most and self.spread == "even":
            raise ValueError(f"'{self.name}' runs evenly and needs no most; drop it, or write spread: free")
        return self


class Demand(Block):
    """Who asks for what."""

    weekly_users: tuple[DatedNumber, ...] = ()
    tiers: tuple[Tier, ...] = ()
    inference: tuple[Demanded, ...] = ()
    training: tuple[Trained, ...] = ()
    regions: tuple[UserRegion, ...] = ()


class Offer(Block):
    """What a provider offers: a system at sites under a contract.

    own: bought, paid at acceptance. lease: chips rented for a term in the buyer's building.
    cloud: capacity in the provider's building, everything in the rent.
    ``available`` is the first quarter of delivery, ``lead_time`` runs from order to delivery and
    ``terms.acceptance_lag`` from delivery to acceptance, so nothing is accepted before both have passed.
    """

    id: Name
    provider: Name
    system: str
    sites: tuple[Name, ...]
    contract: Literal["own", "lease", "cloud"]
    price: Money | None = None
    rent: Rent | None = None
    rent_per_package_hour: MoneyPerS | None = None
    available: Date | None = None
    until: Date | None = None
    lead_time: Seconds | None = None
    most_per_quarter: Watts | None = None
    term: Seconds | None = None
    minimum_take: tuple[Take, ...] = ()
    only: tuple[Name, ...] = ()
    terms: OfferTerms = OfferTerms()
    resale: tuple[AgedShare, ...] = ()

    @model_validator(mode="after")
    def _priced(self) -> Offer:
        rented = self.rent or self.rent_per_package_hour or self.terms.saving
        if self.contract == "own" and rented:
            raise ValueError(f"'{self.id}' is owned: give a price, not a rent")
        if self.contract != "own" and not rented:
            raise ValueError(f"'{self.id}' is a {self.contract}: give rent or rent_per_package_hour")
        check_offer(self)
        for first, second in pairwise(self.minimum_take):
            if second.start.value <= first.end.value:
                raise ValueError(
                    f"'{self.id}' has overlapping minimum takes: one ends in {first.end.text}, "
                    f"the next starts in {second.start.text}; start it later"
                )
        return self


class Supply(Block):
    """Packages a vendor can deliver to this buyer in a quarter, by systems; held after the last date."""

    vendor: Name
    systems: tuple[str, ...]
    packages_per_quarter: tuple[DatedNumber, ...]


class SiteUse(Block):
    """A site of the catalogue, or a new one, as this scenario uses it. Power is facility power.

    ``hall`` is what one data hall takes into use at once; ``opening`` is paid once, when the site is first energised;
    ``needs`` are the items whose lead times its phases wait for; phases up to ``ordered`` are on order or being built.
    """

    site: Name
    region: Name | None = None
    tenure: Literal["own", "lease", "provider"] = "lease"
    landlord: Name | None = None
    connection: tuple[DatedWatts, ...] = ()
    facility_over_it: Number | None = None
    annual_pue: Number | None = None
    power_price: MoneyPerJoule | None = None
    rent: Rent | None = None
    capex: MoneyPerWatt | None = None
    lease: Lease | None = None
    hall: Watts | None = None
    needs: tuple[Name, ...] | None = None
    ordered: Date | None = None
    opening: Money | None = None


class Stock(Block):
    """Capacity that stands before the first quarter (IT power), under an offer, held at least until a quarter.

    ``accepted`` is its vintage: with it what is owned can be sold on at its age and has worth at the end of the
    horizon; without it, neither.
    """

    offer: Name
    site: Name
    power: Watts
    held_until: Date | None = None
    accepted: Date | None = None


class Commitment(Block):
    """Announced or signed capacity that must be accepted by a date: a minimum take over several offers."""

    id: Name
    deal: Name | None = None
    vendor: Name | None = None
    systems: tuple[str, ...] = ()
    providers: tuple[Name, ...] = ()
    basis: Literal["facility", "it"] = "facility"
    firm: bool = True
    penalty: Rent | None = None
    damages: Rent | None = None
    cancel: Cancel | None = None
    by: tuple[DatedWatts, ...]

    @model_validator(mode="after")
    def _late(self) -> Commitment:
        if not self.firm and self.penalty is None:
            raise ValueError(f"'{self.id}' is not firm: give the penalty for what is late, for example 5 USD/W/yr")
        return self


class Milestone(Block):
    """Milestone equity of a deal as this scenario reads it; blank keys come from the deal.

    ``first_on_signing`` pays the first gigawatt's money at signing; blank means it waits like the others. Only
    capacity under ``contracts`` counts.
    """

    deal: Name
    signed: Date
    release: Literal["whole-gigawatt", "linear"] | None = None
    counts_basis: Literal["facility", "it"] | None = None
    first_on_signing: bool = False
    contracts: tuple[Literal["own", "lease", "cloud"], ...] = ("own", "lease")
    valuation: Money | None = None


class Right(Block):
    """A dated right of one party over the buyer's new capacity.

    exclusivity: others add nothing under these contracts until it ends. first-refusal: ``share`` of what is added
    goes to the holder (0 where declined, 1 where always exercised). preferred-partner: at least ``share`` of it.
    non-exclusive: said, and binds nobody.
    """

    id: Name
    holder: Name
    kind: Literal["exclusivity", "first-refusal", "preferred-partner", "non-exclusive"]
    start: Date
    end: Date | None = None
    outcome: Literal["exercised", "declined", "share"] = "share"
    share: Share | None = None
    contracts: tuple[Literal["own", "lease", "cloud"], ...] = ("own", "lease", "cloud")
    ends_on: Name | None = None

    @model_validator(mode="after")
    def _said(self) -> Right:
        if self.kind == "preferred-partner" and self.share is None:
            raise ValueError(f"'{self.id}' needs the share of new capacity that goes to {self.holder}")
        if self.kind == "first-refusal" and self.outcome == "share" and self.share is None:
            raise ValueError(f"'{self.id}' needs outcome: exercised or declined, or a share")
        if self.kind == "non-exclusive" and (self.share or self.outcome != "share"):
            raise ValueError(f"'{self.id}' is non-exclusive and binds nobody: drop share and outcome")
        return self


class Gate(Block):
    """A product open only to some tiers until a quarter; the planner may gate the others until then."""

    workload: Name
    open_to: tuple[Name, ...]
    until: Date
    lost_value: Share


class Policy(Block):
    """Rules of the planner.

    ``reserve`` is capacity kept free for failures. ``fleet_use`` is the share of a machine's goodput that a fleet of
    many models, versions and regions reaches in inference; blank means all of it. ``rest_worth`` is what contracts that
    run beyond the horizon are worth then, as a share of the rent they still ask for; the rest is charged. Blank means
    by a straight line over their term, as what is bought, and no more than the market's rents then.
    ``spares`` says the reserve as N+k replicas, or units that stand by beside it (the larger of both is kept free);
    ``survive`` what goes on when a region of sites, or a site, is lost. ``lumps`` says
    whether halls and openings are whole; gangs always are. ``enforce_lead_times`` makes rules of the lead times of
    sites and of systems whose offer says none: what is not on order comes no sooner than its lead after the start.
    """

    gating: tuple[Gate, ...] = ()
    reserve: Share | None = None
    fleet_use: Share | None = None
    unmet_over_value: Number | None = None
    spares: Spares | None = None
    survive: Survive | None = None
    rest_worth: Share | None = None
    lumps: Literal["relaxed", "whole"] = "relaxed"
    enforce_lead_times: bool = False


class Round(Block):
    """Equity raised in a quarter."""

    quarter: Date
    amount: Money
    investor: Name
    valuation: Money | None = None
    deal: Name | None = None


class Credit(Block):
    """A revolving line: limit, yearly rate, lender."""

    limit: Money
    rate: RatePerS
    lender: Name


class Funding(Block):
    """Where money comes from. ``revenue`` is a yearly rate; ``compute_share`` of it pays for compute.

    ``gap_premium`` is what money still to be found costs, as a yearly rate over the discount rate.
    """

    opening_cash: Money
    revenue: tuple[DatedMoney, ...] = ()
    compute_share: Share | None = None
    rounds: tuple[Round, ...] = ()
    revenue_share: RevenueShare | None = None
    credit: Credit | None = None
    milestones: Milestone | None = None
    gap_premium: RatePerS


class Event(Block):
    """Something that can happen to the programme; switched on by name."""

    id: Name
    title: str
    on: bool = False
    delay_commitments: tuple[Name, ...] = ()
    delay_sites: tuple[Name, ...] = ()
    fails: tuple[Name, ...] = ()
    delay: Seconds | None = None
    scale_demand: dict[Name, Number] = Field(default_factory=dict)
    start: Date | None = None


class Scenario(Block):
    """Everything a run needs beside the catalogue.

    ``name`` is free text of one line; the folder of results is named after it. ``whole_fleet``: all of the buyer's
    compute is planned here, so that what was published of it stands beside it.
    """

    name: Annotated[str, Field(max_length=200)]
    title: str
    description: str = ""
    buyer: Name
    as_announced: bool = False
    whole_fleet: bool = False
    horizon: Horizon
    blocks: tuple[HourBlock, ...] = (
        HourBlock(name="peak", hours=4, shape=1.0),
        HourBlock(name="day", hours=10, shape=0.1),
        HourBlock(name="night", hours=10, shape=-0.5),
    )
    costs: str = "us-2026"
    efficiency: str = "efficiency-2026"
    discount: RatePerS | None = None
    money: Literal["nominal", "real"] = "nominal"
    inflation: RatePerS | None = None
    demand: Demand
    sites: tuple[SiteUse, ...]
    offers: tuple[Offer, ...]
    supply: tuple[Supply, ...] = ()
    initial: tuple[Stock, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    deals: tuple[Name, ...] = ()
    warrants: tuple[Warrant, ...] = ()
    rights: tuple[Right, ...] = ()
    software: tuple[SoftwareUse, ...] = ()
    funding: Funding
    policy: Policy = Policy()
    fibre: tuple[Fibre, ...] = ()
    hosting: HostingRules | None = None
    uncertainty: Uncertainty | None = None
    events: tuple[Event, ...] = ()

    _file: str = PrivateAttr("")

    @property
    def where(self) -> str:
        """The scenario's file in sentences, or its name where it was not read from one."""
        return self._file or self.name

    def with_lumps(self, lumps: Literal["relaxed", "whole"] | None) -> Scenario:
        """The same with lumps relaxed or whole, whatever its policy says; None leaves them."""
        if lumps is None:
            return self
        return self.model_copy(update={"policy": self.policy.model_copy(update={"lumps": lumps})})

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not slug(name) or not name.isprintable() or any(sign in name for sign in "/\\"):
            raise ValueError(f"{shown(name)} names no folder; write letters and digits, for example my-plan")
        return name

    @field_validator("blocks")
    @classmethod
    def _day(cls, blocks: tuple[HourBlock, ...]) -> tuple[HourBlock, ...]:
        hours = sum(block.hours for block in blocks)
        if abs(hours - DAY_H) > 1e-9:
            raise ValueError(f"the blocks cover {hours:g} hours of a day, not 24")
        tilt = sum(block.hours * block.shape for block in blocks)
        if abs(tilt) > 1e-6:
            raise ValueError(
                f"hours x shape sums to {tilt:g} over the day; it must be 0 so that the mean stays the mean"
            )
        return blocks

    @model_validator(mode="after")
    def _whole(self) -> Scenario:
        _no_negative(self, "")
        if sentence := next(impossible(facts(self)), None):
            raise ValueError(sentence)
        _in_order(self)
        check_lumps(self)
        check_money(self)
        check_dates(self)
        check_hosting(self)
        _unique("offers", [offer.id for offer in self.offers])
        _unique("sites", [site.site for site in self.sites])
        _unique("commitments", [row.id for row in self.commitments])
        _unique("events", [row.id for row in self.events])
        _unique("rights", [row.id for row in self.rights])
        _unique("warrants", [row.id for row in self.warrants])
        _unique("blocks", [row.name for row in self.blocks])
        _unique("demand.tiers", [row.tier for row in self.demand.tiers])
        _unique("software", [use.step for use in self.software])
        _unique("deals", list(self.deals))
        _unique("demand.regions", [row.region for row in self.demand.regions])
        check_regions(self.demand.regions)
        check_spares(self)
        _unique("policy.gating", [row.workload for row in self.policy.gating])
        _unique("initial", [f"{row.offer} at {row.site}" for row in self.initial])
        _unique("supply", [f"{row.vendor}: {', '.join(row.systems)}" for row in self.supply])
        for index, offer in enumerate(self.offers):
            _unique(f"offers[{index}].sites", list(offer.sites))
        if not self.offers:
            raise ValueError("offers: a plan needs at least one offer; the starter shows two")
        first = int(self.horizon.start.value)
        for index, right in enumerate(self.rights):
            if right.end and right.end.value < right.start.value:
                raise ValueError(f"rights[{index}]: '{right.id}' ends in {right.end.text}, before it starts")
        for index, row in enumerate(self.funding.rounds):
            if not first <= row.quarter.value < first + self.horizon.quarters:
                raise ValueError(f"funding.rounds[{index}]: {row.quarter.text} lies outside the horizon")
            if row.investor == self.buyer:
                raise ValueError(f"funding.rounds[{index}]: {self.buyer} cannot invest in itself")
        for index, use in enumerate(self.sites):
            if use.tenure != "lease" and use.rent:
                raise ValueError(f"sites[{index}].rent: '{use.site}' is not leased: drop rent or set tenure: lease")
            if use.tenure != "lease" and use.lease:
                raise ValueError(f"sites[{index}].lease: '{use.site}' is not leased: drop lease or set tenure: lease")
            if use.tenure != "own" and use.capex:
                raise ValueError(f"sites[{index}].capex: '{use.site}' is not owned; set tenure: own")
        sites = {use.site for use in self.sites}
        for index, offer in enumerate(self.offers):
            for site in offer.sites:
                if site not in sites:
                    raise ValueError(
                        f"offers[{index}].sites: '{site}' is not among this scenario's sites: add it there"
                    )
        offers = {offer.id: offer for offer in self.offers}
        for index, stock in enumerate(self.initial):
            if stock.offer not in offers:
                raise ValueError(f"initial[{index}].offer: '{stock.offer}' is not among the offers")
            if stock.accepted and stock.accepted.value >= first:
                raise ValueError(
                    f"initial[{index}].accepted: {stock.accepted.text} lies within the horizon; what stands before "
                    f"{str_quarter(first)} was accepted before it"
                )
            if stock.site not in offers[stock.offer].sites:
                raise ValueError(f"initial[{index}].site: the offer '{stock.offer}' does not name '{stock.site}'")
        shares = sum(tier.share.value for tier in self.demand.tiers)
        if self.demand.tiers and abs(shares - 1.0) > 1e-6:
            raise ValueError(f"demand.tiers: the shares add up to {shares:.4g}, not 1")
        return self


def _unique(where: str, names: list[str]) -> None:
    name, times = max(Counter(names).items(), key=lambda row: row[1], default=("", 0))
    if times > 1:
        raise ValueError(f"{where}: '{name}' stands {times} times; names are unique")


def _no_negative(part: Any, path: str) -> None:
    if isinstance(part, Fact):
        if part.value < 0 and part.unit != "quarter" and not path.endswith(("growth", ".power_price")):
            raise ValueError(f"{path}: {part.text} is negative; write zero or more")
        if part.value < 1 and path.endswith((".facility_over_it", ".annual_pue")):
            raise ValueError(f"{path}: {part.text} is less than 1; a building draws at least what its computers draw")
        if part.value >= 1 and path == "policy.reserve":
            raise ValueError(f"{path}: {part.text} leaves nothing to serve with; write less than 100 %")
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            _no_negative(getattr(part, name), f"{path}.{name}" if path else name)
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            _no_negative(item, f"{path}[{index}]")
    elif isinstance(part, dict):
        for key, item in part.items():
            _no_negative(item, f"{path}.{key}")


def _in_order(scenario: Scenario) -> None:
    """Dated lists run forward, and what is cumulative never falls."""
    series: list[tuple[str, Any, bool]] = [("demand.weekly_users", scenario.demand.weekly_users, False)]
    series += [(f"sites[{i}].connection", use.connection, True) for i, use in enumerate(scenario.sites)]
    series += [(f"commitments[{i}].by", row.by, True) for i, row in enumerate(scenario.commitments)]
    series += [(f"supply[{i}]", row.packages_per_quarter, False) for i, row in enumerate(scenario.supply)]
    series += [(f"demand.inference[{i}].tokens_per_s", row.tokens_per_s, False)
               for i, row in enumerate(scenario.demand.inference)]  # fmt: skip
    series += [(f"demand.training[{i}].rate", row.rate, False) for i, row in enumerate(scenario.demand.training)]
    series += [("funding.revenue", scenario.funding.revenue, False)]
    for where, rows, cumulative in series:
        for first, second in pairwise(rows):
            if second.quarter.value <= first.quarter.value:
                raise ValueError(
                    f"{where}: {second.quarter.text} does not come after {first.quarter.text}; "
                    "dates run forward and stand once"
                )
            if cumulative and second.value.value < first.value.value:
                raise ValueError(
                    f"{where}: {second.value.text} in {str_quarter(int(second.quarter.value))} is less than "
                    f"{pretty(first.value.value, 'W')} before it; the figures are cumulative"
                )


def bundled() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(path.stem for path in BUNDLED.glob("*.yaml") if path.stem != "starter")


def find_scenario(name: str) -> Path:
    """File of a shipped scenario's name or of a path. Raises ScenarioError where there is neither."""
    path = Path(name)
    try:
        if path.is_file():
            return path
        if path.exists():
            raise ScenarioError(f"{shown(name)} is not a file; name the YAML file of a scenario")
    except (OSError, ValueError) as error:  # a name that no file system takes
        raise ScenarioError(f"{shown(name)} is no name of a file: {getattr(error, 'strerror', error)}") from error
    if path.suffix in (".yaml", ".yml"):
        raise ScenarioError(f"{name}: no such file; 'gigawatt new {name}' writes a commented starter")
    if name in (*bundled(), "starter"):
        return BUNDLED / f"{name}.yaml"
    raise ScenarioError(
        f"{shown(name)} is neither a file nor a shipped scenario; shipped are {', '.join(bundled())}, "
        "and 'gigawatt new my.yaml' starts your own"
    )


def load_scenario(name: str | Path) -> Scenario:
    """Scenario of a shipped name or a file. Raises ScenarioError naming file, key, value and what would be right."""
    path = find_scenario(str(name))
    try:
        raw = read_yaml(path)
    except CatalogError as error:
        raise ScenarioError(str(error)) from error
    if not isinstance(raw, dict):
        raise ScenarioError(f"{path.name}: a scenario is a mapping of keys; 'gigawatt new my.yaml' shows them")
    try:
        scenario = Scenario.model_validate(raw)
    except ValidationError as error:
        raise ScenarioError(_sentence(error, path.name)) from error
    scenario._file = path.name
    return scenario


def _sentence(error: ValidationError, where: str) -> str:
    import difflib

    text = explain(error, where)
    problems = error.errors(include_url=False)[:5]
    for problem in (e for e in problems if e["type"] == "model_type"):
        keys = ", ".join(f"{key}: ..." for key in _keys_at(tuple(p for p in problem["loc"] if isinstance(p, str))))
        text = text.replace("{key: value, ...}", f"{{{keys}}}", 1)
    for problem in (e for e in problems if e["type"] == "extra_forbidden"):
        *parents, key = problem["loc"]
        known = _keys_at(tuple(p for p in parents if isinstance(p, str)))
        if problem.get("input") is None and " " in str(key):
            text = text.replace(": is not a key that exists here", f": {ALONE}", 1)
            continue
        near = difflib.get_close_matches(str(key), known, n=1)
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in problem["loc"]).lstrip(".")
        hint = f"did you mean '{near[0]}'?" if near else f"keys here are {', '.join(known)}"
        text = text.replace(
            f"{place}: is not a key that exists here", f"{place}: is not a key that exists here; {hint}"
        )
    return text


def _keys_at(parents: tuple[str, ...]) -> list[str]:
    import typing

    here: Any = Scenario
    for name in parents:
        field = here.model_fields.get(name)
        if field is None:
            return []
        inner = [field.annotation, *typing.get_args(field.annotation)]
        models = [t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)]
        if not models:
            return []
        here = models[0]
    return [field.alias or name for name, field in here.model_fields.items()]


def scenario_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for editors."""
    return Scenario.model_json_schema()
