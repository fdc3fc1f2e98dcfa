"""Contracts of a small company: the books agree with the plan, and the figures are those of the arithmetic."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.finance.ledger import balance_usd, imbalance_usd
from gigawatt.plan.extract import extract
from gigawatt.plan.flows import price_on
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.change import Without, apply
from gigawatt.study.economics import (
    discount_rate,
    idle_energy_usd_per_w,
    rent_usd_per_w,
    rents_usd_per_w,
    revenue_share_usd,
    signed_rents,
    site_hold,
)
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.money import price_level
from gigawatt.study.published import beside_published
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.results import Results
from gigawatt.study.rights import rights_costs
from gigawatt.study.run import run
from gigawatt.study.scenario import Scenario, bundled, load_scenario
from tests.cases.books import left
from tests.cases.written import case_of, changed, everything, raw_starter


@pytest.fixture(scope="module", params=[(), ("late",)], ids=["on-time", "late"])
def results(request: pytest.FixtureRequest) -> Results:
    return run(everything(), events=request.param)


def test_the_books_of_every_contract_agree_with_the_plan(results: Results) -> None:
    assert imbalance_usd(results.book) < 0.01
    opening = results.case.scenario.funding.opening_cash.value
    cash = balance_usd(results.book, results.case.scenario.buyer, results.case.labels, opening)
    assert np.abs(cash.to_numpy() - results.plan["cash_usd"].values).max() < 1.0  # USD, of tens of millions


def test_every_kind_of_contract_moves_money(results: Results) -> None:
    kinds = set(results.book["kind"])
    wanted = {"revenue-share", "guarantee-fee", "take-or-pay", "cancellation", "option-premium"}
    wanted |= {"delay-damages"} if results.case.events_on else {"exit-fee"}  # who is short of cloud keeps what it rents
    assert wanted <= kinds
    assert results.summary["vested_usd"] > 0
    assert results.summary["owed_after_usd"] > 0


def test_a_share_of_revenue_ends_at_its_cap() -> None:
    # 20 % of $10M a quarter: 2, 2, then what is left of 5
    shared = revenue_share_usd(case_of(everything()))
    assert shared.tolist() == pytest.approx([2e6, 2e6, 1e6, 0, 0, 0, 0, 0])


def test_a_share_of_revenue_falls_on_token_sales_and_the_plan_feels_it() -> None:
    # $1M a year of declared revenue and what tokens are sold for, at 20 % until 2028Q2; at 90 % the plan sells less
    def shared(share: str) -> Scenario:
        terms = {"to": "microsoft", "share": share, "until": "2028Q2"}
        funding = raw_starter()["funding"] | {
            "revenue": [{"quarter": "2027Q1", "value": "$1M"}],
            "revenue_share": terms,
        }
        return changed(top={"funding": funding})

    found, dear, free = run(shared("20 %")), run(shared("90 %")), run(shared("0 %"))
    book = found.book
    sales = book[(book["kind"] == "sales") & (book["memo"] == "chat") & (book["quarter"] <= "2028Q2")]
    paid = book[book["kind"] == "revenue-share"]
    assert set(paid["payee"]) == {"microsoft"}
    assert float(paid["usd"].sum()) == pytest.approx(0.2 * (float(sales["usd"].sum()) + 6 * 0.25e6), rel=1e-9)
    assert set(paid["quarter"]) == set(sales["quarter"])
    cash = balance_usd(book, found.case.scenario.buyer, found.case.labels, 20e6)
    assert np.abs(cash.to_numpy() - found.plan["cash_usd"].values).max() < 1.0
    served = [float(each.plan["served"].isel(quarter=slice(0, 6)).sum()) for each in (free, dear)]
    assert served[1] < 0.9 * served[0]


def test_a_share_of_sales_costs_what_it_takes_where_the_plan_stays_as_it_is() -> None:
    # a share too small to change the plan raises the objective by itself: 0.01 % of discounted sales
    def shared(share: str) -> Scenario:
        terms = {"to": "microsoft", "share": share, "until": "2028Q4"}
        return changed(top={"funding": raw_starter()["funding"] | {"revenue_share": terms}})

    free, found = run(shared("0 %")), run(shared("0.01 %"))
    book, factor = free.book, 1 + discount_rate(free.case)
    sales = book[(book["kind"] == "sales")].groupby("quarter")["usd"].sum()
    taken = sum(1e-4 * usd * factor ** -(free.case.labels.index(quarter) + 1) for quarter, usd in sales.items())
    assert found.summary["objective_usd"] - free.summary["objective_usd"] == pytest.approx(taken, rel=0.05)


def late_cloud(damages: str = "50 USD/W/yr", fails: str = "") -> Scenario:
    """The starter with 0.4 MW promised by CoreWeave for 2027Q3, and an event by which they come half a year later."""
    raw = raw_starter()
    raw["initial"] = []
    raw["commitments"] = [{"id": "promised", "providers": ["coreweave"], "basis": "it", "damages": damages,
                           "by": [{"quarter": "2027Q3", "value": "0.4 MW"}]}]  # fmt: skip
    raw["events"] = [{"id": "late", "title": "late", "delay_commitments": ["promised"], "delay": "6 months"}]
    if fails:
        raw["events"].append({"id": "fails", "title": "fails", "fails": ["coreweave"], "start": fails})
    return Scenario.model_validate(raw)


def accepted_w(found: Results, provider: str) -> list[float]:
    """IT W accepted from a provider so far, by quarter."""
    ids = [row.id for row in found.case.offers if row.offer.provider == provider]
    return [float(value) for value in found.plan["add_w"].sel(offer=ids).sum("offer").cumsum("quarter").values]


def test_what_an_event_delays_comes_late_and_pays_damages() -> None:
    # 0.4 MW two quarters late at 50 USD a watt and year: 0.4e6 x 12.5 = $5M in 2027Q3 and in 2027Q4, and nothing of
    # them is accepted before 2028Q1; on time the plan takes more of them than was promised, and nobody pays
    on_time, late = run(late_cloud()), run(late_cloud(), events=("late",))
    assert accepted_w(on_time, "coreweave")[2] > 0.4e6
    assert "delay-damages" not in set(on_time.book["kind"])
    came = accepted_w(late, "coreweave")
    assert came[:4] == pytest.approx([0.0] * 4, abs=1.0)
    assert came[4] >= 0.4e6 - 1.0
    paid = late.book[late.book["kind"] == "delay-damages"]
    assert set(paid["payer"]) == {"coreweave"}
    assert paid.set_index("quarter")["usd"].to_dict() == pytest.approx({"2027Q3": 5e6, "2027Q4": 5e6})
    cash = balance_usd(late.book, late.case.scenario.buyer, late.case.labels, 20e6)
    assert np.abs(cash.to_numpy() - late.plan["cash_usd"].values).max() < 1.0


def test_a_delay_costs_and_its_damages_give_that_back() -> None:
    # damages are 2 x $5M, discounted from the ends of 2027Q3 and 2027Q4; without them a delay can only cost
    paid, unpaid = (run(late_cloud(text), events=("late",)) for text in ("50 USD/W/yr", "0 USD/W/yr"))
    factor = 1 + discount_rate(paid.case)
    saved = unpaid.summary["objective_usd"] - paid.summary["objective_usd"]
    assert saved == pytest.approx(5e6 * (factor**-3 + factor**-4), rel=0.05)  # cash early spares interest as well
    assert unpaid.summary["objective_usd"] > run(late_cloud()).summary["objective_usd"] + 1.0


def test_a_provider_that_has_failed_pays_no_damages() -> None:
    book = run(late_cloud(fails="2027Q4"), events=("late", "fails")).book
    paid = book[book["kind"] == "delay-damages"].set_index("quarter")["usd"]
    assert paid.to_dict() == pytest.approx({"2027Q3": 5e6})


def lease_and_purchase(saving: str, term: str, top: dict[str, Any], falls: str = "") -> tuple[float, float]:
    """Present value of an IT MW's chips over a horizon of the lease's term: (leased, bought) [MUSD], from the planner's
    own arrays; power for idling, the same in both, is in neither.
    """
    raw = raw_starter() | top
    raw["horizon"] = {"start": "2027Q1", "quarters": int(term.split()[0]) * 4}
    raw["offers"][0] |= {"system": "hgx-h200", "price": "$300000", "terms": {"resale_falls": falls} if falls else {}}
    raw["offers"][1] |= {"rent_per_package_hour": None, "term": term, "price": "$300000", "terms": {"saving": saving}}
    case = case_of(Scenario.model_validate(raw))
    inputs, rise = plan_inputs(case), price_level(case)
    buy, rent = (next(o for o in case.offers if o.offer.id == name) for name in ("buy-b200", "rent-h200"))
    assert rent.system.id == buy.system.id

    def paid(offer: Any) -> float:
        held, capex, left = (
            price_on(inputs.rates, "stock"),
            price_on(inputs.rates, "add"),
            price_on(inputs.ends, "kept"),
        )
        assert held is not None and capex is not None and left is not None
        chips = held.sel(offer=offer.id).values - idle_energy_usd_per_w(case, offer) * rise
        over = price_on(inputs.rates, "signed")
        if over is not None:  # signed in the first quarter, whose rent it keeps
            chips = chips + over.sel(offer=offer.id, signed=case.labels[0]).values
        bought = capex.sel(offer=offer.id).values[0] * inputs.discount.values[0]
        back = left.sel(offer=offer.id).values[0]
        return float((chips * inputs.discount.values).sum() + bought - back)

    return paid(rent), paid(buy)


@pytest.mark.parametrize(
    ("term", "top", "falls"),
    [
        ("5 yr", {}, ""),
        ("2 yr", {}, ""),
        ("2 yr", {}, "30 %/yr"),
        ("6 yr", {"inflation": "3 %/yr"}, ""),
        ("2 yr", {"inflation": "3 %/yr", "money": "real"}, ""),
    ],
    ids=["life", "shorter", "falls", "longer-nominal", "real"],
)
def test_a_lease_costs_what_owning_costs_less_its_saving(term: str, top: dict[str, Any], falls: str) -> None:
    """Rents on one side; price, network, maintenance and what is left at the end on the other."""
    leased, bought = lease_and_purchase("0 %", term, top, falls)
    assert leased == pytest.approx(bought, rel=1e-9)
    leased, bought = lease_and_purchase("12.5 %", term, top, falls)
    assert leased / bought == pytest.approx(0.875, rel=1e-9)


def test_rent_of_a_lease_with_a_saving_by_hand() -> None:
    # two years of a system that lasts five, at $300,000: network 20 % more, maintenance 1.5 % of both a year, 3/5 of
    # both are left after two years. Paid at ends of quarters at rate r:
    #   360,000 x (1/(1+r) + 0.00375 a - 0.6 / (1+r)^8) x 0.9 / a,   a = sum_{k=1..8} (1+r)^-k
    chosen = changed("rent-h200", {"saving": "10 %"}, rent_per_package_hour=None, term="2 yr", price="$300000")
    case = case_of(chosen)
    offer = next(row for row in case.offers if row.offer.id == "rent-h200")
    r = discount_rate(case)
    a = sum((1 + r) ** -k for k in range(1, 9))
    whole = 360e3 * (1 / (1 + r) + 0.00375 * a - 0.6 / (1 + r) ** 8) * 0.9 / a
    assert offer.system.it_power
    assert rent_usd_per_w(case, offer) * offer.system.it_power.value == pytest.approx(whole, rel=1e-9)


def test_rents_fall_by_their_yearly_rate_and_buildings_rise_in_steps() -> None:
    case = case_of(everything())
    rents = rents_usd_per_w(case, next(row for row in case.offers if row.offer.id == "rent-h200"))
    assert rents[4] / rents[0] == pytest.approx(0.8)
    # $2.4 a watt and year, 2 % for the guarantor; 3 % more from the second year of each lease on
    assert site_hold(case, case.sites[0]).tolist() == pytest.approx([0.6 * 1.02] * 8)
    assert signed_rents(case, case.sites[0])[0].tolist() == pytest.approx([0.6] * 4 + [0.6 * 1.03] * 4)
    assert signed_rents(case, case.sites[0])[2].tolist() == pytest.approx([0, 0] + [0.6] * 4 + [0.6 * 1.03] * 2)
    rates = plan_inputs(case).rates
    over, unused = price_on(rates, "taken"), price_on(rates, "unused")
    assert over is not None and unused is not None
    assert over.sel(site="hall", signed="2027Q3").values.tolist() == pytest.approx([0.0] * 6 + [0.6 * 0.03 * 1.02] * 2)
    # the guaranteed steps: 2 MW from the first quarter, 3 MW more from the fourth; 80 % of both, each with its own years
    assert (unused.sel(site="hall").values / (0.6 * 1.02)).tolist() == pytest.approx(
        [1.0] * 4 + [(2 * 1.03 + 3) / 5] * 3 + [1.03]
    )


def test_a_take_ramps_and_is_owed_over_all_sites() -> None:
    takes = plan_inputs(case_of(everything())).terms.takes
    assert takes is not None
    assert takes.mw.sel(take="cloud").values.tolist() == [0, 1, 2, 2, 2, 2, 0, 1]
    assert takes.after_mw is not None and takes.after_mw.sel(take="cloud").values.tolist() == [1, 1, 1, 1]
    assert takes.member.sel(take="cloud").sum() == 2


def owing(end: str = "2028Q4", held: str = "2028Q4", worth: str = "40 %") -> Case:
    """2 MW of cloud taken or paid and 0.5 MW of the start held, each until a quarter."""
    raw = raw_starter()
    raw["policy"]["rest_worth"] = worth
    raw["initial"][0]["held_until"] = held
    cloud = next(row for row in raw["offers"] if row["id"] == "cloud")
    cloud["minimum_take"] = [{"start": "2027Q2", "end": end, "power": "2 MW", "take_or_pay": True}]
    cloud |= {"terms": {"rent_falls": "10 %/yr"}, "available": "2029Q1"}
    return case_of(Scenario.model_validate(raw))


def test_takes_and_held_rents_are_owed_beyond_the_horizon() -> None:
    # the horizon ends with 2028Q4, its 8th quarter. Cloud rent is 12/4 = 3 USD a W, falling by a tenth a year from 2027Q1;
    # 60 % is charged. A take until 2029Q3 owes 2 MW in quarters 9, 10, 11:
    #   3 x 0.9^((k-1)/4) / (1+r)^k a W
    case = owing(end="2029Q3", held="2029Q2")
    r, d = discount_rate(case), plan_inputs(case)
    assert d.terms.takes and d.terms.takes.after_mw is not None
    assert d.terms.takes.after_mw.values.tolist() == [[2.0, 2.0, 2.0]]
    owed = [3 * 0.9 ** ((k - 1) / 4) / (1 + r) ** k for k in (9, 10, 11)]
    assert left(d, "owed", "beyond").values[0].tolist() == pytest.approx(owed)
    assert (left(d, "charged", "beyond") / left(d, "owed", "beyond")).values.tolist() == [pytest.approx([0.6] * 3)]
    # what is held until 2029Q2, 0.5 MW, owes its first rent of $1.60 an hour in quarters 9 and 10
    h200 = next(row for row in case.offers if row.offer.id == "rent-h200")
    assert h200.system.it_power
    rent = 1.60 * 2190 * 8 / h200.system.it_power.value
    after = 0.5 * rent * ((1 + r) ** -9 + (1 + r) ** -10)
    assert float(left(d, "owed", "fixed").sum()) == pytest.approx(after)
    assert float(left(d, "charged", "fixed").sum()) == pytest.approx(0.6 * after)


def test_held_stock_stands_for_the_take_of_its_own_offer() -> None:
    # 3 MW are owed until 2029Q4, of which 0.5 MW stand from the start and are held until 2029Q2
    raw = raw_starter()
    raw["policy"]["rest_worth"] = "0 %"
    raw["initial"][0]["held_until"] = "2029Q2"
    raw["offers"][1]["minimum_take"] = [{"start": "2027Q2", "end": "2029Q4", "power": "3 MW", "take_or_pay": True}]
    case = case_of(Scenario.model_validate(raw))
    takes = plan_inputs(case).terms.takes
    assert takes and takes.after_mw is not None
    assert takes.after_mw.values.tolist() == [[2.5, 2.5, 3.0, 3.0]]
    # without the take nothing is owed after the horizon either
    off = plan_inputs(apply(case, [Without(kind="take", id="rent-h200")]))
    assert off.terms.takes is None and price_on(off.ends, "beyond") is None


@pytest.mark.parametrize(("key", "mw"), [("end", 2.0), ("held", 0.5)])
def test_a_contract_that_runs_on_costs_more_by_what_it_owes(key: str, mw: float) -> None:
    # the take, or what is held, until a year after the horizon and not until its end. No cloud is on offer before that,
    # so nothing else changes in the plan: the difference is the rent of four quarters
    cases = {until: owing(**{key: until}, worth="0 %") for until in ("2028Q4", "2029Q4")}
    costs = {until: solve(open_plan(plan_inputs(case))) for until, case in cases.items()}
    case = cases["2029Q4"]
    r, name = discount_rate(case), {"end": "cloud", "held": "rent-h200"}[key]
    first = rents_usd_per_w(case, next(row for row in case.offers if row.offer.id == name))[0]
    falls = 0.9 if key == "end" else 1.0
    more = sum(mw * first * falls ** ((k - 1) / 4) / (1 + r) ** k for k in (9, 10, 11, 12))
    found = costs["2029Q4"].objective_musd - costs["2028Q4"].objective_musd
    assert found == pytest.approx(more, rel=1e-4)


def test_what_building_rent_is_owed_after_the_horizon() -> None:
    # what is taken into use in 2027Q1 for ten years has 32 quarters left after the horizon's eight, in 2027Q4 35
    chosen = changed(site={"lease": {"term": "10 yr"}})
    case = case_of(chosen)
    d = plan_inputs(case)
    rate, rent = discount_rate(case), float(site_hold(case, case.sites[0])[0])

    def worth(quarters: int) -> float:
        return sum(rent * (1 + rate) ** -(8 + k) for k in range(1, quarters + 1))

    owed = left(d, "owed", "taken").sel(site="hall").values
    assert [owed[0], owed[3]] == pytest.approx([worth(32), worth(35)], rel=1e-6)
    # of 40 quarters' present value 32/40 and 35/40 remain by a straight line: the part of the rest that is not charged
    charged = left(d, "charged", "taken").sel(site="hall").values / owed
    assert [charged[0], charged[3]] == pytest.approx([1 - straight(rate, 40, 32), 1 - straight(rate, 40, 35)], rel=1e-9)


def straight(rate: float, term: int, rest: int) -> float:
    """What is left of a contract's first present value by a straight line, over the present value of what is left."""
    whole, left = (sum((1 + rate) ** -k for k in range(1, n + 1)) for n in (term, rest))
    return whole * rest / term / left


