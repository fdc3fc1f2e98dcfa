"""The shipped seller of tokens: demand curves in the books, software steps at work, an uneven training block."""

from __future__ import annotations

import numpy as np
import pytest

from gigawatt.report.tables import demand_texts
from gigawatt.study.results import Results
from gigawatt.study.run import run
from gigawatt.study.software import helps, software_notes
from tests.cases.books import books_agree

QUARTER_S = 7_884_000.0


@pytest.fixture(scope="module")
def results() -> Results:
    return run("open-tokens", events=("racks-late",))


def test_all_four_kinds_of_software_step_help_some_lane(results: Results) -> None:
    case = results.case
    assert {step.kind for step in case.software} == {"kernels", "quantisation", "speculation", "disaggregation"}
    for step in case.software:
        assert any(helps(step, offer.system, row, case.serving[offer.system.id, row.id])
                   for offer in case.offers for row in case.classes if row.workload.kind == "inference")  # fmt: skip
        assert step.multiplier.low < step.multiplier.value < step.multiplier.high and step.multiplier.source
    assert software_notes(case) == []


def test_customers_of_one_price_pay_what_the_curve_says(results: Results) -> None:
    """Revenue of x times the tokens is 0.96 at 0.6 ($1.60) and 1.10 at 1 ($1.10), and falls beyond; between, a line."""
    plan, hours = results.plan, np.array([block.hours / 24.0 for block in results.case.scenario.blocks])
    served, asked = (plan[name].sel(workload="open-chat-70b").transpose("quarter", "block").values
                     for name in ("served", "demand"))  # fmt: skip
    x = served / asked
    revenue = np.where(x <= 0.6, 1.60 * x, 0.96 + (1.10 - 0.96) / 0.4 * (x - 0.6)) * asked * 1e-6
    book = results.book
    mine = book[(book["kind"] == "sales") & (book["memo"] == "open-chat-70b")].set_index("quarter")["usd"]
    assert mine.reindex(results.case.labels).to_numpy() == pytest.approx(revenue @ hours * QUARTER_S, rel=1e-6)
    assert x.min() < 0.61 and x.max() > 0.99  # early it is scarce, later it is sold cheaper


def test_what_becomes_of_demand_adds_up(results: Results) -> None:
    for row in results.summary["demand"]:
        parts = sum(row[key] for key in ("served", "gated", "priced_out", "not_served"))
        assert parts == pytest.approx(row["asked"], rel=1e-6)
    rows = {row["workload"]: row for row in results.summary["demand"]}
    assert rows["open-reasoning"]["priced_out"] > 0.5 * rows["open-reasoning"]["asked"]
    texts = {name: (asked, *parts) for name, asked, *parts in demand_texts(results)}
    assert texts["Tuning"] == ("2e24 FLOP", "100.0 %", "-", "-", "-")
    books_agree(results)


def test_damages_deposits_and_guarantees_are_paid(results: Results) -> None:
    kinds = set(results.book["kind"])
    assert {"delay-damages", "deposit", "cloud-rent", "chip-rent", "site-rent"} <= kinds


def test_tuning_is_spread_as_there_is_room(results: Results) -> None:
    blocks = results.plan["served"].sel(workload="tuning").transpose("quarter", "block").values
    rate = blocks @ np.array([block.hours / 24.0 for block in results.case.scenario.blocks])
    assert rate[1:5].sum() * QUARTER_S == pytest.approx(2e24, rel=1e-6)  # 2027Q2 to 2028Q1
    assert rate.sum() == pytest.approx(rate[1:5].sum())
    assert blocks.max() <= 2e17 * (1 + 1e-9)
    assert np.ptp(rate[1:5]) > 1e15, "not at one even rate"
