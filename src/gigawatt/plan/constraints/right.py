"""Rights of one party over what the buyer adds: exclusivity, first refusal, preferred partner."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, Family, Words
from gigawatt.plan.since import label_of, new_since

RIGHT = Family("right", IT, Words("rights", LESS, many=True), missed="shares of rights", of_offers=True)


def right(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o held[o] A[o,q] >= share sum_o base[o] A[o,q], A counted once since the right began   [IT MW]

    Exclusivity is share 1. A right that has ended binds what was added while it ran.
    """
    for row in d.rights:
        new = new_since(d, x, label_of(row), d.quarters.index(row.quarters[0]))
        balance = (new * (row.held - row.share * row.base)).sum("offer")
        m.add_rows(RIGHT.of(row.id), balance.pick("quarter", row.quarters), ">=", 0.0)
