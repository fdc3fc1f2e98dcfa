"""Power of work, and machines that a gang holds, by hand: the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from gigawatt.plan.energy import Tariffs, offers_at_work
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.pace import Pace
from gigawatt.plan.replay import Delays, delays_of, replay
from tests.cases.contracts import FOUR, block
from tests.cases.tiny import QUARTERS, by, grid, near, solved, text, tiny

TWO = ["a", "b"]


def one_pool(**changes: Any) -> PlanInputs:
    """Offers a and b of one pool, 2 MUSD a MW each, power of work 1 and 3 MUSD a MW and quarter; 4 MW of a at most."""
    base = tiny(
        offers=TWO, add_max_mw=grid("offer", TWO, [[4.0, 4.0], [np.inf, np.inf]]),
        offer_pool=text("offer", TWO, ["pool", "pool"]), offer_system=text("offer", TWO, ["system", "system"]),
    )  # fmt: skip
    lane = ["pool>work"]
    tariffs = Tariffs(
        pool=text("tariff", ["a"], ["pool"]), saves_musd=by("tariff", ["a"], [2.0]),
        member=xr.DataArray([[1.0, 0.0]], dims=("tariff", "offer"), coords={"tariff": ["a"], "offer": TWO}),
    )  # fmt: skip
    own: dict[str, Any] = {
        "lane_pool": text("lane", lane, ["pool"]), "lane_workload": text("lane", lane, ["work"]),
        "rate": grid("lane", lane, 1.0), "run_musd_per_mw": by("lane", lane, [3.0]), "tariffs": tariffs,
    }  # fmt: skip
    once = {"add_max_mw": grid("offer", TWO, [[4.0, 0.0], [np.inf, 0.0]])}
    return replace(base, **(own | once | changes))


def test_power_of_work_is_paid_where_the_machines_stand() -> None:
    # 10 MW at 2; 4 work at 1 and 6 at 3 in both quarters: 20 + 2 x 22
    plan = solved(one_pool())
    assert plan.objective_musd == near(64.0)
    assert offers_at_work(plan).values.tolist() == [[near(4.0)] * 2, [near(6.0)] * 2]
    # where a may be had in any amount, b is in the catalogue only: 20 + 2 x 10
    free = one_pool(add_max_mw=grid("offer", TWO, [[np.inf, 0.0], [np.inf, 0.0]]))
    assert solved(free).objective_musd == near(40.0)


def test_the_cheapest_work_first_in_every_block() -> None:
    # half the day 10, half 4: 20 + 2 x (0.5 x 22 + 0.5 x 4)
    asked = xr.DataArray(
        np.array([[[10.0, 10.0], [4.0, 4.0]]]), dims=("workload", "block", "quarter"),
        coords={"workload": ["work"], "block": ["day", "night"], "quarter": list(QUARTERS)},
    )  # fmt: skip
    plan = solved(one_pool(demand=asked, hours_frac=by("block", ["day", "night"], [0.5, 0.5])))
    assert plan.objective_musd == near(46.0)
    assert offers_at_work(plan).values.tolist() == [[near(4.0)] * 2, [near(3.0)] * 2]


def test_the_reserve_is_kept_of_every_machine() -> None:
    # a fifth free: 12.5 MW at 2, of which 3.2 work at 1 and 6.8 at 3: 25 + 2 x 23.6
    assert solved(one_pool(reserve_frac=0.2)).objective_musd == near(72.2)


def test_a_replay_pays_power_where_machines_stand() -> None:
    plan = solved(one_pool())
    assert float(replay(plan, delays_of(plan.inputs, 1))["cost_musd"][0]) == near(64.0)
    # b a quarter late: 4 MW do 4 of 10 at 1, 6 are lost at 100, and 22 are paid a quarter later
    late = Delays(site=np.zeros((1, 1), dtype=np.int64), offer=np.array([[0, 1]]))
    assert float(replay(plan, late)["cost_musd"][0]) == near(20.0 + 4.0 + 600.0 + 22.0)


def with_job(asked: list[float], gang: float = 0.0, **changes: Any) -> PlanInputs:
    """ "work" of 10, worth 100, and a training "job" worth 50 that keeps its rate, on offer a."""
    names, lanes = ["work", "job"], ["pool-a>work", "pool-a>job"]
    axes = {"workload": names, "block": ["day"], "quarter": list(QUARTERS)}
    jobs = ("job",) if gang else ()
    own: dict[str, Any] = {
        "demand": xr.DataArray([[[10.0, 10.0]], [asked]], dims=("workload", "block", "quarter"), coords=axes),
        "lane_pool": text("lane", lanes, ["pool-a"] * 2), "lane_workload": text("lane", lanes, names),
        "rate": grid("lane", lanes, 1.0), "run_musd_per_mw": by("lane", lanes, [0.0, 0.0]),
        "work_scale": by("workload", names, [1e6, 1e18]), "patience": by("workload", names, [0, 0]).astype(int),
        "unmet_musd": grid("workload", names, [[100.0] * 2, [50.0] * 2]), "steady": ("job",), "gang_workload": jobs,
        "gang_mw": grid("gang", list(jobs), [gang if mw else 0.0 for mw in asked]),
        "gang_offer": xr.DataArray(np.ones((len(jobs), 1)), dims=("gang", "offer"),
                                   coords={"gang": list(jobs), "offer": ["a"]}),
    }  # fmt: skip
    own |= {name: grid("workload", names, 0.0) for name in ("income_musd", "delay_musd", "gate_max_frac", "gate_musd")}
    return replace(tiny(), **(own | changes))


def only(mw: list[float]) -> dict[str, Any]:
    return {"add_max_mw": grid("offer", ["a"], [mw])}


def test_what_a_gang_holds_serves_nothing_else() -> None:
    # 10 MW for 20: a gang of 6 does the job of 3, the other 4 do 4 of 10, 6 are lost at 100 in both quarters
    plan = solved(with_job([3.0, 3.0], 6.0, **only([10.0, 0.0])))
    assert plan.objective_musd == near(20.0 + 2 * 600.0)
    assert plan.value("reserved").values.ravel().tolist() == [near(6.0)] * 2
    assert float(replay(plan, delays_of(plan.inputs, 1))["cost_musd"][0]) == near(1220.0)
    # and once the job is over the gang is free: 6 lost in its quarter alone
    over = solved(with_job([3.0, 0.0], 6.0, **only([10.0, 0.0])))
    assert over.objective_musd == near(20.0 + 600.0)


def test_a_job_does_no_more_than_its_gang() -> None:
    # 8 asked of a gang of 6: 2 are lost at 50 in both quarters, though 4 more MW could be had at 2
    assert solved(with_job([8.0, 8.0], 6.0)).objective_musd == near(2 * 16.0 + 2 * 100.0)


def test_the_reserve_is_kept_of_a_gang_as_well() -> None:
    # a fifth free: of 10 MW a gang of 5 leaves 5, of which 4 work, and itself does 4 of the 5 asked
    plan = solved(with_job([5.0, 5.0], 5.0, reserve_frac=0.2, **only([10.0, 0.0])))
    assert plan.objective_musd == near(20.0 + 2 * (600.0 + 50.0))


def test_units_stand_by_for_a_gang_as_well() -> None:
    # the gang of 6 does a job of 3, and 1 MW stands by for it: 7 MW at 2
    alone = with_job([3.0, 3.0], 6.0, spares_mw=by("pool", ["pool-a"], [1.0]))
    idle = alone.demand.copy(data=alone.demand.values * np.array([0.0, 1.0])[:, None, None])
    assert solved(replace(alone, demand=idle)).objective_musd == near(14.0)


def test_a_run_keeps_its_rate() -> None:
    # 12 MW, then what is wanted: 2 for the job of 3 in the first quarter, and so in the second: 1 lost at 50 in both
    plan = solved(with_job([3.0, 3.0], **only([12.0, np.inf])))
    assert plan.objective_musd == near(24.0 + 100.0)
    assert plan.value("unmet").sel(workload="job").values.ravel().tolist() == [near(1.0)] * 2
    # what cannot start in time is not done at all
    none = solved(with_job([3.0, 3.0], **only([0.0, np.inf])))
    assert none.objective_musd == near(1000.0 + 20.0 + 2 * 150.0)


def test_a_replay_does_nothing_of_a_run_in_another_quarter() -> None:
    # the plan serves all: 13 MW. Late by a quarter nothing is done in the first, and what the job lost stays lost
    plan = solved(with_job([3.0, 3.0]))
    late = Delays(site=np.zeros((1, 1), dtype=np.int64), offer=np.array([[1]]))
    out = replay(plan, late).isel(draw=0)
    assert out["unmet"].sel(workload="job").values.tolist() == [near(3.0), near(0.0)]
    assert float(out["cost_musd"]) == near(26.0 + 1000.0 + 150.0)


def test_a_replay_does_nothing_of_a_block_after_its_deadline() -> None:
    # 8 due by the second quarter, machines in the third instead of the first: lost at 100, and 8 MUSD for 4 MW
    carry = grid("job", ["work"], [np.inf, 0.0, 0.0, 0.0], FOUR)
    pace = Pace(most=grid("job", ["work"], [8.0, 8.0, 0.0, 0.0], FOUR), carry=carry)
    plan = solved(block([8.0, 0.0, 0.0, 0.0], pace=pace))
    assert plan.objective_musd == near(8.0)
    late = Delays(site=np.zeros((1, 1), dtype=np.int64), offer=np.array([[2]]))
    out = replay(plan, late).isel(draw=0)
    assert out["unmet"].values.ravel().tolist() == [near(0.0), near(8.0), near(0.0), near(0.0)]
    assert float(out["cost_musd"]) == near(8.0 + 800.0)


@pytest.mark.parametrize("late", [1, 2])
def test_a_block_catches_up_at_its_most_until_its_deadline(late: int) -> None:
    # 8 due in four quarters, 2 a quarter planned on 2 MW, at most 3. A quarter late: 2 are still to do with 2 MW
    carry = grid("job", ["work"], [np.inf, np.inf, np.inf, 0.0], FOUR)
    pace = Pace(most=grid("job", ["work"], 3.0, FOUR), carry=carry)
    plan = solved(block([3.0, 3.0, 2.0, 0.0], pace=pace, initial_mw=by("offer", ["a"], [0.0])))
    shift = Delays(site=np.zeros((1, 1), dtype=np.int64), offer=np.array([[late]]))
    out = replay(plan, shift).isel(draw=0)
    assert out["unmet"].values.ravel().tolist() == [near(0.0)] * 3 + [near(2.0 * late)]
