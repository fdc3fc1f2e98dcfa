"""What is given up before its term ends was accepted, goes once, and goes for good: a fee alone changes no rent."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family
from gigawatt.plan.signed import kept_until

EARLY_EXIT = Family("early_exit", IT, "what is given up was accepted, and goes once")


def early_exit(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_q left[o,u,q] <= add[o,u]   and   sum_u left[o,u,q] <= retire[o,q]   [IT MW]"""
    if d.terms.exit_musd_per_mw is None:
        return
    offers = x.left.axes["offer"]
    held = kept_until(d, x).at("quarter", d.quarters[-1]).pick("offer", offers)
    m.add_rows(EARLY_EXIT, held, ">=", 0.0)
    m.add_rows(EARLY_EXIT.of(part="retired"), x.left.sum("signed") - x.retire.pick("offer", offers), "<=", 0.0)
