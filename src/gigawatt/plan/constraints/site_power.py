"""Every MW of chips sits in exactly one MW of building: the bridge from IT to facility power."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def site_power(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o at s} overhead[o] stock[o,q] <= initial[s] + sum_{u<=q} energise[s,u]   [facility MW]"""
    load = (x.stock * d.facility_over_it).groupby(d.offer_site.rename("site")).sum()
    load = load.reindex(site=list(d.sites)).fillna(0)
    stands = d.energised_initial_mw.expand_dims(quarter=list(d.quarters)).transpose("site", "quarter")
    m.add_constraints(load - x.in_use <= stands, name="site_power")
