"""What planning for all cases is worth, by hand: the mean case, regret, what is missed, bounds that contradict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gigawatt.core.errors import SolverError
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import MISSED_MUSD, extensive
from gigawatt.plan.foresight import first_orders, follow_orders, mean_orders, missed_by, never_less, plain_cost, regrets
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.tail import Tail
from gigawatt.plan.tree import Branch, Outcome, Tree
from gigawatt.plan.tree_check import check
from gigawatt.plan.whole import dual_bound, solve_whole
from tests.cases.tiny import by, grid, priced, tiny
from tests.cases.trees import near, newsvendor, three_stages, tree
from tests.cases.turns import mean, over, turn, with_inputs

TWO = [(0.4, 4.0), (0.6, 10.0)]
"""Demand of 4 with 40 %, of 10 with 60 %; bought at 2 before it is known, 5 for what is missing (or 3 below)."""


@pytest.mark.parametrize(("penalty", "eev", "rp"), [
    # the mean is 0.4 x 4 + 0.6 x 10 = 7.6, for which the mean case buys 7.6: EV = 2 x 7.6 = 15.2.
    # EEV = 15.2 + 5 x 0.6 x (10 - 7.6) = 15.2 + 7.2 = 22.4.  RP: the quantile 1 - 2/5 = 0.6 is above 0.4, so 10 are
    # bought: 20.  WS = 2 x 7.6 = 15.2.  EVPI = 20 - 15.2 = 4.8, VSS = 22.4 - 20 = 2.4
    (5.0, 22.4, 20.0),
    # at 3: EEV = 15.2 + 3 x 0.6 x 2.4 = 19.52.  The quantile 1 - 2/3 = 0.33 is below 0.4, so 4 are bought:
    # RP = 8 + 3 x 0.6 x 6 = 18.8.  EVPI = 18.8 - 15.2 = 3.6, VSS = 19.52 - 18.8 = 0.72
    (3.0, 19.52, 18.8),
])  # fmt: skip
def test_newsvendor_of_two_outcomes(penalty: float, eev: float, rp: float) -> None:
    whole = extensive(newsvendor(2.0, penalty, TWO))
    ev, orders = mean_orders(whole, time_limit_s=10.0)
    assert ev == near(15.2)
    with Decomposition(whole) as search:
        assert search.run(gap=1e-9).upper == near(rp)
        followed = follow_orders(search, "mean", orders, gap=1e-9, time_limit_s=10.0, order_musd=ev)
        ws = search.lower_bound
    assert (followed.upper, followed.lower, ws) == (near(eev), near(eev), near(15.2))
    evpi, vss = rp - ws, followed.upper - rp
    assert evpi == near(4.8 if penalty == 5.0 else 3.6) and vss == near(2.4 if penalty == 5.0 else 0.72)


def test_regrets_of_two_outcomes() -> None:
    # orders of 4, best if demand were 4, cost the tree 8 + 5 x 0.6 x 6 = 26: 6 more than 20; those of 10 are the plan
    with Decomposition(extensive(newsvendor(2.0, 5.0, TWO))) as search:
        rows = list(regrets(search, gap=1e-9, time_limit_s=10.0))
    assert [row.upper for row in rows] == [near(26.0), near(20.0)]
    assert [row.lower for row in rows] == [near(26.0), near(20.0)]
    # each plan costs 2 a MW in the case it is made for
    assert [row.order_musd for row in rows] == [near(8.0), near(20.0)]
    assert [row.plain for row in rows] == [near(26.0), near(20.0)] and rows[0].missed == rows[1].missed == ()


def test_a_regret_of_nothing_needs_no_other_orders() -> None:
    """The orders of a tree's own plan cost nothing more."""
    whole = extensive(three_stages(1, 1))
    with Decomposition(whole) as search:
        found = search.run(gap=1e-9)
        columns = np.concatenate([part.column for part in first_orders(whole)])
        again = follow_orders(search, "own", (columns, found.x[columns]), gap=1e-9, time_limit_s=10.0)
    assert again.upper == near(found.upper)


def late_branch(late: int, *, demand: float = 1.0, p: float = 0.5, n: int = 1) -> tuple[Outcome, Outcome]:
    zero = np.zeros(n, dtype=np.int64)
    return (
        turn("on time", 1.0 - p, demand, zero),
        turn("late", p, demand, zero + late),
    )


