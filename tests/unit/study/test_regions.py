"""Users in regions: their clocks, who can be served from where, and what goes on when a region is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.catalog.load import load_catalog
from gigawatt.demand.mix import block_load
from gigawatt.plan.extract import extract
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.solve import LivePlan, open_plan, solve
from gigawatt.study import loop
from gigawatt.study.cells import Cells, cells_of
from gigawatt.study.fleet import busiest, simulate_cells
from gigawatt.study.inputs import lane_rate, plan_inputs
from gigawatt.study.lanes import Lane, Served, day_load, lanes_of, region_load, shifted
from gigawatt.study.loop import close_loop
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import load_scenario

QUARTER = "2028Q1"


@pytest.fixture(scope="module")
def case() -> Case:
    return resolve(load_scenario("regions"), load_catalog())


@pytest.fixture(scope="module")
def lanes(case: Case) -> dict[str, Lane]:
    return {lane.label: lane for lane in lanes_of(case)}


@pytest.fixture(scope="module")
def plan(case: Case) -> LivePlan:
    return solve(open_plan(plan_inputs(case)))


@pytest.fixture(scope="module")
def planned(plan: LivePlan) -> xr.Dataset:
    return extract(plan)


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


@pytest.fixture(scope="module")
def cells(case: Case, planned: xr.Dataset) -> tuple[Cells, ...]:
    return cells_of(case, planned, QUARTER, replicas=8)


def test_what_a_lane_is_stands_in_its_coordinates(planned: xr.Dataset) -> None:
    """From Asia to Americans 210 ms are gone: of an assistant's 300 too many, of chat's 2 s few."""
    here = planned.sel(lane=(planned["lane_region"] == "asia-southeast") & (planned["lane_users"] == "america"))
    assert set(here["lane_workload"].values) == {"open-chat-120b"}
    assert set(here["lane_system"].values) == {"hgx-h200", "gb300-nvl72"}
    assert here["lane_ttft_s"].values == pytest.approx(2.0 - 0.21)
    assert not planned["lane_speed"].any()
    waits = planned.sel(lane=planned["lane_workload"].isin(["open-batch", "research"]))
    assert set(waits["lane_users"].values) == {""}


def test_users_of_each_region_are_asked_for_and_served_apart(
    case: Case, planned: xr.Dataset, cells: tuple[Cells, ...]
) -> None:
    found = {(one.served, one.block): one for one in cells}
    assert {one.users for one, _ in found if one.workload == "assistant"} == {"america", "europe", "asia"}
    for row in case.classes:
        if row.workload.kind != "inference":
            continue
        for block in case.scenario.blocks:
            rate = sum(one.rate_per_s for one in cells if (one.served.workload, one.block) == (row.id, block.name))
            served = float(planned["served"].sel(workload=row.id, quarter=QUARTER, block=block.name))
            assert rate * row.workload.output_tokens.value == pytest.approx(served, rel=1e-9)


def test_users_wait_for_the_round_trip_that_the_scenario_says(
    case: Case, planned: xr.Dataset, cells: tuple[Cells, ...]
) -> None:
    """To the first token that users see, of which the way there and back is a part."""
    trips = {users.region: users.round_trip for users in case.scenario.demand.regions}
    near = {(one.served, one.block): one for one in cells_of(case, planned, QUARTER, replicas=8, without=["latency"])}
    split = [one for one in cells if one.served.users]
    assert split
    for one in split:
        assert one.fleet.traffic[0].ttft_s == {"open-chat-120b": 2.0, "assistant": 0.3}[one.served.workload]
        lanes = [lane for lane in one.lanes if any(pool.name == lane.name for pool in one.fleet.pools)]
        handling = near[one.served, one.block].fleet.traffic[0].latency_s
        for lane, with_it, without in zip(lanes, one.fleet.traffic[0].latency_s, handling, strict=True):
            assert with_it - without == pytest.approx(trips[one.served.users][lane.region].value)


def test_an_assistant_near_its_users_holds_its_limit_in_the_simulated_fleet(cells: tuple[Cells, ...]) -> None:
    mine = [one for one in busiest(cells) if one.served.workload == "assistant"]
    assert [one.name for one in mine] == ["assistant~america", "assistant~asia", "assistant~europe"]
    for one in mine:
        done = simulate_cells(one, n=1, horizon_s=10.0)
        assert done.is_met and done.is_stable
        assert done.n_requests == pytest.approx(10.0 * one.cell_rate_per_s, rel=0.1)


def test_the_loop_derates_what_misses_of_one_region_alone(
    case: Case, planned: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users in Asia get an assistant at six tenths of the load only: their lanes fall by that, no others."""
    asia = Served("assistant", "asia")

    def made(cells: Cells, *, factor: float = 1.0, **_: object) -> object:
        metrics = type("M", (), {"total": type("T", (), {"percentile_s": lambda *_: 0.1})()})()
        met = cells.served != asia or factor <= 0.6
        return type("One", (), {"is_met": met, "metrics": metrics, "attained_frac": float(met), "needed_frac": 0.9,
                                "n_requests": 1, "is_stable": True})()  # fmt: skip

    monkeypatch.setattr(loop, "simulate_cells", made)
    monkeypatch.setattr(loop, "steady_tokens_per_s", lambda *_, **__: 1.0)
    after, _, looped = close_loop(case, planned, lambda _: planned, [QUARTER], days=("peak",), rounds=2)
    systems = {system for system, _ in looped.factors}
    assert systems and {served for _, served in looped.factors} == {asia}
    for one, lane in zip(lanes_of(case), lanes_of(after), strict=True):
        factor = 0.6 if lane.served == asia and lane.offer.system.id in systems else 1.0
        assert lane_rate(after, lane) == pytest.approx(factor * lane_rate(case, one), rel=1e-9)
    assert looped.to_dict()["factors"][0] == {
        "system": min(systems), "workload": "assistant", "users": "asia", "speed": 0.0, "factor": pytest.approx(0.6),
    }  # fmt: skip
    assert "assistant~asia is" in looped.residual()
