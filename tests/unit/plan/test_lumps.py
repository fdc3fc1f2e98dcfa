"""Lumps by hand: halls, openings, gangs in one place; textbook optima; what stops early; what a session keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.elements.contracts import OPTION
from gigawatt.plan.elements.sites import WHOLE_HALLS
from gigawatt.plan.infeasible import gives_way
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.rolling import pin_gangs
from tests.cases.lumps import SITES, TWO, ganged, lumps, near, two_sites
from tests.cases.tiny import QUARTERS, by, end, grid, priced, solved, text, tiny


def test_halls_come_whole() -> None:
    # 10 MW of IT are 12.5 of building at 1 MUSD/MW; halls of 5: three of them, 15 MUSD and 20 for the systems = 35;
    # relaxed: 2.5 halls, 12.5 + 20 = 32.5
    dear = {"energise_musd_per_mw": grid("site", ["hall"], 1.0)}
    plan = solved(tiny(**dear, **lumps(["hall"], [5.0])))
    assert plan.objective_musd == near(35.0)
    assert plan.value("halls").sum() == near(3.0)
    relaxed = solved(tiny(**dear, **lumps(["hall"], [5.0], whole=False)))
    assert relaxed.objective_musd == near(32.5)
    assert relaxed.value("halls").sum() == near(2.5)


def test_a_part_of_a_hall_stays_dark() -> None:
    # 12 facility MW come in two halls of 5: 8 MW of IT at 2, and 2 MW unmet twice at 100: 16 + 400
    plan = solved(tiny(connection_mw=grid("site", ["hall"], 12.0), **lumps(["hall"], [5.0])))
    assert plan.objective_musd == near(416.0)


def test_a_site_is_opened_or_not() -> None:
    # fixed-charge location, by hand. East: 8 to open, systems at 1; west: 3 to open, systems at 2. 10 MW:
    # east 8 + 10 = 18; west 3 + 20 = 23; both 11 + 10 = 21. East alone.
    price = grid("offer", TWO, [[1.0, 1.0], [2.0, 2.0]])
    plan = solved(two_sites(capex_musd_per_mw=price, **lumps(SITES, [0.0, 0.0], [8.0, 3.0])))
    assert plan.objective_musd == near(18.0)
    assert plan.value("opened").values.tolist() == [[near(1.0)] * 2, [near(0.0)] * 2]
    # of 4 MW: east 8 + 4 = 12; west 3 + 8 = 11. West alone
    small = two_sites(capex_musd_per_mw=price, **lumps(SITES, [0.0, 0.0], [8.0, 3.0]))
    small = replace(small, demand=small.demand - 6.0)
    assert solved(small).objective_musd == near(11.0)
    assert small.lumps is not None
    relaxed = replace(small, lumps=replace(small.lumps, whole=False))
    # relaxed: 4 MW in the east open 0.04 of it: 4 + 0.32
    assert solved(relaxed).objective_musd == near(4.32)


def test_opening_is_paid_in_its_quarter() -> None:
    # 2 MW now, 10 later, worth 0.5 then. East open at 4 serves both; cash shows when it was paid
    inputs = two_sites(discount=by("quarter", list(QUARTERS), [1.0, 0.5]), **lumps(SITES, [0.0, 0.0], [4.0, 40.0]))
    inputs = replace(inputs, demand=inputs.demand.copy(data=[[[0.0, 10.0]]]))
    plan = solved(inputs)
    # second quarter: (4 + 20) x 0.5
    assert plan.objective_musd == near(12.0)
    assert plan.value("cash").values.tolist() == [near(1e6), near(1e6 - 24.0)]


def test_an_opening_is_worth_what_is_left_of_it() -> None:
    # the east for 8, of which 75 % are left, and 10 x 1: 12; without worth 18
    price = grid("offer", TWO, [[1.0, 1.0], [2.0, 2.0]])
    inputs = two_sites(capex_musd_per_mw=price, **lumps(SITES, [0.0, 0.0], [8.0, 3.0]))
    left = end("salvage", "opened", grid("site", SITES, [[6.0], [2.25]]))
    assert solved(priced(inputs, ends=(left,))).objective_musd == near(12.0)


def test_a_gang_stands_at_one_place() -> None:
    # in sum: 4 x 2 + 2 x 3 = 14. In one place: only the west has room for 6: 18
    one = ganged([[1.0, 0.0], [0.0, 1.0]], SITES)
    assert solved(replace(one, lumps=None)).objective_musd == near(14.0)
    plan = solved(one)
    assert plan.objective_musd == near(18.0)
    assert plan.value("gang_at").values.tolist() == [[near(0.0), near(1.0)]]


def test_fibre_makes_one_place_of_two() -> None:
    # the pair holds 4 at 2 and 2 at 3: 14 again
    pair = ganged([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [*SITES, "east+west"])
    plan = solved(pair)
    assert plan.objective_musd == near(14.0)
    assert plan.value("gang_at").values.tolist() == [[near(0.0), near(0.0), near(1.0)]]


def test_no_whole_plan_is_said() -> None:
    # 5 MW each side: no single place holds 6, though two halves of the gang would
    none = ganged([[1.0, 0.0], [0.0, 1.0]], SITES, connection_mw=grid("site", SITES, 5.0))
    says = (
        "no plan of whole numbers meets this scenario, while one of fractions does: a gang at one place cannot be had. "
        "What would help: fibre to another site, or a smaller gang$"
    )
    with pytest.raises(InfeasibleError, match=says):
        solved(none)


def test_a_gang_that_runs_keeps_its_place_when_the_view_moves_on() -> None:
    able = [[1.0, 0.0], [0.0, 1.0]]
    both = {"gang_mw": grid("gang", ["job"], 6.0), "connection_mw": grid("site", SITES, 8.0)}
    inputs = ganged(able, SITES, **both)
    dear = priced(inputs, capex_musd_per_mw=grid("offer", TWO, [[9.0, 9.0], [3.0, 3.0]]))
    for past, where in ((QUARTERS[:1], [1.0, 0.0]), ((), [0.0, 1.0])):
        session = PlanSession(inputs, mip_gap=1e-6)
        before = session.solve()  # the east is cheaper
        assert before.value("gang_at").values.tolist() == [[near(1.0), near(0.0)]]
        session.change(dear)
        pin_gangs(session, before, past)
        assert session.solve().value("gang_at").values.tolist() == [[near(value) for value in where]]


def test_what_gives_way_is_said_in_its_own_unit() -> None:
    # no place can hold the gang: not a megawatt, a place
    with pytest.raises(InfeasibleError) as found:
        solved(ganged([[0.0, 0.0], [0.0, 0.0]], SITES))
    assert str(found.value).splitlines()[1:] == [
        "  one place for a gang (job): no place has room for all of it: a larger connection, fibre to another site or a "
        "smaller gang would help"
    ]
    # halls come whole; nothing is not what a row gives way from
    assert WHOLE_HALLS.words is not None and OPTION.words is not None
    assert gives_way(WHOLE_HALLS.words, WHOLE_HALLS.unit, 0.00625, 3.0) == "give way by 1 hall, from 3"
    assert gives_way(WHOLE_HALLS.words, WHOLE_HALLS.unit, 1.2, 3.0) == "give way by 2 halls, from 3"
    assert gives_way(OPTION.words, OPTION.unit, 0.6, 0.0) == "give way by 0.6 MW of IT"


def test_screening_curve() -> None:
    """Textbook mix of capacity: who runs long is dear to buy, who runs short dear to run.

    a costs 6 and nothing to run, b 2 and 10 a year at work: equal at 0.4 of the time. Load 10 for a fifth of the day,
    6 for three tenths, 4 for half: 6 MW run at least half the time (a), 4 a fifth of it (b).
    6 x 6 + 4 x 2 + 4 x 0.2 x 10 = 52. Source: Stoft, Power System Economics, chapter 4.
    """
    blocks = ["peak", "day", "night"]
    lanes = ["pool-a>work", "pool-b>work"]
    asked = xr.DataArray([[[10.0] * 2, [6.0] * 2, [4.0] * 2]], dims=("workload", "block", "quarter"),
                         coords={"workload": ["work"], "block": blocks, "quarter": list(QUARTERS)})  # fmt: skip
    inputs = tiny(
        offers=TWO, capex_musd_per_mw=grid("offer", TWO, [[6.0, 6.0], [2.0, 2.0]]),
        hours_frac=by("block", blocks, [0.2, 0.3, 0.5]), run_musd_per_mw=by("lane", lanes, [0.0, 5.0]),
    )  # fmt: skip
    plan = solved(replace(inputs, demand=asked))  # two quarters at 5 each make the 10
    assert plan.value("stock").values[:, -1].tolist() == [near(6.0), near(4.0)]
    assert plan.objective_musd == near(52.0)


def test_building_ahead_of_demand() -> None:
    """Manne's trade-off in three periods: one large hall now, or small ones as demand grows.

    Demand 2, 4, 6; discount 1, 0.5, 0.25. East: a hall of 6 for 9. West: halls of 2 for 4 each. Systems are free.
    Large at once: 9. Small as they are needed: 4 (1 + 0.5 + 0.25) = 7. Relaxed, the east by shares: 3 (1.75) = 5.25.
    At a discount of 1, small cost 12 and large 9. Source: Manne, Econometrica 29 (1961), capacity expansion.
    """
    quarters = ("2027Q1", "2027Q2", "2027Q3")

    def case(discount: list[float], *, whole: bool) -> float:
        base = tiny(
            offers=TWO, quarters=quarters, demand=[[[2.0, 4.0, 6.0]]], facility_over_it=by("offer", TWO, [1.0, 1.0]),
            capex_musd_per_mw=grid("offer", TWO, 0.0, quarters), discount=by("quarter", list(quarters), discount),
            offer_site=text("offer", TWO, SITES), connection_mw=grid("site", SITES, 6.0, quarters),
            energised_initial_mw=by("site", SITES, [0.0, 0.0]),
            energise_musd_per_mw=grid("site", SITES, [[1.5] * 3, [2.0] * 3], quarters),
            sites=tuple(SITES), **lumps(SITES, [6.0, 2.0], whole=whole),
        )  # fmt: skip
        return solved(base).objective_musd

    assert case([1.0, 0.5, 0.25], whole=True) == near(7.0)
    assert case([1.0, 0.5, 0.25], whole=False) == near(5.25)
    assert case([1.0, 1.0, 1.0], whole=True) == near(9.0)


@settings(max_examples=8, deadline=None)
@given(hall=st.floats(1.0, 9.0), opening=st.floats(0.0, 9.0), demand=st.floats(1.0, 12.0), room=st.floats(1.0, 30.0))
def test_whole_never_costs_less_and_room_never_hurts(hall: float, opening: float, demand: float, room: float) -> None:
    def cost(more: float, *, whole: bool) -> float:
        inputs = tiny(
            demand=demand, connection_mw=grid("site", ["hall"], room + more),
            energise_musd_per_mw=grid("site", ["hall"], 1.0), **lumps(["hall"], [hall], [opening], whole=whole),
        )  # fmt: skip
        return solved(inputs).objective_musd

    whole, relaxed = cost(0.0, whole=True), cost(0.0, whole=False)
    assert whole >= relaxed - 1e-4 * max(1.0, relaxed)
    assert cost(5.0, whole=True) <= whole + 1e-4 * max(1.0, whole)


def test_doubling_all_money_doubles_the_objective() -> None:
    inputs = two_sites(
        capex_musd_per_mw=grid("offer", TWO, [[1.0, 1.0], [2.0, 2.0]]), **lumps(SITES, [4.0, 3.0], [8.0, 3.0])
    )
    rates = tuple(replace(row, musd=row.musd * 2) for row in inputs.rates)
    twice = replace(inputs, rates=rates, unmet_musd=inputs.unmet_musd * 2)
    assert solved(twice).objective_musd == near(2 * solved(inputs).objective_musd)


def knapsack(n: int = 14) -> PlanInputs:
    """Sites with halls and openings that do not divide evenly: rounding is far from the best."""
    names = [f"s{i}" for i in range(n)]
    offers = [f"o{i}" for i in range(n)]
    draw = np.random.default_rng(1)
    return tiny(
        offers=offers, demand=37.3, offer_site=text("offer", offers, names), sites=tuple(names),
        facility_over_it=by("offer", offers, np.ones(n)), capex_musd_per_mw=grid("offer", offers, 0.0),
        connection_mw=grid("site", names, 20.0), energised_initial_mw=by("site", names, np.zeros(n)),
        energise_musd_per_mw=grid("site", names, np.repeat(draw.uniform(1, 2, (n, 1)), 2, axis=1)),
        **lumps(names, list(draw.uniform(3, 7, n)), list(draw.uniform(5, 9, n))),
    )  # fmt: skip


def test_what_stops_early_leaves_plan_and_bound() -> None:
    live = solve(open_plan(knapsack()), mip_gap=1e-9, time_limit_s=0.05)
    assert live.bound_musd <= live.objective_musd
    assert live.mip_gap == pytest.approx((live.objective_musd - live.bound_musd) / live.objective_musd, rel=1e-3)
    best = solve(open_plan(knapsack()), mip_gap=1e-6)
    assert live.bound_musd <= best.objective_musd + 1e-6
    assert best.objective_musd <= live.objective_musd + 1e-6
    halls = best.value("halls").values
    assert np.abs(halls - np.round(halls)).max() < 1e-6


def test_a_session_goes_on_with_whole_numbers() -> None:
    inputs = two_sites(
        capex_musd_per_mw=grid("offer", TWO, [[1.0, 1.0], [2.0, 2.0]]), **lumps(SITES, [4.0, 3.0], [8.0, 3.0])
    )
    session = PlanSession(inputs, mip_gap=1e-6)
    first = session.solve().objective_musd
    assert first == near(18.0)
    with session.trial():
        session.set_upper("halls", 0.0, site="east")
        # four halls of 3 in the west: 3 + 20
        assert session.solve().objective_musd == near(23.0)
        assert session.live.bound_musd <= session.live.objective_musd + 1e-9
    assert session.live.objective_musd == first
    session.set_upper("opened", 0.0, site="east")
    assert session.solve().objective_musd == near(23.0)
    session.set_upper("opened", 1.0, site="east")
    session.set_right("demand_now", 4.0)
    assert session.solve().objective_musd == near(11.0)
    session.change(replace(inputs, demand=inputs.demand * 1.2))
    assert session.solve().objective_musd == near(20.0)
    assert session.solve().objective_musd == near(solved(session.inputs).objective_musd)


def test_duals_are_of_the_plan_with_its_whole_numbers_held() -> None:
    # three halls stand and 10 of 12 MW are used: one more unit of demand costs a system, 2, and no hall
    plan = solved(tiny(energise_musd_per_mw=grid("site", ["hall"], 1.0), **lumps(["hall"], [5.0])))
    assert float(plan.dual("demand_now").sum()) == pytest.approx(2.0, abs=1e-3)