def h200_charged(case: Case) -> float:
    """Share charged of what CoreWeave's H200, signed in 2027Q4, owe after the horizon."""
    d = plan_inputs(case)
    name = next(row.id for row in case.offers if row.offer.id == "rent-h200")
    share = left(d, "charged", "signed_at_end") / left(d, "owed", "signed_at_end")
    return float(share.sel(offer=name, signed="2027Q4"))


def test_what_is_left_of_a_contract_is_worth_what_is_left_of_a_purchase() -> None:
    # three years signed in 2027Q4, the fourth of eight quarters: five run, seven of twelve are left
    case = case_of(changed("rent-h200", term="3 yr"))
    rate = discount_rate(case)
    assert h200_charged(case) == pytest.approx(1 - straight(rate, 12, 7), rel=1e-9)
    assert 0.0 < h200_charged(case) < 0.15
    # where the market's rents fall by 40 % a year, the same capacity can be had for less then, and that is the limit:
    # signed at m(3) = 0.6^(3/4), against m(8) to m(14)
    falling = changed("rent-h200", {"rent_falls": "40 %/yr"}, term="3 yr")
    there = sum(0.6 ** ((7 + k) / 4) * (1 + rate) ** -k for k in range(1, 8))
    here = sum(0.6 ** (3 / 4) * (1 + rate) ** -k for k in range(1, 8))
    assert h200_charged(case_of(falling)) == pytest.approx(1 - there / here, rel=1e-9)
    # what the scenario says stands in place of both
    said = changed("rent-h200", {"rent_falls": "40 %/yr"}, term="3 yr", top={"policy": {"rest_worth": "70 %"}})
    assert h200_charged(case_of(said)) == pytest.approx(0.3)


