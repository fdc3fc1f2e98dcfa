"""Training blocks: at one rate from start to deadline, or spread unevenly between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Blocks of work due by a deadline, in any quarter of their window.

    Their demand is as early as their pace allows; what is put off is carried on without loss, up to the deadline.
    """

    most: xr.DataArray
    """(job, quarter) Mwork/s that can be done at most; 0 outside the window."""
    carry: xr.DataArray
    """(job, quarter) Mwork/s carried beyond the quarter: inf, but 0 from the deadline on, where the rest is unmet."""

    @property
    def jobs(self) -> tuple[str, ...]:
        """Classes that have such a pace."""
        return tuple(str(name) for name in self.most["job"].values)


def add_pace(m: Model, d: PlanInputs) -> None:
    """Whether a block with a gang runs in a quarter: whole where it stands at one place, else any share of the
    quarter; and the share of its rate at which a block that keeps it runs.
    """
    if d.steady:
        asked = (d.demand.sel(workload=list(d.steady)) > 0).any("block")
        m.add_variable(Decisions.steady, {"workload": d.steady, "quarter": d.quarters}, upper=1.0, mask=asked)
    if d.pace is None:
        return
    with_gang = tuple(name for name in d.pace.jobs if name in d.gang_workload)
    if with_gang:
        runs = (d.pace.most.sel(job=list(with_gang)) > 0).transpose("job", "quarter")
        whole = d.lumps is not None and d.lumps.gangs_whole
        m.add_variable(Decisions.runs, {"job": with_gang, "quarter": d.quarters}, upper=1.0, mask=runs, integer=whole)


def carries(d: PlanInputs, daily: xr.DataArray, waits: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """(most that is carried beyond a quarter, where anything may be) by class (workload, quarter) [Mwork/s]."""
    if d.pace is None:
        return daily, waits
    names = [str(name) for name in daily["workload"].values]
    mine = daily["workload"].isin(list(d.pace.jobs))
    most = d.pace.carry.rename(job="workload").reindex(workload=names, fill_value=0.0)
    daily, waits = daily.where(~mine, most), waits.where(~mine, most > 0.0)
    return daily.transpose("workload", "quarter"), waits.transpose("workload", "quarter")
