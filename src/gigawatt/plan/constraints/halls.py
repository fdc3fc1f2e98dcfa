"""A site is energised hall by hall."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import hall_room
from gigawatt.plan.variables import Decisions


def halls(m: Model, d: PlanInputs, x: Decisions) -> None:
    """energise[s,q] = hall[s] halls[s,q]; whole: sum_{u<=q} halls[s,u] <= floor((energised - initial) / hall)   [halls]

    The second says nothing new of whole halls, but brings the relaxation closer to them.
    """
    if d.lumps is None or x.lumps is None or x.lumps.halls is None:
        return
    sites = list(d.lumps.halls_at)
    size = d.lumps.hall_mw.sel(site=sites)
    m.add_rows("hall_size", x.energise.pick("site", sites) - x.lumps.halls * size, "==", 0.0)
    if d.lumps.whole:
        room = hall_room(d)
        limited = xr.DataArray(np.isfinite(room))
        m.add_rows("halls", x.lumps.halls.cumsum("quarter"), "<=", room.where(limited, 0.0), mask=limited)
