"""What the plan minimises: discounted cost, and the value of what is not served."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.amounts import at_end, outflow
from gigawatt.plan.cashflow import released_cash
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.flows import MINIMISED
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.worth import worth_musd

TIE_BREAK_MUSD_PER_MW = 1e-4
"""Cost of a busy MW and quarter: of equal plans, the one that needs least capacity in its busiest block; and of a
building given back: of equal plans, the one that moves least."""
EARLY_RELEASE = 1e-3
"""Worth of a released dollar among equal plans: milestones are taken as soon as they are reached."""


def objective(m: Model, d: PlanInputs, x: Decisions) -> None:
    """min sum_q discount[q] (spending + unmet + gated + delayed + interest) + gap premium - salvage   [MUSD]
           + rent owed after the horizon less the worth of its use - vested warrants

    Debt costs what its rate is above the discount rate, for as long as it is owed, and money still to be found costs
    its premium likewise. Salvage is what systems, buildings, fit-outs, retrofits and
    openings are still worth at the end: capex x remaining / economic life, and deposits that have not come back. Owed
    is what contracts still ask for after the horizon, vested the worth of shares that came with deliveries: neither is
    cash here. What speed is
    worth above the value of a class is taken off.
    """
    spent = outflow(d, x) + d.credit_spread * x.debt
    lost = x.unmet * (d.hours_frac * d.unmet_musd) + x.gated * (d.hours_frac * d.gate_musd)
    spent = spent + lost.sum("workload", "block")
    if d.service is not None and (speed := worth_musd(d.service, d.rate, d.hours_frac, x)) is not None:
        spent = spent - speed
    spent = spent + (x.delay * d.delay_musd).sum("workload")
    cost = (spent * d.discount + x.gap * d.gap_musd).sum("quarter")
    tie_break = TIE_BREAK_MUSD_PER_MW * (x.busy.sum("pool", "quarter") + x.vacate.sum("site", "quarter"))
    if d.milestones is not None:
        tie_break = tie_break - EARLY_RELEASE * (released_cash(d, x) * d.discount).sum("quarter")
    for what, sign in MINIMISED.items():
        cost = cost + sign * at_end(d, x, what)
    m.minimise(cost, tie_break)
