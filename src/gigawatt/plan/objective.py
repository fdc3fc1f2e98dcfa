"""What the plan minimises: discounted cost, and the value of what is not served."""

from __future__ import annotations

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.cashflow import outflow, released_cash
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.hosting import hosting_salvage
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import opening_salvage
from gigawatt.plan.signed import charged_after, deposits_back, vested_worth
from gigawatt.plan.worth import worth_musd

TIE_BREAK_MUSD_PER_MW = 1e-4
"""Cost of a busy MW and quarter: of equal plans, the one that needs least capacity in its busiest block; and of a
building given back: of equal plans, the one that moves least."""
EARLY_RELEASE = 1e-3
"""Worth of a released dollar among equal plans: milestones are taken as soon as they are reached."""


def salvaged(d: PlanInputs, x: Decisions) -> Expression:
    """What is still worth something at the end of the horizon, discounted to the start, without axes [MUSD]."""
    worth = (x.kept * d.salvage_musd_per_mw).sum("offer", "quarter")
    if d.initial_salvage_musd_per_mw is not None:
        worth = worth + (x.kept_initial * d.initial_salvage_musd_per_mw).sum("offer")
    worth = worth + (x.energise * d.site_salvage_musd_per_mw).sum("site", "quarter")
    if (fitted := hosting_salvage(d, x)) is not None:
        worth = worth + fitted
    if (opened := opening_salvage(d, x)) is not None:
        worth = worth + opened
    if (back := deposits_back(d, x)) is not None:
        worth = worth - back
    return worth


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
    whole = cost - salvaged(d, x)
    if (owed := charged_after(d, x)) is not None:
        whole = whole + owed
    if (vested := vested_worth(d, x)) is not None:
        whole = whole - vested
    m.minimise(whole, tie_break)
