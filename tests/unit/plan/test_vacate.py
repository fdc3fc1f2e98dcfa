"""Leased buildings given back after their term: the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from gigawatt.plan.decisions import Decisions
from gigawatt.plan.hosting import Hosting, Retrofit
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.replay import Delays, replay
from gigawatt.plan.session import PlanSession
from tests.cases.contracts import FOUR, building, rented
from tests.cases.tiny import by, grid, near, rate, solved, text


def falling(demand: list[float], term: int = 2, **changes: Any) -> Any:
    """Chips at 1 MUSD a MW and quarter in a building at 0.5 a facility MW; 1.25 facility MW for an IT MW."""
    lease = changes.pop("lease", building(term, quarters=FOUR))
    base: dict[str, Any] = {"site_hold_musd_per_mw": grid("site", ["hall"], 0.5, FOUR)}
    return rented(quarters=FOUR, demand=[[demand]], **(base | changes | lease))


@pytest.mark.parametrize(("term", "paid"), [(1, 2), (2, 2), (3, 3), (4, 4), (40, 4)])
def test_a_building_is_paid_for_its_term_and_then_given_back(term: int, paid: int) -> None:
    # 8 MW of IT in two quarters of four: 16 for chips, 10 facility MW at 0.5 for as long as they are held
    plan = solved(falling([8.0, 8.0, 0.0, 0.0], term))
    assert plan.objective_musd == near(16.0 + 5.0 * paid)
    if term < 4:
        gone = [10.0 if q == max(term, 2) else 0.0 for q in range(4)]
        assert plan.value("vacate").values.tolist() == [[near(mw) for mw in gone]]
    else:  # a term that outlasts the horizon is no choice, and no column
        assert Decisions.vacate not in plan.model and not plan.value("vacate").any()


def test_the_term_runs_from_the_quarter_of_taking_into_use() -> None:
    # taken into use in the second quarter for two: chips 8, building in the second and third
    plan = solved(falling([0.0, 8.0, 0.0, 0.0]))
    assert plan.objective_musd == near(8.0 + 10.0)
    assert plan.value("vacate").values.tolist() == [[near(0.0), near(0.0), near(0.0), near(10.0)]]


def test_what_is_needed_again_is_leased_again() -> None:
    # given back in the third quarter and taken into use anew in the fourth: 24 for chips, three quarters of building
    plan = solved(falling([8.0, 8.0, 0.0, 8.0], connection_mw=grid("site", ["hall"], 10.0, FOUR)))
    assert plan.objective_musd == near(24.0 + 15.0)
    assert plan.value("energise").values.tolist() == [[near(10.0), near(0.0), near(0.0), near(10.0)]]


def test_what_stands_at_the_start_has_its_term_from_the_first_quarter() -> None:
    # 10 facility MW stand, nothing is asked for: two quarters are paid, and two quarters owed per MW for nobody
    owed = building(2, owing=[[0.0, 0.0, 7.0, 7.0]], quarters=FOUR)
    plan = solved(falling([0.0] * 4, energised_initial_mw=by("site", ["hall"], [10.0]), lease=owed))
    assert plan.objective_musd == near(10.0)
    assert plan.value("vacate").values.tolist() == [[near(0.0), near(0.0), near(10.0), near(0.0)]]
    # a term of five: all four quarters, and one more that is owed, 10 x 0.5
    longer = building(5, owing=[[0.5, 1.0, 1.5, 2.0]], quarters=FOUR)
    plan = solved(falling([0.0] * 4, energised_initial_mw=by("site", ["hall"], [10.0]), lease=longer))
    assert plan.objective_musd == near(20.0 + 5.0)


def test_what_was_taken_into_use_late_owes_more_after_the_horizon() -> None:
    # term of three, asked for in the last quarter: chips 8, building 5, two more quarters owed at 0.5: 10
    owed = building(3, owing=[[0.0, 0.0, 0.5, 1.0]], quarters=FOUR)
    assert solved(falling([0.0, 0.0, 0.0, 8.0], lease=owed)).objective_musd == near(8.0 + 5.0 + 10.0)


def test_a_deposit_comes_back_with_what_is_given_back() -> None:
    # 0.7 a facility MW is paid; kept, it is worth 0.6 after the horizon; given back in the third quarter, 0.7 of then
    money = {"energise_musd_per_mw": grid("site", ["hall"], 0.7, FOUR),
             "site_salvage_musd_per_mw": grid("site", ["hall"], 0.6, FOUR)}  # fmt: skip
    lease = building(2, deposit=0.7, after=0.6, quarters=FOUR)
    plan = solved(falling([8.0, 8.0, 0.0, 0.0], lease=lease, **money))
    assert plan.objective_musd == near(16.0 + 10.0 + 7.0 - 7.0)
    kept = solved(falling([8.0, 8.0, 0.0, 0.0], term=9, **money))
    assert kept.objective_musd == near(16.0 + 20.0 + 7.0 - 6.0)
    # money as it is paid and received
    cash = 1e6 - np.cumsum([8.0 + 5.0 + 7.0, 8.0 + 5.0, -7.0, 0.0])
    assert plan.value("cash").values.tolist() == [pytest.approx(value, abs=1e-3) for value in cash]


def test_halls_are_given_back_whole() -> None:
    # halls of 4 facility MW: three for 8 MW of IT (10), one for 2.4 MW (3): two of them go.
    # Chips 8 + 8 + 2.4 + 2.4, building 6 + 6 + 2 + 2
    lumps = Lumps(whole=True, hall_mw=by("site", ["hall"], [4.0]))
    plan = solved(falling([8.0, 8.0, 2.4, 2.4], lumps=lumps))
    assert plan.objective_musd == near(20.8 + 16.0)
    assert plan.value("emptied").values.tolist() == [[near(0.0), near(0.0), near(2.0), near(0.0)]]
    # with room for three halls all three can be taken into use again
    again = solved(falling([8.0, 8.0, 0.0, 8.0], lumps=lumps, connection_mw=grid("site", ["hall"], 13.0, FOUR)))
    assert again.objective_musd == near(24.0 + 18.0)
    assert again.value("halls").values.tolist() == [[near(3.0), near(0.0), near(0.0), near(3.0)]]


def test_what_is_given_back_leaves_its_class() -> None:
    # two classes, a in air and b in liquid; 8 MW of a for two quarters, then 8 MW of b: 10 MW of air are given back and
    # 10 MW of liquid taken into use, as the connection holds no more than 10. Chips 8 x 4, building 5 x 4
    offers, classes = ["a", "b"], ["air", "liquid"]
    hosting = Hosting(
        sites=("hall",), classes=tuple(classes), offer_class=text("offer", offers, classes),
        initial_mw=xr.DataArray([[0.0, 0.0]], dims=("site", "hosting"), coords={"site": ["hall"], "hosting": classes}),
        retrofits=tuple[Retrofit, ...](),
    )  # fmt: skip
    most = grid("offer", offers, [[np.inf, np.inf, 0.0, 0.0], [0.0, 0.0, np.inf, np.inf]], FOUR)
    inputs = falling([8.0] * 4, offers=offers, hosting=hosting, add_max_mw=most,
                     rate=grid("lane", ["pool-a>work", "pool-b>work"], [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], FOUR),
                     connection_mw=grid("site", ["hall"], 10.0, FOUR))  # fmt: skip
    plan = solved(inputs)
    assert plan.objective_musd == near(32.0 + 20.0)
    gone = plan.value("vacate_fit").sel(quarter=FOUR[2])
    assert float(gone.sel(hosting="air").sum()) == near(10.0)
    assert float(gone.sel(hosting="liquid").sum()) == near(0.0)
    # where the last quarter asks for a again, the air given back is gone and the liquid leased for its term: one of the
    # two quarters goes unserved, 8 x 100, and without a building; chips 8 x 3, building 5 x 3
    back = inputs.rate.copy(data=[[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    assert solved(replace(inputs, rate=back, add_max_mw=grid("offer", offers, np.inf, FOUR))).objective_musd == near(
        24.0 + 15.0 + 800.0
    )


def late(site: int = 0, offer: int = 0) -> Delays:
    return Delays(site=np.array([[site]]), offer=np.array([[offer]]))


def test_a_replay_gives_back_as_planned_and_no_sooner_than_the_term() -> None:
    money = {"energise_musd_per_mw": grid("site", ["hall"], 0.7, FOUR),
             "site_salvage_musd_per_mw": grid("site", ["hall"], 0.6, FOUR)}  # fmt: skip
    plan = solved(falling([8.0, 8.0, 0.0, 0.0], lease=building(2, deposit=0.7, after=0.6, quarters=FOUR), **money))
    on_time = replay(plan, late())
    assert on_time["in_use_mw"].values[0, 0].tolist() == [near(10.0), near(10.0), near(0.0), near(0.0)]
    assert float(on_time["cost_musd"][0]) == near(plan.objective_musd)
    # a quarter late, its two quarters end a quarter later
    behind = replay(plan, late(site=1))
    assert behind["in_use_mw"].values[0, 0].tolist() == [near(0.0), near(10.0), near(10.0), near(0.0)]


def test_what_still_stands_in_a_replay_keeps_its_building() -> None:
    # chips for two quarters at least, a quarter late: they stand in the third quarter, and so does their building
    inputs = falling([8.0, 8.0, 0.0, 0.0], term_quarters=by("offer", ["a"], [2]).astype(int))
    out = replay(solved(inputs), late(offer=1))
    assert out["stock_mw"].values[0, 0].tolist() == [near(0.0), near(8.0), near(8.0), near(0.0)]
    assert out["in_use_mw"].values[0, 0].tolist() == [near(10.0), near(10.0), near(10.0), near(0.0)]


def test_a_lease_that_ends_beyond_a_window_is_given_back_in_the_next() -> None:
    # two quarters are seen, in which a term of three cannot end; with four in sight it is given back in the fourth
    two = FOUR[:2]
    rent = grid("site", ["hall"], 0.5, two)
    seen = rented(quarters=two, demand=[[[8.0, 8.0]]], site_hold_musd_per_mw=rent, **building(3))
    session = PlanSession(seen)
    before = session.solve()
    session.change(falling([8.0, 8.0, 0.0, 0.0], 3))
    session.fix(before, two[0])
    assert session.solve().objective_musd == near(16.0 + 15.0)


def test_what_was_given_back_stays_given_back() -> None:
    session = PlanSession(falling([8.0, 8.0, 0.0, 8.0]))
    plan = session.solve()
    cost = plan.objective_musd
    with session.trial():
        session.fix(plan, FOUR[2])
        assert session.solve().objective_musd == near(cost)
        session.set_lower("vacate", 0.0)
        session.set_upper("vacate", 0.0)  # kept after all: a quarter of building more
        assert session.solve().objective_musd == near(cost + 5.0)


def test_a_rent_rises_from_its_own_signing() -> None:
    # a term of three; each quarter of a lease asks for 0.1 more: signed in q1 0.5, 0.6, 0.7, then 0.5 as a new one
    over = np.zeros((1, 4, 4))
    for signed in range(4):
        for age in range(min(3, 4 - signed)):
            over[0, signed, signed + age] = 0.1 * age
    axes = {"site": ["hall"], "signed": list(FOUR), "quarter": list(FOUR)}
    lease = building(3, quarters=FOUR)
    more = rate("site-rent", "taken", xr.DataArray(over, dims=("site", "signed", "quarter"), coords=axes))
    lease["rates"] = (*lease["rates"], more)
    # 8 MW of IT from the second quarter: chips 24, 10 facility MW at 0.5, 0.6, 0.7
    plan = solved(falling([0.0, 8.0, 8.0, 8.0], lease=lease))
    assert plan.objective_musd == near(24.0 + 18.0)
    out = replay(plan, Delays(site=np.array([[0], [1]]), offer=np.array([[0], [1]])))
    # a quarter late: 8 Mwork/s unmet at 100, two quarters of chips, a lease that is a quarter younger
    assert out["cost_musd"].values.tolist() == [near(42.0), near(800.0 + 16.0 + 11.0)]
    # what stood at the start rises from the first quarter: 0.5 + 0.6 + 0.7 + 0.5
    stands = falling([8.0] * 4, lease=lease, energised_initial_mw=by("site", ["hall"], [10.0]))
    assert solved(stands).objective_musd == near(32.0 + 23.0)
