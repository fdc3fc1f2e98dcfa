"""Fixed plans under delays: hand-computed, and the kernel against plain Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.plan.forward import accept, operate
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.replay import Delays, _beyond, delays_of, replay
from gigawatt.plan.replay_money import end_cost, paid_musd
from gigawatt.plan.terms import Takes, Terms, Warrants
from tests.cases.contracts import building, milestones, owed_by_signing, rents, short
from tests.cases.lumps import hosted
from tests.cases.tiny import by, end, grid, near, rate, solved, text, tiny

FOUR = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")


def late(site: int = 0, offer: int | list[int] = 0, **more: Any) -> Delays:
    return Delays(site=np.array([[site]]), offer=np.atleast_2d(np.array(offer)), **more)


def four(**changes: Any) -> Any:
    return solved(tiny(quarters=FOUR, **changes))


def test_without_delays_it_is_the_plan() -> None:
    plan = four(salvage_musd_per_mw=grid("offer", ["a"], 0.5, FOUR), demand=[[[10.0, 10.0, 14.0, 14.0]]])
    out = replay(plan, late())
    assert out["stock_mw"].values[0].tolist() == plan.value("stock").values.tolist()
    # 14 MW at 2, worth 0.5 each at the end
    assert float(out["cost_musd"][0]) == near(21.0)
    assert plan.objective_musd == near(21.0)


def test_systems_that_are_late_leave_work_unmet() -> None:
    # 10 MW come a quarter late: 10 Mwork/s unmet for one quarter at 100, and 20 for the systems
    out = replay(four(), late(offer=1))
    assert out["accepted_mw"].values[0, 0].tolist() == [0.0, 10.0, 10.0, 10.0]
    assert out["unmet"].values[0, 0].tolist() == [10.0, 0.0, 0.0, 0.0]
    assert float(out["cost_musd"][0]) == near(1020.0)


def test_systems_wait_for_a_late_building() -> None:
    # the building is two quarters late: systems that came in time stand outside
    out = replay(four(energise_musd_per_mw=grid("site", ["hall"], 1.0, FOUR)), late(site=2))
    assert out["in_use_mw"].values[0, 0].tolist() == [0.0, 0.0, near(12.5), near(12.5)]
    assert out["accepted_mw"].values[0, 0].tolist() == [0.0, 0.0, near(10.0), near(10.0)]
    # 2 quarters x 10 x 100, 10 MW at 2, 12.5 facility MW at 1
    assert float(out["cost_musd"][0]) == near(2000.0 + 20.0 + 12.5)


def test_a_site_without_room_is_shared_by_need() -> None:
    # a building for 8 MW of IT stands; a and b bring 6 MW each in the plan that had 12.5 facility MW a quarter later
    offers = ["a", "b"]
    plan = four(
        offers=offers, connection_mw=grid("site", ["hall"], [[10.0, 15.0, 15.0, 15.0]], FOUR),
        add_max_mw=grid("offer", offers, [[6.0, 0.0, 0.0, 0.0], [0.0, 6.0, 0.0, 0.0]], FOUR),
        demand=[[[8.0, 12.0, 12.0, 12.0]]],
    )  # fmt: skip
    out = replay(plan, Delays(site=np.array([[0]]), offer=np.array([[1, 0]])))
    # energised 7.5 facility MW in the first quarter, 15 after: both have room when they come
    assert out["accepted_mw"].values[0, :, 1].tolist() == [near(6.0), near(6.0)]
    both = replay(plan, Delays(site=np.array([[1]]), offer=np.array([[1, 0]])))
    # 7.5 facility MW = 6 IT MW for 12 that wait: half of each; the rest a quarter later
    assert both["accepted_mw"].values[0, :, 1].tolist() == [near(3.0), near(3.0)]
    assert both["accepted_mw"].values[0, :, 2].tolist() == [near(6.0), near(6.0)]


def test_a_term_runs_from_real_acceptance() -> None:
    # rent for two quarters, wanted in the first two: a quarter late it is held in the second and third
    rent = {
        "capex_musd_per_mw": grid("offer", ["a"], 0.0, FOUR), "hold_musd_per_mw": grid("offer", ["a"], 1.0, FOUR),
        "term_quarters": by("offer", ["a"], [2]).astype(int), "demand": [[[10.0, 10.0, 0.0, 0.0]]],
    }  # fmt: skip
    out = replay(four(**rent), late(offer=1))
    assert out["stock_mw"].values[0, 0].tolist() == [0.0, near(10.0), near(10.0), 0.0]


def test_spare_capacity_takes_what_lacks() -> None:
    # b is twice as dear, stands and idles; when a is late b does its work
    offers = ["a", "b"]
    plan = four(
        offers=offers, initial_mw=by("offer", offers, [0.0, 4.0]),
        stock_min_mw=grid("offer", offers, [[0.0], [4.0]], FOUR),
        hold_musd_per_mw=grid("offer", offers, 0.0, FOUR), run_musd_per_mw=by("lane", ["pool-a>work", "pool-b>work"], [0.0, 5.0]),
    )  # fmt: skip
    assert plan.value("assign").sel(lane="pool-b>work").values.max() == near(0.0)
    out = replay(plan, Delays(site=np.array([[0]]), offer=np.array([[1, 0]])))
    assert out["unmet"].values[0, 0].tolist() == [near(6.0), near(0.0), near(0.0), near(0.0)]
    # 6 unmet at 100, b runs 4 MW for a quarter at 5, a costs 20
    assert float(out["cost_musd"][0]) == near(600.0 + 20.0 + 20.0)


def test_work_that_may_wait_waits() -> None:
    waits = by("workload", ["work"], [2]).astype(int)
    plan = four(patience=waits, demand=[[[10.0, 10.0, 0.0, 0.0]]], delay_musd=grid("workload", ["work"], 5.0, FOUR))
    out = replay(plan, late(offer=1))
    # 10 wait from the first quarter and 10 from the second, each done a quarter later
    assert out["waits"].values[0, 0].tolist() == [near(10.0), near(10.0), near(0.0), near(0.0)]
    assert float(out["unmet"].sum()) == near(0.0)


def test_money_for_a_gigawatt_comes_when_it_stands() -> None:
    plan = four(
        demand=[[[1000.0, 1000.0, 1000.0, 1000.0]]], connection_mw=grid("site", ["hall"], 1e5, FOUR),
        discount=by("quarter", list(FOUR), [1.0, 0.9, 0.8, 0.7]), opening_cash_musd=0.0,
        milestones=milestones(counts=by("offer", ["a"], [1.0]), n_max=1),
    )  # fmt: skip
    on_time, after = replay(plan, late()), replay(plan, late(offer=1))
    assert on_time["released_gw"].values[0].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert after["released_gw"].values[0].tolist() == [0.0, 1.0, 1.0, 1.0]
    # 2,000 to find in the quarter of delivery; 1,000 comes a quarter after each release and pays back half of it
    assert on_time["gap_musd"].values[0].tolist() == [near(2000.0), near(1000.0), near(1000.0), near(1000.0)]
    assert after["gap_musd"].values[0].tolist() == [0.0, near(2000.0), near(1000.0), near(1000.0)]
    assert after["cash_musd"].values[0].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_more_demand_is_unmet_and_draws_do_not_mix() -> None:
    delays = Delays(site=np.zeros((3, 1), int), offer=np.array([[0], [1], [0]]), demand=np.array([[1.0], [1.0], [1.5]]))
    out = replay(four(), delays)
    assert out["unmet"].isel(draw=2).values[0].tolist() == [near(5.0)] * 4
    assert float(out["cost_musd"][0]) == near(20.0)
    assert float(out["cost_musd"][1]) == near(1020.0)
    many = Delays(site=np.zeros((2500, 1), int), offer=np.tile([[0], [1]], (1250, 1)))
    assert np.unique(replay(four(), many)["cost_musd"].values.round(6)).tolist() == [20.0, 1020.0]


def test_delays_are_checked() -> None:
    with pytest.raises(ValueError, match="0 quarters or more"):
        late(offer=-1)
    with pytest.raises(ValueError, match="as many draws"):
        Delays(site=np.zeros((2, 1), int), offer=np.zeros((1, 1), int))
    drawn = delays_of(tiny(), 3, system=lambda name: [0.0, 0.2, 1.0])
    assert drawn.offer.ravel().tolist() == [0, 1, 1]
    assert drawn.site.ravel().tolist() == [0, 0, 0]


def plain_work(q: dict[str, Any], k: int) -> tuple[list[float], list[float], list[float], list[list[float]]]:
    """A quarter's work in words, draw k: (unmet by class, waiting by class, running cost, income and worth, MW at work
    by pool and block).
    """
    hours, lanes, classes = q["hours"], range(len(q["rate"])), range(len(q["price"]))
    blocks, money = range(len(hours)), [0.0, 0.0, 0.0]
    runs, pool, kind, rate = q["runs"][k], q["lane_pool"], q["lane_class"], q["rate"]
    spare = [[0.0] * len(hours) for _ in q["room"][k]]
    lacks = [[q["scale"][k][c] * q["demand"][c][b] for b in blocks] for c in classes]
    able = [[q["pace"][c][b] if runs[c] else 0.0 for b in blocks] for c in classes]
    for b in blocks:
        for p, room in enumerate(q["room"][k]):
            mine = [i for i in lanes if pool[i] == p and runs[kind[i]]]
            used = sum(q["planned"][i][b] for i in mine)
            share = min(1.0, room / used) if used > 1e-12 else 1.0
            spare[p][b] = room - used * share
            for i in mine:
                power = q["planned"][i][b] * share
                money[0] += hours[b] * power * q["run"][i]
                money[1] += hours[b] * power * rate[i] * (q["price"][kind[i]] + q["paid"][i] * q["speed"][i])
                money[2] += hours[b] * power * rate[i] * q["speed"][i]
                lacks[kind[i]][b] -= power * rate[i]
                able[kind[i]][b] -= power * rate[i]
    lost, held, daily = [0.0] * len(classes), [0.0] * len(classes), [0.0] * len(classes)
    for c in classes:
        never = q["given_up"][c]
        if q["now"][c]:
            lost[c] = sum(hours[b] * min(max(lacks[c][b], 0.0), never[b]) for b in blocks)
            lacks[c] = [max(max(lacks[c][b], 0.0) - never[b], 0.0) for b in blocks]
            continue
        left = max(q["carried"][k][c] + sum(hours[b] * lacks[c][b] for b in blocks), 0.0)
        lost[c] = min(left, sum(hours[b] * never[b] for b in blocks))
        held[c] = min(left - lost[c], q["put_off"][c])
        daily[c] = left - lost[c] - held[c]
    for of_block in (True, False):
        for lane in q["order"]:
            c, more = kind[lane], rate[lane]
            if q["now"][c] != of_block:
                continue
            for b, share in enumerate(hours):
                want = min(lacks[c][b] if of_block else daily[c] / share, able[c][b])
                power = min(max(want, 0.0) / more, max(spare[pool[lane]][b], 0.0))
                spare[pool[lane]][b] -= power
                able[c][b] -= power * more
                money[0] += share * power * q["run"][lane]
                money[1] += share * power * more * q["price"][c]
                lacks[c][b] -= power * more if of_block else 0.0
                daily[c] -= 0.0 if of_block else share * power * more
    waits = [0.0 if q["now"][c] else min(held[c] + daily[c], q["most"][c]) for c in classes]
    left = [sum(hours[b] * lacks[c][b] for b in blocks) if q["now"][c] else held[c] + daily[c] for c in classes]
    at_work = [[room - left for left in free] for room, free in zip(q["room"][k], spare, strict=True)]
    return [lost[c] + left[c] - waits[c] for c in classes], waits, money, at_work


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_lanes=st.integers(0, 6))
def test_the_kernel_works_as_the_words_say(seed: int, n_lanes: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_pools, n_classes, hours = 3, 2, 3, np.array([0.25, 0.75])
    rate, planned = rng.choice([0.5, 2.0], n_lanes), rng.choice([0.0, 1.0, 3.0], (n_lanes, 2))
    q: dict[str, Any] = {
        "room": rng.uniform(0, 5, (n, n_pools)), "runs": rng.choice([0.0, 1.0], (n, n_classes), p=[0.2, 0.8]),
        "demand": rng.uniform(-1, 5, (n_classes, 2)), "scale": rng.uniform(0.5, 2, (n, n_classes)),
        "most": np.array([0.0, 0.0, rng.uniform(0, 3)]), "given_up": rng.choice([0.0, 0.5], (n_classes, 2)),
        "put_off": rng.choice([0.0, 0.5], n_classes), "pace": rng.choice([2.0, np.inf], (n_classes, 2), p=[0.3, 0.7]),
        "now": np.array([True, False, False]), "hours": hours, "used": np.flatnonzero(planned.any(axis=1)),
        "planned": planned, "rate": rate,
        "run": rng.uniform(0, 2, n_lanes), "speed": rng.uniform(0, 2, n_lanes), "paid": rng.choice([0.0, 1.0], n_lanes),
        "price": rng.uniform(0, 3, n_classes), "order": rng.permutation(n_lanes)[: n_lanes - n_lanes // 3],
        "lane_pool": rng.integers(0, n_pools, n_lanes), "lane_class": rng.integers(0, n_classes, n_lanes),
        "carried": rng.choice([0.0, 1.0, 4.0], (n, n_classes)),
    }  # fmt: skip
    expected = [plain_work(q, k) for k in range(n)]
    unmet, money, work = np.zeros((n, n_classes)), np.zeros((n, 3)), np.zeros((n, n_pools, 2))
    operate(**q, unmet=unmet, money=money, work=work)
    for k in range(n):
        for ours, theirs in zip((unmet[k], q["carried"][k], money[k], work[k]), expected[k], strict=True):
            assert np.allclose(ours, theirs, atol=1e-6)


def plain_acceptance(q: dict[str, Any], k: int) -> tuple[Any, Any]:
    """What is accepted and what stands in words, draw k: ([offer][quarter], [offer][quarter])."""
    offers, quarters = range(len(q["load"])), range(q["arrived"].shape[2])
    begun, accepted, stock = ([[0.0] * len(quarters) for _ in offers] for _ in range(3))
    for t in quarters:
        waits, left = [], []
        for o in offers:
            meant = q["arrived"][k][o][min(t + q["tests"][o], len(quarters) - 1)]
            waits.append(meant - (begun[o][t - 1] if t else 0.0))
            old = accepted[o][t - q["term"][o]] if t >= q["term"][o] else 0.0
            left.append(min(q["gone"][o][t], q["start"][o] + q["early"][o][t] + old))
        for o in offers:
            mine = [i for i in offers if q["group"][i] == q["group"][o]]
            need = sum(waits[i] * q["load"][i] for i in mine)
            stands = sum((q["start"][i] + (begun[i][t - 1] if t else 0.0) - left[i]) * q["load"][i] for i in mine)
            room = max(q["room"][k][q["group"][o]][t] - stands, 0.0)
            begun[o][t] = (begun[o][t - 1] if t else 0.0) + waits[o] * (min(1.0, room / need) if need > 1e-12 else 1.0)
        for o in offers:
            tested = begun[o][max(t - q["tests"][o], 0)]
            accepted[o][t] = min(tested, q["arrived"][k][o][t]) if q["tests"][o] else tested
            stock[o][t] = max(q["start"][o] + accepted[o][t] - left[o], 0.0)
    return accepted, stock


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_kernel_accepts_as_the_words_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, offers, quarters = 3, 4, 6
    q: dict[str, Any] = {
        "arrived": rng.uniform(0, 2, (n, offers, quarters)).cumsum(axis=2),
        "room": rng.uniform(0, 3, (n, 2, quarters)).cumsum(axis=2), "group": rng.integers(0, 2, offers),
        "load": rng.uniform(1, 1.5, offers), "start": rng.choice([0.0, 1.0], offers),
        "gone": rng.uniform(0, 0.5, (offers, quarters)).cumsum(axis=1),
        "early": rng.uniform(0, 0.1, (offers, quarters)).cumsum(axis=1),
        "term": rng.integers(1, 9, offers), "tests": rng.integers(0, 3, offers),
    }  # fmt: skip
    accepted, stock = np.zeros_like(q["arrived"]), np.zeros_like(q["arrived"])
    accept(**q, accepted=accepted, stock=stock)
    for k in range(n):
        words = plain_acceptance(q, k)
        assert np.allclose(accepted[k], words[0], atol=1e-7) and np.allclose(stock[k], words[1], atol=1e-7)


def test_systems_in_tests_need_their_room_before() -> None:
    # a quarter of tests: what is accepted in the second quarter stands in the building in the first
    tests = Terms(testing_quarters=by("offer", ["a"], [1]).astype(int))
    most = grid("offer", ["a"], [[0.0, 20.0, 20.0, 20.0]], FOUR)
    plan = four(terms=tests, demand=[[[0.0, 10.0, 10.0, 10.0]]], add_max_mw=most)
    assert replay(plan, late())["accepted_mw"].values[0, 0].tolist() == [0.0, near(10.0), near(10.0), near(10.0)]
    # the building comes a quarter late: tests begin in the second quarter and end in the third
    out = replay(plan, late(site=1))
    assert out["accepted_mw"].values[0, 0].tolist() == [0.0, 0.0, near(10.0), near(10.0)]
    # chips a quarter late in a building that stands: tested in the second, accepted in the third
    assert replay(plan, late(offer=1))["accepted_mw"].values[0, 0].tolist() == [0.0, 0.0, near(10.0), near(10.0)]


def test_systems_wait_for_halls_of_their_class() -> None:
    # 10 MW of old systems go, 10 MW of halls are dark for the first quarter, then new ones stand in them (test_hosting)
    plan = solved(hosted())
    assert replay(plan, late(offer=[0, 0]))["stock_mw"].sel(offer="new").values[0].tolist() == [
        near(0.0), near(10.0), near(10.0),
    ]  # fmt: skip
    # halls are converted a quarter late: the new ones wait outside, though the old ones have left
    out = replay(plan, late(site=1, offer=[0, 0]))
    assert out["stock_mw"].values[0].tolist() == [[near(0.0)] * 3, [near(0.0), near(0.0), near(10.0)]]
    # 10 at 1 and 10 at 2 as planned, two quarters without 20 Mwork/s at 100
    assert float(out["cost_musd"][0]) == near(30.0 + 4000.0)


def test_units_are_said() -> None:
    out = replay(four(), late())
    assert all(out[name].attrs["units"] for name in out.data_vars)


RENTED = {"offer_contract": text("offer", ["a"], ["lease"]), "capex_musd_per_mw": grid("offer", ["a"], 0.0, FOUR)}


def test_a_take_moves_with_the_provider_that_is_late() -> None:
    # 12 MW are owed, 10 needed at 1 a quarter; what does not stand is paid at 0.5: (10 + 1) x 4
    takes = Takes(member=xr.DataArray([[1.0]], dims=("take", "offer"), coords={"take": ["k"], "offer": ["a"]}),
                  mw=grid("take", ["k"], 12.0, FOUR))  # fmt: skip
    rent = grid("offer", ["a"], 1.0, FOUR)
    plan = four(hold_musd_per_mw=rent, terms=Terms(takes=takes), rates=(short(0.5, FOUR),), **RENTED)
    assert float(replay(plan, late())["cost_musd"][0]) == near(44.0)
    # a quarter late, in chips or building: nothing is owed for it, 10 x 100 are unmet, then three quarters as planned
    assert float(replay(plan, late(offer=1))["cost_musd"][0]) == near(1000.0 + 33.0)
    assert float(replay(plan, late(site=1))["cost_musd"][0]) == near(1000.0 + 33.0)


def test_a_guaranteed_rent_is_owed_once_the_building_stands() -> None:
    # 12.5 facility MW are guaranteed at 0.5 a quarter, 6.25 used by 5 IT MW bought at 2: 10 + 4 x 6.25
    rent = grid("site", ["hall"], 0.5, FOUR)
    plan = four(demand=5.0, site_hold_musd_per_mw=rent, **building(due=12.5, quarters=FOUR))
    assert float(replay(plan, late())["cost_musd"][0]) == near(35.0)
    # the landlord is a quarter late: no rent then, 5 x 100 unmet
    assert float(replay(plan, late(site=1))["cost_musd"][0]) == near(10.0 + 3 * 6.25 + 500.0)
    # chips are late in a building that stands: the whole rent is owed
    assert float(replay(plan, late(offer=1))["cost_musd"][0]) == near(35.0 + 500.0)


def test_rent_is_that_of_the_quarter_in_which_it_really_begins() -> None:
    # rent falls from 4 to 1; signed at once for four quarters it stays 4: 160. A quarter late it is 1 for three: 30
    falling = grid("offer", ["a"], [[4.0, 1.0, 1.0, 1.0]], FOUR)
    over = np.zeros((1, 4, 4))
    over[0, 0, 1:] = 3.0
    signed = {"rates": (rents(over, FOUR),), "ends": owed_by_signing([0.0, 1.0, 2.0, 3.0], FOUR)}
    term = by("offer", ["a"], [4]).astype(int)
    most = grid("offer", ["a"], [[10.0, 0.0, 0.0, 0.0]], FOUR)
    plan = four(hold_musd_per_mw=falling, term_quarters=term, add_max_mw=most, **signed, **RENTED)
    assert float(replay(plan, late())["cost_musd"][0]) == near(160.0)
    # and a quarter of its term, owed at 1, now lies after the horizon
    assert float(replay(plan, late(offer=1))["cost_musd"][0]) == near(1000.0 + 30.0 + 10.0)


def test_a_share_of_sales_is_of_what_is_really_sold() -> None:
    # 10 Mwork/s bring 3 a quarter, a fifth of which goes to its holder: 20 for systems and 4 x 6 for the share
    share = rate("revenue-share", "sales", by("quarter", list(FOUR), [0.2] * 4))
    plan = four(income_musd=grid("workload", ["work"], 3.0, FOUR), rates=(share,))
    assert float(replay(plan, late())["spent_musd"].sum()) == near(20.0 + 24.0)
    # a quarter late nothing is sold in it
    assert float(replay(plan, late(offer=1))["spent_musd"].sum()) == near(20.0 + 18.0)


def test_shares_vest_as_deliveries_come() -> None:
    # a share worth 0.5 vests with each MW; what vests a year later is worth a tenth less
    shares = Warrants(
        weight=xr.DataArray([[1.0]], dims=("warrant", "offer"), coords={"warrant": ["w"], "offer": ["a"]}),
        most_mw=by("warrant", ["w"], [20.0]),
    )  # fmt: skip
    worth = end("vested", "vested", grid("warrant", ["w"], [[0.5, 0.45, 0.45, 0.45]], FOUR))
    plan = four(terms=Terms(warrants=shares), ends=(worth,))
    assert float(replay(plan, late())["cost_musd"][0]) == near(20.0 - 5.0)
    assert float(replay(plan, late(offer=1))["cost_musd"][0]) == near(1000.0 + 20.0 - 4.5)


def test_damages_are_received_for_what_a_vendor_brings_late() -> None:
    # 8 MW are due in the first quarter and 10 come: two quarters late earn 8 x 0.5 twice
    one = {"coords": {"commitment": ["c"], "offer": ["a"]}, "dims": ("commitment", "offer")}
    damages = rate("delay-damages", "withheld", by("commitment", ["c"], [0.5]))
    plan = four(
        commitment_weight=xr.DataArray([[1.0]], **one), commitment_mw=grid("commitment", ["c"], 8.0, FOUR),
        commitment_penalty_musd=by("commitment", ["c"], [0.0]),
        rates=(replace(damages, received=True),),
    )  # fmt: skip
    assert float(replay(plan, late())["cost_musd"][0]) == near(20.0)
    assert float(replay(plan, late(offer=2))["cost_musd"][0]) == near(2000.0 + 20.0 - 8.0)
    # a building that is late is the buyer's own
    assert float(replay(plan, late(site=2))["cost_musd"][0]) == near(2000.0 + 20.0)


def owed(due: float, penalty: float, **changes: Any) -> dict[str, Any]:
    """A commitment over offer "a" from the first quarter on."""
    one = {"coords": {"commitment": ["c"], "offer": ["a"]}, "dims": ("commitment", "offer")}
    base: dict[str, Any] = {
        "commitment_weight": xr.DataArray([[1.0]], **one), "commitment_mw": grid("commitment", ["c"], due, FOUR),
        "commitment_penalty_musd": by("commitment", ["c"], [penalty]),
    }  # fmt: skip
    return base | changes


def test_a_vendors_lateness_is_no_breach_of_the_buyers() -> None:
    # 10 MW are due and come two quarters late: 2,000 are unmet and 20 paid for systems, no penalty of 3 a MW and quarter
    plan = four(**owed(10.0, 3.0))
    out = replay(plan, late(offer=2))
    assert out["late_mw"].values[0, 0].tolist() == [0.0] * 4
    assert float(out["cost_musd"][0]) == near(2020.0)
    # chips that stand before the door of a building that somebody else brings late: 10 x 3 twice
    own = replay(plan, late(site=2))
    assert own["late_mw"].values[0, 0].tolist() == [near(10.0), near(10.0), 0.0, 0.0]
    assert float(own["cost_musd"][0]) == near(2020.0 + 60.0)
    assert float(own["spent_musd"].sum()) == near(20.0 + 60.0)
    # the building is the provider's own part too
    brings = xr.DataArray([True], dims="offer", coords={"offer": ["a"]})
    assert float(replay(four(**owed(10.0, 3.0), with_building=brings), late(site=2))["cost_musd"][0]) == near(2020.0)


def test_what_the_buyer_is_behind_by_itself_is_owed_all_the_same() -> None:
    # 12 MW are due, 10 can be had: 2 are late by the plan, at 3 in four quarters. The vendor's lateness moves the 10 alone
    most = grid("offer", ["a"], [[10.0, 0.0, 0.0, 0.0]], FOUR)
    plan = four(**owed(12.0, 3.0), add_max_mw=most)
    assert plan.objective_musd == near(20.0 + 24.0)
    out = replay(plan, late(offer=1))
    assert out["late_mw"].values[0, 0].tolist() == [near(2.0)] * 4
    assert float(out["cost_musd"][0]) == near(1000.0 + 20.0 + 24.0)
    # building and vendor late by one and two quarters: what the vendor withholds would not have stood anyway
    both = replay(plan, late(site=1, offer=2))
    assert both["late_mw"].values[0, 0].tolist() == [near(2.0)] * 4


def test_what_the_plan_gives_up_stays_given_up() -> None:
    # b serves at a loss: its energy of 120 a MW is above the 100 of unmet work, so 4 of 10 go unmet on the 6 MW of a
    offers = ["a", "b"]
    plan = four(
        offers=offers, initial_mw=by("offer", offers, [6.0, 9.0]), add_max_mw=grid("offer", offers, 0.0, FOUR),
        energised_initial_mw=by("site", ["hall"], [20.0]), run_musd_per_mw=by("lane", ["pool-a>work", "pool-b>work"], [0.0, 120.0]),
    )  # fmt: skip
    assert plan.objective_musd == near(1600.0)
    assert float(replay(plan, late(offer=[0, 0]))["cost_musd"][0]) == near(1600.0)


def test_money_is_raised_in_the_order_of_the_plan() -> None:
    # 20 are spent at once; the line at 0.03 a quarter over the discount rate is cheaper than 0.1, and holds 8
    line = {"credit_limit_musd": 8.0, "credit_rate": 0.0, "credit_spread": 0.03}
    plan = four(opening_cash_musd=0.0, gap_musd=by("quarter", list(FOUR), [0.1] * 4), **line)
    out = replay(plan, late())
    assert out["debt_musd"].values[0].tolist() == [near(8.0)] * 4
    assert out["gap_musd"].values[0].tolist() == [near(12.0)] * 4
    assert float(out["cost_musd"][0]) == near(plan.objective_musd) == near(20.0 + 4 * (0.24 + 1.2))
    # where what is found is the cheaper, the line stays untouched
    dear = four(opening_cash_musd=0.0, gap_musd=by("quarter", list(FOUR), [0.02] * 4), **line)
    assert replay(dear, late())["debt_musd"].values[0].tolist() == [0.0] * 4
    # 15 come in the third quarter: the dearer is paid back first, a quarter late as in time
    comes = by("quarter", list(FOUR), [0.0, 0.0, 15.0, 0.0])
    paid = four(opening_cash_musd=0.0, gap_musd=by("quarter", list(FOUR), [0.1] * 4), inflow_musd=comes, **line)
    after = replay(paid, late(offer=1))
    assert after["gap_musd"].values[0].tolist() == [0.0, near(12.0), 0.0, 0.0]
    assert after["debt_musd"].values[0].tolist() == [0.0, near(8.0), near(5.0), near(5.0)]


def test_a_gang_trains_only_once_it_stands() -> None:
    # the job needs 10 MW together; a is there in time with its part, b a quarter late: nothing is done until then
    offers = ["a", "b"]
    gang = {
        "gang_workload": ("work",), "gang_mw": grid("gang", ["work"], 10.0, FOUR),
        "gang_offer": xr.DataArray([[1.0, 1.0]], dims=("gang", "offer"), coords={"gang": ["work"], "offer": offers}),
    }  # fmt: skip
    plan = four(offers=offers, add_max_mw=grid("offer", offers, 6.0, FOUR), **gang)
    out = replay(plan, late(offer=[0, 1]))
    assert out["stock_mw"].values[0].sum(axis=0)[0] == near(float(plan.value("add").values[0, 0]))
    assert out["unmet"].values[0, 0].tolist() == [near(10.0), 0.0, 0.0, 0.0]
    assert float(out["cost_musd"][0]) == near(1000.0 + 20.0)


def test_a_plan_without_such_rights_pays_nothing_beyond_its_replay() -> None:
    # rent by signing, a lease paid for used or not, salvage: all of it follows from what stands
    lease = building(due=12.5, quarters=FOUR)
    lease["rates"] = (*lease["rates"], rents(np.full((1, 4, 4), 0.1), FOUR))
    plan = four(
        demand=[[[5.0, 10.0, 10.0, 14.0]]], salvage_musd_per_mw=grid("offer", ["a"], 0.5, FOUR),
        energise_musd_per_mw=grid("site", ["hall"], 1.0, FOUR), hold_musd_per_mw=grid("offer", ["a"], 0.2, FOUR), **lease,
    )  # fmt: skip
    beyond = _beyond(plan)
    assert paid_musd(plan.inputs, beyond).values.tolist() == [near(0.0)] * 4
    assert float(end_cost(plan.inputs, beyond)) == near(0.0)
    # an opening is none of what delays move: it is paid as planned, for 12.5 of the 100 facility MW that it opens
    opened = four(lumps=Lumps(whole=False, hall_mw=by("site", ["hall"], [0.0]), opens=("hall",)),
                  rates=(rate("site-opening", "opened", by("site", ["hall"], [100.0])),))  # fmt: skip
    assert paid_musd(opened.inputs, _beyond(opened)).values.tolist() == [near(12.5), near(0.0), near(0.0), near(0.0)]
