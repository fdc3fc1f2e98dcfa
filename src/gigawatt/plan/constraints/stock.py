"""What stands is what stood, plus what is accepted, less what is retired."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family
from gigawatt.plan.variables import spread

STOCK = Family(
    "stock", IT, "what stands follows from what comes and goes",
    missed="given up for want of room", missed_if_early=True,
)  # fmt: skip
"""What is missed is an order fixed before a branch that brings no place for it."""


def stock(m: Model, d: PlanInputs, x: Decisions) -> None:
    """stock[o,q] = stock[o,q-1] + add[o,q] - retire[o,q], from initial[o]   [IT MW]"""
    m.add_rows(STOCK, x.stock.change("quarter") - x.add + x.retire, "==", spread(d.initial_mw, d, first_only=True))
