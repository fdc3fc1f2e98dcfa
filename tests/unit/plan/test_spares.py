"""Units that stand by, and sites that may be lost: the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from gigawatt.plan.lumps import Lumps
from gigawatt.plan.replay import Delays, replay
from gigawatt.plan.service import Service, Survival
from tests.unit.plan.test_service import near
from tests.unit.plan.tiny import by, grid, solved, text, tiny


def standby(mw: float, whole: bool, demand: float = 10.0, **changes: Any) -> Any:
    lumps = Lumps(whole=whole, hall_mw=by("site", ["hall"], [np.nan]))
    return tiny(demand=demand, spares_mw=by("pool", ["pool-a"], [mw]), lumps=lumps, **changes)


def test_whole_units_stand_by_beside_the_share() -> None:
    # 10 MW at work and 3 more stand by: 13 at 2
    assert solved(standby(3.0, whole=True)).objective_musd == near(26.0)
    # a reserve of a fifth asks for 12.5: the units are more; a reserve of half asks for 20
    assert solved(standby(3.0, whole=True, reserve_frac=0.2)).objective_musd == near(26.0)
    assert solved(standby(3.0, whole=True, reserve_frac=0.5)).objective_musd == near(40.0)
    # nothing asked for, nothing stands by
    assert solved(standby(3.0, whole=True, demand=0.0)).objective_musd == near(0.0)


def test_a_small_load_pays_for_the_whole_unit_only_where_lumps_are_whole() -> None:
    # the second quarter asks for 5 of the 10 of the first, all on what stands then: 13 MW in both cases of the first;
    # 5 in both quarters: 8 MW where whole. Relaxed, 5 MW are all that 5 could be: open is whole there as well
    assert solved(standby(3.0, whole=True, demand=5.0)).objective_musd == near(16.0)
    assert solved(standby(3.0, whole=False, demand=5.0)).objective_musd == near(16.0)
    # a pool that could be busy with 10 and is paid 100 for work that costs 2 a MW: as the whole; at 1.5 a MW and two
    # quarters, work of 10 brings 30 and costs 26; 13 is less: served. At 1.2 it brings 24: nothing is built
    dear = standby(3.0, whole=True, unmet_musd=grid("workload", ["work"], 1.5))
    assert solved(dear).objective_musd == near(26.0)
    assert solved(replace(dear, unmet_musd=grid("workload", ["work"], 1.2))).objective_musd == near(24.0)


@pytest.mark.parametrize(("sites", "cost"), [(2, 40.0), (3, 30.0), (5, 25.0)])
def test_any_site_of_one_pool_may_be_lost(sites: int, cost: float) -> None:
    # 10 MW go on without any one of n sites of one region: 10 / (n - 1) MW at each, at 2 a MW
    offers = [f"o{k}" for k in range(sites)]
    halls = [f"h{k}" for k in range(sites)]
    survival = Survival(
        lost=tuple(halls), pool_region=text("pool", ["pool"], ["south"]),
        member=xr.DataArray([[1.0]], dims=("must", "lane"), coords={"must": ["work"], "lane": ["pool>work"]}),
        frac=by("must", ["work"], [1.0]), offer_place=text("offer", offers, halls),
    )  # fmt: skip
    inputs = tiny(
        offers=offers, capex_musd_per_mw=grid("offer", offers, 2.0), offer_pool=text("offer", offers, ["pool"] * sites),
        lane_pool=text("lane", ["pool>work"], ["pool"]), lane_workload=text("lane", ["pool>work"], ["work"]),
        rate=grid("lane", ["pool>work"], 1.0), run_musd_per_mw=by("lane", ["pool>work"], [0.0]),
        service=Service(survival=survival),
    )  # fmt: skip
    plan = solved(inputs)
    assert plan.objective_musd == near(cost)
    assert plan.value("stock").values.max() == pytest.approx(10.0 / (sites - 1), abs=1e-4)


def test_units_stand_by_when_things_are_late_too() -> None:
    # 13 MW, of which 3 stand by; without delays the replay is the plan
    plan = solved(standby(3.0, whole=True))
    on_time = replay(plan, Delays(site=np.array([[0]]), offer=np.array([[0]])))
    assert float(on_time["cost_musd"][0]) == near(plan.objective_musd) == near(26.0)
    # half as much again is asked for: 10 of 13 MW serve, 5 of 15 are unmet in two quarters at 100
    more = replay(plan, Delays(site=np.array([[0]]), offer=np.array([[0]]), demand=np.array([[1.5]])))
    assert float(more["cost_musd"][0]) == near(26.0 + 1000.0)
