"""A training job needs its gang together; the LP asks for gangs in sum over the sites that could hold one."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def gang(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o able} stock[o,q] >= gang[g,q] while the job runs   [IT MW]

    A site is able if its connection can ever carry the gang. Wrong when capacity is split over many able sites: the
    exact form needs an integer choice of the site.
    """
    if d.gang_workload:
        m.add_rows("gang", x.stock.dot(d.gang_offer, "offer"), ">=", d.gang_mw, mask=d.gang_mw > 0)
