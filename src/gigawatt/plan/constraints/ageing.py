"""Machines fail with age; what has failed still stands, and goes first when something is given up."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family
from gigawatt.plan.variables import spread

AGEING = Family("ageing", IT, "what works follows from what stands and its age")


def ageing(m: Model, d: PlanInputs, x: Decisions) -> None:
    """works[o,q] <= g[o] works[o,q-1] + add[o,q] and works[o,q] <= stock[o,q], from initial[o]   [IT MW]

    Without retirement that is sum_u add[u] g^(q-u): the yield of every vintage by its age.
    """
    survival = d.terms.survival_frac
    if survival is None:
        return
    ids = list(x.works.axes["offer"])
    carried = x.works - x.works.shift("quarter") * survival - x.add.pick("offer", ids)
    stood = spread(d.initial_mw.sel(offer=ids) * survival, d, first_only=True)
    m.add_rows(AGEING.of(part="carried"), carried, "<=", stood)
    m.add_rows(AGEING.of(part="stands"), x.works - x.stock.pick("offer", ids), "<=", 0.0)