def supplied(packages: list[float]) -> PlanInputs:
    """Four quarters, 1 package a MW, demand of 10 from the second quarter on that a MW a unit serves."""
    quarters = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")
    return tiny(
        quarters=quarters, demand=[[[0.0, 10.0, 10.0, 10.0]]], packages_per_mw=by("offer", ["a"], [1.0]),
        capex_musd_per_mw=grid("offer", ["a"], 2.0, quarters), unmet_musd=grid("workload", ["work"], 5.0, quarters),
        supply_packages=grid("supply", ["v"], packages, quarters), opening_cash_musd=1e6,
        supply_member=grid("supply", ["v"], 1.0, ("a", "b"))[:, :1].rename(quarter="offer").assign_coords(offer=["a"]),
        gap_musd=by("quarter", list(quarters), np.full(4, 0.1)),
    )  # fmt: skip


def test_what_is_pushed_keeps_its_place_in_the_supply() -> None:
    """Ordered before the branch for Q2, it comes in Q3 where it is late, and there it is no part of what Q3 can supply.

    Supply of 4 in Q2 and 6 in Q3, an order a quarter ahead, late by 1 with 50 %. On time 4 come in Q2 and 6 in Q3: 20 of
    systems and 5 x 6 unmet in Q2, 50. Late: nothing in Q2, 4 in Q3, none unmet later than Q3 but what is ordered knowing
    of the delay comes from Q4 on. Nobody may order 6 for Q2, though 6 can be supplied in the quarter it would come.
    """
    inputs = supplied([0.0, 4.0, 6.0, 0.0])
    whole = extensive(tree(inputs, Branch(quarter="2027Q2", outcomes=late_branch(1)), lead=1))
    found = solve_whole(whole)
    on_time, late = (whole.plan(found.x, i)[m.variables["add"].columns[0]] for i, m in enumerate(whole.models))
    assert on_time == near(np.array([0.0, 4.0, 6.0, 0.0]))  # type: ignore[comparison-overlap]
    assert late[:3] == near(np.array([0.0, 0.0, 4.0]))  # type: ignore[comparison-overlap]
    # foresight of the late case orders no more for Q2 either, so its orders can be followed in every case
    with Decomposition(whole) as search:
        assert all(np.isfinite(row.upper) for row in regrets(search, gap=1e-9, time_limit_s=10.0))
        first = next(part for part in first_orders(whole) if part.family == "add").column
        assert search.foreseen_x[1][np.searchsorted(search.shared, first)].max() == near(4.0)


def test_what_is_pushed_takes_no_place_of_later_orders() -> None:
    """With 4 a quarter, 4 pushed into Q3 leave the 4 of Q3 whole, for an offer whose order is not late."""
    quarters = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")
    base = supplied([0.0, 4.0, 4.0, 0.0])
    two = ["a", "b"]
    inputs = replace(
        tiny(
            offers=two, quarters=quarters, demand=[[[0.0, 10.0, 10.0, 10.0]]],
            capex_musd_per_mw=grid("offer", two, 2.0, quarters), packages_per_mw=by("offer", two, [1.0, 1.0]),
            unmet_musd=grid("workload", ["work"], 5.0, quarters), gap_musd=base.gap_musd,
        ),
        supply_packages=base.supply_packages,
        supply_member=grid("supply", ["v"], 1.0, ("a", "b")).rename(quarter="offer"),
    )  # fmt: skip
    late_a = np.array([1, 0])
    outcomes = (
        turn("on time", 0.5), turn("late", 0.5, late_offer=late_a),
    )  # fmt: skip
    whole = extensive(Tree(
        inputs=inputs, branches=(Branch(quarter="2027Q2", outcomes=outcomes),), at=over(inputs),
        lead={"add": np.array([1, 0]), "energise": np.array([0])},
    ))  # fmt: skip
    x = np.zeros(whole.lower.size)
    add = whole.columns[1][whole.models[1].variables["add"].columns]
    x[add[0, 2]], x[add[1, 2]] = 4.0, 4.0  # in the late case 4 of a, meant for Q2, and 4 of b stand side by side in Q3
    rows = whole.models[1].constraints["supply"]
    used = rows.matrix @ whole.plan(x, 1)
    assert used.tolist() == [0.0, 4.0, 4.0, 0.0]
    assert (used <= rows.upper).all()


