"""Every MW of chips sits in exactly one MW of building: the bridge from IT to facility power."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import FACILITY, Family
from gigawatt.plan.signed import in_test

SITE_POWER = Family(
    "site_power", FACILITY,
    "chips sit in a building: where that is scarce its connection binds, else it costs rent",
)  # fmt: skip


def site_power(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o at s} overhead[o] (stock[o,q] + in test) <= initial[s] + in_use[s,q]   [facility MW]"""
    tested = in_test(d, x)
    drawing = x.stock if tested is None else x.stock + tested
    load = (drawing * d.facility_over_it).group(d.offer_site, "site", d.sites)
    m.add_rows(SITE_POWER, load - x.in_use, "<=", d.energised_initial_mw)
