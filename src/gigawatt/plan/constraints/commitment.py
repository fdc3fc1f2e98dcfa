"""Announced and signed capacity enters as a minimum of what is accepted by a date."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import LESS, MW, Family, Words

COMMITMENT = Family("commitment", MW, Words("commitments", LESS, many=True), missed="firm commitments", of_offers=True)


def commitment(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o weight[c,o] counted[o,q] + late[c,q] + sum_{u<=q} cancelled[c,u] >= committed[c,q]   [MW, on its own basis]

    ``late`` exists only where the commitment is not firm, ``cancelled`` where a fee releases from it. Commitments of
    chips and of buildings are rows over the same MW: one MW counts in each, and the two are never added.
    """
    if d.commitment_mw.sizes["commitment"] == 0:
        return
    accepted = x.counted.dot(d.commitment_weight, "offer") + x.late + x.cancelled.cumsum("quarter")
    m.add_rows(COMMITMENT, accepted, ">=", d.commitment_mw, mask=d.commitment_mw > 0)
