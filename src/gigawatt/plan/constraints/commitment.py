"""Announced and signed capacity enters as a minimum of what is accepted by a date."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def commitment(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o weight[c,o] counted[o,q] + late[c,q] >= committed[c,q]   [MW on the commitment's basis]

    ``late`` exists only where the commitment is not firm.
    """
    if d.commitment_mw.sizes["commitment"] == 0:
        return
    accepted = x.counted.dot(d.commitment_weight, "offer")
    if x.late is not None:
        accepted = accepted + x.late
    m.add_rows("commitment", accepted, ">=", d.commitment_mw, mask=d.commitment_mw > 0)
