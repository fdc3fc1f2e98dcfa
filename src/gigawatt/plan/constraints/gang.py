"""A training job needs its gang together: at one place, or in sum over the machines that could be part of it."""

from __future__ import annotations

import xarray as xr

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, PLACES, Block, Family, Words

MISSED = "training gangs"
GANG = Family("gang", IT, Words("gangs for training", LESS, many=True), missed=MISSED, of_offers=True)
ONE = Family(
    "gang_one", PLACES,
    Words("one place for a gang", LESS, instead="no place has room for all of it: a larger connection, fibre to "
          "another site or a smaller gang would help"),
    missed=MISSED,
)  # fmt: skip
STAYS = Family("gang_stays", IT, "a gang stays where it is while its job runs", missed=MISSED)


def gang(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{o able} reserved[g,o,q] = gang[g,q] while the job runs   [IT MW]

    A block of uneven pace runs when ``pace`` says; its row is there, and at a place
    sum_{o able at p} reserved[g,o,q] >= gang[g] (at[g,p] + runs[g,q] - 1).

    A run that does not pause stays: of each system at each site it holds in every quarter what it held before.

    With places:  sum_p at[g,p] = 1,  sum_{o able at p} reserved[g,o,q] >= gang[g,q] at[g,p]; likewise of one system.

    A site is able if its connection can ever carry the gang; a place is a site, or two that fibre links. Without
    places the rows are wrong where a gang is split over many of them.
    """
    if not d.gang_workload:
        return
    paced = [str(name) for name in x.runs.axes["job"]]
    steady = (d.gang_mw > 0) & ~d.gang_mw["gang"].isin(paced)
    m.add_rows(GANG, x.reserved.sum("offer"), "==", d.gang_mw, mask=steady)
    spot = xr.DataArray(
        [f"{site}|{system}" for site, system in zip(d.offer_site.values, d.offer_system.values, strict=True)],
        dims="offer", coords={"offer": d.offer_site["offer"]},
    )  # fmt: skip
    held = x.reserved.group(spot, "spot", tuple(sorted(set(spot.values.tolist()))))
    goes_on = steady & steady.shift(quarter=1, fill_value=False)
    m.add_rows(STAYS, held.change("quarter"), "==", 0.0, mask=goes_on)
    if d.lumps is None:
        return
    if d.lumps.gang_able is not None:
        _all_at_one(m, d, x, (x.gang_at, d.lumps.gang_able), ONE.of())
    if d.lumps.gang_runs is not None:
        _all_at_one(m, d, x, (x.gang_on, d.lumps.gang_runs), ONE.of(part="system"))


def _all_at_one(m: Model, d: PlanInputs, x: Decisions, choice: tuple[Expression, xr.DataArray], one: Block) -> None:
    """Rows of a choice (gang, label) and the offers of each label (gang, label, offer): all of a gang is at one."""
    chosen, table = choice
    dim = next(label for label in chosen.axes if label != "gang")
    runs = (d.gang_mw > 0).any("quarter")
    m.add_rows(one, chosen.sum(dim), "==", runs.astype(float), mask=runs)
    paced = [str(job) for job in x.runs.axes["job"]]
    for label in chosen.axes[dim]:
        able = table.sel({dim: label}, drop=True).transpose("gang", "offer")
        here = chosen.at(dim, label).along("quarter", d.quarters, 1)
        stands = (x.reserved * able).sum("offer")
        mask = (d.gang_mw > 0) & able.any("offer")
        steady = mask & ~d.gang_mw["gang"].isin(paced)
        m.add_rows(GANG.of(str(label), part=dim, figure=d.gang_mw), stands - here * d.gang_mw, ">=", 0.0, mask=steady)
        for job in paced:
            size = d.gang_mw.sel(gang=job, drop=True)
            row = stands.at("gang", job) - (here.at("gang", job) + x.runs.at("job", job)) * size
            mine = GANG.of(str(label), job, part=dim, figure=size)
            m.add_rows(mine, row, ">=", -size, mask=mask.sel(gang=job, drop=True))
