"""What is late is delivered late: nobody accepts it at its first date."""

from __future__ import annotations

import numpy as np

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.since import DELIVERY, new_since
from gigawatt.plan.variables import Decisions


def delivery(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o weight[c,o] new[o,q] <= most[c,q] while the commitment is behind   [MW, on its own basis]

    new is sum_{start<=u<=q} add[o,u], counted once: of what is rented, what stands beyond what stood before it.
    """
    late = d.terms.late
    if late is not None:
        behind = late.most_mw < np.inf
        came = new_since(d, x, DELIVERY, late.start).dot(d.commitment_weight, "offer")
        m.add_rows("delivery", came, "<=", late.most_mw.where(behind, 0.0), mask=behind)
