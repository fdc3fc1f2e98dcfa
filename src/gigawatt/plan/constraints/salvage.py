"""Only what still stands at the end of the horizon is worth something then."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def salvage(m: Model, d: PlanInputs, x: Decisions) -> None:
    """kept[o,q] <= add[o,q] and sum_q kept[o,q] <= stock[o,end]   [IT MW]"""
    m.add_rows("salvage_added", x.kept - x.add, "<=", 0.0)
    m.add_rows("salvage_stands", x.kept.sum("quarter") - x.stock.at("quarter", d.quarters[-1]), "<=", 0.0)
