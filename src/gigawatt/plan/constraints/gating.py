"""A product may stay closed to some tiers, by policy, up to their share of its demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigawatt.plan.variables import has, term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def gating(m: linopy.Model, d: PlanInputs) -> None:
    """gated[w,b,q] <= closed[w,q] demand[w,b,q]   [Mwork/s]"""
    if has(m, "gated"):
        cap = (d.gate_max_frac * d.demand).transpose(*d.demand.dims)
        m.add_constraints(term(m, "gated") <= cap, mask=cap > 0, name="gating")
