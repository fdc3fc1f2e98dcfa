"""Speed, regions, survival and demand curves, each in a plan solved by hand: the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.service import Service, Shares
from tests.cases.served import in_regions, on_a_curve, two_speeds
from tests.cases.tiny import QUARTERS, by, grid, near, solved, text, tiny

TOLERANCE = 1e-5  # MUSD or MW: HiGHS keeps 1e-7


def test_speed_is_sold_to_those_who_care_where_it_pays() -> None:
    # a fast unit takes 2 MW instead of 1, 2 MUSD more, and is worth 1.5 in each of two quarters: 3. Four of ten care:
    # 6 MW slow and 8 MW fast at 2 MUSD, less 4 x 1.5 x 2: 28 - 12 = 16
    plan = solved(two_speeds(1.5))
    assert plan.objective_musd == near(16.0)
    assert plan.value("assign").sel(lane="fast").values.ravel().tolist() == [near(8.0), near(8.0)]
    # one more unit of people who care is worth 3 - 2 over both quarters
    assert -plan.dual("share").sum().item() == pytest.approx(1.0, abs=1e-3)


def test_speed_is_not_sold_below_its_cost() -> None:
    # 0.9 x 2 = 1.8 is less than the 2 MUSD it takes: ten slow units
    assert solved(two_speeds(0.9)).objective_musd == near(20.0)


def test_speed_that_customers_pay_is_income() -> None:
    # 4 fast units at 1.5 are 6 MUSD of cash in each quarter; 28 are spent in the first
    plan = solved(two_speeds(1.5, paid=1.0))
    assert plan.value("cash").values.tolist() == [near(1e6 - 28.0 + 6.0), near(1e6 - 28.0 + 12.0)]
    free = solved(two_speeds(1.5))
    assert free.value("cash").values.tolist() == [near(1e6 - 28.0), near(1e6 - 28.0)]


@settings(max_examples=15)
@given(worth=st.floats(0.0, 5.0), more=st.floats(0.0, 5.0), share=st.floats(0.0, 1.0))
def test_more_willingness_never_costs_and_never_slows(worth: float, more: float, share: float) -> None:
    less, plus = solved(two_speeds(worth, share)), solved(two_speeds(worth + more, share))
    assert plus.objective_musd <= less.objective_musd + TOLERANCE
    slow, fast = (float(plan.value("assign").sel(lane="fast").sum()) for plan in (less, plus))
    assert fast >= slow - 1e-4 or abs(worth + more - 1.0) < 1e-3  # at 1.0 both cost the same


@pytest.mark.parametrize(("regions", "frac", "cost"), [
    ("ab", 1.0, 40.0),  # either of two carries all 10: 20 MW
    ("ab", 0.8, 32.0),  # 8 each
    ("ab", 0.5, 20.0),  # 5 each are needed anyway
    ("abc", 1.0, 30.0),  # any two of three carry 10: 5 each
    ("abcde", 1.0, 25.0),  # any four of five: 2.5 each
])  # fmt: skip
def test_any_region_may_be_lost(regions: str, frac: float, cost: float) -> None:
    assert solved(in_regions(regions, frac)).objective_musd == near(cost)


def test_the_reserve_serves_while_a_region_is_lost() -> None:
    # a fifth is kept free in good days: 10 / 0.8 = 12.5 MW, 6.25 each of two; 60 % survive on 6 of them: no more
    kept = replace(in_regions("ab", 0.6), reserve_frac=0.2)
    assert solved(kept).objective_musd == near(25.0)
    # 100 % need 10 each
    assert solved(replace(in_regions("ab", 1.0), reserve_frac=0.2)).objective_musd == near(40.0)


def test_what_cannot_survive_is_not_served() -> None:
    # b takes 3 MW at most: without a, 3 go on, so no more than 3 are served: 6 MW at 2, 7 unmet at 100 twice
    inputs = in_regions("ab", 1.0)
    most = grid("offer", ["a", "b"], [[np.inf, np.inf], [3.0, 0.0]])
    assert solved(replace(inputs, add_max_mw=most)).objective_musd == near(12.0 + 1400.0)


def around_the_world(batch: float) -> PlanInputs:
    """Halls "a" and "b" on opposite sides: users near a ask for 10 by day and 2 by night, those near b the reverse.

    People are served from their own side; ``batch`` Mwork/s in the mean of the day may run anywhere, at any hour.
    """
    offers, lanes = ["a", "b"], ["a>people~a", "b>people~b", "a>batch", "b>batch"]
    classes, blocks = ["people", "batch"], ["first", "second"]

    def table(dim: str, labels: list[str], values: list[list[float]]) -> xr.DataArray:
        cube = np.repeat(np.array(values)[:, :, None], 2, axis=2)
        coords = {dim: labels, "block": blocks, "quarter": list(QUARTERS)}
        return xr.DataArray(cube, dims=(dim, "block", "quarter"), coords=coords)

    near = xr.DataArray(
        [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], dims=("share", "lane"),
        coords={"share": ["people~a", "people~b"], "lane": lanes},
    )  # fmt: skip
    shares = Shares(member=near, most=table("share", ["people~a", "people~b"], [[10.0, 2.0], [2.0, 10.0]]))
    zero = grid("workload", classes, 0.0)
    world = tiny(
        offers=offers, capex_musd_per_mw=grid("offer", offers, 2.0), hours_frac=by("block", blocks, [0.5, 0.5]),
        lane_pool=text("lane", lanes, ["pool-a", "pool-b"] * 2), rate=grid("lane", lanes, 1.0),
        lane_workload=text("lane", lanes, ["people", "people", "batch", "batch"]),
        run_musd_per_mw=by("lane", lanes, np.zeros(4)),
        work_scale=by("workload", classes, [1e6, 1e6]), patience=by("workload", classes, [0, 1]).astype(int),
        demand=0.0, unmet_musd=grid("workload", classes, 100.0), income_musd=zero, delay_musd=zero, gate_max_frac=zero,
        gate_musd=zero, service=Service(shares=shares),
    )  # fmt: skip
    return replace(world, demand=table("workload", classes, [[12.0, 12.0], [batch, batch]]))


@pytest.mark.parametrize(("batch", "cost"), [
    (0.0, 40.0),  # 10 MW on each side for its own day
    (8.0, 40.0),  # the 8 MW that sleep on the other side take 8: free
    (10.0, 44.0),  # 22 MW stand around the clock for 12 + 10
])  # fmt: skip
def test_batch_follows_the_sun(batch: float, cost: float) -> None:
    plan = solved(around_the_world(batch))
    assert plan.objective_musd == near(cost)
    if batch == 8.0:
        night = plan.value("assign").isel(quarter=0)
        assert night.sel(lane="b>batch", block="first").item() == near(8.0)
        assert night.sel(lane="a>batch", block="second").item() == near(8.0)


def test_the_least_willing_are_left_where_they_pay_less_than_they_cost() -> None:
    # a MW costs 2 and serves twice. The last four bring 0.8 a quarter, 1.6 in all: left. 6 x 2 + 4 x 1.6 = 18.4
    plan = solved(on_a_curve(2.2))
    assert plan.objective_musd == near(18.4)
    assert plan.value("stock").values.tolist() == [[near(6.0), near(6.0)]]
    # at 1.1 a quarter they bring 2.2: all ten are served for 20
    assert solved(on_a_curve(1.9)).objective_musd == near(20.0)


def test_income_follows_the_curve() -> None:
    # six at 3 are 18 a quarter, and 12 are spent; all ten at 6 x 3 + 4 x 1.1 are 22.4, and 20 are spent
    few, all_of_them = solved(on_a_curve(2.2, paid=1.0)), solved(on_a_curve(1.9, paid=1.0))
    assert few.value("cash").values.tolist() == [near(1e6 + 6.0), near(1e6 + 24.0)]
    assert all_of_them.value("cash").values.tolist() == [near(1e6 + 2.4), near(1e6 + 24.8)]
