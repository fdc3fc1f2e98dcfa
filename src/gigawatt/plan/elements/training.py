"""Training jobs: gangs that stand together, and the pace of blocks."""

from __future__ import annotations

import xarray as xr

from gigawatt.plan.algebra import Expression, Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, PLACES, WORK, Block, Family, Words

MISSED = "training gangs"
GANG = Family("gang", IT, Words("gangs for training", LESS, many=True), missed=MISSED, of_offers=True)
ONE_PLACE = Family(
    "gang_one", PLACES,
    Words("one place for a gang", LESS, instead="no place has room for all of it: a larger connection, fibre to "
          "another site or a smaller gang would help"),
    missed=MISSED,
)  # fmt: skip
GANG_STAYS = Family("gang_stays", IT, "a gang stays where it is while its job runs", missed=MISSED)
PACE = Family("pace", WORK, Words("the pace of training blocks", once=True))
PACE_GANG = Family("pace_gang", IT, "a block whose gang trains together runs while it stands; its size is the gang's")
STEADY = Family("steady", WORK, "a block that never pauses runs at one share of its rate; what it leaves is unmet")
STEADY_KEPT = Family("steady_kept", WORK, "and keeps it to its deadline", missed="the rate that training runs keep")


def gang(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A training job needs its gang together: at one place, or in sum over the machines that could be part of it.

    sum_{o able} reserved[g,o,q] = gang[g,q] while the job runs   [IT MW]

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
    m.add_rows(GANG_STAYS, held.change("quarter"), "==", 0.0, mask=goes_on)
    if d.lumps is None:
        return
    if d.lumps.gang_able is not None:
        _all_at_one(m, d, x, (x.gang_at, d.lumps.gang_able), ONE_PLACE.of())
    if d.lumps.gang_runs is not None:
        _all_at_one(m, d, x, (x.gang_on, d.lumps.gang_runs), ONE_PLACE.of(part="system"))


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


def pace(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A training block keeps one rate to its deadline, or is done at any pace up to its most while its gang stands.

    One rate:  served[j,b,q] = steady[j,q] demand[j,b,q],   steady[j,q] = steady[j,q-1]   [Mwork/s]

    Uneven:  served[j,b,q] <= most[j,q], or most[j,q] runs[j,q] for a block with a gang   [Mwork/s]

    sum_{o able} reserved[j,o,q] = gang[j] runs[j,q]   [IT MW]
    """
    _steady(m, d, x)
    if d.pace is None:
        return
    jobs, blocks = list(d.pace.jobs), [str(name) for name in d.hours_frac["block"].values]
    for name in jobs:
        done = x.served.at("workload", name)
        most = d.pace.most.sel(job=name, drop=True)
        if name not in x.runs.axes["job"]:
            m.add_rows(PACE.of(name), done, "<=", most.expand_dims(block=blocks))
            continue
        runs = x.runs.at("job", name)
        m.add_rows(PACE.of(name), done - (runs * most).along("block", blocks, 0), "<=", 0.0)
        size = d.gang_mw.sel(gang=name, drop=True)
        held = x.reserved.at("gang", name).sum("offer")
        m.add_rows(PACE_GANG.of(name), held - runs * size, "==", 0.0, mask=size > 0)


def _steady(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Rows of blocks that neither pause nor change their rate."""
    if not d.steady:
        return
    names = [str(name) for name in x.steady.axes["workload"]]
    asked = d.demand.sel(workload=names).transpose("workload", "block", "quarter")
    rate = x.steady.along("block", [str(name) for name in d.hours_frac["block"].values], 1) * asked
    m.add_rows(STEADY, x.served.pick("workload", names) - rate, "==", 0.0, mask=asked > 0)
    mean = (asked * d.hours_frac).sum("block")
    goes_on = (mean > 0) & (mean.shift(quarter=1, fill_value=0.0) > 0)
    m.add_rows(STEADY_KEPT, x.steady.change("quarter") * mean, "==", 0.0, mask=goes_on)
