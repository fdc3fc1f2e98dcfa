"""What an event delays is delivered late: nobody accepts it at its first date."""

from __future__ import annotations

import numpy as np

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def delivery(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o weight[c,o] sum_{u<=q} add[o,u] <= most[c,q] while the commitment is behind   [MW, on its own basis]"""
    late = d.terms.late
    if late is not None:
        behind = late.most_mw < np.inf
        came = x.accepted.dot(d.commitment_weight, "offer")
        m.add_rows("delivery", came, "<=", late.most_mw.where(behind, 0.0), mask=behind)
