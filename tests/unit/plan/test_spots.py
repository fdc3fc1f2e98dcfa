"""Spots of gangs by hand: two gangs of 6 MW in the second quarter; the east at 2 MUSD a MW, the west at 3 with 20 MW."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan, integer_columns, open_plan
from gigawatt.plan.spots import Bounds, place_gangs
from tests.cases.lumps import SITES, TWO, ganged, near
from tests.cases.tiny import grid, solved

GANGS = ["one", "two"]


def two_gangs(east_mw: float, sizes: tuple[float, float] = (6.0, 6.0), west_mw: float = 20.0) -> PlanInputs:
    base = ganged([[1.0, 0.0], [0.0, 1.0]], SITES)
    both = xr.DataArray(np.ones((2, 2)), dims=("gang", "offer"), coords={"gang": GANGS, "offer": TWO})
    assert base.lumps is not None and base.lumps.gang_able is not None
    able = xr.concat([base.lumps.gang_able.assign_coords(gang=[gang]) for gang in GANGS], dim="gang")
    return replace(
        base, gang_workload=tuple(GANGS), gang_offer=both, gang_mw=grid("gang", GANGS, [[0.0, mw] for mw in sizes]),
        connection_mw=grid("site", SITES, [[east_mw] * 2, [west_mw] * 2]), lumps=replace(base.lumps, gang_able=able),
    )  # fmt: skip


def relaxed(inputs: PlanInputs) -> tuple[LivePlan, Bounds]:
    plan = open_plan(inputs)
    plan.solver.set_integer(integer_columns(plan.model), whole=False)
    plan.solver.run()
    return plan, plan.solver.bounds


def test_the_best_spot_of_each_and_a_bound() -> None:
    # east for 8: relaxed 8 x 2 + 4 x 3 = 28, and with one gang whole in the east still; both whole 6 x 2 + 6 x 3 = 30
    plan, bounds = relaxed(two_gangs(8.0))
    assert place_gangs(plan, bounds, 60.0) == (near(30.0), near(28.0))
    assert sorted(plan.values_of("gang_at", plan.solver.found().x).values.tolist()) == [[0.0, 1.0], [1.0, 0.0]]
    assert solved(two_gangs(8.0)).objective_musd == near(30.0)


def test_what_one_gang_cannot_do_alone_bounds_all() -> None:
    # east for 5: relaxed 5 x 2 + 7 x 3 = 31; no whole gang fits there, but the other may split: 31 still, then 36
    plan, bounds = relaxed(two_gangs(5.0))
    assert place_gangs(plan, bounds, 60.0) == (near(36.0), near(31.0))
    # one gang in the second half only: no other could split, so its best is the bound, 18 where relaxed is 13
    alone, bounds = relaxed(two_gangs(5.0, (6.0, 0.0)))
    assert alone.solver.found().objective == near(13.0)
    assert place_gangs(alone, bounds, 60.0) == (near(18.0), near(18.0))


def test_a_held_gang_is_tried_nowhere_else() -> None:
    # room for both in the east, 24; the first held in the west: 6 x 3 + 6 x 2
    plan, bounds = relaxed(two_gangs(12.0))
    columns = plan.model.variables["gang_at"].columns
    bounds[0][columns[0, 1]], bounds[1][columns[0, 0]] = 1.0, 0.0
    assert place_gangs(plan, bounds, 60.0) == (near(30.0), near(30.0))


def test_a_dead_end_is_left_to_branch_and_bound() -> None:
    # east for 6, west for 4: the gang of 4 costs 24 in the east too, while the one of 6 splits; then that has no spot
    inputs = two_gangs(6.0, (4.0, 6.0), west_mw=4.0)
    plan, bounds = relaxed(inputs)
    assert place_gangs(plan, bounds, 60.0) == (np.inf, near(24.0))
    assert solved(inputs).objective_musd == near(24.0)


def test_no_spot_for_a_gang() -> None:
    plan, bounds = relaxed(two_gangs(5.0, (6.0, 0.0), west_mw=5.0))
    assert plan.solver.found().objective == near(5 * 2.0 + 1 * 3.0)
    assert place_gangs(plan, bounds, 60.0) == (np.inf, np.inf)
