"""Plans under uncertainty, against closed forms, against the tree as one problem, and under the laws of their kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.extensive import Extensive, extensive
from gigawatt.plan.foresight import first_orders, first_stage, orders_of
from gigawatt.plan.found import in_order
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.parts import cut, cuts_of, with_implied
from gigawatt.plan.recourse import Answer, Floats, Processes
from gigawatt.plan.session import SIGNED
from gigawatt.plan.tail import Tail, cvar
from gigawatt.plan.terms import Leases, Options, Takes, Terms, Warrants
from gigawatt.plan.tree import Tree
from gigawatt.plan.whole import solve_whole
from tests.cases.tiny import by, end, grid, priced, rate, solved, tiny
from tests.cases.trees import FOUR, TWO, demands, near, newsvendor, opened, three_stages, tree
from tests.cases.turns import with_inputs


def cost_of(whole: Extensive, tail: Tail | None = None, gap: float = 1e-9, cuts: Sequence[int] = ()) -> float:
    with opened(whole, tail, cuts=cuts) as search:
        found = search.run(gap=gap)
    assert whole.violation(found.x) < 1e-5
    assert tail is not None or found.upper == near(float(whole.probability @ whole.costs(found.x)))
    return found.upper


def closed_form(price: float, penalty: float, rows: list[tuple[float, float]]) -> float:
    """min_q price q + penalty E[(D - q)+]; the least is at one of the demands or at zero."""
    return min(price * q + penalty * sum(p * max(0.0, d - q) for p, d in rows) for q in [0.0, *(d for _, d in rows)])


def test_newsvendor() -> None:
    # ordered at 2 before demand of 4, 10 or 20 is known, 5 for what is missing: the quantile 1 - 2/5 = 0.6 is 10:
    # 20 + 5 x 0.3 x 10 = 35. Ordered knowing demand: 2 x (0.3 x 4 + 0.4 x 10 + 0.3 x 20) = 22.4
    rows = [(0.3, 4.0), (0.4, 10.0), (0.3, 20.0)]
    whole = extensive(newsvendor(2.0, 5.0, rows))
    assert solve_whole(whole).upper == near(35.0)
    assert cost_of(whole) == near(35.0)
    with opened(whole) as search:
        found = search.run(gap=1e-9)
        assert search.lower_bound == near(22.4)
    assert whole.plan(found.x, 0)[whole.models[0].variables["add"].columns[0, 1]] == near(10.0)


def test_ordered_after_the_branch_everything_is_known() -> None:
    rows = [(0.3, 4.0), (0.4, 10.0), (0.3, 20.0)]
    assert cost_of(extensive(newsvendor(2.0, 5.0, rows, lead=0))) == near(22.4)


@settings(max_examples=8, deadline=None)
@given(
    price=st.floats(0.5, 5.0), penalty=st.floats(6.0, 20.0),
    demand=st.lists(st.integers(1, 30), min_size=2, max_size=4, unique=True), weight=st.floats(0.0, 1.0),
)  # fmt: skip
def test_newsvendor_and_the_laws_of_value(price: float, penalty: float, demand: list[int], weight: float) -> None:
    """Foresight <= the plan <= the plan for the mean; with a tail too."""
    rows = [(1.0 / len(demand), float(d)) for d in demand]
    whole = extensive(newsvendor(price, penalty, rows))
    best = closed_form(price, penalty, rows)
    assert cost_of(whole) == near(best, 1e-5)
    mean = sum(p * d for p, d in rows)
    assert best <= price * mean + penalty * sum(p * max(0.0, d - mean) for p, d in rows) + 1e-9
    tail = Tail(level=0.6, weight=weight)
    with opened(whole, tail) as search:
        found = search.run(gap=1e-8)
        assert search.lower_bound <= found.upper + 1e-6
    assert found.upper == near(solve_whole(whole, tail=tail).upper, 1e-5)
    at = whole.columns[0][whole.models[0].variables["add"].columns[0]]
    with opened(whole) as search:
        held = search.run(gap=1e-8, fixed=(at, np.array([0.0, mean])))
    assert held.upper == near(price * mean + penalty * sum(p * max(0.0, d - mean) for p, d in rows), 1e-5)


def test_tail_in_closed_form() -> None:
    # all weight on the worst 30 %: demand of 20 alone counts, so 20 are ordered: 40
    rows = [(0.3, 4.0), (0.4, 10.0), (0.3, 20.0)]
    whole = extensive(newsvendor(2.0, 5.0, rows))
    tail = Tail(level=0.7, weight=1.0)
    assert solve_whole(whole, tail=tail).upper == near(40.0)
    assert cost_of(whole, tail) == near(40.0)
    assert cvar(np.array([1.0, 2.0, 10.0]), np.array([0.5, 0.4, 0.1]), 0.8) == near(6.0)
    assert cvar(np.array([1.0, 3.0]), np.array([0.5, 0.5]), 0.0) == near(2.0)


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(-50.0, 50.0)), min_size=1, max_size=6), st.floats(0.0, 0.99))
def test_the_tail_lies_between_mean_and_worst(rows: list[tuple[float, float]], level: float) -> None:
    p = np.array([row[0] for row in rows]) / sum(row[0] for row in rows)
    cost = np.array([row[1] for row in rows])
    assert float(p @ cost) - 1e-9 <= cvar(cost, p, level) <= cost.max() + 1e-9


@pytest.mark.parametrize(("lead", "late"), [(0, 0), (1, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("tail", [Tail(), Tail(level=0.8, weight=0.5), Tail(level=0.5, weight=1.0)])
def test_three_stages_equal_the_tree_as_one_problem(lead: int, late: int, tail: Tail) -> None:
    whole = extensive(three_stages(lead, late))
    exact = solve_whole(whole, tail=tail)
    assert whole.violation(exact.x) < 1e-6
    for cuts in ((2,), (1, 2)):
        assert cost_of(whole, tail, 1e-8, cuts) == near(exact.upper)


def four_stages() -> Tree:
    """Demand learned in every quarter but the first, ordered a quarter ahead."""
    plan = three_stages(lead=1)
    rows = [demands(name, (0.3, 1.3), (0.7, 0.9)) for name in FOUR[1:]]
    return tree(plan.inputs, *rows, lead=1)


@pytest.mark.parametrize("cuts", [(3,), (1, 3), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("tail", [Tail(), Tail(level=0.7, weight=0.6)])
def test_wherever_the_tree_is_cut_the_plan_is_the_same(cuts: Sequence[int], tail: Tail) -> None:
    whole = extensive(four_stages())
    assert cost_of(whole, tail, 1e-8, cuts) == near(solve_whole(whole, tail=tail).upper)


def test_parts_hold_every_row_and_every_decision_once() -> None:
    whole = extensive(four_stages())
    found = cut(whole, (1, 2, 3), Tail())
    assert [part.level for part in found.parts] == [0] + [1] * 2 + [2] * 4 + [3] * 8
    assert np.array_equal(np.sort(np.concatenate([part.own for part in found.parts])), np.arange(whole.lower.size))
    implied = with_implied(whole, found.level, 3)[1].size
    assert sum(part.problem.row_lower.size for part in found.parts) == implied >= whole.row_lower.size
    # 0.3 of every branch is high: the part after two high outcomes is reached in 0.09 of all cases
    assert found.parts[3].probability == near(0.09) and found.parts[3].name == "x1.3 > x1.3"
    assert found.through[0].tolist() == [0, 1, 3, 7] and found.through[-1].tolist() == [0, 2, 6, 14]


def test_where_a_tree_is_cut_depends_on_its_size() -> None:
    whole = extensive(four_stages())
    sizes = [int((whole.stage == stage).sum()) for stage in range(4)]
    assert cuts_of(whole) == (3,)
    assert cuts_of(whole, most=sum(sizes[:2])) == (2, 3)
    assert cuts_of(whole, most=sizes[0]) == (1, 2, 3)


def with_halls(penalty: float, *, whole: bool = True) -> Tree:
    """Systems are free; one MW serves one unit in halls of 4 MW at 10 a piece, built before demand is known."""
    inputs = tiny(
        demand=[[[0.0, 1.0]]], unmet_musd=grid("workload", ["work"], penalty), opening_cash_musd=1e9,
        capex_musd_per_mw=grid("offer", ["a"], 0.0), energise_musd_per_mw=grid("site", ["hall"], 2.5),
        facility_over_it=by("offer", ["a"], [1.0]), energised_initial_mw=by("site", ["hall"], [0.0]),
    )  # fmt: skip
    lumps = Lumps(whole=whole, hall_mw=by("site", ["hall"], [4.0]))
    return tree(replace(inputs, lumps=lumps), demands("2027Q2", (0.5, 3.0), (0.5, 6.0)), lead=1)


@pytest.mark.parametrize("penalty", [3.0, 4.0, 6.0])
@pytest.mark.parametrize("cvar_weight", [0.0, 0.5])
def test_halls_ordered_before_the_branch_come_whole(penalty: float, cvar_weight: float) -> None:
    """min over n halls of 10 n + E or tail of penalty (D - 4 n)+, demand 3 or 6; relaxed, any n."""
    tail = Tail(level=0.5, weight=cvar_weight)
    whole = extensive(with_halls(penalty))

    def cost(n: float) -> float:
        short = np.array([max(0.0, 3.0 - 4.0 * n), max(0.0, 6.0 - 4.0 * n)])
        return 10.0 * n + tail.of(penalty * short, np.array([0.5, 0.5]))

    halls = whole.columns[0][whole.models[0].variables["halls"].columns[0]]
    assert np.isin(halls, whole.lumps).all()  # those taken into use after the branch too: they were built before
    with opened(whole, tail) as search:
        found = search.run(gap=1e-8)
        held = search.run(gap=1e-8, fixed=(halls, np.array([0.0, 0.5])))
        again = search.run(gap=1e-8)
    assert found.is_whole and found.upper == near(min(cost(n) for n in (0, 1, 2)))
    assert found.x[halls] == near(np.round(found.x[halls])) and again.upper == near(found.upper)
    assert not held.is_whole and held.upper == near(cost(0.5))  # what is held may be any amount
    assert solve_whole(whole, tail=tail).upper == near(found.upper)
    relaxed = min(cost(n) for n in (0.0, 0.75, 1.5))
    assert solve_whole(extensive(with_halls(penalty, whole=False)), tail=tail).upper == near(relaxed)


@pytest.mark.parametrize("tail", [Tail(), Tail(level=0.8, weight=0.5)])
def test_contracts_under_a_tail_and_cut_at_every_branch(tail: Tail) -> None:
    whole = extensive(with_terms(1, 1))
    assert cost_of(whole, tail, 1e-8, (1, 2)) == near(solve_whole(whole, tail=tail).upper)


def test_orders_that_pass_the_limits_of_the_tree_are_refused() -> None:
    whole = extensive(newsvendor(2.0, 5.0, [(0.5, 4.0), (0.5, 10.0)]))
    at = whole.columns[0][whole.models[0].variables["add"].columns[0]]
    with opened(whole) as search, pytest.raises(InfeasibleError, match="the given orders pass the limits of the tree"):
        search.run(fixed=(at, np.array([0.0, -1.0])))


def test_bounds_that_contradict_each_other_are_not_hidden() -> None:
    assert in_order(5.0, 5.0 - 1e-9) == 5.0 - 1e-9
    with pytest.raises(SolverError, match=r"no plan below 6\.000 MUSD, one at 5\.000 MUSD"):
        in_order(6.0, 5.0)


def test_what_is_decided_before_a_branch_is_one_decision() -> None:
    whole = extensive(three_stages(lead=1))
    with opened(whole) as search:
        found = search.run(gap=1e-8)
    adds = [whole.plan(found.x, i)[model.variables["add"].columns] for i, model in enumerate(whole.models)]
    for one, first in zip(adds, whole.leaves, strict=True):
        for other, second in zip(adds, whole.leaves, strict=True):
            # accepted until 2027Q2 is ordered before the first branch, until 2027Q3 before the second
            same = 2 if first.path[0] != second.path[0] else 3 if first.path[1] != second.path[1] else 4
            assert np.array_equal(one[:, :same], other[:, :same])
    stocks = np.array([whole.plan(found.x, i)[m.variables["stock"].columns] for i, m in enumerate(whole.models)])
    assert np.ptp(stocks[:, :, 3], axis=0).max() > 0.1  # and afterwards they part


def test_what_is_late_is_pushed() -> None:
    whole = extensive(three_stages(lead=1, late=1))
    on_time, late = (whole.models[i].variables["add"].columns for i in (0, 2))
    assert (late[:, 2] == -1).all()  # nothing arrives in the quarter of the branch
    # what was meant for it comes one later
    assert (whole.columns[2][late[:, 3]] == whole.columns[0][on_time[:, 2]]).all()


def with_terms(lead: int, late: int) -> Tree:
    """The tree of three stages under an option, a take-or-pay contract, a warrant and a right to leave."""
    plan = three_stages(lead, late)
    left = xr.DataArray(
        np.full((1, 4, 4), 0.3), dims=("offer", "signed", "quarter"),
        coords={"offer": ["b"], "signed": list(FOUR), "quarter": list(FOUR)},
    )  # fmt: skip

    def link(dim: str, weights: list[float]) -> xr.DataArray:
        return xr.DataArray([weights], dims=(dim, "offer"), coords={dim: ["k"], "offer": TWO})

    terms = Terms(
        takes=Takes(member=link("take", [1.0, 1.0]), mw=grid("take", ["k"], 5.0, FOUR)),
        options=Options(member=link("option", [1.0, 0.0]), firm_mw=by("option", ["k"], [3.0]),
                        most_mw=by("option", ["k"], [4.0]), notice=by("option", ["k"], [1]).astype(int)),
        warrants=Warrants(weight=link("warrant", [1.25, 0.0]), most_mw=by("warrant", ["k"], [6.0])),
        leases=Leases(due_mw=grid("site", ["hall"], 0.0, FOUR), term_quarters=by("site", ["hall"], [1]).astype(int)),
    )  # fmt: skip
    rates = (
        rate("take-or-pay", "short", grid("take", ["k"], 1.5, FOUR)), rate("exit-fee", "left", left),
        rate("option-premium", "exercised", grid("option", ["k"], 0.2, FOUR)),
        rate("deposit-return", "vacate", by("site", ["hall"], [0.1])),
    )  # fmt: skip
    worth = grid("warrant", ["k"], 0.4, FOUR) * plan.inputs.discount
    ends = (end("vested", "vested", worth), end("salvage", "vacate", by("site", ["hall"], [-0.05])))
    return with_inputs(plan, priced(plan.inputs, terms=terms, rates=rates, ends=ends))


@pytest.mark.parametrize(("lead", "late"), [(0, 0), (1, 1), (2, 1)])
def test_contracts_equal_the_tree_as_one_problem(lead: int, late: int) -> None:
    whole = extensive(with_terms(lead, late))
    exact = solve_whole(whole)
    assert whole.violation(exact.x) < 1e-6
    assert cost_of(whole, gap=1e-8) == near(exact.upper)


def test_an_option_is_not_passed_before_the_last_branch() -> None:
    """What the limit over all quarters says of shared decisions stands in the master from the start."""
    whole = extensive(with_terms(1, 0))
    with opened(whole) as search:
        corners = [search._minimum()[2]]
        search.run(gap=1e-8, say=lambda _: corners.append(search._minimum()[2]))
        for leaf, columns in zip(whole.models, whole.columns, strict=True):
            at = columns[leaf.variables["exercised"].columns.ravel()]
            place = np.searchsorted(search.shared, at[whole.stage[at] < 2])
            assert all(corner[place].sum() <= 4.0 + 1e-6 for corner in corners)


def test_first_orders_of_every_family() -> None:
    whole = extensive(with_terms(1, 0))
    found = {part.family: part for part in first_orders(whole)}
    assert set(found) == set(SIGNED) & set(whole.models[0].variables) > {"left", "exercised", "add", "vacate"}
    assert all((whole.stage[part.column] == 0).all() for part in found.values())
    plan = solved(whole.tree.inputs)
    columns, values = orders_of(whole, plan)
    x = np.zeros(whole.lower.size)
    x[columns] = values
    for family, part in found.items():
        table = first_stage(whole, x, family)
        assert table.dims == plan.value(family).dims
        assert np.array_equal(table.values.ravel()[part.cell], plan.value(family).values.ravel()[part.cell])


def test_a_certain_tree_is_the_plan() -> None:
    inputs = three_stages().inputs
    whole = extensive(tree(inputs, demands("2027Q3", (1.0, 1.0)), lead=1))
    assert cost_of(whole) == near(solved(inputs).objective_musd)


def test_laws_of_foresight_and_of_the_mean() -> None:
    plan = three_stages()
    whole = extensive(plan)
    with opened(whole) as search:
        found = search.run(gap=1e-8)
        central = solved(plan.inputs)
        model = whole.models[0]
        columns = whole.columns[0][model.variables["add"].columns[:, :2]].ravel()
        held = search.run(gap=1e-8, fixed=(columns, central.value("add").values[:, :2].ravel()))
        again = search.run(gap=1e-8)
        assert search.lower_bound <= found.upper + 1e-6 <= held.upper + 2e-6
    assert again.upper == near(found.upper)


def test_processes_give_what_one_process_gives() -> None:
    whole = extensive(three_stages(lead=1, late=1))
    with opened(whole) as search:
        one = search.run(gap=1e-8)
    with opened(whole, executor=Processes(2)) as search:
        two = search.run(gap=1e-8)
    assert np.array_equal(one.x, two.x)
    assert [(r.lower, r.upper) for r in one.rounds] == [(r.lower, r.upper) for r in two.rounds]


class Impatient(Processes):
    """Is interrupted while it waits for the answers to one question."""

    nerves = 3

    def solve(self, points: Sequence[Floats]) -> list[Answer]:
        self.nerves -= 1
        if self.nerves == 0:
            self._ticket += 1
            for number, end in enumerate(self._ends):
                mine = [point for point, owner in zip(points, self._owner, strict=True) if owner == number]
                end.send((self._ticket, "solve", mine))
            raise KeyboardInterrupt
        return super().solve(points)


def test_answers_to_an_interrupted_question_are_let_go() -> None:
    whole = extensive(three_stages(lead=1, late=1))
    with opened(whole) as search:
        found = search.run(gap=1e-8)
    with opened(whole, executor=Impatient(2)) as search:
        assert search.run(gap=-1.0).ended == "interrupted"
        again = search.run(gap=1e-8)
    assert again.lower <= found.upper + 1e-6 <= again.upper + 2e-6
    assert whole.violation(again.x) < 1e-5


def test_bounds_close_in_and_a_search_that_stops_keeps_them() -> None:
    whole = extensive(three_stages())
    with opened(whole) as search:
        found = search.run(gap=1e-8)
        lower, upper = [r.lower for r in found.rounds], [r.upper for r in found.rounds]
        assert lower == sorted(lower) and upper == sorted(upper, reverse=True)
        assert found.ended == "gap"
    with opened(whole) as search:
        short = search.run(gap=1e-8, most_rounds=1)
        assert short.ended == "rounds" and short.lower <= found.upper <= short.upper + 1e-6

        def impatient(_: str) -> None:
            raise KeyboardInterrupt

        stopped = search.run(gap=-1.0, say=impatient)
        assert stopped.ended == "interrupted" and stopped.lower <= found.upper + 1e-6 <= stopped.upper + 2e-6
        assert whole.violation(stopped.x) < 1e-5


def test_a_broken_plan_is_seen() -> None:
    whole = extensive(three_stages())
    found = solve_whole(whole)
    broken = found.x.copy()
    broken[np.argmax(broken)] += 1.0
    assert whole.violation(broken) > 1e-3


def test_refusals() -> None:
    inputs = three_stages().inputs
    with pytest.raises(ValueError, match="tells nothing apart: the horizon runs from 2027Q1 to 2027Q4"):
        tree(inputs, demands("2027Q1", (1.0, 1.0)))
    with pytest.raises(ValueError, match=r"add up to 0\.9, not 1"):
        tree(inputs, demands("2027Q2", (0.4, 1.0), (0.5, 2.0)))
    with pytest.raises(ValueError, match="branches run forward: 2027Q3, 2027Q2"):
        tree(inputs, demands("2027Q3", (1.0, 1.0)), demands("2027Q2", (1.0, 1.0)))
    with pytest.raises(ValueError, match="the level of the tail is 1"):
        Tail(level=1.0)
    with pytest.raises(ValueError, match="the weight of the tail is 2"):
        Tail(weight=2.0)
    # an offer that can deliver nothing under a firm gigawatt of connection: nothing can be done in any leaf
    none = replace(inputs, energised_initial_mw=by("site", ["hall"], [200.0]))
    with pytest.raises(InfeasibleError, match=r"no plan meets the limits of 'x1\.6 > x1\.5 0'"):
        cost_of(extensive(with_inputs(three_stages(), none)))
