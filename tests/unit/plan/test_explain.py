"""Shadow prices in words, and the rows that cannot hold together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gigawatt.plan.explain import bindings, labels_of
from gigawatt.plan.infeasible import conflicting_families, conflicting_rows
from gigawatt.plan.live import build
from tests.unit.plan.tiny import QUARTERS, grid, solved, tiny


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


def test_slack_limits_are_not_named() -> None:
    assert [row.family for row in bindings(solved(tiny())) if row.family == "connection"] == []


def test_rows_in_conflict_are_few_and_named() -> None:
    # 12 MW of IT need 15 facility MW, and only the first quarter's connection is short: 10
    power = grid("site", ["hall"], [[10.0, 100.0]])
    inputs = tiny(demand=0.0, stock_min_mw=grid("offer", ["a"], 12.0), connection_mw=power)
    model = build(inputs)[0]
    assert conflicting_families(model) == ["minimum_take", "connection", "site_power"]
    assert conflicting_rows(model) == [
        "a contract's minimum take (a, 2027Q1): at least 12 MW of IT",
        "energised connections (hall, 2027Q1): at most 10 MW of facility power",
        "site power (hall, 2027Q1): at most 0 MW of facility power",
    ]


def test_without_any_one_of_the_rows_the_others_hold() -> None:
    inputs = tiny(stock_min_mw=grid("offer", ["a"], 12.0), connection_mw=grid("site", ["hall"], 10.0))
    rows = conflicting_rows(build(inputs)[0])
    assert len(rows) == 3
    quarter = next(name for name in QUARTERS if name in rows[0])
    eased = inputs.stock_min_mw.copy(deep=True)
    eased.loc[{"quarter": quarter}] = 0.0
    again = conflicting_rows(build(replace(inputs, stock_min_mw=eased))[0])
    assert not set(rows) <= set(again)


def test_a_plan_that_exists_has_no_conflict() -> None:
    assert conflicting_rows(build(tiny())[0]) == []
