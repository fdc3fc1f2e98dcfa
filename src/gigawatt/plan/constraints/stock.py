"""What stands is what stood, plus what is accepted, less what is retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def stock(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """stock[o,q] = stock[o,q-1] + add[o,q] - retire[o,q], from initial[o]   [IT MW]"""
    held = x.stock
    before = held.shift(quarter=1).fillna(0)
    first = d.initial_mw.expand_dims(quarter=list(d.quarters)).transpose("offer", "quarter")
    first = first.where(first["quarter"] == d.quarters[0], 0.0)
    m.add_constraints(held - before - x.add + x.retire == first, name="stock")