def test_owed_and_worth_stand_apart_in_the_results() -> None:
    results = run(changed("rent-h200", term="5 yr", rent_per_package_hour="$0.5/h"))
    owed, worth = results.summary["owed_after_usd"], results.summary["rest_worth_usd"]
    assert owed > worth > 0.8 * owed


def shrinking(term: str, **lease: Any) -> Scenario:
    """Demand that falls to nothing within a year; the hall leased for a term, H200 rented for a quarter at a time."""
    raw = raw_starter()
    raw["demand"]["inference"][0]["tokens_per_s"] = [
        {"quarter": "2027Q1", "value": "8 Mtok/s"}, {"quarter": "2028Q1", "value": "0.01 Mtok/s"}
    ]  # fmt: skip
    raw["offers"] = [raw["offers"][1] | {"term": "3 months"}]
    raw["sites"], raw["supply"] = raw["sites"][:1], []
    raw["sites"][0]["lease"] = {"term": term, **lease}
    return Scenario.model_validate(raw)


def test_a_building_is_given_back_after_its_term() -> None:
    # two buildings of one demand: leased for a year it goes with the chips, for ten years it is paid to the end
    short, long = run(shrinking("1 yr", deposit="6 months")), run(shrinking("10 yr", deposit="6 months"))
    used = short.plan["in_use_facility_w"].sel(site="hall").values
    assert used[0] > 1e6 and used[4] < 0.1 * used[0]
    assert (np.diff(long.plan["in_use_facility_w"].sel(site="hall").values) >= -1.0).all()
    assert "vacate_w" not in long.plan
    assert short.summary["objective_usd"] < long.summary["objective_usd"] - 1e6
    rent = short.book[short.book["kind"] == "site-rent"].set_index("quarter")["usd"]
    assert rent["2027Q1"] == pytest.approx(0.6 * used[0], rel=1e-3)
    assert rent.get("2028Q2", 0.0) == pytest.approx(0.6 * used[5], rel=1e-3, abs=1.0)
    # the deposit, half a year of rent, comes back with what is given back; the books agree with the plan
    back = short.book[short.book["kind"] == "deposit-return"]
    assert set(back["payer"]) == {"crusoe"}
    assert float(back["usd"].sum()) == pytest.approx(1.2 * float(short.plan["vacate_w"].sum()), rel=1e-3)
    cash = balance_usd(short.book, short.case.scenario.buyer, short.case.labels, 20e6)
    assert np.abs(cash.to_numpy() - short.plan["cash_usd"].values).max() < 1.0