def test_what_is_missed_is_said_by_kind_and_beside_the_money() -> None:
    """3 MW are to be held from Q1 on and none can come before Q2, or Q3 where it is late.

    On time 3 are missed in Q1, late 3 in Q1 and 3 in Q2, at 1,000 MUSD each; 3 are bought at 2 in both cases:
    6 without the charge, 6 + 1,000 x (0.5 x 3 + 0.5 x 6) = 4,506 with it.
    """
    inputs = replace(
        supplied([0.0, 9.0, 9.0, 9.0]), demand=supplied([0.0] * 4).demand * 0.0,
        stock_min_mw=grid("offer", ["a"], [0.0, 3.0, 3.0, 3.0], ("2027Q1", "2027Q2", "2027Q3", "2027Q4")),
    )  # fmt: skip
    plan = tree(inputs, Branch(quarter="2027Q2", outcomes=late_branch(1)), lead=1)
    moved = extensive(plan)
    assert missed_by(moved, solve_whole(moved).x) == ()  # the take moves with what is late
    at_q1 = extensive(with_inputs(plan, replace(inputs, stock_min_mw=grid(
        "offer", ["a"], [3.0, 3.0, 3.0, 3.0], inputs.quarters), add_max_mw=grid(
        "offer", ["a"], [0.0, np.inf, np.inf, np.inf], inputs.quarters))))  # fmt: skip
    found = solve_whole(at_q1)
    (row,) = missed_by(at_q1, found.x)
    assert (row.kind, row.unit) == ("minimum takes", "MW")
    assert (row.expected, row.worst) == (near(0.5 * 3.0 + 0.5 * 6.0), near(6.0))
    assert at_q1.charged(found.x).tolist() == [near(3.0 * MISSED_MUSD), near(6.0 * MISSED_MUSD)]
    assert plain_cost(at_q1, found.x, Tail()) == near(6.0)
    assert found.upper == near(6.0 + 4.5 * MISSED_MUSD)


def test_prices_move_costs_of_decisions_that_cases_share() -> None:
    """4 MW bought in Q1, before anything is learned, at 2; held at 0.3 a quarter, energy twice or half from Q2 on.

    dear: 8 + 4 x 0.3 + 4 x 0.6 = 11.6;  cheap: 8 + 4 x 0.3 + 4 x 0.15 = 9.8;  expected 0.5 x 11.6 + 0.5 x 9.8 = 10.7
    """
    plain = tiny(demand=[[[4.0, 4.0]]], opening_cash_musd=1e9)

    def at(taken: Sequence[tuple[int, Outcome]]) -> PlanInputs:
        factor = float(np.prod([outcome.brings[0] for _, outcome in taken]))
        energy = grid("offer", ["a"], 0.3) * by("quarter", ["2027Q1", "2027Q2"], [1.0, factor])
        return priced(plain, hold_musd_per_mw=energy)

    outcomes = turn("dear", 0.5, 2.0), turn("cheap", 0.5, 0.5)
    whole = extensive(Tree(
        inputs=at([]), branches=(Branch(quarter="2027Q2", outcomes=outcomes),), at=at, mean=mean,
        lead={"add": np.array([0]), "energise": np.array([0])},
    ))  # fmt: skip
    found = solve_whole(whole)
    assert found.leaf_cost.tolist() == [near(11.6), near(9.8)] and found.upper == near(10.7)
    with Decomposition(whole) as search:
        assert search.run(gap=1e-9).upper == near(10.7)
    ev, _ = mean_orders(whole, time_limit_s=10.0)
    assert ev == near(8.0 + 4 * 0.3 + 4 * 0.3 * 1.25)  # the mean factor is 1.25


def test_probability_zero_is_carried_and_less_is_refused() -> None:
    rows = [(0.0, 20.0), (0.4, 4.0), (0.6, 10.0)]
    whole = extensive(newsvendor(2.0, 5.0, rows))
    for tail in (Tail(), Tail(level=0.9, weight=1.0)):
        with Decomposition(whole, tail=tail) as search:
            found = search.run(gap=1e-9)
            regret = [row.upper for row in regrets(search, gap=1e-9, time_limit_s=10.0)]
        assert found.upper == near(20.0) and np.isfinite(regret).all()
        assert solve_whole(whole, tail=tail).upper == near(20.0)
    ev, _ = mean_orders(whole, time_limit_s=10.0)
    assert ev == near(15.2)
    for wrong in (-0.5, float("nan")):
        with pytest.raises(ValueError, match=r"'x4' at 2027Q2 has probability .*; 0 or more is right"):
            newsvendor(2.0, 5.0, [(wrong, 4.0), (1.5, 10.0)])


def test_bounds_that_contradict_each_other_are_no_figure() -> None:
    assert never_less(-3.0, 2.0, what="it", scale=100.0) == (0.0, 2.0)
    assert never_less(-1.0, -1e-4, what="it", scale=100.0) == (0.0, 0.0)  # less than 1e-5 of 100 is rounding
    with pytest.raises(SolverError, match=r"it lies between -3\.000 and -1\.000 MUSD, which cannot be"):
        never_less(-3.0, -1.0, what="it", scale=100.0)
    with pytest.raises(SolverError, match="contradict each other"):
        never_less(2.0, 1.0, what="it", scale=100.0)


