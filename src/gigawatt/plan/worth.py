"""What speed and price steps add to the objective and to cash, as expressions of the plan."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import xarray as xr

from gigawatt.plan.algebra import Expression
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.service import Service

if TYPE_CHECKING:
    from gigawatt.plan.live import LivePlan


def worth_musd(s: Service, rate: xr.DataArray, hours: xr.DataArray, x: Decisions) -> Expression | None:
    """Worth of speed less what customers of the lower steps would not have paid (quarter) [MUSD].

    sum_l,b h_b worth[l,q] rate[l,q] assign[l,b,q] + sum_k,b h_b less[k,q] spared[k,b,q]
    """
    found: list[Expression] = []
    if s.worth is not None:
        found.append((x.assign * (s.worth.musd * rate * hours)).sum("lane", "block"))
    if s.curve is not None:
        found.append((x.spared * (s.curve.less_musd * hours)).sum("step", "block"))
    return reduce(add, found) if found else None


def sales_musd(d: PlanInputs, x: Decisions) -> Expression:
    """What work is sold for (workload, quarter) [MUSD]: at the first price, and ``extra_musd`` beyond it."""
    sold = (x.served * (d.income_musd * d.hours_frac)).sum("block")
    more = extra_musd(d, x)
    return sold if more is None else sold + more


def extra_musd(d: PlanInputs, x: Decisions) -> Expression | None:
    """Income beyond the first price (workload, quarter) [MUSD], against all served at it.

    sum_l,b h_b paid[l] worth[l,q] rate[l,q] assign[l,b,q] + sum_k,b h_b paid[k] less[k,q] (spared - most)[k,b,q]
    """
    found: list[Expression] = []
    classes, s = d.demand["workload"].values.tolist(), d.service
    if s is not None and s.worth is not None:
        each = s.worth.musd * d.rate * d.hours_frac * s.worth.paid
        found.append((x.assign * each).sum("block").group(d.lane_workload, "workload", classes))
    if s is not None and s.curve is not None:
        each = s.curve.less_musd * d.hours_frac * s.curve.paid
        volume = x.spared - s.curve.most.transpose(*x.spared.axes)
        found.append((volume * each).sum("block").group(s.curve.workload, "workload", classes))
    return reduce(add, found) if found else None


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
