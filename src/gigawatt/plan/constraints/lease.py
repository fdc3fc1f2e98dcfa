"""Rent of a building is due from its start, whether the building is used or not."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import FACILITY, LESS, Family, Words

LEASE = Family("lease", FACILITY, Words("rent due for buildings used or not", LESS))


def lease(m: Model, d: PlanInputs, x: Decisions) -> None:
    """initial[s] + in_use[s,q] + unused[s,q] >= due[s,q]   [facility MW]"""
    terms = d.terms.leases
    if terms is not None:
        paid = x.in_use + x.unused + d.energised_initial_mw
        m.add_rows(LEASE.of(figure=terms.due_mw), paid, ">=", terms.due_mw, mask=terms.due_mw > 0)
