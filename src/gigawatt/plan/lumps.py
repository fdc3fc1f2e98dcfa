"""Things that come whole: data halls, opened sites, the place of a training cluster; or their relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Axes, Model
from gigawatt.plan.decisions import Decisions

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
    opens: tuple[str, ...] = ()
    """Sites that have to be opened before they are energised."""
    gang_able: xr.DataArray | None = None
    """(gang, place, offer) 1 where the offer stands at the place and can be part of the gang."""
    gang_runs: xr.DataArray | None = None
    """(gang, system, offer) 1 where the offer is of the system and can be part of the gang; None where systems mix."""

    @property
    def halls_at(self) -> tuple[str, ...]:
        """Sites that are energised in halls."""
        return tuple(str(site) for site in self.hall_mw["site"].values[self.hall_mw.values > 0])


def add_lumps(m: Model, d: PlanInputs) -> None:
    """Variables of the lumps."""
    lumps = d.lumps
    if lumps is None:
        return
    quarter: Axes = {"quarter": d.quarters}
    if lumps.halls_at:
        m.add_variable(Decisions.halls, {"site": lumps.halls_at, **quarter}, integer=lumps.whole)
        if (may := d.terms.vacates()) is not None:
            mask = may.sel(site=list(lumps.halls_at))
            m.add_variable(Decisions.emptied, {"site": lumps.halls_at, **quarter}, mask=mask, integer=lumps.whole)
    if lumps.opens:
        m.add_variable(Decisions.opened, {"site": lumps.opens, **quarter}, upper=1.0, integer=lumps.whole)
    if lumps.gang_able is not None:
        able = lumps.gang_able.any("offer") & (d.gang_mw > 0).any("quarter")
        axes: Axes = {"gang": d.gang_workload, "place": tuple(able["place"].values.tolist())}
        m.add_variable(Decisions.gang_at, axes, upper=1.0, mask=able, integer=lumps.gangs_whole)
    if lumps.gang_runs is not None:
        able = lumps.gang_runs.any("offer") & (d.gang_mw > 0).any("quarter")
        systems = tuple(able["system"].values.tolist())
        on: Axes = {"gang": d.gang_workload, "system": systems}
        m.add_variable(Decisions.gang_on, on, upper=1.0, mask=able, integer=lumps.gangs_whole)


def hall_room(d: PlanInputs) -> xr.DataArray:
    """Whole halls that the connection carries beside what stood at the start (site, quarter); inf without a limit."""
    assert d.lumps is not None
    sites = list(d.lumps.halls_at)
    room = d.connection_mw.sel(site=sites) - d.energised_initial_mw.sel(site=sites)
    return xr.DataArray(np.floor(room / d.lumps.hall_mw.sel(site=sites) + 1e-6))
