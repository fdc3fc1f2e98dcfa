"""Things that come whole: data halls, opened sites, the place of a training cluster; or their relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Model

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Lumps:
    """What comes in lumps. With ``whole`` halls and openings are whole numbers, else any amount between; with
    ``gangs_whole`` a gang stands at one place, on one system, and runs or does not.

    ``gang_able`` is None where gangs may be added up over sites.
    """

    whole: bool
    gangs_whole: bool = True
    hall_mw: xr.DataArray
    """(site) facility MW of one hall; 0 where a site is energised in any amount."""
    opening_musd: xr.DataArray
    """(site) cost of opening a site, paid when it is first energised; nan where it stands open."""
    gang_able: xr.DataArray | None = None
    """(gang, place, offer) 1 where the offer stands at the place and can be part of the gang."""
    gang_runs: xr.DataArray | None = None
    """(gang, system, offer) 1 where the offer is of the system and can be part of the gang; None where systems mix."""

    @property
    def halls_at(self) -> tuple[str, ...]:
        """Sites that are energised in halls."""
        return tuple(str(site) for site in self.hall_mw["site"].values[self.hall_mw.values > 0])

    @property
    def opens(self) -> tuple[str, ...]:
        """Sites that have to be opened."""
        return tuple(str(site) for site in self.opening_musd["site"].values[self.opening_musd.notnull().values])


@dataclass(frozen=True, slots=True, kw_only=True)
class LumpDecisions:
    """halls: taken into use in the quarter (site, quarter); emptied: given back in it. opened: 1 from the quarter on
    (site, quarter). gang_at: 1 where the gang stands (gang, place). gang_on: 1 for the system it is of (gang, system).
    None where the plan has no such choice.
    """

    halls: Expression | None
    emptied: Expression | None
    opened: Expression | None
    gang_at: Expression | None
    gang_on: Expression | None = None


def add_lumps(m: Model, d: PlanInputs) -> None:
    """Variables of the lumps."""
    lumps = d.lumps
    if lumps is None:
        return
    quarter: Axes = {"quarter": d.quarters}
    if lumps.halls_at:
        m.add_variable("halls", {"site": lumps.halls_at, **quarter}, integer=lumps.whole)
        if (may := d.terms.vacates()) is not None:
            mask = may.sel(site=list(lumps.halls_at))
            m.add_variable("emptied", {"site": lumps.halls_at, **quarter}, mask=mask, integer=lumps.whole)
    if lumps.opens:
        m.add_variable("opened", {"site": lumps.opens, **quarter}, upper=1.0, integer=lumps.whole)
    if lumps.gang_able is not None:
        able = lumps.gang_able.any("offer") & (d.gang_mw > 0).any("quarter")
        axes: Axes = {"gang": d.gang_workload, "place": tuple(able["place"].values.tolist())}
        m.add_variable("gang_at", axes, upper=1.0, mask=able, integer=lumps.gangs_whole)
    if lumps.gang_runs is not None:
        able = lumps.gang_runs.any("offer") & (d.gang_mw > 0).any("quarter")
        systems = tuple(able["system"].values.tolist())
        on: Axes = {"gang": d.gang_workload, "system": systems}
        m.add_variable("gang_on", on, upper=1.0, mask=able, integer=lumps.gangs_whole)


def lump_decisions(m: Model) -> LumpDecisions:
    """The variables as expressions."""

    def maybe(name: str) -> Expression | None:
        return m.expression(name) if name in m.variables else None

    return LumpDecisions(
        halls=maybe("halls"),
        emptied=maybe("emptied"),
        opened=maybe("opened"),
        gang_at=maybe("gang_at"),
        gang_on=maybe("gang_on"),
    )


def opening_cost(d: PlanInputs, x: LumpDecisions) -> Expression | None:
    """Money spent on opening sites (quarter) [MUSD]."""
    if d.lumps is None or x.opened is None:
        return None
    price = d.lumps.opening_musd.sel(site=list(d.lumps.opens))
    spent = (x.opened.change("quarter") * price).sum("site")
    return spent if d.building_level is None else spent * d.building_level


def opening_salvage(d: PlanInputs, x: LumpDecisions) -> Expression | None:
    """What openings are still worth at the end, discounted to the start, without axes [MUSD]."""
    if d.lumps is None or d.building_left_frac is None or x.opened is None:
        return None
    sites = list(d.lumps.opens)
    worth = d.lumps.opening_musd.sel(site=sites) * d.building_left_frac.sel(site=sites)
    worth = worth if d.building_level is None else (worth * d.building_level).transpose("site", "quarter")
    return (x.opened.change("quarter") * worth).sum("site", "quarter")


def hall_room(d: PlanInputs) -> xr.DataArray:
    """Whole halls that the connection carries beside what stood at the start (site, quarter); inf without a limit."""
    assert d.lumps is not None
    sites = list(d.lumps.halls_at)
    room = d.connection_mw.sel(site=sites) - d.energised_initial_mw.sel(site=sites)
    return xr.DataArray(np.floor(room / d.lumps.hall_mw.sel(site=sites) + 1e-6))
