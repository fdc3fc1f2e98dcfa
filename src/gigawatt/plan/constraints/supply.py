"""What a vendor can deliver to this buyer in a quarter."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import PACKAGES, Family, Words
from gigawatt.plan.signed import delivered

SUPPLY = Family("supply", PACKAGES, Words("vendor supply", once=True), of_offers=True)


def supply(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o member[r,o] packages_per_mw[o] add[o,q+test] <= packages[r,q]   [packages]

    What a delay has pushed counts in the quarter it was ordered for: the vendor made it then.
    """
    if d.supply_packages.sizes["supply"]:
        made = delivered(d, x) if d.supply_from is None else x.add.moved("quarter", d.supply_from)
        m.add_rows(SUPPLY, (made * d.packages_per_mw).dot(d.supply_member, "offer"), "<=", d.supply_packages)
