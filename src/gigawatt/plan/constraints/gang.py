"""A training job needs its gang together: at one place, or in sum over the machines that could be part of it."""

from __future__ import annotations

import xarray as xr

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def gang(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o able} reserved[g,o,q] = gang[g,q] while the job runs   [IT MW]

    A block of uneven pace runs when ``pace`` says; its row is there, and at a place
    sum_{o able at p} reserved[g,o,q] >= gang[g] (at[g,p] + runs[g,q] - 1).

    A run that does not pause stays: of each system at each site it holds in every quarter what it held before.

    With places:  sum_p at[g,p] = 1,  sum_{o able at p} reserved[g,o,q] >= gang[g,q] at[g,p]; likewise of one system.

    A site is able if its connection can ever carry the gang; a place is a site, or two that fibre links. Without
    places the rows are wrong where a gang is split over many of them.
    """
    if x.reserved is None:
        return
    paced = [] if x.runs is None else [str(name) for name in x.runs.axes["job"]]
    steady = (d.gang_mw > 0) & ~d.gang_mw["gang"].isin(paced)
    m.add_rows("gang", x.reserved.sum("offer"), "==", d.gang_mw, mask=steady)
    spot = xr.DataArray(
        [f"{site}|{system}" for site, system in zip(d.offer_site.values, d.offer_system.values, strict=True)],
        dims="offer", coords={"offer": d.offer_site["offer"]},
    )  # fmt: skip
    held = x.reserved.group(spot, "spot", tuple(sorted(set(spot.values.tolist()))))
    goes_on = steady & steady.shift(quarter=1, fill_value=False)
    m.add_rows("gang_stays", held.change("quarter"), "==", 0.0, mask=goes_on)
    if d.lumps is None or x.lumps is None:
        return
    if d.lumps.gang_able is not None and x.lumps.gang_at is not None:
        _all_at_one(m, d, x, (x.lumps.gang_at, d.lumps.gang_able), "gang_one")
    if d.lumps.gang_runs is not None and x.lumps.gang_on is not None:
        _all_at_one(m, d, x, (x.lumps.gang_on, d.lumps.gang_runs), "gang_one_system")


def _all_at_one(m: Model, d: PlanInputs, x: Decisions, choice: tuple[Expression, xr.DataArray], name: str) -> None:
    """Rows of a choice (gang, label) and the offers of each label (gang, label, offer): all of a gang is at one."""
    chosen, table = choice
    assert x.reserved is not None
    dim = next(label for label in chosen.axes if label != "gang")
    runs = (d.gang_mw > 0).any("quarter")
    m.add_rows(name, chosen.sum(dim), "==", runs.astype(float), mask=runs)
    paced = [] if x.runs is None else [str(job) for job in x.runs.axes["job"]]
    for label in chosen.axes[dim]:
        able = table.sel({dim: label}, drop=True).transpose("gang", "offer")
        here = chosen.at(dim, label).along("quarter", d.quarters, 1)
        stands = (x.reserved * able).sum("offer")
        mask = (d.gang_mw > 0) & able.any("offer")
        steady = mask & ~d.gang_mw["gang"].isin(paced)
        m.add_rows(f"gang_{dim}_{label}", stands - here * d.gang_mw, ">=", 0.0, mask=steady)
        for job in paced:
            assert x.runs is not None
            size = d.gang_mw.sel(gang=job, drop=True)
            row = stands.at("gang", job) - (here.at("gang", job) + x.runs.at("job", job)) * size
            m.add_rows(f"gang_{dim}_{label}_{job}", row, ">=", -size, mask=mask.sel(gang=job, drop=True))
