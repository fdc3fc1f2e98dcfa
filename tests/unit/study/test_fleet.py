from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gigawatt.core.errors import ScenarioError
from gigawatt.demand.requests import requests_of
from gigawatt.serving.inputs import Pool
from gigawatt.study import fleet
from gigawatt.study.cells import ADDED, ROUND_TRIP_S, Cells, alone, cells_of
from gigawatt.study.fleet import (
    Run,
    Sample,
    busiest,
    over_day,
    simulate,
    simulate_cell,
    simulate_cells,
    simulate_trace,
    simulated,
    steady_tokens_per_s,
)
from gigawatt.study.results import Results
from gigawatt.study.resume import read_state, write_state
from gigawatt.study.saved import resume_run, run_key, save_run

QUARTER = "2027Q3"


@pytest.fixture(scope="module")
def cells(neocloud: Results) -> tuple[Cells, ...]:
    return cells_of(neocloud.case, neocloud.plan, QUARTER, replicas=8)


@pytest.fixture(scope="module")
def plain(neocloud: Results) -> tuple[Cells, ...]:
    return cells_of(neocloud.case, neocloud.plan, QUARTER, replicas=8, without=ADDED)


@pytest.fixture(scope="module")
def coding(announcement: Results) -> Cells:
    return _one(cells_of(announcement.case, announcement.plan, QUARTER, replicas=8), "coding-interactive")


def _one(found: tuple[Cells, ...], name: str) -> Cells:
    return next(one for one in busiest(found) if one.name == name)


def test_a_lane_has_in_a_block_what_the_plan_assigns_there(neocloud: Results, cells: tuple[Cells, ...]) -> None:
    for one in cells:
        for lane in one.lanes:
            entry = next(offer.system for offer in neocloud.case.offers if offer.system.id == lane.system)
            assigned = float(neocloud.plan["assign_w"].sel(lane=lane.name, quarter=QUARTER, block=one.block))
            packages = lane.replica.n_packages + lane.replica.prefill_per_decode * lane.replica.n_packages_prefill
            package_w = entry.it_power.value / entry.n_packages.value
            assert lane.replicas * packages * package_w == pytest.approx(assigned, rel=1e-9)


def test_no_power_counts_twice_in_a_block(neocloud: Results, cells: tuple[Cells, ...]) -> None:
    for block in neocloud.case.scenario.blocks:
        used: dict[str, float] = {}
        for one in cells:
            for lane in one.lanes if one.block == block.name else ():
                entry = next(offer.system for offer in neocloud.case.offers if offer.system.id == lane.system)
                each = lane.replica.n_packages + lane.replica.prefill_per_decode * lane.replica.n_packages_prefill
                watts = lane.replicas * each * entry.it_power.value / entry.n_packages.value
                used[lane.system] = used.get(lane.system, 0.0) + watts
        for system, watts in used.items():
            stands = neocloud.plan["stock_w"].sel(quarter=QUARTER).where(neocloud.plan["system"] == system).sum()
            assert watts <= float(stands) * (1.0 + 1e-6)


def test_a_block_asks_for_the_requests_that_the_plan_serves_there(neocloud: Results, cells: tuple[Cells, ...]) -> None:
    for one in cells:
        item = next(row for row in neocloud.case.classes if row.id == one.name)
        served = float(neocloud.plan["served"].sel(workload=one.name, quarter=QUARTER, block=one.block))
        assert one.rate_per_s == pytest.approx(served / item.workload.output_tokens.value, rel=1e-9)


def test_a_cell_is_asked_for_what_its_replicas_are_planned_to_yield(cells: tuple[Cells, ...]) -> None:
    for one in cells:
        yields = {lane.name: lane.counted_tokens_per_s for lane in one.lanes}
        here = sum(pool.n_replicas * yields.get(pool.name, 0.0) for pool in one.fleet.pools)
        every = sum(lane.replicas * lane.counted_tokens_per_s for lane in one.lanes)
        assert one.cell_rate_per_s / here == pytest.approx(one.rate_per_s / every, rel=1e-9)
        asked = sum(float(load.rate_per_s[0]) for load in one.loads)
        assert asked == pytest.approx(one.cell_rate_per_s, rel=0.02)


def test_an_ordinary_day_has_half_the_swing(neocloud: Results, cells: tuple[Cells, ...]) -> None:
    ordinary = cells_of(neocloud.case, neocloud.plan, QUARTER, "ordinary", replicas=8)
    hours = {block.name: block.hours for block in neocloud.case.scenario.blocks}
    for name in ("open-chat-70b", "open-chat-120b"):
        peak = {one.block: one.rate_per_s for one in cells if one.name == name}
        mean = sum(peak.get(block, 0.0) * h for block, h in hours.items()) / 24.0
        for one in ordinary:
            if one.name == name:
                assert one.rate_per_s == pytest.approx(0.5 * (peak.get(one.block, 0.0) + mean), rel=1e-9)


