"""The live plan: what is changed, undone, pinned and carried over, against plans solved afresh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.session import PlanSession
from tests.cases.contracts import milestones
from tests.cases.tiny import by, grid, near, solved, tiny

TWO = ["a", "b"]


def two(prices: tuple[float, float] = (2.0, 3.0), **changes: object) -> object:
    return tiny(offers=TWO, capex_musd_per_mw=grid("offer", TWO, [[prices[0]] * 2, [prices[1]] * 2]), **changes)


def test_a_cost_a_bound_and_a_right_hand_side_change() -> None:
    # a at 2, 10 MW: 20. a at 5: b at 3 takes it: 30. b at most 4 MW: 4 x 3 + 6 x 5 = 42. 12 asked: 12 + 8 x 5 = 52
    session = PlanSession(two())
    assert session.solve().objective_musd == near(20.0)
    session.set_cost("add", 5.0, offer="a")
    assert session.solve().objective_musd == near(30.0)
    session.set_upper("add", 4.0, offer="b", quarter="2027Q1")
    session.set_upper("add", 0.0, offer="b", quarter="2027Q2")
    assert session.solve().objective_musd == near(42.0)
    session.set_right("demand_now", 12.0)
    assert session.solve().objective_musd == near(52.0)
    session.set_lower("add", 12.0, offer="a", quarter="2027Q1")
    assert session.solve().objective_musd == near(60.0)


def test_a_trial_leaves_nothing_behind() -> None:
    session = PlanSession(two())
    before = session.solve().objective_musd
    stood = session.live.value("stock").values.copy()
    with session.trial():
        session.set_upper("add", 0.0, offer="a")
        session.add_row(session.numbers.cost, 35.0, np.inf)
        assert session.solve().objective_musd == pytest.approx(35.0, abs=1e-2)
    assert session.live.objective_musd == before
    assert (session.live.value("stock").values == stood).all()
    assert session.live.solver.n_rows == session.live.model.n_rows
    assert session.solve().objective_musd == near(20.0)
    with session.trial():
        session.set_lower("add", 1e6, offer="a")
        with pytest.raises(InfeasibleError, match="no plan meets these limits"):
            session.solve(explain=False)
    assert session.solve().objective_musd == near(20.0)


def test_another_objective_for_a_while() -> None:
    session = PlanSession(two())
    session.solve()
    with session.trial():
        cost = session.numbers.cost.copy()
        most = np.zeros_like(cost)
        columns = session.live.model.variables["add"].columns[1]
        most[columns] = -1.0
        session.add_row(cost, -np.inf, 22.0)
        session.minimise(most)
        # 22 = 20 + 2 allows two MW at 3 in place of two at 2
        plan = session.solve()
        assert plan.value("add").sel(offer="b").sum() == pytest.approx(2.0, abs=1e-2)
        assert plan.objective_musd == pytest.approx(
            -2.0, abs=1e-2
        )  # of what was asked for, not of the plan's own costs
    assert session.solve().objective_musd == near(20.0)


def test_a_plan_stays_what_it_was() -> None:
    session = PlanSession(two())
    plan = session.solve()
    bought = plan.value("add").values.copy()
    session.set_cost("add", 5.0, offer="a")  # b takes it at 3: 10 dearer
    assert session.solve().objective_musd - plan.objective_musd == near(10.0)
    assert (plan.value("add").values == bought).all()


def test_a_right_hand_side_changes_on_the_side_it_has() -> None:
    # commitments of 4 MW in the second quarter alone: the first quarter's row has no bound and keeps none
    promised = grid("commitment", ["signed"], [[0.0, 4.0]])
    weight = xr.DataArray([[0.0, 1.0]], dims=["commitment", "offer"], coords={"commitment": ["signed"], "offer": TWO})
    session = PlanSession(two(commitment_mw=promised, commitment_weight=weight))
    assert session.solve().objective_musd == near(24.0)  # 6 x 2 + 4 x 3
    session.set_right("commitment", 6.0)
    assert session.solve().objective_musd == near(26.0)


def test_what_is_signed_stays_signed() -> None:
    # 10 MW of a were bought in the first quarter at 2; then 20 are asked for, and b is cheaper: 20 + 10 x 1
    session = PlanSession(two())
    signed = session.solve()
    pinned = {name: signed.value(name) for name in ("add", "retire", "energise")}
    session.change(two(prices=(2.0, 1.0), demand=[[[10.0, 20.0]]]))
    assert session.solve().objective_musd == near(20.0)  # not pinned: all from b
    for name, values in pinned.items():
        session.set_lower(name, values.sel(quarter=["2027Q1"]), quarter=["2027Q1"])
        session.set_upper(name, values.sel(quarter=["2027Q1"]), quarter=["2027Q1"])
    assert session.solve().objective_musd == near(30.0)


def test_fix_pins_until_a_quarter() -> None:
    session = PlanSession(two(demand=[[[10.0, 14.0]]]))
    plan = session.solve()
    session.fix(plan, "2027Q1")
    session.set_right("demand_now", 30.0)
    # 14 MW could have been bought at once; pinned is 10 (the cheapest tie keeps the busiest block small)
    again = session.solve()
    assert again.value("add").sel(quarter="2027Q1").sum() == near(float(plan.value("add").sel(quarter="2027Q1").sum()))


def test_another_fleet_starts_from_the_old_basis() -> None:
    session = PlanSession(two())
    session.solve()
    session.change(replace(session.inputs, initial_mw=by("offer", TWO, [0.0, 7.0])))
    assert session.solve().objective_musd == near(6.0)
    session.change(two(milestones=milestones(counts=by("offer", TWO, [1.25, 1.25]))))  # other rows and columns
    assert session.solve().objective_musd == near(20.0)


def test_unknown_names_are_said() -> None:
    session = PlanSession(two())
    with pytest.raises(KeyError, match="no variable 'ad'; it has add, kept"):
        session.set_cost("ad", 1.0)
    with pytest.raises(KeyError, match="no rows 'deman'"):
        session.set_right("deman", 1.0)
    with pytest.raises(KeyError, match="axis 'offer' has no 'c'; it has a, b"):
        session.set_cost("add", 1.0, offer="c")
    with pytest.raises(KeyError, match="there is no axis 'site' here; the axes are offer, quarter"):
        session.set_cost("add", 1.0, site="c")
    with pytest.raises(ValueError, match="'2045Q1' is no quarter of the plan; it runs from 2027Q1 to 2027Q2"):
        session.fix(session.solve(), "2045Q1")


@settings(max_examples=25, deadline=None)
@given(
    prices=st.lists(st.tuples(st.floats(0.5, 9.0), st.floats(0.5, 9.0)), min_size=1, max_size=4),
    limit=st.floats(0.0, 20.0),
)
def test_a_warm_plan_costs_what_a_fresh_one_does(prices: list[tuple[float, float]], limit: float) -> None:
    session = PlanSession(two(add_max_mw=grid("offer", TWO, np.inf)))
    session.set_upper("add", limit, offer="a")
    for a, b in prices:
        session.set_cost("add", a, offer="a")
        session.set_cost("add", b, offer="b")
        fresh = two(prices=(a, b), add_max_mw=grid("offer", TWO, [[limit] * 2, [np.inf] * 2]))
        if limit > 0.0:
            assert session.solve().objective_musd == pytest.approx(solved(fresh).objective_musd, abs=1e-3)
        else:
            assert session.solve().objective_musd == pytest.approx(10.0 * b, abs=1e-3)
