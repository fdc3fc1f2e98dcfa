"""What stands is what stood, plus what is accepted, less what is retired."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions, spread


def stock(m: Model, d: PlanInputs, x: Decisions) -> None:
    """stock[o,q] = stock[o,q-1] + add[o,q] - retire[o,q], from initial[o]   [IT MW]"""
    m.add_rows("stock", x.stock.change("quarter") - x.add + x.retire, "==", spread(d.initial_mw, d, first_only=True))
