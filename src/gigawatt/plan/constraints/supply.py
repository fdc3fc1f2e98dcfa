"""What a vendor can deliver to this buyer in a quarter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np


if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def supply(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """sum_o member[r,o] packages_per_mw[o] add[o,q] <= packages[r,q]   [packages]"""
    if d.supply_packages.sizes["supply"] == 0:
        return
    drawn = (x.add * d.packages_per_mw * d.supply_member).sum("offer")
    limited = np.isfinite(d.supply_packages)
    m.add_constraints(drawn <= d.supply_packages.where(limited, 0.0), mask=limited, name="supply")
