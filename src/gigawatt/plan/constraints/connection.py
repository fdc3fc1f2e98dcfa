"""Buildings come into use no faster than their connection is energised."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import FACILITY, Family, Words

CONNECTION = Family("connection", FACILITY, Words("energised connections", many=True))


def connection(m: Model, d: PlanInputs, x: Decisions) -> None:
    """initial[s] + in_use[s,q] <= energised[s,q]   [facility MW]

    in_use[s,q] = sum_{u<=q} energise[s,u] - vacate[s,u] is what has been taken into use and not given back.
    """
    limited = xr.DataArray(np.isfinite(d.connection_mw))
    room = (d.connection_mw - d.energised_initial_mw).where(limited, 0.0)
    m.add_rows(CONNECTION.of(figure=d.connection_mw), x.in_use, "<=", room, mask=limited)