def test_acceptance_comes_after_tests() -> None:
    late = next(row for row in case_of(changed("buy-b200", {"acceptance_lag": "4 months"})).offers)
    soon = next(row for row in case_of(changed()).offers)
    assert (late.first, soon.first) == (soon.first + 2, soon.first)


def failing(step_in: bool) -> Scenario:
    """CoreWeave fails in 2028Q1; what it leased may be taken over."""
    raw = raw_starter()
    raw["events"] = [{"id": "fails", "title": "fails", "fails": ["coreweave"], "start": "2028Q1"}]
    raw["initial"] = []
    if step_in:
        raw["sites"].append({"site": "their-hall", "region": "us-south", "tenure": "lease", "rent": "3 USD/W/yr",
                             "connection": [{"quarter": "2027Q1", "value": "4 MW"}],
                             "lease": {"term": "5 yr", "step_in": "coreweave"}})  # fmt: skip
        raw["offers"][0]["sites"] = ["hall", "their-hall"]
    return Scenario.model_validate(raw)


def test_a_failed_provider_serves_nobody_and_its_lease_may_be_taken_over() -> None:
    before, after = case_of(failing(step_in=True)), case_of(failing(step_in=True), "fails")
    power = {site.id: site.connection_w for site in after.sites}["their-hall"]
    assert power.tolist() == [0, 0, 0, 0, 4e6, 4e6, 4e6, 4e6]
    assert not {site.id: site.connection_w for site in before.sites}["their-hall"].any()
    found = run(failing(step_in=True), events=("fails",))
    theirs = [row.id for row in found.case.offers if row.offer.provider == "coreweave"]
    assert float(found.plan["stock_w"].sel(offer=theirs).isel(quarter=slice(4, None)).sum()) == 0.0
    alone = run(failing(step_in=False), events=("fails",))
    assert found.summary["objective_usd"] <= alone.summary["objective_usd"] + 1.0