def test_the_check_reads_every_case_alone() -> None:
    whole = extensive(three_stages(1, 1))
    found = solve_whole(whole)
    clean = check(whole, found.x)
    assert clean.violation < 1e-6 and clean.cost_error < 1e-9
    model = whole.models[2]
    at = whole.columns[2][model.variables["stock"].columns[0, 3]]
    broken = found.x.copy()
    broken[at] += 2.0
    broken[whole.columns[2][model.variables["energise"].columns[0, 3]]] += 10.0  # room for it, which costs nothing
    seen = check(whole, broken)
    # stock of 2 more than what came: the row's bound is 0, so it is missed by 2; the hall by 2 x 1.25 where the plan that
    # the solver chose among equals fills it
    assert seen.violation in (near(2.0), near(2.5)) and f"of '{whole.leaves[2].name}'" in seen.where
    # a row that merging had lost would not be seen in the merged matrix, and is in the case's own model
    free = np.full(whole.row_lower.size, np.inf)
    lost = replace(whole, matrix=whole.matrix * 0.0, row_lower=-free, row_upper=free)
    assert lost.violation(broken) < 1e-6 and check(lost, broken).violation == near(seen.violation)
    dear = replace(whole, leaf_constant=whole.leaf_constant + 1.0)
    assert check(dear, found.x).cost_error > 1e-3


def test_every_family_is_decided_by_one_rule() -> None:
    whole = extensive(three_stages(1, 1))
    named = [name for names in whole.rules().values() for name in names]
    assert sorted(named) == sorted(whole.models[0].variables)
    assert whole.rules()["order"] == ("add", "energise") and whole.rules()["end"] == ("kept",)
    assert whole.models[0].variables["stock"].column.decided == "quarter"


def test_a_bound_from_duals_needs_no_optimum() -> None:
    """min 2 x + 3 y with x + y >= 4, 0 <= x <= 3, y >= 0: 2 x 3 + 3 x 1 = 9."""
    import scipy.sparse as sp

    from gigawatt.plan.problem import Problem

    problem = Problem(
        cost=np.array([2.0, 3.0]), lower=np.zeros(2), upper=np.array([3.0, np.inf]),
        matrix=sp.csr_array(np.array([[1.0, 1.0]])), row_lower=np.array([4.0]), row_upper=np.array([np.inf]),
    )  # fmt: skip
    assert dual_bound(problem, np.array([3.0])) == near(9.0)  # 3 x 4 - 1 x 3
    assert dual_bound(problem, np.array([2.5])) == near(8.5)  # 2.5 x 4 - 0.5 x 3
    assert dual_bound(problem, np.array([1.0])) == near(4.0)
    assert dual_bound(problem, np.array([3.5])) == -np.inf  # the cost of y less its dual is negative, y has no end
    assert dual_bound(problem, np.array([-1.0])) == -np.inf  # the row has no upper end


def test_a_tree_as_one_problem_that_stops_without_a_plan_says_so() -> None:
    whole = extensive(three_stages(1, 1))
    with pytest.raises(SolverError, match=r"\(321 decisions, 300 constraints\) has no plan after 0 s"):
        solve_whole(whole, time_limit_s=0.0)


def test_rows_of_one_node_that_hold_other_orders_stay_apart() -> None:
    """Two systems share 4 packages in Q2. Late by two quarters both come in Q4; late once more, a does not come at all.

    Then a's order is in no row of that case, and still it draws on the 4 packages where it comes.
    """
    quarters, two = ("2027Q1", "2027Q2", "2027Q3", "2027Q4"), ["a", "b"]
    inputs = tiny(
        offers=two, quarters=quarters, demand=[[[0.0, 0.0, 0.0, 10.0]]], packages_per_mw=by("offer", two, [1.0, 1.0]),
        capex_musd_per_mw=grid("offer", two, 1.0, quarters), unmet_musd=grid("workload", ["work"], 5.0, quarters),
        supply_packages=grid("supply", ["v"], [0.0, 4.0, 0.0, 0.0], quarters),
        supply_member=grid("supply", ["v"], 1.0, ("a", "b")).rename(quarter="offer"),
        gap_musd=by("quarter", list(quarters), np.full(4, 0.1)), opening_cash_musd=1e6,
    )  # fmt: skip
    both, a, none = np.array([2, 2]), np.array([1, 0]), np.array([0, 0])
    whole = extensive(Tree(
        inputs=inputs, lead={"add": np.array([1, 1]), "energise": np.array([0])}, at=over(inputs),
        branches=(
            Branch(quarter="2027Q2", outcomes=(turn("late", 1.0, late_offer=both),)),
            Branch(quarter="2027Q4", outcomes=(turn("later", 0.5, late_offer=a), turn("came", 0.5, late_offer=none))),
        ),
    ))  # fmt: skip
    found = solve_whole(whole)
    came = whole.plan(found.x, 1)[whole.models[1].variables["add"].columns]
    assert came[:, 3].sum() == near(4.0)
    assert check(whole, found.x).violation < 1e-6
    # b comes in both cases: 4 + 5 x 6 unmet
    assert found.upper == near(34.0)
