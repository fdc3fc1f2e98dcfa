"""A lower price sells more: what the least willing would have bought is spared at less than the first price."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import WORK, Family

VOLUME = Family("volume", WORK, "what a demand curve spares is unmet; the sizes of its steps are bounds")


def volume(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{k of w} spared[k,b,q] <= unmet[w,b,q], spared[k,b,q] <= most[k,b,q] as bounds   [Mwork/s]

    What a step spares costs what that step would have brought, not the first price; the least willing go first.
    """
    if d.service is None or d.service.curve is None:
        return
    classes = tuple(str(name) for name in d.demand["workload"].values)
    spared = x.spared.group(d.service.curve.workload, "workload", classes)
    m.add_rows(VOLUME, spared - x.unmet, "<=", 0.0)
