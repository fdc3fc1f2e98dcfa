"""Sources and uses: the account never falls below zero; what is missing is a gap, owed until money comes."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.amounts import inflow, outflow
from gigawatt.plan.cashflow import released_cash
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import MUSD, Family, Words

CASH = Family("cash", MUSD, Words("cash", once=True))


def cash(m: Model, d: PlanInputs, x: Decisions) -> None:
    """cash[q] = cash[q-1] + inflow + tranches + gap change + debt change - spending - interest >= 0   [MUSD]

    gap and debt are what is owed at the end of the quarter: what rises is found or drawn, what falls is paid back.
    """
    balance = x.cash.change("quarter") + outflow(d, x) - inflow(d, x) - x.gap.change("quarter")
    if d.milestones is not None:
        balance = balance - released_cash(d, x)
    balance = balance - x.debt + (1.0 + d.credit_rate) * x.debt.shift("quarter")
    own = d.inflow_musd.copy()
    own[0] += d.opening_cash_musd
    m.add_rows(CASH.of(figure=own), balance, "==", own)
