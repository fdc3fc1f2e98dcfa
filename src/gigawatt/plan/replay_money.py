"""Money of a replay: what milestones release, and where what is spent comes from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.plan.cashflow import tranche_payments
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan
from gigawatt.plan.since import counted_mw

Floats = npt.NDArray[np.float64]


def released_gw(plan: LivePlan, accepted: Floats, stock: Floats) -> Floats:
    """(draw, quarter) GW released: what the plan released, or less while less has been accepted; never taken back."""
    d, terms = plan.inputs, plan.inputs.milestones
    if terms is None:
        return np.zeros((len(stock), len(d.quarters)))
    z = plan.value("z")
    planned = (z.sum("tranche") if terms.whole else z).values
    start = d.quarters.index(terms.from_quarter)
    counted = counted_mw(d.offer_contract.values == "own", accepted, stock, start)
    have = np.einsum("o,noq->nq", terms.counts.values / 1000.0, counted)
    reached = np.floor(have + 1e-6) if terms.whole else have
    return np.asarray(np.maximum.accumulate(np.minimum(planned[None, :], np.maximum(reached, 0.0)), axis=1))


def tranches_musd(released: Floats, d: PlanInputs) -> Floats:
    """(draw, quarter) milestone equity paid [MUSD]."""
    if d.milestones is None:
        return np.zeros_like(released)
    kinds, where = np.unique(released, axis=0, return_inverse=True)
    return np.asarray(np.stack([tranche_payments(row, d) for row in kinds])[where.ravel()])


def money_musd(plan: LivePlan, net_spent: Floats, tranches: Floats) -> tuple[Floats, Floats, Floats]:
    """(draw, quarter) cash, debt and money still to be found that is owed, at the end of each quarter [MUSD]."""
    d = plan.inputs
    line, found = _borrowed(plan)
    debt, position = np.zeros(len(net_spent)), np.full(len(net_spent), d.opening_cash_musd)
    out = np.zeros((3, *net_spent.shape))
    for q in range(net_spent.shape[1]):
        position = position - d.credit_rate * debt + float(d.inflow_musd[q]) + tranches[:, q] - net_spent[:, q]
        lacks = np.maximum(-position, 0.0)
        if d.credit_spread * float(d.discount[q]) <= float(d.gap_musd[q]):  # the line is the cheaper: drawn on first
            debt = np.minimum(np.maximum(lacks - found[q], np.minimum(lacks, line[q])), d.credit_limit_musd)
        else:
            debt = np.clip(lacks - found[q], 0.0, line[q])
        out[0][:, q], out[1][:, q], out[2][:, q] = np.maximum(position, 0.0), debt, lacks - debt
    return out[0], out[1], out[2]


def _borrowed(plan: LivePlan) -> tuple[Floats, Floats]:
    """(quarter) debt and money still to be found that the plan owes beyond what lies in its account [MUSD]."""
    cash, gap = plan.value("cash").values, plan.value("gap").values
    lacks = np.maximum(plan.value("debt").values + gap - cash, 0.0)
    line = np.maximum(lacks - gap, 0.0)
    return line, lacks - line
