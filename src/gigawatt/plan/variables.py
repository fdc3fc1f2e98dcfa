"""Decisions of the plan, and expressions several constraints share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def add_variables(m: linopy.Model, d: PlanInputs) -> None:
    """All variables of the plan; combinations that cannot be are masked, not bounded to zero.

    add, retire, stock: IT MW by offer; kept: what of an addition still stands at the end. energise: facility MW taken into use by site. assign: IT MW by lane and
    block. unmet, gated: Mwork/s. delay: Mwork/s x quarter carried into the next quarter. late: MW behind a
    commitment that is not firm. z: gigawatts released. cash, gap, debt: MUSD.
    """
    quarter = pd.Index(d.quarters, name="quarter")
    offer = d.initial_mw.indexes["offer"]
    can_add = d.add_max_mw > 0
    m.add_variables(lower=0, upper=d.add_max_mw.where(can_add, 0), mask=can_add, name="add")
    m.add_variables(lower=0, mask=can_add, coords=d.add_max_mw.coords, name="kept")
    m.add_variables(lower=0, coords=[offer, quarter], name="retire")
    m.add_variables(lower=0, coords=[offer, quarter], name="stock")
    m.add_variables(lower=0, coords=[pd.Index(d.sites, name="site"), quarter], name="energise")
    block = d.hours_frac.indexes["block"]
    has_rate = (d.rate > 0).expand_dims(block=block).transpose("lane", "block", "quarter")
    m.add_variables(lower=0, coords=[d.rate.indexes["lane"], block, quarter], mask=has_rate, name="assign")
    wanted = d.demand > 0
    m.add_variables(lower=0, mask=wanted, coords=d.demand.coords, name="unmet")
    gateable = (d.gate_max_frac > 0) & wanted
    if bool(gateable.any()):
        m.add_variables(lower=0, mask=gateable.transpose(*d.demand.dims), coords=d.demand.coords, name="gated")
    can_wait = (d.patience == 2) & (d.demand.sum("block") > 0)
    if bool(can_wait.any()):
        m.add_variables(lower=0, mask=can_wait.transpose("workload", "quarter"),
                        coords=[d.demand.indexes["workload"], quarter], name="delay")  # fmt: skip
    soft = d.commitment_penalty_musd.notnull()
    if bool(soft.any()):
        m.add_variables(lower=0, mask=soft.expand_dims(quarter=quarter).transpose("commitment", "quarter"),
                        coords=[d.commitment_mw.indexes["commitment"], quarter], name="late")  # fmt: skip
    if d.milestones is not None:
        _milestone_variables(m, d, quarter)
    m.add_variables(lower=0, coords=[quarter], name="cash")
    m.add_variables(lower=0, coords=[quarter], name="gap")
    if d.credit_limit_musd > 0:
        m.add_variables(lower=0, upper=d.credit_limit_musd, coords=[quarter], name="debt")


def _milestone_variables(m: linopy.Model, d: PlanInputs, quarter: pd.Index) -> None:
    assert d.milestones is not None
    if d.milestones.whole:
        tranche = pd.RangeIndex(1, d.milestones.n_max + 1, name="tranche")
        m.add_variables(binary=True, coords=[tranche, quarter], name="z")
    else:
        m.add_variables(lower=0, upper=float(d.milestones.n_max), coords=[quarter], name="z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Variables as expressions, made once: what is masked counts as zero. None where the plan has no such choice."""

    add: linopy.LinearExpression
    kept: linopy.LinearExpression
    retire: linopy.LinearExpression
    stock: linopy.LinearExpression
    energise: linopy.LinearExpression
    assign: linopy.LinearExpression
    unmet: linopy.LinearExpression
    gated: linopy.LinearExpression | None
    delay: linopy.LinearExpression | None
    late: linopy.LinearExpression | None
    z: linopy.LinearExpression | None
    cash: linopy.LinearExpression
    gap: linopy.LinearExpression
    debt: linopy.LinearExpression | None
    accepted: linopy.LinearExpression
    """cumulative IT MW accepted since the start (offer, quarter)"""
    in_use: linopy.LinearExpression
    """facility MW taken into use since the start (site, quarter)"""
    served: linopy.LinearExpression
    """work served (workload, block, quarter) [Mwork/s]"""


def decisions(m: linopy.Model, d: PlanInputs) -> Decisions:
    """Expressions of a model's variables."""

    def one(name: str) -> linopy.LinearExpression:
        variable = m.variables[name]
        whole = bool((variable.labels >= 0).all())
        return 1 * variable if whole else (1 * variable).fillna(0)

    def maybe(name: str) -> linopy.LinearExpression | None:
        return one(name) if name in m.variables else None

    add, energise, assign = one("add"), one("energise"), one("assign")
    by_class = (assign * d.rate).groupby(d.lane_workload.rename("workload")).sum()
    return Decisions(
        add=add, kept=one("kept"), retire=one("retire"), stock=one("stock"), energise=energise, assign=assign,
        unmet=one("unmet"), gated=maybe("gated"), delay=maybe("delay"), late=maybe("late"), z=maybe("z"),
        cash=one("cash"), gap=one("gap"), debt=maybe("debt"),
        accepted=add.cumsum("quarter"), in_use=energise.cumsum("quarter"),
        served=by_class.reindex(workload=d.demand.indexes["workload"]).fillna(0),
    )  # fmt: skip
