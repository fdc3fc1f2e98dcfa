"""Training blocks of uneven pace: the arithmetic stands in the comments."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.replay import delays_of, replay
from gigawatt.plan.terms import Terms
from tests.cases.contracts import FOUR, LATE, block
from tests.cases.tiny import by, grid, near, solved


def test_work_is_put_off_until_there_is_room() -> None:
    # 16 due in four quarters, 8 a quarter at most, machines from the third on: 8 + 8 on 8 MW at 2
    free = solved(block([4.0] * 4, [8.0] * 4, **LATE))
    assert free.objective_musd == near(16.0)
    assert free.value("assign").values.ravel().tolist() == [near(0.0), near(0.0), near(8.0), near(8.0)]
    # evenly, one quarter's 4 may wait a quarter: 4 of the first are lost at 100, 4 + 4 + 4 run on 6 MW in the last two
    even = solved(block([4.0] * 4, **LATE))
    assert even.objective_musd == near(400.0 + 12.0)


def test_no_quarter_does_more_than_its_most() -> None:
    # 5 a quarter at most from the third on: 10 of 16 are done on 5 MW, 6 are unmet at 100
    assert solved(block([4.0] * 4, [5.0] * 4, **LATE)).objective_musd == near(10.0 + 600.0)
    # and no more than is due: with room from the first the cheapest is the even rate, 4 MW at 2
    assert solved(block([4.0] * 4, [8.0] * 4)).objective_musd == near(8.0)


def test_work_may_be_done_before_a_machine_is_needed_elsewhere() -> None:
    # 4 MW that go after the second quarter (nothing new then): 8 due over four quarters are done in the first two
    once = {"add_max_mw": grid("offer", ["a"], [[4.0, 0.0, 0.0, 0.0]], FOUR)}
    failed = xr.DataArray([[False, False, True, True]], dims=("offer", "quarter"),
                          coords={"offer": ["a"], "quarter": list(FOUR)})  # fmt: skip
    gone = once | {"terms": Terms(failed=failed), "offer_contract": xr.DataArray(["cloud"], dims="offer",
                                                                                coords={"offer": ["a"]})}  # fmt: skip
    plan = solved(block([2.0] * 4, [4.0] * 4, **gone))
    assert plan.value("assign").values.ravel().tolist() == [near(4.0), near(4.0), near(0.0), near(0.0)]
    assert plan.value("unmet").values.sum() == near(0.0)


def test_a_gang_that_is_late_trains_later() -> None:
    # 8 MW must stand together while it runs: evenly from the first quarter on they cannot
    with pytest.raises(InfeasibleError):
        solved(block([4.0] * 4, gang=8.0, **LATE))
    free = block([4.0] * 4, [8.0] * 4, gang=8.0, **LATE)
    plan = solved(free)
    assert plan.objective_musd == near(16.0)
    assert plan.value("runs").values.tolist() == [[near(0.0), near(0.0), near(1.0), near(1.0)]]
    # 10 due: 10 / 16 of the time of 8 MW over two quarters, 5 MW in fractions; the whole gang where gangs are whole
    assert solved(block([2.5] * 4, [8.0] * 4, gang=8.0, **LATE)).objective_musd == near(10.0)
    whole = block([2.5] * 4, [8.0] * 4, gang=8.0, lumps=Lumps(
        whole=True, hall_mw=by("site", ["hall"], [np.nan])), **LATE)  # fmt: skip
    assert solved(whole).objective_musd == near(16.0)


def test_a_replay_without_delays_is_the_plan() -> None:
    plan = solved(block([4.0] * 4, [8.0] * 4, **LATE))
    out = replay(plan, delays_of(plan.inputs, 1)).isel(draw=0)
    assert float(out["cost_musd"]) == near(16.0)
    assert float(out["unmet"].sum()) == near(0.0)
