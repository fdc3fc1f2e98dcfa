"""Every MW of chips sits in exactly one MW of building: the bridge from IT to facility power."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.signed import in_test
from gigawatt.plan.variables import Decisions


def site_power(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o at s} overhead[o] (stock[o,q] + in test) <= initial[s] + in_use[s,q]   [facility MW]"""
    tested = in_test(d, x)
    drawing = x.stock if tested is None else x.stock + tested
    load = (drawing * d.facility_over_it).group(d.offer_site, "site", d.sites)
    m.add_rows("site_power", load - x.in_use, "<=", d.energised_initial_mw)
