"""Milestone equity: a gigawatt is released once it is accepted, whole or in proportion."""

from __future__ import annotations

import xarray as xr

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import GW, LESS, Family, Words
from gigawatt.plan.since import MILESTONES, new_since

MILESTONE = Family("milestone", GW, Words("milestones", LESS, many=True))
KEPT = Family("milestone_kept", GW, "what was released stays released")
ORDER = Family("milestone_order", GW, "gigawatts are released one after another")


def milestone(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A[q] >= sum_k z[k,q],  z[k+1,q] <= z[k,q],  z[k,q] >= z[k,q-1]   [GW]

    A counts what the deal counts (vendor, basis, accepted after signing). No big-M: z is binary per whole gigawatt,
    or one continuous amount where release is linear.
    """
    terms = d.milestones
    if terms is None:
        return
    counted = counted_gw(d, x)
    released = x.z.sum("tranche") if terms.whole else x.z
    m.add_rows(MILESTONE.of(part="accepted"), counted - released, ">=", 0.0)
    m.add_rows(KEPT, x.z.change("quarter"), ">=", 0.0)
    if terms.whole and terms.n_max > 1:
        before = x.z.shift("tranche")
        later = xr.DataArray([k != 1 for k in x.z.axes["tranche"]], coords={"tranche": list(x.z.axes["tranche"])})
        m.add_rows(ORDER, x.z - before, "<=", 0.0, mask=later)


def counted_gw(d: PlanInputs, x: Decisions) -> Expression:
    """Cumulative GW that count towards the milestones, from signing on (quarter)."""
    assert d.milestones is not None
    start = d.quarters.index(d.milestones.from_quarter)
    counted = x.counted if start == 0 else new_since(d, x, MILESTONES, start)
    after = xr.DataArray([float(i >= start) for i in range(len(d.quarters))], coords={"quarter": list(d.quarters)})
    return (counted * (d.milestones.counts / 1000.0) * after).sum("offer")
