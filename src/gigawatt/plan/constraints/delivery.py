"""What an event delays is delivered late: nobody accepts it at its first date."""

from __future__ import annotations

import numpy as np

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import MW, Family, Words
from gigawatt.plan.since import DELIVERY, new_since

DELIVERIES = Family("delivery", MW, Words("deliveries that an event delays", many=True), of_offers=True)


def delivery(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o weight[c,o] new[o,q] <= most[c,q] while the commitment is behind   [MW, on its own basis]

    new is sum_{u<=q} add[o,u], counted once: of what is rented, what stands beyond what stood at the start.
    """
    late = d.terms.late
    if late is not None:
        behind = late.most_mw < np.inf
        came = new_since(d, x, DELIVERY, 0).dot(d.commitment_weight, "offer")
        m.add_rows(DELIVERIES, came, "<=", late.most_mw.where(behind, 0.0), mask=behind)
