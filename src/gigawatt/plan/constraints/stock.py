"""What stands is what stood, plus what is accepted, less what is retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigawatt.plan.variables import term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def stock(m: linopy.Model, d: PlanInputs) -> None:
    """stock[o,q] = stock[o,q-1] + add[o,q] - retire[o,q], from initial[o]   [IT MW]"""
    held = term(m, "stock")
    before = held.shift(quarter=1).fillna(0)
    first = d.initial_mw.expand_dims(quarter=list(d.quarters)).transpose("offer", "quarter")
    first = first.where(first["quarter"] == d.quarters[0], 0.0)
    m.add_constraints(held - before - term(m, "add") + term(m, "retire") == first, name="stock")
