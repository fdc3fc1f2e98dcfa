"""Renting, giving up and renting again is not new capacity: of what is rented, what stands counts."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.since import COUNTED, count_since


def counted(m: Model, d: PlanInputs, x: Decisions) -> None:
    """counted[o,q] <= sum_{u<=q} add[o,u] and counted[o,q] <= stock[o,q], for leases and cloud   [IT MW]

    Rights and milestones of a later signing count from their own date: ``plan.since``.
    """
    rented = d.offer_contract != "own"
    m.add_rows(COUNTED.of(part="added"), x.rented - x.accepted, "<=", 0.0, mask=rented)
    m.add_rows(COUNTED.of(part="stands"), x.rented - x.stock, "<=", 0.0, mask=rented)
    count_since(m, d, x)
