"""Nothing is energised at a site that was not opened."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def opening(m: Model, d: PlanInputs, x: Decisions) -> None:
    """in_use[s,q] <= energised[s,q] opened[s,q],  opened[s,q] >= opened[s,q-1]   [facility MW]

    No big-M: the connection, finite at every site that has to be opened, is the tightest factor there is.
    """
    if d.lumps is None or x.lumps is None or x.lumps.opened is None:
        return
    sites = list(d.lumps.opens)
    opened = x.lumps.opened
    m.add_rows("opening", x.in_use.pick("site", sites) - opened * d.connection_mw.sel(site=sites), "<=", 0.0)
    m.add_rows("opening_kept", opened.change("quarter"), ">=", 0.0)
