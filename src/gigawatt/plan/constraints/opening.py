"""Nothing is energised at a site that was not opened."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import FACILITY, SHARE, Family

OPENING = Family(
    "opening", FACILITY, "nothing is energised where nothing was opened; its price is part of the connection's"
)
KEPT = Family("opening_kept", SHARE, "what was opened stays open")


def opening(m: Model, d: PlanInputs, x: Decisions) -> None:
    """in_use[s,q] <= energised[s,q] opened[s,q],  opened[s,q] >= opened[s,q-1]   [facility MW]

    No big-M: the connection, finite at every site that has to be opened, is the tightest factor there is.
    """
    if d.lumps is None or not d.lumps.opens:
        return
    sites = list(d.lumps.opens)
    m.add_rows(OPENING, x.in_use.pick("site", sites) - x.opened * d.connection_mw.sel(site=sites), "<=", 0.0)
    m.add_rows(KEPT, x.opened.change("quarter"), ">=", 0.0)
