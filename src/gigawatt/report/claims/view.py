"""A run as the claims look at it: who supplies what, where it stands, what it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Deal, Statement
from gigawatt.core.calendar import QUARTERS_A_YEAR
from gigawatt.core.source import Fact
from gigawatt.report.claims.model import Asked, Claim, Topic, merge
from gigawatt.study.cash import daily_mean
from gigawatt.study.resolve import Case, OfferCase, SiteCase
from gigawatt.study.results import Results

Floats = npt.NDArray[np.float64]

LETTER = "openai-nvidia-loi"
"""The deal the statements are about."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Results with what several claims need, computed once. GW are of facility power unless a name says IT."""

    results: Results

    @property
    def case(self) -> Case:
        """The case of the run."""
        return self.results.case

    @property
    def catalog(self) -> Catalog:
        """The catalogue of the run."""
        return self.results.case.catalog

    @property
    def plan(self) -> xr.Dataset:
        """The plan of the run."""
        return self.results.plan

    @property
    def buyer(self) -> str:
        """Party whose programme this is."""
        return self.case.scenario.buyer

    @cached_property
    def letter(self) -> Deal | None:
        """The deal with milestone equity that the scenario uses; None without one."""
        names = [row.deal for row in self.case.scenario.commitments if row.deal]
        deals = [self.case.milestone_deal, *(self.catalog.deal(name) for name in (*names, *self.case.scenario.deals))]
        return next((deal for deal in deals if deal is not None and deal.equity is not None), None)

    @cached_property
    def is_programme(self) -> bool:
        """True where the buyer is the laboratory the statements are about."""
        return self.buyer == self.catalog.deal(LETTER).buyer

    @cached_property
    def accepted_gw(self) -> Floats:
        """Facility GW accepted since the start (offer, quarter)."""
        return np.asarray(self.plan["accepted_facility_w"].transpose("offer", "quarter").values / 1e9)

    @cached_property
    def committed_gw(self) -> Floats:
        """GW that the scenario's commitments make of the letter by then, on their own basis (quarter)."""
        deal = self.letter
        mine = [row.id for row in self.case.scenario.commitments if deal is not None and row.deal == deal.id]
        return np.asarray(self.plan["committed_w"].sel(commitment=mine).sum("commitment").values / 1e9)

    @cached_property
    def stands_gw(self) -> Floats:
        """Facility GW that stand (offer, quarter)."""
        return np.asarray(
            self.plan["stock_w"].transpose("offer", "quarter").values * self.case.facility_over_it[:, None] / 1e9
        )

    def offers(self, wanted: Callable[[OfferCase], bool]) -> npt.NDArray[np.bool_]:
        """Mask of the offers that ``wanted`` accepts (offer)."""
        return np.array([wanted(offer) for offer in self.case.offers], dtype=bool)

    def name(self, party: str) -> str:
        """Name of a party as people write it; its id where the catalogue does not hold it."""
        entry = self.catalog.entries["providers"].get(party)
        return entry.name if entry else party

    def of_vendor(self, vendor: str) -> npt.NDArray[np.bool_]:
        """Mask of the offers of a vendor's systems (offer)."""
        return self.offers(lambda offer: offer.system.vendor == vendor)

    @cached_property
    def at_work_w(self) -> pd.DataFrame:
        """Daily mean of IT power at work: columns system, vendor, kind, workload, task, quarter, w."""
        systems = {offer.system.id: offer.system for offer in self.case.offers}
        tasks = {row.id: row.workload.kind for row in self.case.classes}
        used = daily_mean(self.case, self.plan["assign_w"]).transpose("lane", "quarter")
        names = [str(name) for name in used["lane_system"].values]
        works = [str(name) for name in used["lane_workload"].values]
        labels, n = list(self.case.labels), len(self.case.labels)
        return pd.DataFrame(
            {
                "system": np.repeat(names, n),
                "vendor": np.repeat([systems[name].vendor for name in names], n),
                "kind": np.repeat([systems[name].kind for name in names], n),
                "workload": np.repeat(works, n),
                "task": np.repeat([tasks[work] for work in works], n),
                "quarter": np.tile(labels, len(names)),
                "w": used.values.ravel(),
            }
        )

    def work_w(self, quarters: tuple[str, ...] | None = None, **equals: str) -> float:
        """IT power at work, mean over some quarters (all if None), of the lanes that equal what is given [W]."""
        labels = quarters or self.case.labels
        rows = self.at_work_w[self.at_work_w["quarter"].isin(labels)]
        for column, value in equals.items():
            rows = rows[rows[column] == value]
        return float(rows["w"].sum()) / len(labels)

    @property
    def last_year(self) -> tuple[str, ...]:
        """The last four quarters."""
        return self.case.labels[-QUARTERS_A_YEAR:]

    def paid_usd(self, *, payer: str | None = None, payee: str | None = None, kind: str | None = None) -> float:
        """Sum of the book's flows between some parties [USD]."""
        book = self.results.book
        for column, value in (("payer", payer), ("payee", payee), ("kind", kind)):
            if value is not None:
                book = book[book[column] == value]
        return float(book["usd"].sum())

    def vendor_row(self, topic: Topic, vendor: str, reading: str, share: float, asked: Asked) -> Claim:
        """A vendor's share of the plan; an input where the scenario offers nobody else's systems."""
        if self.of_vendor(vendor).all():
            return topic.given(reading, share, "no other maker is on offer in this scenario")
        return topic.row(reading, share, asked)

    def topic(self, id: str, *, unit: str = "", statement: str = "", announced: str = "") -> Topic:
        """Topic of some statements; text and announced figure of the first that has them unless given."""
        rows = [self.statement(part.strip()) for part in id.split(",")]
        figure = next((row.announced for row in rows if row.announced), "")
        return Topic(
            id=id,
            statement=statement or rows[0].name,
            announced=announced or figure,
            unit=unit,
            sources=merge(row.source for row in rows),
        )

    def statement(self, seed: str) -> Statement:
        """Statement of the catalogue under "S0.8"."""
        found = self.catalog.find("statements", seed.lower())
        assert isinstance(found, Statement)
        return found


def host(view: View, offer: OfferCase) -> str:
    """Who supplies the capacity: the cloud, the landlord of a leased building, or the buyer in its own."""
    if offer.offer.contract == "cloud" or offer.site.use.tenure == "provider":
        return offer.offer.provider
    return view.buyer if offer.site.use.tenure == "own" else offer.site.landlord


def overhead_fact(case: Case, site: SiteCase) -> Fact:
    """Facility over IT power that the case uses at a site, with its range."""
    own = site.entry.facility_over_it if site.entry else None
    return site.use.facility_over_it or own or case.costs.facility_over_it


def by_host(view: View, gw: Floats) -> dict[str, Floats]:
    """Facility GW by supplier (quarter), largest at the end first; zeros left out."""
    totals: dict[str, Floats] = {}
    for index, offer in enumerate(view.case.offers):
        name = host(view, offer)
        totals[name] = totals.get(name, np.zeros(gw.shape[1])) + gw[index]
    kept = {name: values for name, values in totals.items() if values.max() > 1e-6}
    return dict(sorted(kept.items(), key=lambda item: -item[1][-1]))
