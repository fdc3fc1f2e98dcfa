"""Announced and signed capacity enters as a minimum of what is accepted by a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigawatt.plan.variables import accepted_mw, has, term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def commitment(m: linopy.Model, d: PlanInputs) -> None:
    """sum_o weight[c,o] sum_{u<=q} add[o,u] + late[c,q] >= committed[c,q]   [MW on the commitment's basis]

    ``late`` exists only where the commitment is not firm.
    """
    if d.commitment_mw.sizes["commitment"] == 0:
        return
    accepted = (accepted_mw(m) * d.commitment_weight).sum("offer")
    if has(m, "late"):
        accepted = accepted + term(m, "late")
    m.add_constraints(accepted >= d.commitment_mw, mask=d.commitment_mw > 0, name="commitment")