def test_rights_and_promises_are_switched_off_one_at_a_time() -> None:
    raw = raw_starter()
    raw["rights"] = [
        {"id": "first", "holder": "coreweave", "kind": "first-refusal", "start": "2027Q1", "share": "50 %"},
        {"id": "gone", "holder": "coreweave", "kind": "first-refusal", "start": "2027Q1", "outcome": "declined"},
    ]
    raw["commitments"] = [{"id": "b200", "vendor": "nvidia", "systems": ["hgx-b200"], "basis": "it",
                           "by": [{"quarter": "2028Q1", "value": "2 MW"}]}]  # fmt: skip
    case = case_of(Scenario.model_validate(raw))
    costs = rights_costs(case)
    by_id = {row.id: row for row in costs.rows if row.tried == "off"}
    assert set(by_id) == {"first", "b200", "all of these"}
    (gone,) = (row for row in costs.rows if (row.id, row.tried) == ("gone", "no effect"))
    assert gone.cost_usd == 0.0
    assert all(row.cost_usd >= -1.0 for row in by_id.values())
    whole = by_id["all of these"].cost_usd
    assert whole >= max(by_id["first"].cost_usd, by_id["b200"].cost_usd) - 1.0
    free = run(Scenario.model_validate({k: v for k, v in raw.items() if k not in ("rights", "commitments")}))
    assert costs.objective_usd - whole == pytest.approx(free.summary["objective_usd"], rel=1e-6)


