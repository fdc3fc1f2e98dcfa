"""What speed and price steps add to the objective and to cash, as expressions of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from gigawatt.plan.algebra import Expression
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.service import Service

if TYPE_CHECKING:
    from gigawatt.plan.live import LivePlan


def worth_musd(s: Service, rate: xr.DataArray, hours: xr.DataArray, x: Decisions) -> Expression | None:
    """Worth of speed less what customers of the lower steps would not have paid (quarter) [MUSD].

    sum_l,b h_b worth[l,q] rate[l,q] assign[l,b,q] + sum_k,b h_b less[k,q] spared[k,b,q]
    """
    return _sum(s, rate, hours, x, paid=False)


def paid_musd(s: Service, rate: xr.DataArray, hours: xr.DataArray, x: Decisions) -> Expression | None:
    """The part of it that is income (quarter) [MUSD], against all served at the first price.

    sum_l,b h_b paid[l] worth[l,q] rate[l,q] assign[l,b,q] + sum_k,b h_b paid[k] less[k,q] (spared - most)[k,b,q]
    """
    return _sum(s, rate, hours, x, paid=True)


def _sum(s: Service, rate: xr.DataArray, hours: xr.DataArray, x: Decisions, *, paid: bool) -> Expression | None:
    found: list[Expression] = []
    if s.worth is not None:
        each = s.worth.musd * rate * hours * (s.worth.paid if paid else 1.0)
        found.append((x.assign * each).sum("lane", "block"))
    if s.curve is not None:
        volume = x.spared - s.curve.most.transpose(*x.spared.axes) if paid else x.spared
        each = s.curve.less_musd * hours * (s.curve.paid if paid else 1.0)
        found.append((volume * each).sum("step", "block"))
    return None if not found else found[0] if len(found) == 1 else found[0] + found[1]


def extra_income(plan: LivePlan) -> xr.DataArray:
    """Income of each class beyond its first price (workload, quarter) [MUSD]: the solved twin of ``paid_musd``."""
    d = plan.inputs
    found = d.unmet_musd * 0.0
    if d.service is None:
        return found
    if (worth := d.service.worth) is not None:
        by_lane = (plan.value("assign") * d.hours_frac).sum("block") * d.rate * worth.musd * worth.paid
        found = found + _by_class(by_lane, d.lane_workload, found)
    if (curve := d.service.curve) is not None:
        volume = ((plan.value("spared") - curve.most) * d.hours_frac).sum("block")
        found = found + _by_class(volume * curve.less_musd * curve.paid, curve.workload, found)
    return found


def priced_out(plan: LivePlan) -> xr.DataArray:
    """Demand of each class that its price keeps away (workload, block, quarter) [Mwork/s]."""
    d = plan.inputs
    none = d.demand * 0.0
    if d.service is None or d.service.curve is None:
        return none
    return _by_class(plan.value("spared"), d.service.curve.workload, none)


def _by_class(values: xr.DataArray, workload: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    grouped = values.groupby(workload.rename("workload")).sum()
    return grouped.reindex(workload=like["workload"], fill_value=0.0).transpose(*like.dims)
