"""A site is energised hall by hall, and given back likewise."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import hall_room
from gigawatt.plan.metadata import FACILITY, HALLS, Family, Words

SIZE = Family("hall_size", FACILITY, "power of the halls taken into use")
VACATED = Family("hall_vacated", FACILITY, "power of the halls given back")
WHOLE = Family("halls", HALLS, Words("whole halls", many=True, whole=True, beyond_start=True))


def halls(m: Model, d: PlanInputs, x: Decisions) -> None:
    """energise[s,q] = hall[s] halls[s,q], vacate[s,q] = hall[s] emptied[s,q]   [facility MW]; where they are whole

    sum_{u<=q} halls[s,u] - emptied[s,u] <= floor((energised - initial) / hall)   [halls]

    The last says nothing new of whole halls, but brings the relaxation closer to them.
    """
    if d.lumps is None or not d.lumps.halls_at:
        return
    sites = list(d.lumps.halls_at)
    size = d.lumps.hall_mw.sel(site=sites)
    m.add_rows(SIZE, x.energise.pick("site", sites) - x.halls * size, "==", 0.0)
    stand = x.halls
    if d.terms.vacates() is not None:
        m.add_rows(VACATED, x.vacate.pick("site", sites) - x.emptied * size, "==", 0.0)
        stand = stand - x.emptied
    if d.lumps.whole:
        room = hall_room(d)
        limited = xr.DataArray(np.isfinite(room))
        m.add_rows(WHOLE, stand.cumsum("quarter"), "<=", room.where(limited, 0.0), mask=limited)
