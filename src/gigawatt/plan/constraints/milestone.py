"""Milestone equity: a gigawatt is released once it is accepted, whole or in proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr


if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def milestone(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """A[q] >= sum_k z[k,q],  z[k+1,q] <= z[k,q],  z[k,q] >= z[k,q-1]   [GW]

    A counts what the deal counts (vendor, basis, accepted after signing). No big-M: z is binary per whole gigawatt,
    or one continuous amount where release is linear.
    """
    if d.milestones is None or x.z is None:
        return
    z = x.z
    counted = (x.accepted * (d.milestones.counts / 1000.0)).sum("offer")
    start = d.quarters.index(d.milestones.from_quarter)
    if start > 0:
        counted = counted - counted.isel(quarter=start - 1, drop=True)
    eligible = xr.DataArray([i >= start for i in range(len(d.quarters))], coords={"quarter": list(d.quarters)})
    released = z.sum("tranche") if d.milestones.whole else z
    m.add_constraints(counted - released >= 0, mask=eligible, name="milestone_accepted")
    if start > 0:
        m.add_constraints(released <= 0, mask=~eligible, name="milestone_not_yet")
    m.add_constraints(z - z.shift(quarter=1).fillna(0) >= 0, name="milestone_kept")
    if d.milestones.whole and d.milestones.n_max > 1:
        tranches = list(range(1, d.milestones.n_max))
        upper = z.sel(tranche=[k + 1 for k in tranches]).assign_coords(tranche=tranches)
        m.add_constraints(upper - z.sel(tranche=tranches) <= 0, name="milestone_order")
