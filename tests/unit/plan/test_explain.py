"""Shadow prices in words, and the rows that cannot hold together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.explain import bindings, date_bindings, labels_of
from gigawatt.plan.infeasible import conflicting_families, conflicting_rows
from gigawatt.plan.inputs import RightRow
from gigawatt.plan.live import build
from gigawatt.plan.lumps import Lumps
from gigawatt.plan.session import PlanSession
from tests.unit.plan.tiny import QUARTERS, by, grid, rate, solved, text, tiny


def test_a_connection_that_binds_is_said_with_its_worth() -> None:
    # 8 of 10 Mwork/s are possible with 10 facility MW at 1.25: one more facility MW serves 0.8 more, worth 100, for 2
    one = ("2027Q1",)
    plan = solved(tiny(quarters=one, connection_mw=grid("site", ["hall"], 10.0, one)))
    (row,) = [row for row in bindings(plan) if row.family == "connection"]
    assert (row.unit, row.quarters) == ("facility MW", one)
    assert row.price_musd[0] == pytest.approx(78.4, abs=0.1)
    assert row.worth_musd == pytest.approx(7.84, abs=0.01)
    assert row.sentences() == ["2027Q1: energised connections at hall bind; one more facility MW is worth $78.4M"]


def test_prices_of_both_quarters_add_up() -> None:
    # one more facility MW in both: 0.8 x (2 x 100 - 2) = 158.4, however the solver splits it
    plan = solved(tiny(connection_mw=grid("site", ["hall"], 10.0)))
    (row,) = [row for row in bindings(plan) if row.family == "connection"]
    assert sum(row.price_musd) == pytest.approx(158.4, abs=0.1)


def test_only_limits_of_some_offers() -> None:
    plan = solved(tiny(connection_mw=grid("site", ["hall"], 10.0)))
    assert labels_of(plan, ["a"]) == {"a", "hall"}
    assert bindings(plan, {"elsewhere"}) == []
    assert {row.label for row in bindings(plan, {"hall"})} == {"hall"}


def test_the_most_of_a_quarter_is_a_limit_of_its_own() -> None:
    # 5 MW a quarter where 10 are asked for once: one more serves one more, worth 100, for 2; 1 % of 5 MW is 0.05 of it
    one = ("2027Q1",)
    plan = solved(tiny(quarters=one, add_max_mw=grid("offer", ["a"], 5.0, one)))
    (row,) = bindings(plan)
    assert (row.family, row.label, row.unit) == ("add", "a", "MW of IT")
    assert row.price_musd == pytest.approx((98.0,), abs=0.1)
    assert row.worth_musd == pytest.approx(4.9, abs=0.01)
    assert row.sentences() == [
        "2027Q1: the most that an offer delivers in a quarter (a) binds; one more MW of IT is worth $98M"
    ]


@pytest.mark.parametrize("packages", [1e6, 0.0])
def test_a_date_has_the_worth_of_what_it_forbids(packages: float) -> None:
    # 10 MW at 2 from the second quarter on: one accepted in the first costs no more and serves a quarter longer, 100.
    # Where the vendor's deliveries start with the date they go with it. 1 % is of the 10 MW that are added
    link = xr.DataArray([[1.0]], dims=("supply", "offer"), coords={"supply": ["v"], "offer": ["a"]})
    inputs = tiny(
        add_max_mw=grid("offer", ["a"], [[0.0, np.inf]]),
        supply_member=link, supply_packages=grid("supply", ["v"], [[packages, 1e6]]),
    )  # fmt: skip
    session = PlanSession(inputs)
    before = session.solve().objective_musd
    (row,) = date_bindings(session)
    assert (row.family, row.label, row.quarters) == ("available", "a", ("2027Q1",))
    assert row.price_musd == pytest.approx((100.0,), abs=0.1)
    assert row.worth_musd == pytest.approx(10.0, abs=0.1)
    assert session.live.objective_musd == before
    assert float(session.inputs.add_max_mw.isel(quarter=0).sum()) == 0.0
    assert session.solve().objective_musd == pytest.approx(before)
    assert date_bindings(PlanSession(tiny())) == []


def test_a_right_is_ranked_by_a_percentage_point_of_its_share() -> None:
    # half of 10 MW goes to b at 3 in place of a at 2: one MW less of it saves 1. A percentage point of 10 MW is 0.1 MW
    two = ["a", "b"]
    right = RightRow(id="half", kind="preferred", share=0.5, base=by("offer", two, [1, 1]),
                     held=by("offer", two, [0, 1]), quarters=QUARTERS)  # fmt: skip
    plan = solved(tiny(offers=two, capex_musd_per_mw=grid("offer", two, [[2.0] * 2, [3.0] * 2]), rights=(right,)))
    (row,) = bindings(plan)
    assert (row.family, row.label) == ("right", "half")
    assert sum(row.price_musd) == pytest.approx(-1.0, abs=1e-3)  # more of the right costs
    assert row.worth_musd == pytest.approx(0.1, abs=1e-3)
    assert bindings(plan, {"right_half"}) == [row]


def test_rows_of_several_axes_are_named_by_all_of_them() -> None:
    # unmet work costs 1 and serving 4 in all: gating costs 0.5, for 40 % of 10. One unit more saves half of it
    one = ("2027Q1",)
    cheap = {"unmet_musd": grid("workload", ["work"], 1.0, one), "gate_musd": grid("workload", ["work"], 0.5, one)}
    plan = solved(tiny(quarters=one, capex_musd_per_mw=grid("offer", ["a"], 4.0, one),
                       gate_max_frac=grid("workload", ["work"], 0.4, one), **cheap))  # fmt: skip
    (row,) = bindings(plan)
    assert (row.family, row.label) == ("gating", "work, day")
    assert row.price_musd == pytest.approx((0.5,), abs=1e-3)
    assert row.worth_musd == pytest.approx(0.01 * 4.0 * 0.5, abs=1e-4)
    assert bindings(plan, {"work"}) == [row]


def test_cash_that_is_short_is_worth_its_premium() -> None:
    # nothing in the account, 20 are spent: one MUSD more saves a premium of 0.1
    one = ("2027Q1",)
    short = tiny(quarters=one, opening_cash_musd=0.0)
    (row,) = [row for row in bindings(solved(short)) if row.family == "cash"]
    assert row.price_musd == pytest.approx((0.1,), abs=1e-3)
    assert row.worth_musd == pytest.approx(0.01 * 20.0 * 0.1, abs=1e-3)  # no figure of its own: 1 % of what is spent
    assert row.sentences() == ["2027Q1: cash binds; one more MUSD is worth $100k"]


def test_a_connection_has_its_whole_price_where_a_site_is_opened() -> None:
    # as in the first test, at a site opened for 1: the price may stand in the row that says it is open
    one = ("2027Q1",)
    opening = Lumps(whole=False, hall_mw=by("site", ["hall"], [0.0]), opens=("hall",))
    price = rate("site-opening", "opened", by("site", ["hall"], [1.0]))
    plan = solved(tiny(quarters=one, connection_mw=grid("site", ["hall"], 10.0, one), lumps=opening, rates=(price,)))
    (row,) = [row for row in bindings(plan) if row.family == "connection"]
    assert row.price_musd == pytest.approx((78.4,), abs=0.1)


def test_what_stands_counts_in_the_worth_of_a_connection() -> None:
    # 4 of 10 facility MW stood already: one per cent is of 10, not of the 6 that the row has
    one = ("2027Q1",)
    stood = {"initial_mw": by("offer", ["a"], [3.2]), "energised_initial_mw": by("site", ["hall"], [4.0])}
    plan = solved(tiny(quarters=one, connection_mw=grid("site", ["hall"], 10.0, one), **stood))
    (row,) = [row for row in bindings(plan) if row.family == "connection"]
    assert row.worth_musd == pytest.approx(7.84, abs=0.01)


def test_slack_limits_are_not_named() -> None:
    assert [row.family for row in bindings(solved(tiny())) if row.family == "connection"] == []


def test_rows_in_conflict_are_few_and_named() -> None:
    # 12 MW of IT need 15 facility MW, and only the first quarter's connection is short: 10
    power = grid("site", ["hall"], [[10.0, 100.0]])
    inputs = tiny(demand=0.0, stock_min_mw=grid("offer", ["a"], 12.0), connection_mw=power)
    model = build(inputs)[0]
    assert conflicting_families(model, inputs) == ["minimum_take", "connection"]
    assert conflicting_rows(model, inputs) == [
        "a contract's minimum take (a, 2027Q1): at least 12 MW of IT",
        "energised connections (hall, 2027Q1): at most 10 MW of facility power",
    ]


def test_without_any_one_of_the_rows_the_others_hold() -> None:
    inputs = tiny(stock_min_mw=grid("offer", ["a"], 12.0), connection_mw=grid("site", ["hall"], 10.0))
    rows = conflicting_rows(build(inputs)[0], inputs)
    assert len(rows) == 2
    quarter = next(name for name in QUARTERS if name in rows[0])
    eased = inputs.stock_min_mw.copy(deep=True)
    eased.loc[{"quarter": quarter}] = 0.0
    looser = replace(inputs, stock_min_mw=eased)
    again = conflicting_rows(build(looser)[0], looser)
    assert not set(rows) <= set(again)


def test_a_plan_that_exists_has_no_conflict() -> None:
    assert conflicting_rows(build(tiny())[0], tiny()) == []


def test_bounds_are_among_what_cannot_hold() -> None:
    # 12 MW are to stand in the first quarter, and 5 a quarter come: the take by 7 of 12, or the deliveries by 7 of 5
    take = grid("offer", ["a"], [[12.0, 0.0]])
    inputs = tiny(demand=0.0, stock_min_mw=take, add_max_mw=grid("offer", ["a"], 5.0))
    model = build(inputs)[0]
    assert conflicting_rows(model, inputs) == [
        "a contract's minimum take (a, 2027Q1): at least 12 MW of IT",
        "the most that an offer delivers in a quarter (a, 2027Q1): at most 5 MW of IT",
    ]
    with pytest.raises(InfeasibleError) as caught:
        solved(inputs)
    assert str(caught.value).splitlines()[1:] == [
        "  a contract's minimum take (a, 2027Q1): give way by 7 MW of IT, from 12",
        "  or the most that an offer delivers in a quarter (a, 2027Q1): give way by 7 MW of IT, from 5",
    ]


def test_a_connection_is_quoted_as_the_user_wrote_it() -> None:
    # 4 of the 10 facility MW stood: 12 MW of IT need 15. The user reads 10, not the 6 that are left, and 5 more
    inputs = tiny(
        demand=0.0, stock_min_mw=grid("offer", ["a"], 12.0), connection_mw=grid("site", ["hall"], 10.0),
        initial_mw=by("offer", ["a"], [3.2]), energised_initial_mw=by("site", ["hall"], [4.0]),
    )  # fmt: skip
    (_, connection) = conflicting_rows(build(inputs)[0], inputs)
    assert connection.endswith("): at most 10 MW of facility power")
    with pytest.raises(InfeasibleError) as caught:
        solved(inputs)
    assert str(caught.value).splitlines()[-1] == (
        "  or energised connections (hall, 2027Q1 to 2027Q2): give way by 5 MW of facility power, from 10"
    )


def test_two_conflicts_are_not_met_by_one_family() -> None:
    # the take needs 15 facility MW of 10, and 30 facility MW are committed, which fit no connection either
    link = xr.DataArray([[1.25]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a"]})
    inputs = tiny(
        demand=0.0, stock_min_mw=grid("offer", ["a"], 12.0), connection_mw=grid("site", ["hall"], 10.0),
        commitment_weight=link, commitment_mw=grid("commitment", ["c"], [[0.0, 30.0]]),
    )  # fmt: skip
    with pytest.raises(InfeasibleError) as caught:
        solved(inputs)
    lines = str(caught.value).splitlines()
    # the connection alone would give way by 20 of 10 (2.0); commitment and take by 20 of 30 and 4 of 12 (1.0). Without
    # terms the 30 could come and go at once, but the take needs its room all the same
    assert lines == [
        "no plan meets this scenario: contract terms, energised connections and commitments cannot all hold. The "
        "smallest relaxation that would let a plan exist:",
        "  commitments (c, 2027Q2): give way by 20 MW, from 30",
        "  a contract's minimum take (a, 2027Q1 to 2027Q2): give way by 4 MW of IT, from 12",
        "  not by contract terms alone, however much they give way",
        "  or energised connections (hall, 2027Q1 to 2027Q2): give way by 20 MW of facility power, from 10",
        "  not by commitments alone, however much they give way",
        "  or with a contract's minimum take kept: energised connections (hall, 2027Q1 to 2027Q2): give way by 5 MW of "
        "facility power, from 10; commitments (c, 2027Q2): give way by 15 MW, from 30",
    ]


def test_a_gang_larger_than_any_place_is_said_with_what_is_missing() -> None:
    # 50 MW of IT have to stand together; 40 facility MW at 1.25 are 32 MW of IT at the hall: 18 too few
    inputs = tiny(
        gang_workload=("work",), gang_mw=grid("gang", ["work"], [[0.0, 50.0]]),
        gang_offer=xr.DataArray([[0.0]], dims=("gang", "offer"), coords={"gang": ["work"], "offer": ["a"]}),
        connection_mw=grid("site", ["hall"], 40.0),
    )  # fmt: skip
    with pytest.raises(InfeasibleError) as caught:
        solved(inputs)
    assert str(caught.value).splitlines()[1:] == [
        "  gangs for training (work, 2027Q2): no place can carry 50 MW of IT. The largest site, hall, carries 32 MW of "
        "IT, 18 too few"
    ]
    nobody = replace(inputs, rate=inputs.rate * 0.0)
    with pytest.raises(InfeasibleError, match=r"No site has a system that can run it$"):
        solved(nobody)


def test_rights_and_terms_are_quoted_in_words() -> None:
    # b holds half of what is added and may not be had; a has to stand
    two = ["a", "b"]
    right = RightRow(id="half", kind="preferred", share=0.5, base=by("offer", two, [1, 1]),
                     held=by("offer", two, [0, 1]), quarters=QUARTERS)  # fmt: skip
    inputs = tiny(offers=two, add_max_mw=grid("offer", two, [[9.0] * 2, [0.0] * 2]), rights=(right,),
                  stock_min_mw=grid("offer", two, [[2.0] * 2, [0.0] * 2]))  # fmt: skip
    rows = conflicting_rows(build(inputs)[0], inputs)
    assert rows[-1].startswith("rights (half, 2027Q")
    assert rows[-1].endswith("at least 50% of what is added from 2027Q1 on goes to who holds it")
    # what stood is held for 20 quarters and the hall has no room for it
    stood = tiny(offer_contract=text("offer", ["a"], ["lease"]), initial_mw=by("offer", ["a"], [4.0]), connection_mw=
                 grid("site", ["hall"], 2.0), stock_min_mw=grid("offer", ["a"], [[0.0, 4.0]]))  # fmt: skip
    assert any("a contract's minimum take (a, 2027Q2)" in row for row in conflicting_rows(build(stood)[0], stood))
