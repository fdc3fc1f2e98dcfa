"""Buildings come into use no faster than their connection is energised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gigawatt.plan.variables import term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def connection(m: linopy.Model, d: PlanInputs) -> None:
    """initial[s] + sum_{u<=q} energise[s,u] <= energised[s,q]   [facility MW]"""
    limited = np.isfinite(d.connection_mw)
    room = (d.connection_mw - d.energised_initial_mw).where(limited, 0.0)
    m.add_constraints(term(m, "energise").cumsum("quarter") <= room, mask=limited, name="connection")
