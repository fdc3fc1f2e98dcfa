"""A product may stay closed to some tiers, by policy, up to their share of its demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def gating(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """gated[w,b,q] <= closed[w,q] demand[w,b,q]   [Mwork/s]"""
    if x.gated is not None:
        cap = (d.gate_max_frac * d.demand).transpose(*d.demand.dims)
        m.add_constraints(x.gated <= cap, mask=cap > 0, name="gating")
