"""Blocks of a year: by hand, laws, and the door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import TraceError
from gigawatt.demand.blocks import blocks_of
from gigawatt.demand.mix import block_load
from gigawatt.study.scenario import HourBlock
from tests.doors.inside import called, refused


def test_three_levels_by_hand() -> None:
    # two days of 2 hours at 4, 10 at 2 and 12 at 1: mean 40 / 24; the peak is 4 over it
    day = np.array([4.0] * 2 + [2.0] * 10 + [1.0] * 12)
    found, ratio = blocks_of(np.tile(day, 2), 3, peak_frac=2 / 24)
    assert ratio == pytest.approx(4.0 / (40 / 24))
    assert [one.hours for one in found] == pytest.approx([2.0, 10.0, 12.0])
    assert [one.load for one in found] == pytest.approx([2.4, 1.2, 0.6])
    assert [one.shape for one in found] == pytest.approx([1.0, 0.2 / 1.4, -0.4 / 1.4])


def test_price_parts_hours_that_demand_does_not() -> None:
    demand = np.array([5.0] + [1.0] * 23)
    price = np.array([50.0] + [10.0] * 11 + [90.0] * 12)
    found, _ = blocks_of(demand, 3, price=price, peak_frac=1 / 24)
    assert sorted(one.price for one in found[1:]) == pytest.approx([10.0, 90.0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 6), days=st.integers(2, 30))
def test_blocks_keep_the_mean_and_are_what_a_scenario_takes(seed: int, n: int, days: int) -> None:
    demand = np.random.default_rng(seed).gamma(4.0, 1.0, 24 * days)
    found, ratio = blocks_of(demand, n)
    hours, shapes = np.array([one.hours for one in found]), [one.shape for one in found]
    assert hours.sum() == pytest.approx(24.0)
    assert float(hours @ np.array(shapes)) == pytest.approx(0.0, abs=1e-9)
    assert found[0].shape == 1.0
    assert block_load(ratio, shapes) == pytest.approx([one.load for one in found])
    if min(shapes) >= -1.0:
        assert len([HourBlock(name=one.name, hours=one.hours, shape=one.shape) for one in found]) == len(found)


def test_refusals() -> None:
    with pytest.raises(TraceError, match="demand is the same in every hour"):
        blocks_of(np.ones(48), 2)
    with pytest.raises(TraceError, match=r"row 3: demand is -1; a number of at least 0 is right"):
        blocks_of(np.array([1.0, 2.0, -1.0] * 10), 2)
    with pytest.raises(TraceError, match="3 hours into 2 blocks"):
        blocks_of(np.array([1.0, 2.0, 3.0]), 2)


def test_the_door(tmp_path: Path) -> None:
    path = tmp_path / "year.csv"
    path.write_text("Demand,price\n" + "".join(f"{2 + np.sin(k / 4):.4f},{30 + k % 24}\n" for k in range(480)))
    code, out, _ = called("blocks", str(path), "--blocks", "3", "--json")
    told = json.loads(out)
    assert code == 0 and len(told["blocks"]) == 3 and told["peak_to_mean"] > 1.0
    code, out, _ = called("blocks", str(path))
    assert code == 0 and out.splitlines()[1] == "blocks:"
    path.write_text("load\n1\n2\n")
    assert "has no column demand; it has load" in refused("blocks", str(path))
