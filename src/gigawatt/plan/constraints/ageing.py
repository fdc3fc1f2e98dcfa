"""Machines fail with age; what has failed still stands, and goes first when something is given up."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions, spread


def ageing(m: Model, d: PlanInputs, x: Decisions) -> None:
    """works[o,q] <= g[o] works[o,q-1] + add[o,q] and works[o,q] <= stock[o,q], from initial[o]   [IT MW]

    Without retirement that is sum_u add[u] g^(q-u): the yield of every vintage by its age.
    """
    survival = d.terms.survival_frac
    if survival is None or x.signed.works is None:
        return
    ids = list(x.signed.works.axes["offer"])
    carried = x.signed.works - x.signed.works.shift("quarter") * survival - x.add.pick("offer", ids)
    stood = spread(d.initial_mw.sel(offer=ids) * survival, d, first_only=True)
    m.add_rows("ageing_carried", carried, "<=", stood)
    m.add_rows("ageing_stands", x.signed.works - x.stock.pick("offer", ids), "<=", 0.0)
