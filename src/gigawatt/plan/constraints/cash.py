"""Sources and uses: the account never falls below zero; what is missing shows as a gap to be financed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigawatt.plan.cashflow import inflow, outflow, released_cash

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def cash(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """cash[q] = cash[q-1] + inflow + tranches + gap + debt change - spending - interest >= 0   [MUSD]"""
    balance = x.cash
    before = balance.shift(quarter=1).fillna(0)
    lhs = balance - before + outflow(d, x) - inflow(d, x) - x.gap
    if d.milestones is not None:
        lhs = lhs - released_cash(d, x)
    if x.debt is not None:
        lhs = lhs - x.debt + (1.0 + d.credit_rate) * x.debt.shift(quarter=1).fillna(0)
    opening = d.inflow_musd * 0.0
    opening[0] = d.opening_cash_musd
    m.add_constraints(lhs == opening + d.inflow_musd, name="cash")