def test_rights_of_first_refusal_are_tried_in_their_other_states() -> None:
    # each state costs what a scenario that says so costs
    def raw(outcome: str) -> Scenario:
        right = {"id": "first", "holder": "coreweave", "kind": "first-refusal", "start": "2027Q1", "outcome": outcome}
        return Scenario.model_validate(raw_starter() | {"initial": [], "rights": [right]})

    cost = {state: run(raw(state)).summary for state in ("exercised", "declined")}
    dearer = cost["exercised"]["objective_usd"] - cost["declined"]["objective_usd"]
    assert dearer > 1e5
    found = {row.tried: row for row in rights_costs(case_of(raw("declined"))).rows}
    assert set(found) == {"no effect", "exercised"}
    assert found["exercised"].cost_usd == pytest.approx(-dearer, rel=1e-6)
    moves = dict(found["exercised"].moves)
    assert moves["coreweave"] > 0.0 > moves["own nvidia"]
    found = {row.tried: row for row in rights_costs(case_of(raw("exercised"))).rows}
    assert set(found) == {"off", "declined"}
    assert found["declined"].cost_usd == pytest.approx(dearer, rel=1e-6)


def test_a_non_exclusive_right_is_said_and_binds_nobody() -> None:
    right = {"id": "open", "holder": "coreweave", "kind": "non-exclusive", "start": "2027Q1"}
    scenario = changed(top={"rights": [right]})
    (row,) = rights_costs(case_of(scenario)).rows
    assert (row.id, row.tried, row.cost_usd) == ("open", "no effect", 0.0)
    assert plan_inputs(case_of(scenario)).rights == ()


