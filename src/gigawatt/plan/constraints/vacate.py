"""A leased building is given back after its term, and only what is leased."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def vacate(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{u<=q} vacate[s,u] <= initial[s] where q >= term[s], + sum_{u<=q-term[s]} energise[s,u]   [facility MW]

    What is not given back is leased on from quarter to quarter.
    """
    may = d.terms.vacates()
    if may is None or x.signed.vacate is None or d.terms.leases is None:
        return
    term, gone, taken = d.terms.leases.term_quarters, x.signed.vacate.cumsum("quarter"), x.energise.cumsum("quarter")
    place = xr.DataArray(np.arange(len(d.quarters)), dims="quarter", coords={"quarter": list(d.quarters)})
    for length in sorted({int(n) for n in term.values[may.any("quarter").values]}):
        stood = d.energised_initial_mw * (place >= length).astype(float)
        m.add_rows(f"vacate_{length}", gone - taken.shift("quarter", length), "<=", stood, mask=may & (term == length))
