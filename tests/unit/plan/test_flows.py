"""Money by hand: what each kind of contract costs in the books, and that the account says the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from gigawatt.plan.amounts import inflow, numbers, outflow
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.energy import work_cost
from gigawatt.plan.flows import Rate, booked, costs, dot, money, price_on
from gigawatt.plan.live import LivePlan
from gigawatt.plan.terms import Takes, Terms, Warrants
from tests.cases.contracts import building, cube, link, rented, short
from tests.cases.every import every_model
from tests.cases.tiny import QUARTERS, by, end, grid, rate, solved, text, tiny

THREE = ("2027Q1", "2027Q2", "2027Q3")


def books(plan: LivePlan) -> dict[str, list[Any]]:
    """MUSD by kind in each quarter, what is received below 0; kinds that pay nothing are left out."""
    found: dict[str, Any] = {}
    for row, _, _, musd in booked(plan.inputs.rates, numbers(plan)):
        found[row.kind] = found.get(row.kind, 0.0) + (-musd.values if row.received else musd.values)
    return {kind: musd.tolist() for kind, musd in found.items() if np.abs(musd).max() > 1e-6}


def near(*values: float) -> list[Any]:
    return [pytest.approx(value, abs=1e-5) for value in values]


def account(plan: LivePlan) -> list[float]:
    """What the account loses in each quarter [MUSD]."""
    return (-np.diff(plan.value("cash").values, prepend=1e6)).tolist()


def test_own_systems_in_an_own_building() -> None:
    # 10 MW at 2 are bought in the first quarter, with 12.5 facility MW at 1; upkeep 0.1 a MW, 0.2 a facility MW
    upkeep = rate("facility-upkeep", "in_use", grid("site", ["hall"], 0.2))
    shell = grid("site", ["hall"], 1.0)
    plan = solved(tiny(energise_musd_per_mw=shell, hold_musd_per_mw=grid("offer", ["a"], 0.1), rates=(upkeep,)))
    assert books(plan) == {
        "systems": near(20.0, 0.0), "shell": near(12.5, 0.0), "maintenance": near(1.0, 1.0),
        "facility-upkeep": near(2.5, 2.5),
    }  # fmt: skip
    assert account(plan) == near(36.0, 3.5)


def test_a_leased_hall_that_is_paid_for_used_or_not() -> None:
    # 10 facility MW are due at 0.5; 4 IT MW, bought at 2 in the second quarter, use 5 of them; a deposit of 0.7 each
    deposit = rate("deposit", "energise", grid("site", ["hall"], 0.7))
    lease = building(due=10.0)
    lease["rates"] = (*lease["rates"], deposit)
    rent = grid("site", ["hall"], 0.5)
    later = by("quarter", list(QUARTERS), [1.0, 0.9])  # nothing is paid before it has to be
    plan = solved(tiny(demand=[[[0.0, 4.0]]], site_hold_musd_per_mw=rent, discount=later, **lease))
    assert books(plan) == {
        "systems": near(0.0, 8.0), "site-rent": near(0.0, 2.5), "take-or-pay": near(5.0, 2.5), "deposit": near(0.0, 3.5),
    }  # fmt: skip
    assert account(plan) == near(5.0, 16.5)


def test_cloud_under_a_minimum_take() -> None:
    # 10 MW are owed at 1 a quarter, where 5 facility MW hold 4: 4 stand, 6 are paid for nothing; what stands pays 0.5
    # more than the market's 1 where it was signed in the first quarter
    takes = Takes(member=link("take", "k", ["a"], [1.0]), mw=grid("take", ["k"], 10.0))
    over = rate("cloud-rent", "signed", cube([[0.5, 0.5], [0.0, 0.0]]))
    rent = rate("cloud-rent", "stock", grid("offer", ["a"], 1.0))
    plan = solved(rented(
        demand=4.0, connection_mw=grid("site", ["hall"], 5.0), terms=Terms(takes=takes), rates=(short(1.0), over, rent),
        hold_musd_per_mw=grid("offer", ["a"], 0.0), term_quarters=by("offer", ["a"], [2]).astype(int),
    ))  # fmt: skip
    assert books(plan) == {"cloud-rent": near(6.0, 6.0), "take-or-pay": near(6.0, 6.0)}
    assert account(plan) == near(12.0, 12.0)


def test_what_vests_is_in_no_book() -> None:
    # shares worth 1 a facility MW vest with the first 5: 5 off the cost of 20, and nothing in the account
    shares = Warrants(weight=link("warrant", "w", ["a"], [1.25]), most_mw=by("warrant", ["w"], [5.0]))
    worth = (end("vested", "vested", grid("warrant", ["w"], 1.0)),)
    plan = solved(tiny(terms=Terms(warrants=shares), ends=worth))
    assert plan.objective_musd == pytest.approx(15.0, abs=1e-3)
    assert books(plan) == {"systems": near(20.0, 0.0)}
    assert account(plan) == near(20.0, 0.0)


def test_machines_of_a_job_that_ends_are_sold() -> None:
    # 10 MW work in the first of three quarters; bought at 2, held at 0.1, sold a quarter later for half. Work is sold at 3
    # a Mwork/s, of which a fifth goes to a partner
    resale = rate(
        "resale", "sold", cube([[0.0, 1.0, 0.8], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], THREE).rename(signed="bought")
    )
    share = rate("revenue-share", "sales", by("quarter", list(THREE), [0.2] * 3))
    sales = Rate(kind="sales", on="sales", musd=by("quarter", list(THREE), [1.0] * 3), received=True)
    plan = solved(tiny(
        quarters=THREE, demand=[[[10.0, 0.0, 0.0]]], hold_musd_per_mw=grid("offer", ["a"], 0.1, THREE),
        income_musd=grid("workload", ["work"], 3.0, THREE), term_quarters=by("offer", ["a"], [1]).astype(int),
        rates=(resale, share, sales),
    ))  # fmt: skip
    assert books(plan) == {
        "systems": near(20.0, 0.0, 0.0), "maintenance": near(1.0, 0.0, 0.0), "resale": near(0.0, -10.0, 0.0),
        "revenue-share": near(6.0, 0.0, 0.0), "sales": near(-30.0, 0.0, 0.0),
    }  # fmt: skip
    assert account(plan) == near(-3.0, -10.0, 0.0)


def test_memo_and_party_go_by_their_labels() -> None:
    offers = ["a", "b"]
    paid = Rate(kind="systems", on="add", musd=grid("offer", offers, [[2.0, 2.0], [3.0, 3.0]]), memo="chips",
                party=text("offer", offers, ["x", "y"]))  # fmt: skip
    four = xr.DataArray([[4.0, 0.0], [0.0, 1.0]], dims=("offer", "quarter"),
                        coords={"offer": offers, "quarter": list(QUARTERS)})  # fmt: skip
    rows = [(party, memo, musd.values.tolist()) for _, party, memo, musd in booked([paid], {"add": (four,)})]
    assert rows == [("x", "chips", [8.0, 0.0]), ("y", "chips", [0.0, 3.0])]


def test_every_party_is_paid_what_it_asks_for() -> None:
    """Prices on one amount along axes that it does not have are paid side by side, not in all combinations."""
    one = by("quarter", list(QUARTERS), [1.0, 1.0])
    rents = rate("chip-rent", "fixed", grid("offer", ["a", "b"], [[1.0, 2.0], [3.0, 4.0]]))
    fees = rate("penalty", "fixed", grid("commitment", ["c", "d"], [[10.0, 0.0], [20.0, 0.0]]))
    # 1 + 3 and 10 + 20 in the first quarter, 2 + 4 in the second
    assert money([rents, fees], {"fixed": (one,)}, "quarter").values.tolist() == [34.0, 6.0]


def test_a_price_of_inf_is_a_right_that_is_not_there() -> None:
    fee = rate("exit-fee", "left", cube([[np.inf, 0.4], [np.inf, np.inf]]))
    (table,) = (price_on([fee], "left"),)
    assert table is not None and np.isinf(table.values).sum() == 3
    gone = cube([[5.0, 10.0], [5.0, 5.0]])
    assert money([fee], {"left": (gone,)}, "quarter").values.tolist() == [0.0, 4.0]


@pytest.mark.parametrize("name", list(every_model()))
def test_books_of_every_model_are_its_cash(name: str) -> None:
    """Prices times the amounts of the solved plan are what the cash row and the objective hold."""
    plan = solved(every_model()[name])
    d, x = plan.inputs, Decisions(plan.model, plan.inputs)
    paid = money(costs(d.rates), numbers(plan), "quarter") + plan.amount(work_cost(d, x))
    assert paid.values == pytest.approx(plan.amount(outflow(d, x)).values, rel=1e-9, abs=1e-9)
    sales = dot(numbers(plan)["sales"][0], by("quarter", list(d.quarters), np.ones(len(d.quarters))), "quarter") if any(
        row.on == "sales" for row in d.rates) else plan.amount(inflow(d, x))  # fmt: skip
    assert sales.values == pytest.approx(plan.amount(inflow(d, x)).values, rel=1e-9, abs=1e-9)