def test_options_are_tried_exercised_and_declined() -> None:
    # the plan takes what it finds best of an option, so both ends cost at least as much; accepted as a run counts
    option = {"firm": "0.2 MW", "power": "0.6 MW", "premium": "0.1 USD/W", "until": "2028Q1"}
    case = case_of(changed("cloud", {"option": option}, top={"initial": []}, rent="7 USD/W/yr"))
    costs = rights_costs(case)
    assert [(row.kind, row.id, row.tried) for row in costs.rows] == [
        ("option", "cloud", "exercised"), ("option", "cloud", "declined"),
    ]  # fmt: skip
    assert all(row.cost_usd <= 1.0 for row in costs.rows)
    assert min(row.cost_usd for row in costs.rows) < -1e3
    accepted = list(run(case.scenario).summary["gw_by_quarter"].values())
    assert costs.accepted_gw == pytest.approx(accepted[-1], abs=1e-9)  # the summary rounds to a watt


def test_deposits_go_to_the_landlord_and_are_worth_something_at_the_end() -> None:
    # half a year of rent, 1.2 USD a facility W, with each watt taken into use; back after five years
    dear = {"offer": "cloud", "rent": "60 USD/W/yr"}  # so that the hall is used
    found = run(changed(site={"lease": {"term": "5 yr", "deposit": "6 months"}}, **dear))
    paid = found.book[found.book["kind"] == "deposit"]
    assert set(paid["payee"]) == {"crusoe"}
    taken = float(found.plan["energise_w"].sel(site="hall").sum())
    assert float(paid["usd"].sum()) == pytest.approx(1.2 * taken, rel=1e-3)
    cash = balance_usd(found.book, found.case.scenario.buyer, found.case.labels, 20e6)
    assert np.abs(cash.to_numpy() - found.plan["cash_usd"].values).max() < 1.0
    back = left(plan_inputs(found.case), "salvage", "energise").sel(site="hall")
    assert float(back[0]) == pytest.approx(1.2 * (1 + discount_rate(found.case)) ** -21, rel=1e-3)


