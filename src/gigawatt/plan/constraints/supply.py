"""What a vendor can deliver to this buyer in a quarter."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.signed import delivered
from gigawatt.plan.variables import Decisions


def supply(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o member[r,o] packages_per_mw[o] add[o,q+test] <= packages[r,q]   [packages]

    What a delay has pushed counts in the quarter it was ordered for: the vendor made it then.
    """
    if d.supply_packages.sizes["supply"]:
        made = delivered(d, x) if d.supply_from is None else x.add.moved("quarter", d.supply_from)
        m.add_rows("supply", (made * d.packages_per_mw).dot(d.supply_member, "offer"), "<=", d.supply_packages)
