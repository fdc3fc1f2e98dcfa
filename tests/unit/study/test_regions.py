"""Users in regions: their clocks, who can be served from where, and what goes on when a region is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import ScenarioError
from gigawatt.demand.mix import block_load
from gigawatt.plan.extract import extract
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.solve import LivePlan, open_plan, solve
from gigawatt.study.cells import cells_of
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.lanes import Lane, day_load, lanes_of, region_load, shifted
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import load_scenario


@pytest.fixture(scope="module")
def case() -> Case:
    return resolve(load_scenario("regions"), load_catalog())


@pytest.fixture(scope="module")
def lanes(case: Case) -> dict[str, Lane]:
    return {lane.label: lane for lane in lanes_of(case)}


@pytest.fixture(scope="module")
def plan(case: Case) -> LivePlan:
    return solve(open_plan(plan_inputs(case)))


def test_a_clock_ahead_asks_earlier() -> None:
    # four blocks of 6 h; six hours ahead, what happens there in block 1 happens here in block 0
    assert shifted([1.0, 2.0, 3.0, -6.0], [6.0] * 4, 6.0).tolist() == [2.0, 3.0, -6.0, 1.0]
    assert shifted([1.0, 2.0, 3.0, -6.0], [6.0] * 4, -6.0).tolist() == [-6.0, 1.0, 2.0, 3.0]
    # three hours ahead: half of each
    assert shifted([1.0, 2.0, 3.0, -6.0], [6.0] * 4, 3.0).tolist() == [1.5, 2.5, -1.5, -2.5]


@given(
    shapes=st.lists(st.floats(-1, 1), min_size=2, max_size=6),
    ahead=st.floats(-12, 14),
    seed=st.integers(0, 100),
)
def test_a_shifted_day_keeps_its_mean(shapes: list[float], ahead: float, seed: int) -> None:
    hours = np.random.default_rng(seed).uniform(0.5, 6.0, len(shapes))
    hours *= 24.0 / hours.sum()
    moved = shifted(shapes, hours.tolist(), ahead)
    assert float(moved @ hours) == pytest.approx(float(np.array(shapes) @ hours), abs=1e-9)
    assert moved.min() >= min(shapes) - 1e-9 and moved.max() <= max(shapes) + 1e-9


def test_regions_share_the_day(case: Case) -> None:
    chat = case.classes[0]
    america, europe, asia = case.scenario.demand.regions
    shapes = [-0.8, -0.9, 0.3, 0.6, 1.0, -0.2]
    # eight hours ahead is two blocks of four
    eight = block_load(chat.workload.peak_to_mean.value, [*shapes[2:], *shapes[:2]])
    assert region_load(case, chat, asia) == pytest.approx(0.25 * eight)
    whole = sum(region_load(case, chat, users) for users in (america, europe, asia))
    assert day_load(case, chat) == pytest.approx(whole)
    assert float(day_load(case, chat).mean()) == pytest.approx(1.0)
    # what can wait is asked for by the scenario's day as it is
    batch = next(row for row in case.classes if row.id == "open-batch")
    assert day_load(case, batch) == pytest.approx(block_load(batch.workload.peak_to_mean.value, shapes))


def test_a_lane_exists_only_where_the_round_trip_leaves_time(case: Case, lanes: dict[str, Lane]) -> None:
    assert "us-south|gb300-nvl72>assistant~america" in lanes
    assert "us-south|gb300-nvl72>assistant~asia" not in lanes, "210 of 300 ms are on the way"
    assert "us-south|gb300-nvl72>open-chat-120b~asia" in lanes, "2 s to the first token"
    assert "us-south|gb300-nvl72>open-batch" in lanes, "what can wait has no region"
    near, far = lanes["us-south|gb300-nvl72>assistant~america"], lanes["us-south|gb300-nvl72>assistant~europe"]
    assert near.point is not None and far.point is not None
    assert far.point.output_tokens_per_s <= near.point.output_tokens_per_s


def test_no_region_is_served_beyond_what_its_users_ask_for(case: Case, plan: LivePlan) -> None:
    inputs = plan.inputs
    assert inputs.service is not None and inputs.service.shares is not None
    rows = inputs.service.shares
    by_users = [rows.most.sel(share=f"open-chat-120b~{name}") for name in ("america", "europe", "asia")]
    asked = inputs.demand.sel(workload="open-chat-120b").transpose(*by_users[0].dims)
    assert np.allclose(sum(by_users), asked)
    work = (plan.value("assign") * inputs.rate).transpose("lane", "block", "quarter")
    assert bool((xr.dot(rows.member, work, dim="lane") <= rows.most + 1e-6).all())


def test_the_rest_carries_four_fifths_when_any_region_is_lost(plan: LivePlan) -> None:
    """Checked without the solver: for every lost region what goes on fits what stands elsewhere."""
    inputs = plan.inputs
    assert inputs.service is not None and inputs.service.survival is not None
    rows = inputs.service.survival
    assert rows.lost == ("asia-southeast", "eu-north", "us-south")
    moved, work = plan.value("moved"), plan.value("assign") * inputs.rate
    served = xr.dot(rows.member, work, dim="lane")
    goes_on = xr.dot(rows.member, moved * inputs.rate, dim="lane")
    assert bool((goes_on >= 0.8 * served - 1e-6).all())
    stands = plan.value("stock").groupby(inputs.offer_pool.rename("pool")).sum()
    for lost in rows.lost:
        used = moved.sel(lost=lost).groupby(inputs.lane_pool.rename("pool")).sum()
        assert bool((used <= stands.sel(pool=used["pool"]) + 1e-6).all())
        there = [pool for pool in used["pool"].values if str(pool).startswith(lost)]
        assert float(used.sel(pool=there).sum()) == 0.0


def test_what_must_survive_costs(plan: LivePlan) -> None:
    inputs = plan.inputs
    assert inputs.service is not None

    def without(inputs: PlanInputs) -> float:
        assert inputs.service is not None
        return solve(open_plan(replace(inputs, service=replace(inputs.service, survival=None)))).objective_musd

    assert plan.objective_musd > without(inputs)


def test_spares_are_the_reserve(case: Case) -> None:
    assert plan_inputs(case).reserve_frac == pytest.approx(1 / 20)


def test_a_fleet_of_regions_is_not_simulated(case: Case, plan: LivePlan) -> None:
    with pytest.raises(ScenarioError, match="open-chat-120b is served at several speeds or in several regions"):
        cells_of(case, extract(plan), "2027Q3")
