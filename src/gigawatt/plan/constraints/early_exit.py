"""What is given up before its term ends was accepted, goes once, and goes for good: a fee alone changes no rent."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.signed import kept_until
from gigawatt.plan.variables import Decisions


def early_exit(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_q left[o,u,q] <= add[o,u]   and   sum_u left[o,u,q] <= retire[o,q]   [IT MW]"""
    if x.signed.left is None:
        return
    offers = x.signed.left.axes["offer"]
    held = kept_until(d, x).at("quarter", d.quarters[-1]).pick("offer", offers)
    m.add_rows("early_exit", held, ">=", 0.0)
    m.add_rows("early_exit_retired", x.signed.left.sum("signed") - x.retire.pick("offer", offers), "<=", 0.0)
