"""What is given up before its term ends was accepted, and goes once."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.signed import kept_until
from gigawatt.plan.variables import Decisions


def early_exit(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_q left[o,u,q] <= add[o,u]   [IT MW]"""
    if x.signed.left is not None:
        held = kept_until(d, x).at("quarter", d.quarters[-1]).pick("offer", x.signed.left.axes["offer"])
        m.add_rows("early_exit", held, ">=", 0.0)
