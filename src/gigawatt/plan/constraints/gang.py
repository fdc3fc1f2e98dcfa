"""A training job needs its gang together: at one place, or in sum over the sites that could hold it."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def gang(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o able} stock[o,q] >= gang[g,q] while the job runs   [IT MW]

    A block of uneven pace runs when ``pace`` says; its row is there, and at a place
    sum_{o able at p} stock[o,q] >= gang[g] (at[g,p] + runs[g,q] - 1).

    With places:  sum_p at[g,p] = 1,  sum_{o able at p} stock[o,q] >= gang[g,q] at[g,p].

    A site is able if its connection can ever carry the gang; a place is a site, or two that fibre links. Without
    places the rows are wrong where capacity is split over many able sites.
    """
    if not d.gang_workload:
        return
    paced = [] if x.runs is None else [str(name) for name in x.runs.axes["job"]]
    steady = (d.gang_mw > 0) & ~d.gang_mw["gang"].isin(paced)
    m.add_rows("gang", x.stock.dot(d.gang_offer, "offer"), ">=", d.gang_mw, mask=steady)
    if d.lumps is None or d.lumps.gang_able is None or x.lumps is None or x.lumps.gang_at is None:
        return
    places = d.lumps.gang_able["place"].values.tolist()
    runs = (d.gang_mw > 0).any("quarter")
    m.add_rows("gang_one", x.lumps.gang_at.sum("place"), "==", runs.astype(float), mask=runs)
    for place in places:
        able = d.lumps.gang_able.sel(place=place, drop=True)
        here = x.lumps.gang_at.at("place", place).along("quarter", d.quarters, 1)
        stands = x.stock.dot(able, "offer")
        mask = (d.gang_mw > 0) & able.any("offer")
        m.add_rows(f"gang_place_{place}", stands - here * d.gang_mw, ">=", 0.0, mask=mask & steady)
        if x.runs is None:
            continue
        for name in paced:
            size = d.gang_mw.sel(gang=name, drop=True)
            row = stands.at("gang", name) - (here.at("gang", name) + x.runs.at("job", name)) * size
            m.add_rows(f"gang_place_{place}_{name}", row, ">=", -size, mask=mask.sel(gang=name, drop=True))