def test_doubling_all_money_of_all_contracts_doubles_the_objective() -> None:
    inputs = plan_inputs(case_of(everything()))
    paid = {rate.on for rate in inputs.rates} | {end.on for end in inputs.ends}
    assert {"signed", "short", "exercised", "unused", "vested", "left", "cancelled"} <= paid
    money = {f.name: getattr(inputs, f.name) * 2.0 for f in fields(inputs)
             if "musd" in f.name and f.name != "gap_musd" and getattr(inputs, f.name) is not None}  # fmt: skip
    rates = tuple(row if row.on == "sales" else replace(row, musd=row.musd * 2.0) for row in inputs.rates)
    ends = tuple(replace(row, musd=row.musd * 2.0) for row in inputs.ends)
    doubled = replace(inputs, rates=rates, ends=ends, **money)
    once = solve(open_plan(inputs)).objective_musd
    assert solve(open_plan(doubled)).objective_musd == pytest.approx(2 * once, rel=1e-6)


def test_power_stands_beside_what_was_published() -> None:
    # OpenAI's 1.9 GW at the end of 2025 and 12 GW planned for 2027, of the catalogue; 5.8 GW stand in a plan of 2026 on
    case = resolve(load_scenario("renegotiated"), load_catalog())
    rows = {row["quarter"]: row for row in beside_published(case, {"2026Q4": 3.0, "2027Q4": 5.8}, 1.9)}
    assert [rows[q]["published_gw"] for q in ("2023Q4", "2024Q4", "2025Q4")] == pytest.approx([0.2, 0.6, 1.9])
    assert rows["2025Q4"]["residual_gw"] == pytest.approx(0.0)
    assert rows["2023Q4"]["planned_gw"] is None
    assert rows["2027Q4"]["residual_gw"] == pytest.approx(5.8 - 12.0)
    assert (rows["2027Q4"]["low_gw"], rows["2027Q4"]["high_gw"]) == (8.0, 15.0)
    assert (rows["2026Q4"]["planned_gw"], rows["2026Q4"]["published_gw"]) == (3.0, None)
    part = replace(case, scenario=case.scenario.model_copy(update={"whole_fleet": False}))
    assert beside_published(part, {"2027Q4": 5.8}, 1.9) == []  # a part of a fleet has nothing to be set beside
    whole = {name for name in bundled() if load_scenario(name).whole_fleet}
    assert whole == {"announcement", "renegotiated"}


def test_what_was_signed_stays_signed() -> None:
    """A plan pinned to its own decisions, exits, options and cancellations among them, costs what it cost."""
    session = PlanSession(plan_inputs(case_of(everything())))
    live = session.solve()
    once, plan = live.objective_musd, extract(live)
    for until in ("2027Q4", "2028Q4"):
        with session.trial():
            session.fix(plan, until)
            assert session.solve().objective_musd == pytest.approx(once, rel=1e-6)
