"""Hosting classes and resale as a scenario writes them, and what the planner reads of them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from gigawatt.core.errors import CatalogError
from gigawatt.core.units import pretty
from gigawatt.plan.hosting import Hosting, Retrofit
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.resale import Resale
from gigawatt.study.change import price_path
from gigawatt.study.money import price_level
from gigawatt.study.written import Block, MoneyPerWatt, Name, Seconds, Share, Watts

if TYPE_CHECKING:
    from gigawatt.catalog.load import Catalog
    from gigawatt.study.resolve import Case, OfferCase
    from gigawatt.study.scenario import Scenario

QUARTER_S = 8760 / 4 * 3600.0


class HostingClass(Block):
    """A kind of hall: the systems it holds, the most a rack may draw, and what fitting it out costs more."""

    id: Name
    systems: Annotated[tuple[str, ...], Field(min_length=1)]
    rack: Watts | None = None
    fit: MoneyPerWatt | None = None


class Conversion(Block):
    """Halls of one class made another at a cost per facility watt; they hold nothing for ``downtime``."""

    start: Name = Field(alias="from")
    end: Name = Field(alias="to")
    cost: MoneyPerWatt
    downtime: Seconds


class HostingRules(Block):
    """Classes of halls and how one becomes another."""

    classes: Annotated[tuple[HostingClass, ...], Field(min_length=1)]
    retrofits: tuple[Conversion, ...] = ()


class AgedShare(Block):
    """Part of its capex, system and network, that a used system brings at an age; evenly between the ages.

    Before the first age it falls from all of it when new, after the last to nothing at the end of the economic life.
    """

    age: Seconds
    share: Share


def check_hosting(scenario: Any) -> None:
    """What classes and resale need of each other within a scenario. Raises ValueError with a sentence."""
    if scenario.hosting is not None:
        names = [row.id for row in scenario.hosting.classes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"hosting.classes: '{name}' stands {names.count(name)} times; names are unique")
        for index, row in enumerate(scenario.hosting.retrofits):
            for name in (row.start, row.end):
                if name not in names:
                    raise ValueError(
                        f"hosting.retrofits[{index}]: '{name}' is not among the classes ({', '.join(names)})"
                    )
            if row.start == row.end:
                raise ValueError(f"hosting.retrofits[{index}]: '{row.start}' already is what it would become")
    for index, offer in enumerate(scenario.offers):
        if not offer.resale:
            continue
        where = f"offers[{index}].resale"
        if offer.contract != "own":
            raise ValueError(f"{where}: '{offer.id}' is a {offer.contract}: only what is owned can be sold")
        if offer.term is None:
            raise ValueError(f"{where}: say how long '{offer.id}' is held at least, for example term: 1 yr")
        for first, second in pairwise(offer.resale):
            if second.age.value <= first.age.value or second.share.value > first.share.value:
                raise ValueError(
                    f"{where}: {second.share.text} at {second.age.text} after {first.share.text} at {first.age.text}; "
                    "ages run up and shares fall"
                )


def check_classes(scenario: Scenario, catalog: Catalog) -> None:
    """Every system offered at a site of the buyer's is held by one class. Raises CatalogError with a sentence."""
    if scenario.hosting is None:
        return
    held: dict[str, str] = {}
    for index, row in enumerate(scenario.hosting.classes):
        for name in row.systems:
            system = catalog.system(name, at=f"hosting.classes[{index}].systems")
            if held.setdefault(system.id, row.id) != row.id:
                raise CatalogError(
                    f"hosting.classes[{index}].systems: {system.id} is held by '{held[system.id]}' already"
                )
            power = system.it_power.value if system.it_power and system.unit == "rack" else 0.0
            if row.rack and power > row.rack.value * (1 + 1e-9):
                raise CatalogError(
                    f"hosting.classes[{index}].systems: a rack of {system.id} draws {pretty(power, 'W')}, more than "
                    f"the {row.rack.text} of '{row.id}'"
                )
    own = {use.site for use in scenario.sites if use.tenure != "provider"}
    for index, offer in enumerate(scenario.offers):
        system = catalog.system(offer.system)
        if system.id not in held and own.intersection(offer.sites):
            raise CatalogError(f"offers[{index}].system: no class of hosting.classes holds {system.id}; add it to one")


