"""The sweep over what speed is worth, lanes of tiers and regions, and demand curves, on small scenarios."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gigawatt.catalog.load import load_catalog
from gigawatt.perf.point import ServingPoint
from gigawatt.plan.extract import extract
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import open_plan, solve
from gigawatt.report.speed_page import sentences, speed_figure, write_page
from gigawatt.study.cells import ADDED, cells_of
from gigawatt.study.fleet import busiest, simulate_cells
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.lanes import Served, lanes_of
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.run import run
from gigawatt.study.scenario import load_scenario
from gigawatt.study.served import DemandCurve, Spares
from gigawatt.study.service import marginals
from gigawatt.study.speed import AS_STATED, NO_SOFTWARE, Point, Sweep, curve, sweep


@pytest.fixture(scope="module")
def case() -> Case:
    return resolve(load_scenario("value-of-speed"), load_catalog())


@pytest.fixture(scope="module")
def planned(case: Case) -> xr.Dataset:
    return extract(solve(open_plan(plan_inputs(case))))


@pytest.fixture(scope="module")
def swept(case: Case) -> Sweep:
    return sweep(case, scales=(0.0, 0.1, 1.0, 10.0))


def test_a_tier_has_lanes_where_systems_reach_it(case: Case) -> None:
    lanes = {lane.label: lane for lane in lanes_of(case)}
    assert "us-south|vr-nvl72>coding-interactive@200" in lanes
    assert "us-south|vr-nvl72>coding-interactive@400" not in lanes, "it reaches about 260"
    assert "us-south|cs-3>coding-interactive@400" in lanes
    for lane in lanes.values():
        if lane.tier is not None and isinstance(lane.point, ServingPoint):
            assert lane.point.speed_tokens_per_s_user >= lane.tier.speed.value


def test_what_a_lane_is_stands_in_its_coordinates(planned: xr.Dataset) -> None:
    fast = planned.sel(lane=(planned["lane_workload"] == "coding-interactive") & (planned["lane_speed"] == 400.0))
    assert set(fast["lane_system"].values) <= {"cs-3", "groq-3-lpx", "groq-lpu-v1"}
    assert set(fast["lane_tokens_per_s_user"].values) == {400.0}
    own = planned.sel(lane=(planned["lane_workload"] == "coding-interactive") & (planned["lane_speed"] == 0.0))
    assert set(own["lane_tokens_per_s_user"].values) == {70.0}  # the class's own pace
    assert set(planned["lane_users"].values) == {""}


def test_labels_tell_what_is_served_apart() -> None:
    """For people and for names of columns; of every digit that was written."""
    found = [str(Served(*of)) for of in (("chat",), ("chat", "asia"), ("chat", "", 200.0), ("chat", "asia", 100.00001))]
    assert found == ["chat", "chat~asia", "chat@200", "chat~asia@100.00001"]


def test_what_lanes_serve_adds_up_to_their_class(planned: xr.Dataset) -> None:
    chat = planned["lane_served"].sel(lane=planned["lane_workload"] == "chat").sum("lane")
    assert np.allclose(chat, planned["served"].sel(workload="chat").transpose(*chat.dims), rtol=1e-12)


def test_every_tier_is_a_fleet_of_its_own_with_its_own_limit(case: Case, planned: xr.Dataset) -> None:
    found = cells_of(case, planned, "2028Q1", replicas=8)
    assert {one.served.speed for one in found if one.served.workload == "chat"} == {0.0, 100.0, 200.0}
    for one in found:
        row = next(row for row in case.classes if row.id == one.served.workload)
        own = row.workload.slo.speed.value if row.workload.slo and row.workload.slo.speed else 0.0
        tpot = 1.0 / (one.served.speed or own)
        assert [traffic.tpot_s for traffic in one.fleet.traffic] == pytest.approx([tpot] * len(one.fleet.traffic))
        for lane in one.lanes:  # in the mean of a step; the limit holds at the class's percentile
            assert lane.replica.operating.tpot_s <= tpot * (1 + 1e-9)
            assert lane.planned.served == one.served
    for name in ("chat", "coding-interactive"):
        rate = sum(one.rate_per_s for one in found if (one.served.workload, one.block) == (name, "peak"))
        row = next(row for row in case.classes if row.id == name)
        served = float(planned["served"].sel(workload=name, quarter="2028Q1", block="peak"))
        assert rate * row.workload.output_tokens.value == pytest.approx(served, rel=1e-9)


def test_a_faster_tier_is_simulated_and_holds(case: Case, planned: xr.Dataset) -> None:
    """GB300 racks at 100 tokens a second: within 10 ms a token for 99 of 100 requests."""
    found = busiest(cells_of(case, planned, "2028Q1", replicas=8, without=ADDED))
    one = next(one for one in found if one.served == Served("chat", speed=100.0))
    done = simulate_cells(one, n=1, horizon_s=10.0)
    assert done.is_met
    assert 1.0 / 300.0 < done.metrics.total.percentile_s("tpot", 0.99) < 0.010


def test_a_faster_tier_never_serves_more_for_a_watt(case: Case) -> None:
    rate = plan_inputs(case).rate
    by_class: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for lane in lanes_of(case):
        at = (lane.served.speed, float(rate.sel(lane=lane.label)[0]))
        by_class.setdefault((lane.pool, lane.row.id), []).append(at)
    for name, rows in by_class.items():
        rates = [value for _, value in sorted(rows)]
        assert all(b <= a * (1 + 1e-9) for a, b in pairwise(rates)), name


def test_shares_and_worth_hold_what_the_scenario_says(case: Case) -> None:
    inputs = plan_inputs(case)
    assert inputs.service is not None and inputs.service.shares is not None and inputs.service.worth is not None
    # 36 % of coding would pay for 200 or more
    most = inputs.service.shares.most.sel(share="coding-interactive@200")
    asked = inputs.demand.sel(workload="coding-interactive")
    assert np.allclose(most, 0.36 * asked.transpose(*most.dims))
    # $30 instead of $22 a Mtok: 8 USD x 7.884e6 s a quarter for each Mtok/s, in MUSD
    worth = inputs.service.worth.musd.sel(lane="us-south|vr-nvl72>coding-interactive@200")
    assert np.allclose(worth, 8.0 * 7.884)


def test_a_warm_plan_is_the_plan_from_scratch(case: Case, swept: Sweep) -> None:
    inputs = plan_inputs(case)
    assert inputs.service is not None and inputs.service.worth is not None
    for point in swept.curves[AS_STATED]:
        worth = replace(inputs.service.worth, musd=inputs.service.worth.musd * point.scale)
        cold = solve(open_plan(replace(inputs, service=replace(inputs.service, worth=worth))))
        assert point.objective_usd == pytest.approx(cold.objective_musd * 1e6, rel=1e-6)


def test_more_worth_never_costs_and_sells_more_speed(swept: Sweep) -> None:
    for points in swept.curves.values():
        costs = [point.objective_usd for point in points]
        assert all(b <= a + 1.0 for a, b in pairwise(costs))
        for point in points:
            assert sum(point.fast.values()) == pytest.approx(1.0)
            assert 0.0 <= point.share("tokens_per_s", swept.low_latency) <= 1.0
    without = swept.curves["without groq-3-lpx"]
    assert all(point.tokens_per_s["groq-3-lpx"] == 0.0 for point in without)


def test_a_run_says_what_the_sweep_says(case: Case, swept: Sweep) -> None:
    figures = run(case.scenario).summary
    point = swept.curves[AS_STATED][2]
    assert point.share("power_w", swept.low_latency) == pytest.approx(figures["low_latency_share"], rel=1e-4)
    assert set(figures["speed_share"]) == {row.id for row in case.classes}
    coding = figures["speed_share"]["coding-interactive"]
    assert list(coding) == ["0", "100", "200", "400", "1000"]
    assert sum(coding.values()) == pytest.approx(1.0)
    # 9 % would pay for 1,000: of what is served little more, as unmet work is none of theirs
    assert 0.0 < coding["1000"] <= 0.095


def made_up(case: Case, *rows: tuple[float, float]) -> Sweep:
    """A sweep of one curve: at each factor, the share of tokens on low-latency silicon."""
    points = tuple(
        Point(scale=scale, tokens_per_s={"cs-3": share, "vr-nvl72": 1.0 - share}, power_w={}, spending_usd={}, fast={},
              objective_usd=0.0, solve_s=0.0)
        for scale, share in rows
    )  # fmt: skip
    return Sweep(case=case, low_latency=frozenset({"cs-3"}), curves={AS_STATED: points})


def test_crossing_lies_between_the_points_around_it(case: Case) -> None:
    # from 6 % at 1 to 14 % at 4 times: half of the way in the logarithm is 2
    assert made_up(case, (1.0, 0.06), (4.0, 0.14)).crossing(AS_STATED) == pytest.approx(2.0)
    # from 5 % at nothing to 15 % at a tenth: half of the way is 0.05
    assert made_up(case, (0.0, 0.05), (0.1, 0.15)).crossing(AS_STATED) == pytest.approx(0.05)
    assert made_up(case, (0.1, 0.2), (1.0, 0.3)).crossing(AS_STATED) == 0.1
    assert made_up(case, (0.1, 0.05), (1.0, 0.09)).crossing(AS_STATED) is None


def test_what_is_said_of_one_point_and_of_many(case: Case) -> None:
    assert sentences(made_up(case, (1.0, 0.2))) == [
        "as stated: 20.0 % at 1 times the stated worth of speed; more than 10 %"
    ]
    assert sentences(made_up(case, (0.0, 0.05), (4.0, 0.14))) == [
        "as stated: 5.0 % with speed worth nothing, 14.0 % at 4 times the stated worth of speed; "
        "10 % at 2.2 times the stated worth"
    ]


def test_the_largest_low_latency_system_is_left_out_once(swept: Sweep) -> None:
    total = {name: sum(p.tokens_per_s[name] for p in swept.curves[AS_STATED]) for name in swept.low_latency}
    largest = max(total, key=lambda name: total[name])
    assert list(swept.curves) == [AS_STATED, NO_SOFTWARE, f"without {largest}"]


def test_page_holds_the_figure_and_every_variant(swept: Sweep, tmp_path: Path) -> None:
    figure = speed_figure(swept)
    names = {trace.name for trace in figure.data}
    assert {"as stated, of tokens", "as stated, of power", f"{NO_SOFTWARE}, of tokens"} <= names
    page = write_page(swept, tmp_path / "deep" / "speed.html").read_text(encoding="utf-8")
    assert len(sentences(swept)) == 3
    assert all(sentence in page for sentence in sentences(swept))


def test_sold_speed_is_swept_through_the_account(case: Case) -> None:
    """Where customers pay for tiers the rows of cash change too; the points are those of plans from scratch."""
    inputs = plan_inputs(case)
    assert inputs.service is not None and inputs.service.worth is not None
    worth = inputs.service.worth
    paid = replace(inputs, service=replace(inputs.service, worth=replace(worth, paid=worth.paid + 1.0)))
    session = PlanSession(paid)
    session.solve()
    more = replace(worth, paid=worth.paid + 1.0, musd=worth.musd * 2.0)
    session.change(replace(inputs, service=replace(inputs.service, worth=more)))
    cold = solve(open_plan(replace(inputs, service=replace(inputs.service, worth=more))))
    assert session.solve().objective_musd == pytest.approx(cold.objective_musd, rel=1e-6)
    assert curve(case, (1.0,))[0].scale == 1.0


def curve_of(pricing: str, *steps: tuple[float, float]) -> DemandCurve:
    return DemandCurve.model_validate(
        {"pricing": pricing, "steps": [{"price": f"${p}/Mtok", "volume": v} for p, v in steps]}
    )


def test_one_price_brings_what_revenue_gains() -> None:
    # 1 at $10 is 10, 2 at $6 is 12, 3 at $3 is 9: the second unit brings 2, and the third is never sold
    widths, worth = marginals(curve_of("one-price", (10, 1), (6, 2), (3, 3)))
    assert widths == pytest.approx([1.0, 1.0])
    assert worth == pytest.approx([10e-6, 2e-6])


def test_own_price_brings_each_step_its_own() -> None:
    widths, worth = marginals(curve_of("own-price", (10, 1), (6, 2), (3, 3)))
    assert widths == pytest.approx([1.0, 1.0, 1.0])
    assert worth == pytest.approx([10e-6, 6e-6, 3e-6])


def test_revenue_that_dips_is_bridged() -> None:
    # 1 at 10 is 10, 2 at 5.5 is 11, 4 at 4 is 16: the hull goes from 10 to 16 over three units, 2 each
    widths, worth = marginals(curve_of("one-price", (10, 1), (5.5, 2), (4, 4)))
    assert widths == pytest.approx([1.0, 3.0])
    assert worth == pytest.approx([10e-6, 2e-6])


def test_spares_are_a_share_of_all() -> None:
    assert Spares(spare=1, running=19).share == pytest.approx(0.05)