def test_the_fastest_lane_comes_first_and_the_last_takes_the_rest(coding: Cells, cells: tuple[Cells, ...]) -> None:
    for one in (coding, *cells):
        tpot = [lane.replica.operating.tpot_s for lane in one.lanes]
        assert tpot == sorted(tpot)
        front = one.fleet.traffic[0].pools
        assert one.fleet.pools[front[-1]].spill_fill == np.inf
        assert all(one.fleet.pools[k].spill_fill < np.inf for k in front[:-1])


def test_times_to_first_token_have_handling_and_a_round_trip(
    cells: tuple[Cells, ...], plain: tuple[Cells, ...]
) -> None:
    for near, far in zip(plain, cells, strict=True):
        assert min(near.fleet.traffic[0].latency_s) > 0.0  # request handling
        added = far.fleet.traffic[0].latency_s[0] - near.fleet.traffic[0].latency_s[0]
        assert added == pytest.approx(ROUND_TRIP_S)


def test_what_is_counted_is_neither_the_first_nor_the_last(plain: tuple[Cells, ...]) -> None:
    one = _one(plain, "open-chat-70b")
    assert one.warm_s > 2.0 * 400 * one.lanes[0].replica.operating.tpot_s
    done = simulate_cells(one, n=1, horizon_s=120.0)
    assert done.n_requests == pytest.approx(120.0 * one.cell_rate_per_s, rel=0.1)
    empty = simulate_cells(replace(one, warm_s=0.0), n=1, horizon_s=5.0)
    full = simulate_cells(one, n=1, horizon_s=5.0)
    assert full.metrics.total.percentile_s("tpot", 0.5) > empty.metrics.total.percentile_s("tpot", 0.5)
    line = done.metrics.lines[0]
    assert float(line.width_s.sum()) == pytest.approx(120.0)
    assert line.values["busy_frac"][0] > 0.5


def test_a_queue_that_grows_is_seen(plain: tuple[Cells, ...]) -> None:
    one = _one(plain, "open-chat-70b")
    assert simulate_cells(one, n=1, horizon_s=200.0, factor=0.7).is_stable
    assert not simulate_cells(one, n=1, horizon_s=200.0, factor=1.6).is_stable


def test_cells_say_the_same_whatever_the_threads(cells: tuple[Cells, ...]) -> None:
    one = _one(cells, "open-chat-70b")
    a, b = (simulate_cells(one, n=2, horizon_s=120.0, threads=threads) for threads in (1, 2))
    assert a.metrics.total.n == b.metrics.total.n
    assert (a.metrics.total.sketches == b.metrics.total.sketches).all()
    done = a.metrics.total.n
    assert done["completed"] == done["sent"] == a.n_requests


