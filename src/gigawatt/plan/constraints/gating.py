"""A product may stay closed to some tiers, by policy, up to their share of its demand."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import WORK, Family, Words

GATING = Family("gating", WORK, Words("gating policy", once=True))


def gating(m: Model, d: PlanInputs, x: Decisions) -> None:
    """gated[w,b,q] <= closed[w,q] demand[w,b,q]   [Mwork/s]"""
    m.add_rows(GATING, x.gated, "<=", (d.gate_max_frac * d.demand).transpose(*d.demand.dims))