def with_hosting(case: Case, d: PlanInputs) -> PlanInputs:
    """Inputs with hosting classes and resale values where the scenario has any."""
    return replace(d, hosting=_hosting(case, d), resale=_resale(case, d))


def _hosting(case: Case, d: PlanInputs) -> Hosting | None:
    rules = case.scenario.hosting
    if rules is None:
        return None
    held = {case.catalog.system(name).id: row.id for row in rules.classes for name in row.systems}
    sites = tuple(site.id for site in case.sites if site.use.tenure != "provider")
    names = [row.id for row in rules.classes]
    of_offer = [held.get(offer.system.id, "") for offer in case.offers]
    stands = d.initial_mw.values * d.facility_over_it.values
    at = [(offer.site.id, kind) for offer, kind in zip(case.offers, of_offer, strict=True)]
    initial = [
        [sum(mw for where, mw in zip(at, stands, strict=True) if where == (site, kind)) for kind in names]
        for site in sites
    ]
    return Hosting(
        sites=sites, classes=tuple(names),
        offer_class=xr.DataArray(of_offer, dims="offer", coords={"offer": d.initial_mw["offer"].values}),
        initial_mw=xr.DataArray(np.reshape(initial, (len(sites), len(names))), dims=("site", "hosting"),
                                coords={"site": list(sites), "hosting": names}),
        fit_musd_per_mw=xr.DataArray([row.fit.value if row.fit else 0.0 for row in rules.classes], dims="hosting",
                                     coords={"hosting": names}),
        retrofits=tuple(
            Retrofit(start=row.start, end=row.end, musd_per_mw=row.cost.value,
                     downtime=math.ceil(row.downtime.value / QUARTER_S - 1e-9))
            for row in rules.retrofits
        ),
    )  # fmt: skip


def initial_age(case: Case, offer: OfferCase) -> int | None:
    """Quarters from acceptance to the first quarter of what stands under an offer at the start; None: not known."""
    for row in case.scenario.initial:
        if (row.offer, row.site) == (offer.offer.id, offer.site.id) and row.accepted is not None:
            return case.quarters[0] - int(row.accepted.value)
    return None


def aged_fleet(case: Case) -> bool:
    """True where owned systems of a known vintage stand at the start."""
    return any(offer.offer.contract == "own" and initial_age(case, offer) is not None for offer in case.offers)


def resale_share(offer: OfferCase, life_s: float, age: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Part of its capex, its network's included, that a system brings at ages in quarters.

    Straight from all of it when new to the scenario's first age, between the ages, and from the last to nothing at the
    end of the economic life; nothing afterwards.
    """
    rows = [(point.age.value, point.share.value) for point in offer.offer.resale]
    if rows[0][0] > 0.0:
        rows.insert(0, (0.0, 1.0))
    if rows[-1][0] < life_s:
        rows.append((life_s, 0.0))
    ages, shares = zip(*rows, strict=True)
    return np.asarray(np.interp(age * QUARTER_S, ages, shares, right=0.0))


def _resale(case: Case, d: PlanInputs) -> Resale | None:
    offers = [offer for offer in case.offers if offer.offer.resale]
    if not offers:
        return None
    ages, life_s = np.arange(float(len(case.quarters))), case.costs.system_life.value
    ids = [offer.id for offer in offers]
    shares = [resale_share(offer, life_s, ages) for offer in offers]
    initial = None
    if aged_fleet(case):
        stood = [initial_age(case, offer) for offer in offers]
        paid = d.capex_musd_per_mw.sel(offer=ids).transpose("offer", "quarter").values[:, :1]
        left = [resale_share(offer, life_s, ages + age) if age is not None else ages * 0.0
                for offer, age in zip(offers, stood, strict=True)]  # fmt: skip
        now = price_level(case, of="chips") / price_path(case, "chips")[0]
        initial = xr.DataArray(np.array(left) * paid * now, dims=("offer", "quarter"),
                               coords={"offer": ids, "quarter": list(d.quarters)})  # fmt: skip
    coords = {"offer": ids, "age": ages.astype(int)}
    return Resale(
        share_frac=xr.DataArray(np.array(shares), dims=("offer", "age"), coords=coords), initial_musd_per_mw=initial
    )
