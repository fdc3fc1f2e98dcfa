"""Leased buildings: rent is due whether they are used or not, and they are given back after their term."""

from __future__ import annotations

import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import FACILITY, LESS, Family, Words

LEASE = Family("lease", FACILITY, Words("rent due for buildings used or not", LESS))
VACATE = Family("vacate", FACILITY, Words("terms of leased buildings", "one {one} given back sooner", many=True))


def lease(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Rent of a building is due from its start, whether the building is used or not.

    initial[s] + in_use[s,q] + unused[s,q] >= due[s,q]   [facility MW]
    """
    terms = d.terms.leases
    if terms is not None:
        paid = x.in_use + x.unused + d.energised_initial_mw
        m.add_rows(LEASE.of(figure=terms.due_mw), paid, ">=", terms.due_mw, mask=terms.due_mw > 0)


def vacate(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A leased building is given back after its term, and only what is leased.

    sum_{u<=q} vacate[s,u] <= initial[s] + sum_{u<=q-term[s]} energise[s,u]   [facility MW]

    from q = term on, when what stood at the start has served it too. What is not given back is leased on from quarter
    to quarter. Where halls have classes, the same holds for each class with what retrofits have brought into it.
    """
    may = d.terms.vacates()
    if may is None or d.terms.leases is None:
        return
    term, gone, taken = d.terms.leases.term_quarters, x.vacate.cumsum("quarter"), x.energise.cumsum("quarter")
    for length in sorted({int(n) for n in term.values[may.any("quarter").values]}):
        mask = may & (term == length)
        m.add_rows(
            VACATE.of(part=length), gone - taken.shift("quarter", length), "<=", d.energised_initial_mw, mask=mask
        )
        _by_class(m, d, x, length, mask)


def _by_class(m: Model, d: PlanInputs, x: Decisions, length: int, mask: xr.DataArray) -> None:
    if d.hosting is None:
        return
    h, sites = d.hosting, list(d.hosting.sites)
    for name in h.classes:
        left = x.vacate_fit.at("hosting", name).cumsum("quarter")
        left = left - x.fit.at("hosting", name).cumsum("quarter").shift("quarter", length)
        for retrofit in h.retrofits:
            if retrofit.end == name:
                left = left - x.retrofit.at("retrofit", retrofit.id).cumsum("quarter")
        stood = h.initial_mw.sel(hosting=name, drop=True)
        m.add_rows(VACATE.of(name, part=length), left, "<=", stood, mask=mask.sel(site=sites))
