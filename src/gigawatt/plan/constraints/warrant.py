"""Shares vest with what is delivered, and stay vested."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import MW, Family

WARRANT = Family("warrant", MW, "shares vest with what is delivered; their number is a bound")


def warrant(m: Model, d: PlanInputs, x: Decisions) -> None:
    """vested[k,q] <= sum_o weight[k,o] counted[o,q] and vested[k,q] >= vested[k,q-1]   [MW]

    In whole steps: vested[k,q] = step[k] n[k,q], n whole.
    """
    terms = d.terms.warrants
    if terms is None:
        return
    m.add_rows(WARRANT.of(part="delivered"), x.vested - x.counted.dot(terms.weight, "offer"), "<=", 0.0)
    m.add_rows(WARRANT.of(part="kept"), x.vested.change("quarter"), ">=", 0.0)
    if terms.stepped and terms.step_mw is not None:
        steps = x.vest_steps * terms.step_mw.sel(warrant=list(terms.stepped))
        m.add_rows(WARRANT.of(part="steps"), x.vested.pick("warrant", terms.stepped) - steps, "==", 0.0)
