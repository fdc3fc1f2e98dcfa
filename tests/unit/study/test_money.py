"""Nominal and real money: a real plan is a nominal plan in other units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gigawatt.plan.flows import price_on
from gigawatt.study.economics import (
    discount_rate,
    level_rate,
    rent_usd_per_w,
    rents_usd_per_w,
    signed_rents,
    system_usd_per_w,
    term_quarters,
)
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.money import deflator, price_level
from gigawatt.study.results import Results
from gigawatt.study.run import run
from gigawatt.study.scenario import Scenario
from gigawatt.study.terms import over_usd_per_w
from tests.unit.study.test_contracts import _raw, case_of, changed, everything

STEP = 1.08**0.25
"""What prices rise by in a quarter at 8 % a year."""


def in_terms(money: str) -> Scenario:
    """Every kind of contract, a round of equity, a credit line and a penalty, under 8 % inflation."""
    funding = _raw()["funding"] | {
        "revenue": [{"quarter": "2027Q1", "value": "$40M"}], "compute_share": "60 %",
        "revenue_share": {"to": "microsoft", "share": "20 %", "until": "2027Q4", "cap": "$5M"},
        "opening_cash": "$2M",
        "rounds": [{"quarter": "2027Q4", "amount": "$10M", "investor": "nvidia"}],
    }  # fmt: skip
    return everything(money=money, inflation="8 %/yr", funding=funding)


@pytest.fixture(scope="module")
def both() -> tuple[Results, Results]:
    return run(in_terms("nominal"), events=("late",)), run(in_terms("real"), events=("late",))


def test_a_real_plan_is_the_nominal_plan_in_other_units(both: tuple[Results, Results]) -> None:
    nominal, real = both
    for key in ("objective_usd", "npv_usd", "bound_usd"):
        assert real.summary[key] == pytest.approx(nominal.summary[key], rel=1e-6)
    for orders in ("add_w", "stock_w", "energise_w", "retire_w"):
        assert real.plan[orders].values == pytest.approx(nominal.plan[orders].values, abs=1.0)  # of megawatts
    assert real.summary["cost_per_mtok_usd"] == pytest.approx(nominal.summary["cost_per_mtok_usd"])


def test_every_flow_of_a_real_plan_is_divided_by_the_level_of_prices(both: tuple[Results, Results]) -> None:
    nominal, real = (results.book for results in both)
    kinds = set(nominal["kind"])
    assert {"cloud-rent", "chip-rent", "site-rent", "take-or-pay", "delay-damages", "equity", "guarantee-fee",
            "revenue-share", "option-premium", "deposit", "systems", "sales", "energy"} <= kinds  # fmt: skip
    keys = ["quarter", "payer", "payee", "kind", "memo"]
    paid, worth = (book.groupby(keys)["usd"].sum() for book in (nominal, real))
    age = np.array([(int(q[:4]) - 2027) * 4 + int(q[5]) - 1 for q in paid.index.get_level_values("quarter")])
    assert worth.reindex(paid.index).to_numpy() == pytest.approx((paid / STEP**age).to_numpy())
    for name in ("cash_usd", "gap_usd", "debt_usd"):
        by_quarter = both[0].plan[name].values / STEP ** np.arange(8)
        assert both[1].plan[name].values == pytest.approx(by_quarter, abs=1.0)
    assert both[1].summary["owed_after_usd"] == pytest.approx(both[0].summary["owed_after_usd"] / STEP**7)


def test_what_is_signed_stays_and_what_is_not_follows_prices() -> None:
    """Cloud at 12 USD/W/yr falling by a tenth a year, held a year: signed in quarter u it pays m(u) four times."""
    case = case_of(in_terms("nominal"))
    cloud = next(row for row in case.offers if row.offer.id == "cloud")
    market = [3.0 * 0.9 ** (q / 4) * STEP**q for q in range(8)]
    assert rents_usd_per_w(case, cloud).tolist() == pytest.approx(market)
    over = over_usd_per_w(case, cloud)[2]
    # in real money, of the first quarter: m(2) d^(q-2) relative to the prices of signing, with d = 1 / 1.08^(1/4)
    real = case_of(in_terms("real"))
    signed = (over + rents_usd_per_w(case, cloud))[2:6] * deflator(real)[2:6]
    assert signed.tolist() == pytest.approx([3.0 * 0.9 ** (2 / 4) * STEP ** -(q - 2) for q in range(2, 6)])
    # a building leased in the second quarter: 2.4 USD/W/yr then, 3 % more each year of its own, 2 % for the guarantor
    rents = signed_rents(case, case.sites[0])[1]
    assert rents.tolist() == pytest.approx([0.0] + [0.6 * STEP] * 4 + [0.6 * STEP * 1.03] * 3)
    d = plan_inputs(case)
    fixed_rent, premium, fee, capex = (price_on(d.rates, on) for on in ("fixed", "exercised", "cancelled", "add"))
    assert fixed_rent is not None and premium is not None and fee is not None and capex is not None
    # held until 2027Q3 at the first quarter's rent, against a market that moves as 0.8^(q/4) STEP^q
    held = next(row for row in case.offers if row.offer.id == "rent-h200")
    first = rent_usd_per_w(case, held)
    fixed = [0.5e6 * first * (1 - 0.8 ** (q / 4) * STEP**q) / 1e6 for q in range(3)] + [0.0] * 5
    assert fixed_rent.sum("offer").values.tolist() == pytest.approx(fixed)
    # premiums, fees and rounds stay as written; systems, unmet work and token prices rise
    assert premium.values[0][:5].tolist() == [0.1] * 5
    assert fee.values[0][:5].tolist() == [0.5] * 5
    assert float(d.inflow_musd[3] - d.inflow_musd[4]) == pytest.approx(10.0)
    for prices in (d.unmet_musd[0], d.income_musd[0], capex.sel(offer="buy-b200")):
        assert (prices / prices[0]).values.tolist() == pytest.approx([STEP**q for q in range(8)])


def test_prices_that_rise_are_flat_at_the_real_rate() -> None:
    """Nothing fixed in money of its date: the plan under inflation at the nominal rate is the plan without it at the
    real rate, (1 + n) / (1 + i) - 1. Both discount from the end of a quarter, so money of the first quarter's end is
    worth a quarter's inflation less at the start: (1 + i)^(1/4).
    """

    def plain(**top: Any) -> Scenario:
        funding = {"opening_cash": "$900M", "gap_premium": "8 %/yr"}
        raw = _raw()
        raw["offers"] = [row for row in raw["offers"] if row["id"] == "buy-b200"]
        raw["sites"] = [row | {"tenure": "own", "landlord": None, "rent": None} for row in raw["sites"][:1]]
        return Scenario.model_validate(raw | {"initial": [], "funding": funding} | top)

    rising = run(plain(inflation="8 %/yr", discount="14 %/yr"))
    flat = run(plain(discount=f"{(1.14 / 1.08 - 1) * 100} %/yr"))
    assert rising.plan["add_w"].values == pytest.approx(flat.plan["add_w"].values, abs=1.0)
    assert rising.summary["objective_usd"] * STEP == pytest.approx(flat.summary["objective_usd"], rel=1e-6)
    assert level_rate(rising.case) == pytest.approx(discount_rate(flat.case))


def test_a_level_rent_is_worth_what_it_saves_on_in_both_terms() -> None:
    """sum_k d^k (1+r)^-(k+1) of a level rent R of a lease signed in u, with d = 1/(1+i) and r real, is in money of u

    R sum_{k=0..T-1} (1+n)^-(k+1) (1+i),   the same as nominal, (1+i) being the quarter of discounting again.
    """
    chosen = changed("rent-h200", {"saving": "10 %"}, top={"inflation": "8 %/yr"},
                     rent_per_package_hour=None, term="1 yr", price="$300000")  # fmt: skip
    case = case_of(chosen)
    offer = next(row for row in case.offers if row.offer.id == "rent-h200")
    n, r, term = discount_rate(case), level_rate(case), term_quarters(case, offer)
    assert system_usd_per_w(offer) == 0.0
    rent = rents_usd_per_w(case, offer)
    nominal = sum(rent[2] * (1 + n) ** -(k + 1) for k in range(term))
    real = sum(rent[2] * STEP**-k * (1 + r) ** -(k + 1) for k in range(term))
    assert real == pytest.approx(nominal * STEP)
    # 0.9 of owning: 360,000 for a server and its network at the prices of quarter 2, 0.00375 of it a quarter upkeep
    # rising with prices, 4/5 of its price then after one of five years
    assert offer.system.it_power
    capex = 360e3 / offer.system.it_power.value * STEP**2
    upkeep = sum(0.00375 * capex * STEP**k * (1 + n) ** -(k + 1) for k in range(4))
    owning = capex / (1 + n) + upkeep - 0.8 * capex * STEP**3 * (1 + n) ** -4
    assert nominal == pytest.approx(0.9 * owning)
    assert price_level(case)[2] == pytest.approx(STEP**2)
