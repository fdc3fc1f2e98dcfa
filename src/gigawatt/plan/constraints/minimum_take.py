"""Capacity a contract makes the buyer hold, used or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigawatt.plan.variables import term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def minimum_take(m: linopy.Model, d: PlanInputs) -> None:
    """stock[o,q] >= take[o,q]   [IT MW]"""
    bound = d.stock_min_mw > 0
    if bool(bound.any()):
        m.add_constraints(term(m, "stock") >= d.stock_min_mw, mask=bound, name="minimum_take")