def test_windows_do_not_change_what_is_simulated(cells: tuple[Cells, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    one = _one(cells, "open-chat-70b")
    whole = simulate_cells(one, n=1, horizon_s=120.0)
    monkeypatch.setattr("gigawatt.study.fleet._WINDOW", 700)
    parts = simulate_cells(one, n=1, horizon_s=120.0)
    assert whole.metrics.total.n == parts.metrics.total.n
    assert (whole.metrics.total.sketches == parts.metrics.total.sketches).all()
    assert whole.is_stable == parts.is_stable


def test_less_load_attains_more(cells: tuple[Cells, ...]) -> None:
    one = _one(cells, "open-chat-120b")
    full, half = (simulate_cells(one, n=1, horizon_s=300.0, factor=f) for f in (1.0, 0.5))
    assert half.attained_frac >= full.attained_frac
    assert half.n_requests == pytest.approx(0.5 * full.n_requests, rel=0.1)


def test_every_addition_can_be_left_out(neocloud: Results, coding: Cells, announcement: Results) -> None:
    def without(name: str) -> Cells:
        found = cells_of(announcement.case, announcement.plan, QUARTER, replicas=8, without=(name,))
        return _one(found, "coding-interactive")

    def scaled(one: Cells) -> bool:
        return any(pool.scaling for pool in one.fleet.pools)

    assert coding.failures_per_s > 0.0 and without("failures").failures_per_s == 0.0
    found = cells_of(announcement.case, announcement.plan, QUARTER, replicas=8, scaling=True)
    assert scaled(_one(found, "coding-interactive")) and not scaled(coding)
    assert len(coding.loads) == 2 and len(without("tiers").loads) == 1
    assert coding.loads[0].cv > 1.0 and without("bursts").loads[0].cv == 1.0
    assert coding.loads[0].sessions and without("sessions").loads[0].sessions is None
    with pytest.raises(ScenarioError, match="'weather' cannot be left out; what can is latency, failures"):
        cells_of(neocloud.case, neocloud.plan, QUARTER, without=("weather",))


def test_sessions_ask_for_the_lengths_of_their_class(coding: Cells) -> None:
    runs = [simulate_cells(coding, n=1, horizon_s=600.0, factor=0.5, seed=seed).metrics.total for seed in range(4)]
    n = {name: sum(run.n[name] for run in runs) for name in ("input_tokens", "completed", "sent")}
    assert n["input_tokens"] / n["completed"] == pytest.approx(20_000, rel=0.15)  # few sessions, of long tails
    assert np.mean([run.hit_frac for run in runs]) == pytest.approx(0.9, abs=0.03)
    assert n["sent"] == pytest.approx(4 * 600.0 * 0.5 * coding.cell_rate_per_s, rel=0.15)


def test_paying_tiers_are_served_first_and_gated_ones_turned_away(announcement: Results) -> None:
    found = cells_of(announcement.case, announcement.plan, "2026Q4", replicas=8)
    media = next((one for one in found if one.name == "media"), None)
    assert media is not None
    gates = {one.name: one.gate for one in media.fleet.traffic}
    assert gates["media pro"] == np.inf
    assert all(gate == 1.0 for name, gate in gates.items() if name in ("media free", "media plus"))
    assert media.fleet.traffic[-1].priority == 0 and media.fleet.pools[-1].order == "priority"


def test_replicas_that_fail_lose_their_requests_to_others(
    cells: tuple[Cells, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "REPAIR_S", 30.0)
    one = replace(_one(cells, "open-chat-70b"), failures_per_s=1.0 / 500.0)
    done = simulate_cells(one, n=1, horizon_s=300.0, factor=0.4)
    assert done.metrics.total.n["retries"] > 0
    assert done.metrics.total.n["sent"] == done.metrics.total.n["completed"] + done.metrics.total.n["failed"]


def test_a_replica_yields_what_its_table_says(plain: tuple[Cells, ...]) -> None:
    one = _one(plain, "open-chat-120b")
    lane = next(lane for lane in one.lanes if lane.system == "hgx-h200")
    assert steady_tokens_per_s(one, lane) == pytest.approx(lane.planned_tokens_per_s, rel=0.1)


def test_a_lane_alone_keeps_its_load(cells: tuple[Cells, ...]) -> None:
    one = next(one for one in cells if len({p.name for p in one.fleet.pools if "prefill" not in p.name}) > 1)
    lane = next(lane for lane in one.lanes if any(pool.name == lane.name for pool in one.fleet.pools))
    apart = alone(one, lane)
    here = sum(pool.n_replicas for pool in apart.fleet.pools if pool.name == lane.name)
    per_replica = one.cell_rate_per_s / sum(
        pool.n_replicas * next(x.counted_tokens_per_s for x in one.lanes if x.name == pool.name)
        for pool in one.fleet.pools if "prefill" not in pool.name
    )  # fmt: skip
    assert sum(float(load.rate_per_s[0]) for load in apart.loads) == pytest.approx(
        per_replica * here * lane.counted_tokens_per_s, rel=0.02
    )
    assert apart.cell_rate_per_s == pytest.approx(per_replica * here * lane.counted_tokens_per_s, rel=1e-9)


def test_a_day_is_its_blocks_by_their_requests(cells: tuple[Cells, ...]) -> None:
    some = [one for one in cells if one.name == "open-chat-70b"]
    assert {one.block for one in some} == {"peak", "day", "night"}
    parts = [(one, simulate_cells(one, n=1, horizon_s=60.0)) for one in some]
    day = over_day(parts)
    weights = [one.rate_per_s * one.hours for one in some]
    assert day.attained_frac == pytest.approx(np.average([part.attained_frac for _, part in parts], weights=weights))
    assert day.n_requests == sum(part.n_requests for _, part in parts)


def test_a_run_that_stops_goes_on_where_it_was(cells: tuple[Cells, ...], tmp_path: object) -> None:
    one = _one(cells, "open-chat-70b")
    whole, broken, after = (Run(samples=[Sample(cells=one, n=3, horizon_s=30.0)], seed=4) for _ in range(3))
    simulate(whole, threads=1)

    def stop(_: int) -> None:
        if broken.done or stopped:
            raise KeyboardInterrupt
        stopped.append(1)

    stopped: list[int] = []
    kept = simulated(one, whole.parts(0))
    with pytest.raises(KeyboardInterrupt):
        simulate(broken, threads=1, tick=stop)
    assert not broken.is_finished and broken.stop.is_set()
    broken.done[0, 0] = whole.done[0, 0]
    path = tmp_path / "some.npz"  # type: ignore[operator]
    save_run(broken, path, run_key(broken))
    resume_run(after, path, run_key(after))
    assert set(after.done) >= {(0, 0)} and len(after.done) < 3
    simulate(after, threads=2)
    again = simulated(one, after.parts(0))
    assert again.metrics.total.n == kept.metrics.total.n
    assert (again.metrics.total.sketches == kept.metrics.total.sketches).all()
    assert again.metrics.energy_j == pytest.approx(kept.metrics.energy_j)
    with pytest.raises(ScenarioError, match="is of another simulation"):
        resume_run(Run(samples=after.samples, seed=5), path, run_key(Run(samples=after.samples, seed=5)))
    path.write_text("nothing", encoding="utf-8")
    with pytest.raises(ScenarioError, match="is no interrupted simulation"):
        resume_run(after, path, run_key(after))


def test_right_checksums_do_not_make_a_cell(cells: tuple[Cells, ...], tmp_path: Path) -> None:
    one, path = _one(cells, "open-chat-70b"), tmp_path / "some.npz"
    run = Run(samples=[Sample(cells=one, n=2, horizon_s=30.0)], seed=4)
    part = simulate_cell(one, 0, horizon_s=30.0, seed=4)
    assert part is not None
    run.done[0, 0] = part
    save_run(run, path, run_key(run))
    _, held = read_state(path, "simulation")

    def refused(arrays: dict[str, np.ndarray]) -> str:
        write_state(path, "simulation", run_key(run), arrays)
        after = Run(samples=run.samples, seed=4)
        with pytest.raises(ScenarioError) as caught:
            resume_run(after, path, run_key(after))
        assert not after.done
        start, end = f"{path} is no interrupted simulation; it cannot be resumed: ", "; start without --resume"
        assert str(caught.value).startswith(start) and str(caught.value).endswith(end)
        return str(caught.value)[len(start) : -len(end)]

    for name, array in held.items():
        _, _, short = name.rpartition(".")
        assert refused(held | {name: array[:-1]}).startswith(f"its array '{short}' is [")
        assert refused(held | {name: np.full(array.shape, "7")}).startswith(f"its array '{short}' is [")
        assert (
            refused(held | {name: np.full_like(array, -7)})
            == f"its array '{short}' holds numbers beyond 0 to 9.0072e+15"
        )
        assert refused({key: kept for key, kept in held.items() if key != name}) in (
            "it does not hold the 5 arrays of this run",
        )
    assert (
        refused(held | {"0.0.times": np.array([np.nan, 1.0])})
        == "its array 'times' holds numbers beyond 0 to 9.0072e+15"
    )
    assert refused(held | {"0.0.times": np.array([60.0, 1.0])}) == "its cells count 60 s, not 30 s as this run"
    for at in ("0.2", "1.0", "0.-1", "a.b", ""):
        moved = {f"{at}.{name.rpartition('.')[2]}": array for name, array in held.items()}
        assert refused(moved) == f"it holds a cell '{at}' that this run does not have"


def test_ticks_come_one_at_a_time(cells: tuple[Cells, ...]) -> None:
    one, inside, told = _one(cells, "open-chat-70b"), threading.Lock(), []

    def tick(ended: int) -> None:
        assert inside.acquire(blocking=False)
        told.append(ended)
        inside.release()

    done = simulate_cells(one, n=3, horizon_s=30.0, threads=3, tick=tick)
    assert sum(told) > done.n_requests  # those before and behind too


def test_a_short_trace_is_sent_again_and_again(plain: tuple[Cells, ...]) -> None:
    one = _one(plain, "open-chat-70b")
    n = 400
    requests = requests_of(np.linspace(0.0, 3.0, n), 800, 150)
    done = simulate_trace(one, requests)
    assert done.repeats > 1 and done.counted_s == 600.0
    assert done.simulated.n_requests == pytest.approx(600.0 * one.cell_rate_per_s, rel=0.02)
    assert done.simulated.is_stable


def test_a_quarter_outside_the_plan_is_named(neocloud: Results) -> None:
    with pytest.raises(ScenarioError, match="2050Q1 is not in the plan; it runs from"):
        cells_of(neocloud.case, neocloud.plan, "2050Q1")


def test_prefill_pools_hand_on_within_their_lane(cells: tuple[Cells, ...]) -> None:
    for one in cells:
        for pool in one.fleet.pools:
            if pool.hands_to >= 0:
                target: Pool = one.fleet.pools[pool.hands_to]
                assert pool.name == f"{target.name} prefill"
