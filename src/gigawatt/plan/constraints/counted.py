"""Renting, giving up and renting again is not new capacity: of what is rented, what stands counts."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.since import count_since
from gigawatt.plan.variables import Decisions


def counted(m: Model, d: PlanInputs, x: Decisions) -> None:
    """counted[o,q] <= sum_{u<=q} add[o,u] and counted[o,q] <= stock[o,q], for leases and cloud   [IT MW]

    Rights and milestones of a later signing count from their own date: ``plan.since``.
    """
    rented = d.offer_contract != "own"
    new = m.expression("counted")
    m.add_rows("counted_added", new - x.accepted, "<=", 0.0, mask=rented)
    m.add_rows("counted_stands", new - x.stock, "<=", 0.0, mask=rented)
    count_since(m, d, x)
