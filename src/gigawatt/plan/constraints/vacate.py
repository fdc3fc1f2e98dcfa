"""A leased building is given back after its term, and only what is leased."""

from __future__ import annotations

import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def vacate(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{u<=q} vacate[s,u] <= initial[s] + sum_{u<=q-term[s]} energise[s,u]   [facility MW]

    from q = term on, when what stood at the start has served it too. What is not given back is leased on from quarter
    to quarter. Where halls have classes, the same holds for each class with what retrofits have brought into it.
    """
    may = d.terms.vacates()
    if may is None or x.signed.vacate is None or d.terms.leases is None:
        return
    term, gone, taken = d.terms.leases.term_quarters, x.signed.vacate.cumsum("quarter"), x.energise.cumsum("quarter")
    for length in sorted({int(n) for n in term.values[may.any("quarter").values]}):
        mask = may & (term == length)
        m.add_rows(f"vacate_{length}", gone - taken.shift("quarter", length), "<=", d.energised_initial_mw, mask=mask)
        _by_class(m, d, x, length, mask)


def _by_class(m: Model, d: PlanInputs, x: Decisions, length: int, mask: xr.DataArray) -> None:
    if d.hosting is None or x.hosting is None or x.hosting.vacate_fit is None:
        return
    h, sites = d.hosting, list(d.hosting.sites)
    for name in h.classes:
        left = x.hosting.vacate_fit.at("hosting", name).cumsum("quarter")
        left = left - x.hosting.fit.at("hosting", name).cumsum("quarter").shift("quarter", length)
        for retrofit in h.retrofits:
            if x.hosting.retrofit is not None and retrofit.end == name:
                left = left - x.hosting.retrofit.at("retrofit", retrofit.id).cumsum("quarter")
        stood = h.initial_mw.sel(hosting=name, drop=True)
        m.add_rows(f"vacate_{length}_{name}", left, "<=", stood, mask=mask.sel(site=sites))
