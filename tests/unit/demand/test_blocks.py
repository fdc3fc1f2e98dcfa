"""Blocks of a year: by hand, laws, and the door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import TraceError
from gigawatt.demand.blocks import blocks_of
from gigawatt.demand.mix import block_load
from gigawatt.study.scenario import HourBlock, Scenario
from tests.doors.inside import called, refused


def test_three_levels_by_hand() -> None:
    # two days of 2 hours at 4, 10 at 2 and 12 at 1: mean 40 / 24; the peak is 4 over it
    day = np.array([4.0] * 2 + [2.0] * 10 + [1.0] * 12)
    found, ratio = blocks_of(np.tile(day, 2), 3, peak_frac=2 / 24)
    assert ratio == pytest.approx(4.0 / (40 / 24))
    assert [one.hours for one in found] == pytest.approx([2.0, 10.0, 12.0])
    assert [one.load for one in found] == pytest.approx([2.4, 1.2, 0.6])
    assert [one.shape for one in found] == pytest.approx([1.0, 0.2 / 1.4, -0.4 / 1.4])
    # from 0:00 to 2:00, to 12:00, to 24:00
    assert [one.clock_h for one in found] == pytest.approx([1.0, 7.0, 18.0])


def test_blocks_follow_the_clock() -> None:
    # quiet from 22:00 to 6:00, the peak from 18:00 to 20:00, ordinary between: 2:00, 13:30 and so on
    day = np.array([1.0] * 6 + [3.0] * 12 + [9.0] * 2 + [3.0] * 2 + [1.0] * 2)
    found, _ = blocks_of(np.tile(day, 3), 3, peak_frac=2 / 24)
    assert [one.name for one in found] == ["block-1", "block-2", "peak"]
    assert [one.hours for one in found] == pytest.approx([8.0, 14.0, 2.0])
    assert found[0].clock_h == pytest.approx(2.0) and found[2].clock_h == pytest.approx(19.0)


def test_quiet_hours_are_joined_until_a_scenario_takes_them() -> None:
    """23 hours at 10 but for 2 at 1, one peak of 11: the mean is (11 + 21 x 10 + 2) / 24 = 9.29, 1 lies 8.29 below it
    and the peak 1.71 above; with the 21 hours at 10 the quiet ones are 212 / 23 = 9.22 on average, 0.07 below.
    """
    day = np.array([1.0] * 2 + [10.0] * 21 + [11.0])
    found, ratio = blocks_of(np.tile(day, 2), 3, peak_frac=1 / 24)
    assert [one.hours for one in found if one.name == "peak"] == pytest.approx([1.0])
    (rest,) = (one for one in found if one.name != "peak")
    assert rest.load * (223 / 24) == pytest.approx(212 / 23) and ratio == pytest.approx(11 / (223 / 24))
    assert rest.shape == pytest.approx(-1.0 / 23.0)


def test_price_parts_hours_that_demand_does_not() -> None:
    demand = np.array([5.0] + [1.0] * 23)
    price = np.array([50.0] + [10.0] * 11 + [90.0] * 12)
    found, _ = blocks_of(demand, 3, price=price, peak_frac=1 / 24)
    assert sorted(one.price for one in found[1:]) == pytest.approx([10.0, 90.0])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(2, 6), days=st.integers(1, 30), more=st.integers(0, 23), peak=st.floats(0.001, 0.5),
    kind=st.sampled_from(["gamma", "plateau", "spikes"]),
)  # fmt: skip
def test_whatever_blocks_gives_a_scenario_takes(
    seed: int, n: int, days: int, more: int, peak: float, kind: str
) -> None:
    draw, hours_of_data = np.random.default_rng(seed), 24 * days + more
    demand = {
        "gamma": lambda: draw.gamma(4.0, 1.0, hours_of_data), "plateau": lambda: 10.0 - draw.exponential(1.0, hours_of_data) ** 2,
        "spikes": lambda: draw.exponential(1.0, hours_of_data) ** 3,
    }[kind]().clip(0.0)  # fmt: skip
    found, ratio = blocks_of(demand, n, peak_frac=peak)
    hours, shapes = np.array([one.hours for one in found]), [one.shape for one in found]
    assert 2 <= len(found) <= n
    assert float(hours @ np.array(shapes)) == pytest.approx(0.0, abs=1e-9)
    assert max(shapes) == 1.0 and min(shapes) >= -1.0
    assert block_load(ratio, shapes) == pytest.approx([one.load for one in found])
    assert [one.clock_h for one in found] == sorted(one.clock_h for one in found)
    assert len({one.name for one in found}) == len(found)
    # as `gigawatt blocks` prints them, a scenario reads them
    text = "".join(f"- {{name: {one.name}, hours: {one.hours!r}, shape: {one.shape!r}}}\n" for one in found)
    blocks = [HourBlock.model_validate(row) for row in yaml.safe_load(text)]
    assert Scenario._day(tuple(blocks)) == tuple(blocks)


def test_refusals() -> None:
    with pytest.raises(TraceError, match="demand is the same in every hour"):
        blocks_of(np.ones(48), 2)
    with pytest.raises(TraceError, match=r"row 3: demand is -1; a number of at least 0 is right"):
        blocks_of(np.array([1.0, 2.0, -1.0] * 10), 2)
    with pytest.raises(TraceError, match="3 hours into 2 blocks"):
        blocks_of(np.array([1.0, 2.0, 3.0]), 2)
    year = np.arange(48.0)
    for wrong in (0.0, 3.0, -0.1, float("nan")):
        with pytest.raises(TraceError, match=rf"the peak is {wrong:g} of the hours; a share above 0 and up to 0.5"):
            blocks_of(year, 2, peak_frac=wrong)
    with pytest.raises(TraceError, match=r"row 1: price is nan; a number is right"):
        blocks_of(year, 2, price=np.full(48, np.nan))


def test_the_door(tmp_path: Path) -> None:
    path = tmp_path / "year.csv"
    path.write_text("Demand,price\n" + "".join(f"{2 + np.sin(k / 4):.4f},{30 + k % 24}\n" for k in range(480)))
    code, out, _ = called("blocks", str(path), "--blocks", "3", "--json")
    told = json.loads(out)
    assert code == 0 and len(told["blocks"]) == 3 and told["peak_to_mean"] > 1.0
    code, out, _ = called("blocks", str(path))
    assert code == 0 and out.splitlines()[1] == "blocks:"
    assert "the peak is 3 of the hours; a share above 0" in refused("blocks", str(path), "--peak", "3")
    path.write_text("load\n1\n2\n")
    assert "has no column demand; it has load" in refused("blocks", str(path))
