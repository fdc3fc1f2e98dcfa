"""The books and the plan say the same money: in the account, and in what the plan minimises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from gigawatt.catalog.load import load_catalog
from gigawatt.finance.ledger import FUNDING_KINDS, balance_usd, ledger
from gigawatt.plan.algebra import Expression
from gigawatt.plan.amounts import at_end
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.extract import extract
from gigawatt.plan.recourse import Serial
from gigawatt.plan.solve import LivePlan, open_plan, solve
from gigawatt.plan.worth import worth_musd
from gigawatt.study.cash import flows
from gigawatt.study.delays import delayed
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.money import deflator
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import BUNDLED, Scenario, bundled, load_scenario
from gigawatt.study.tree import plan_tree
from tests.cases.scenarios import planned

OF_SALES = "of token sales"
"""Memo of the share of sales that the plan pays for what it serves; that of declared revenue is given."""


def spent_usd(case: Case, book: Any) -> Any:
    """(quarter) what the buyer pays in the books for what the plan decides, less what it gets back, money of the quarter.

    Left out: revenue, which is given or the customers' price of what the plan values by itself, and funding.
    """
    given = (book["kind"] == "revenue-share") & (book["memo"] != OF_SALES)
    decided = book[~book["kind"].isin([*FUNDING_KINDS, "sales"]) & ~given]
    buyer, labels = case.scenario.buyer, list(case.labels)
    paid = decided[decided["payer"] == buyer].groupby("quarter")["usd"].sum().reindex(labels, fill_value=0.0)
    back = decided[decided["payee"] == buyer].groupby("quarter")["usd"].sum().reindex(labels, fill_value=0.0)
    return (paid - back).to_numpy() / deflator(case)


def rest_musd(plan: LivePlan) -> float:
    """What the plan minimises beside: premiums of money, what stands at the end, and the value of work not done."""
    d = plan.inputs
    x = Decisions(plan.model, d)

    def value(part: Expression | None) -> Any:
        return 0.0 if part is None else part.matrix @ plan.primal + part.const

    lost = value((x.unmet * (d.hours_frac * d.unmet_musd)).sum("workload", "block"))
    if x.gated is not None:
        lost = lost + value((x.gated * (d.hours_frac * d.gate_musd)).sum("workload", "block"))
    if x.delay is not None:
        lost = lost + value((x.delay * d.delay_musd).sum("workload"))
    if d.service is not None:
        lost = lost - value(worth_musd(d.service, d.rate, d.hours_frac, x))
    if x.debt is not None:
        lost = lost + d.credit_spread * value(x.debt)
    premium = float((value(x.gap) * d.gap_musd.values).sum())
    ends = value(at_end(d, x, "charged")) - value(at_end(d, x, "vested", "salvage"))
    return float(np.sum(lost * d.discount.values)) + premium + float(np.sum(ends))


def assert_one_money(case: Case, plan: LivePlan) -> None:
    """The account in the books is the plan's, and discounted books with ``rest_musd`` are its objective."""
    book = ledger(flows(case, plan, extract(plan)))
    balance = balance_usd(
        book, case.scenario.buyer, case.labels, 0.0
    ).to_numpy()  # its changes, in the terms of the scenario
    change = np.diff(balance, prepend=0.0) / deflator(case)
    opening = case.scenario.funding.opening_cash.value
    size = max(1.0, abs(plan.objective_musd))
    assert np.allclose(opening + change.cumsum(), plan.value("cash").values * 1e6, rtol=1e-8, atol=1.0 + 1e-3 * size)
    spent = float((spent_usd(case, book) * plan.inputs.discount.values).sum()) / 1e6
    assert spent + rest_musd(plan) == pytest.approx(plan.objective_musd, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("seed", [4, 10, 65, 71, 72, 98, 104])
def test_books_of_random_plans_are_the_plans(seed: int) -> None:
    found = planned(seed)
    assert found is not None
    assert_one_money(*found)


@pytest.mark.heavy
def test_books_of_three_hundred_random_plans_are_the_plans() -> None:
    for seed in range(330):
        if (found := planned(seed)) is not None:
            assert_one_money(*found)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == "neocloud" else pytest.mark.heavy)
                                  for name in bundled()])  # fmt: skip
def test_books_of_shipped_plans_are_the_plans(name: str) -> None:
    case = resolve(load_scenario(name), load_catalog())
    assert_one_money(case, solve(open_plan(plan_inputs(case))))


def test_books_of_a_leaf_are_its_plans() -> None:
    """At the prices of its case: rents up by half and chips down by a fifth in one, energy doubled in the other."""
    said = {"branches": ["2028Q1"], "factors": [{"name": "prices", "states": [
        {"name": "tight", "probability": 0.4, "rent": 1.5, "chip_price": 0.8},
        {"name": "hot", "probability": 0.6, "energy_price": 2.0}]}]}  # fmt: skip
    raw = yaml.safe_load((BUNDLED / "neocloud.yaml").read_text(encoding="utf-8"))
    case = resolve(Scenario.model_validate(raw | {"uncertainty": said}), load_catalog())
    results = plan_tree(case, worth=False, executor=Serial(), gap=1e-2)
    for leaf in range(2):
        assert_one_money(case, results.plan_of(leaf))
    tight, hot = (results.book(leaf) for leaf in range(2))
    whole = results.expected_book()
    energy = [float(book.loc[book["kind"] == "energy", "usd"].sum()) for book in (tight, hot)]
    expected = float(whole.loc[whole["kind"] == "energy", "usd"].sum())
    assert expected == pytest.approx(0.4 * energy[0] + 0.6 * energy[1], rel=1e-9)
    assert energy[1] > energy[0]


@pytest.mark.parametrize("name", ["starter", "neocloud", "open-tokens"])
def test_books_of_draws_are_what_they_spend(name: str) -> None:
    """Mean over the draws: what the buyer pays, less what it gets beside sales, is what the replay says is spent."""
    case = resolve(load_scenario(name), load_catalog())
    found = delayed(case, n_draws=50)
    book, buyer = found.expected_book(), case.scenario.buyer
    rest = book[book["kind"] != "sales"]
    paid = float(rest.loc[rest["payer"] == buyer, "usd"].sum() - rest.loc[rest["payee"] == buyer, "usd"].sum())
    assert paid == pytest.approx(float(found.draws["spent_musd"].mean("draw").sum()) * 1e6, rel=1e-9, abs=1.0)
    sold = float((found.draws["spent_musd"] - found.draws["net_musd"]).mean("draw").sum()) * 1e6
    assert float(book.loc[book["kind"] == "sales", "usd"].sum()) == pytest.approx(sold, rel=1e-9)
