"""Halls of different cooling and density: what each may hold, and turning one kind into another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from gigawatt.plan.algebra import Axes, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.flows import price_on

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrofit:
    """Facility MW of one class made another; for ``downtime`` quarters they hold nothing."""

    start: str
    end: str
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
    retrofits: tuple[Retrofit, ...]


def add_hosting(m: Model, d: PlanInputs) -> None:
    """Variables of hosting classes; all variables of the plan come before the first row."""
    if d.hosting is None:
        return
    h, quarter = d.hosting, {"quarter": d.quarters}
    fit: Axes = {"site": h.sites, "hosting": h.classes, **quarter}
    m.add_variable(Decisions.fit, fit)
    if (may := d.terms.vacates()) is not None:
        m.add_variable(Decisions.vacate_fit, fit, mask=may.sel(site=list(h.sites)).expand_dims(hosting=list(h.classes)))
    moves: Axes = {"retrofit": tuple(r.id for r in h.retrofits), "site": h.sites, **quarter}
    if h.retrofits:
        m.add_variable(Decisions.retrofit, moves)
    for kept, axes in ((Decisions.kept_fit, fit), (Decisions.kept_retrofit, moves)):
        if (worth := price_on(d.ends, kept.name)) is not None and bool((worth > 0).any()):
            m.add_variable(kept, axes, mask=(worth > 0).transpose(*axes))
