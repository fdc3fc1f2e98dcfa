"""A pool serves no more than what stands in it, less the reserve for peaks and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def capacity(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{l in p} assign[l,b,q] <= (1 - reserve) sum_{o in p} stock[o,q]   [IT MW]"""
    used = x.assign.groupby(d.lane_pool.rename("pool")).sum()
    stands = x.stock.groupby(d.offer_pool.rename("pool")).sum()
    stands = stands.reindex(pool=used.indexes["pool"]).fillna(0)
    m.add_constraints(used - (1.0 - d.reserve_frac) * stands <= 0, name="capacity")
