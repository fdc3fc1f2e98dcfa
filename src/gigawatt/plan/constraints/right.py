"""Rights of one party over what the buyer adds: exclusivity, first refusal, preferred partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def right(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o held[o] A[o,q] >= share sum_o base[o] A[o,q], A counted since the right began   [IT MW]

    exclusivity is share 1. A right that has ended binds what was added while it ran.
    """
    accepted = x.accepted
    for row in d.rights:
        if not row.quarters:
            continue
        window = accepted.sel(quarter=list(row.quarters))
        start = d.quarters.index(row.quarters[0])
        weight = row.held - row.share * row.base
        balance = (window * weight).sum("offer")
        if start > 0:
            before = (accepted.sel(quarter=d.quarters[start - 1]) * weight).sum("offer")
            balance = balance - before.drop_vars("quarter")
        m.add_constraints(balance >= 0, name=f"right_{row.id}")
