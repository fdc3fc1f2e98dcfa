"""Halls of different cooling and density: what each may hold, and turning one kind into another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Model

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrofit:
    """Facility MW of one class made another: cost, and quarters in which they hold nothing."""

    start: str
    end: str
    musd_per_mw: float
    downtime: int

    @property
    def id(self) -> str:
        """Label of the axis ``retrofit``."""
        return f"{self.start}>{self.end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """Hosting classes of halls; every system is hosted in one of them."""

    sites: tuple[str, ...]
    """sites whose halls have a class: all but the providers'"""
    classes: tuple[str, ...]
    offer_class: xr.DataArray
    """(offer)"""
    initial_mw: xr.DataArray
    """(site, hosting) facility MW that stand at the start"""
    fit_musd_per_mw: xr.DataArray
    """(hosting) cost of building in the class, beside the building itself"""
    retrofits: tuple[Retrofit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostingDecisions:
    """fit: facility MW taken into use in a class (site, hosting, quarter); vacate_fit: given back of it, or None.

    retrofit: facility MW that leave a class in the quarter (retrofit, site, quarter); None without retrofits.
    kept_fit, kept_retrofit: of these, what still stands in its class at the end; None where it has no worth then.
    """

    fit: Expression
    retrofit: Expression | None
    vacate_fit: Expression | None
    kept_fit: Expression | None
    kept_retrofit: Expression | None


def add_hosting(m: Model, d: PlanInputs) -> None:
    """Variables of hosting classes; all variables of the plan come before the first row."""
    if d.hosting is None:
        return
    h, quarter = d.hosting, {"quarter": d.quarters}
    fit: Axes = {"site": h.sites, "hosting": h.classes, **quarter}
    m.add_variable("fit", fit)
    if (may := d.terms.vacates()) is not None:
        m.add_variable("vacate_fit", fit, mask=may.sel(site=list(h.sites)).expand_dims(hosting=list(h.classes)))
    moves: Axes = {"retrofit": tuple(r.id for r in h.retrofits), "site": h.sites, **quarter}
    if h.retrofits:
        m.add_variable("retrofit", moves)
    if d.building_left_frac is None:
        return
    left = d.building_left_frac.sel(site=list(h.sites)) > 0
    for name, axes, price in (("kept_fit", fit, h.fit_musd_per_mw), ("kept_retrofit", moves, retrofit_price(h))):
        if bool((mask := (price > 0) & left).any()):
            m.add_variable(name, axes, mask=mask.transpose(*axes))


def hosting_decisions(m: Model) -> HostingDecisions:
    """The variables as expressions."""

    def maybe(name: str) -> Expression | None:
        return m.expression(name) if name in m.variables else None

    return HostingDecisions(
        fit=m.expression("fit"), retrofit=maybe("retrofit"), vacate_fit=maybe("vacate_fit"), kept_fit=maybe("kept_fit"),
        kept_retrofit=maybe("kept_retrofit"),
    )  # fmt: skip


def retrofit_price(h: Hosting) -> xr.DataArray:
    """Cost of a retrofit by its label (retrofit) [MUSD per facility MW]."""
    ids = [r.id for r in h.retrofits]
    return xr.DataArray([r.musd_per_mw for r in h.retrofits], dims="retrofit", coords={"retrofit": ids})


def hosting_cost(d: PlanInputs, x: HostingDecisions) -> Expression:
    """Money spent on fitting halls out and on retrofits (quarter) [MUSD]."""
    assert d.hosting is not None
    spent = (x.fit * d.hosting.fit_musd_per_mw).sum("site", "hosting")
    if x.retrofit is not None:
        spent = spent + (x.retrofit * retrofit_price(d.hosting)).sum("retrofit", "site")
    return spent if d.building_level is None else spent * d.building_level


def hosting_salvage(d: PlanInputs, x: HostingDecisions) -> Expression | None:
    """What fit-outs and retrofits that stand at the end are worth then, discounted to the start, no axes [MUSD]."""
    h, parts = d.hosting, []
    if h is None or d.building_left_frac is None:
        return None
    left = d.building_left_frac.sel(site=list(h.sites)) * (1.0 if d.building_level is None else d.building_level)
    if x.kept_fit is not None:
        worth = (h.fit_musd_per_mw * left).transpose(*x.kept_fit.axes)
        parts.append((x.kept_fit * worth).sum("site", "hosting", "quarter"))
    if x.kept_retrofit is not None:
        worth = (retrofit_price(h) * left).transpose(*x.kept_retrofit.axes)
        parts.append((x.kept_retrofit * worth).sum("retrofit", "site", "quarter"))
    return reduce(add, parts) if parts else None
