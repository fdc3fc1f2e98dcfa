"""Capacity a contract makes the buyer hold, used or not."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def minimum_take(m: Model, d: PlanInputs, x: Decisions) -> None:
    """stock[o,q] >= take[o,q]   [IT MW]"""
    m.add_rows("minimum_take", x.stock, ">=", d.stock_min_mw, mask=d.stock_min_mw > 0)
