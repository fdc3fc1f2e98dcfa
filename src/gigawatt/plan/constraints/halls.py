"""A site is energised hall by hall, and given back likewise."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import hall_room
from gigawatt.plan.variables import Decisions


def halls(m: Model, d: PlanInputs, x: Decisions) -> None:
    """energise[s,q] = hall[s] halls[s,q], vacate[s,q] = hall[s] emptied[s,q]   [facility MW]; where they are whole

    sum_{u<=q} halls[s,u] - emptied[s,u] <= floor((energised - initial) / hall)   [halls]

    The last says nothing new of whole halls, but brings the relaxation closer to them.
    """
    if d.lumps is None or x.lumps is None or x.lumps.halls is None:
        return
    sites = list(d.lumps.halls_at)
    size = d.lumps.hall_mw.sel(site=sites)
    m.add_rows("hall_size", x.energise.pick("site", sites) - x.lumps.halls * size, "==", 0.0)
    stand = x.lumps.halls
    if x.lumps.emptied is not None and x.signed.vacate is not None:
        m.add_rows("hall_vacated", x.signed.vacate.pick("site", sites) - x.lumps.emptied * size, "==", 0.0)
        stand = stand - x.lumps.emptied
    if d.lumps.whole:
        room = hall_room(d)
        limited = xr.DataArray(np.isfinite(room))
        m.add_rows("halls", stand.cumsum("quarter"), "<=", room.where(limited, 0.0), mask=limited)
