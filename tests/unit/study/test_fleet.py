from __future__ import annotations

import numpy as np
import pytest

from gigawatt.core.errors import ScenarioError
from gigawatt.study.fleet import DAY_S, Cells, cells_of, simulate_cells
from gigawatt.study.loop import Attained, Looped, busiest_s, close_loop, derated
from gigawatt.study.results import Results

QUARTER = "2027Q3"


@pytest.fixture(scope="module")
def cells(neocloud: Results) -> tuple[Cells, ...]:
    return cells_of(neocloud.case, neocloud.plan, QUARTER, replicas=8)


def test_cells_hold_the_power_that_the_plan_assigns(neocloud: Results, cells: tuple[Cells, ...]) -> None:
    one = next(cells for cells in cells if cells.name == "open-small-8b")
    (lane, n), *_ = one.replicas
    system = lane.split(">")[0].split("|")[1]
    entry = next(offer.system for offer in neocloud.case.offers if offer.system.id == system)
    assigned = float(neocloud.plan["assign_w"].sel(lane=lane, quarter=QUARTER).max())
    package_w = entry.it_power.value / entry.n_packages.value
    packages = one.fleet.pools[0].table.n_packages
    assert n * packages * package_w == pytest.approx(assigned, rel=0.01)


def test_a_day_asks_for_the_requests_that_the_plan_serves(neocloud: Results, cells: tuple[Cells, ...]) -> None:
    for one in cells:
        item = next(row for row in neocloud.case.classes if row.id == one.name)
        served = neocloud.plan["served"].sel(workload=one.name, quarter=QUARTER)
        hours = {block.name: block.hours for block in neocloud.case.scenario.blocks}
        mean = sum(float(served.sel(block=name)) * h for name, h in hours.items()) / 24.0
        assert one.rate_per_s == pytest.approx(mean / item.workload.output_tokens.value, rel=1e-9)


def test_an_ordinary_day_has_half_the_swing_and_the_same_mean(neocloud: Results, cells: tuple[Cells, ...]) -> None:
    ordinary = cells_of(neocloud.case, neocloud.plan, QUARTER, "ordinary", replicas=8)
    for peak, plain in zip(cells, ordinary, strict=True):
        a, b = peak.load.rate_per_s, plain.load.rate_per_s
        assert b.mean() == pytest.approx(a.mean())
        assert np.ptp(b) == pytest.approx(0.5 * np.ptp(a))
        assert a[int(busiest_s(peak) / peak.load.bin_s)] == a.max()


def test_cells_say_the_same_whatever_the_threads(cells: tuple[Cells, ...]) -> None:
    one = next(cells for cells in cells if cells.name == "open-chat-70b")
    a, b = (simulate_cells(one, n=2, horizon_s=120.0, threads=threads) for threads in (1, 2))
    assert a.metrics.total.n == b.metrics.total.n
    assert (a.metrics.total.sketches == b.metrics.total.sketches).all()
    assert a.n_requests == pytest.approx(2 * 120.0 * one.load.rate_per_s[0], rel=0.1)
    done = a.metrics.total.n
    assert done["completed"] == done["sent"] == a.n_requests


def test_windows_do_not_change_what_is_simulated(cells: tuple[Cells, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(cells for cells in cells if cells.name == "open-chat-70b")
    whole = simulate_cells(one, n=1, horizon_s=120.0)
    monkeypatch.setattr("gigawatt.study.fleet._WINDOW", 700)
    parts = simulate_cells(one, n=1, horizon_s=120.0)
    assert whole.metrics.total.n == parts.metrics.total.n
    assert (whole.metrics.total.sketches == parts.metrics.total.sketches).all()


def test_less_load_attains_more(cells: tuple[Cells, ...]) -> None:
    one = next(cells for cells in cells if cells.name == "open-chat-120b")
    start = busiest_s(one)
    full, half = (simulate_cells(one, n=1, horizon_s=300.0, start_s=start, factor=f) for f in (1.0, 0.5))
    assert half.attained_frac >= full.attained_frac
    assert half.metrics.total.percentile_s("tpot", 0.5) < full.metrics.total.percentile_s("tpot", 0.5)
    assert half.n_requests == pytest.approx(0.5 * full.n_requests, rel=0.05)


def test_a_quarter_outside_the_plan_is_named(neocloud: Results) -> None:
    with pytest.raises(ScenarioError, match="2050Q1 is not in the plan; it runs from"):
        cells_of(neocloud.case, neocloud.plan, "2050Q1")


def test_derated_coefficients_fall_for_the_class_alone(neocloud: Results) -> None:
    case = derated(neocloud.case, {"open-chat-70b": 0.5})
    for key, point in neocloud.case.serving.items():
        factor = 0.5 if key[1] == "open-chat-70b" else 1.0
        assert case.serving[key].output_tokens_per_s == factor * point.output_tokens_per_s


def test_the_loop_stops_when_every_class_holds(neocloud: Results) -> None:
    asked: list[float] = []

    def again(case: object) -> object:
        asked.append(1.0)
        return neocloud.plan  # the same plan: what missed misses again

    _, _, looped = close_loop(neocloud.case, neocloud.plan, again, [QUARTER], days=("peak",), rounds=2)  # type: ignore[arg-type]
    assert len(asked) == 1
    assert looped.residual_frac > 0.0
    assert all(0.0 < factor <= 1.0 for factor in looped.factors.values())
    assert {one.round for one in looped.attained} == {1, 2}
    body = looped.to_dict()
    assert body["rounds"] == 2 and body["costs_more_usd"] == 0.0


def test_the_residual_is_of_the_last_round() -> None:
    def one(number: int, attained: float) -> Attained:
        return Attained(
            round=number, quarter="2027Q1", day="peak", workload="chat", attained_frac=attained, needed_frac=0.9,
            ttft_s=1.0, tpot_s=0.02, n_requests=10, factor=1.0,
        )  # fmt: skip

    looped = Looped(attained=(one(1, 0.5), one(2, 0.88)), factors={}, objectives_usd=(1.0, 3.0))
    assert looped.residual_frac == pytest.approx(0.02)
    assert looped.to_dict()["costs_more_usd"] == 2.0


def test_a_day_is_whole(cells: tuple[Cells, ...]) -> None:
    for one in cells:
        assert len(one.load.rate_per_s) * one.load.bin_s == pytest.approx(DAY_S)
