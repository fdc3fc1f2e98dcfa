"""Capacity a contract makes the buyer hold, used or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def minimum_take(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """stock[o,q] >= take[o,q]   [IT MW]"""
    bound = d.stock_min_mw > 0
    if bool(bound.any()):
        m.add_constraints(x.stock >= d.stock_min_mw, mask=bound, name="minimum_take")
