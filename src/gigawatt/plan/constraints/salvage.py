"""Only what still stands at the end of the horizon is worth something then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def salvage(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """kept[o,q] <= add[o,q] and sum_q kept[o,q] <= stock[o,end]   [IT MW]"""
    kept = x.kept
    m.add_constraints(kept - x.add <= 0, mask=d.add_max_mw > 0, name="salvage_added")
    stands = x.stock.isel(quarter=-1, drop=True)
    m.add_constraints(kept.sum("quarter") - stands <= 0, name="salvage_stands")
