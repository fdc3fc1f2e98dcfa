"""Contracts of a small company: the books agree with the plan, and the figures are those of the arithmetic."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import yaml

from gigawatt.catalog.load import load_catalog
from gigawatt.core.money import annuity_frac
from gigawatt.finance.ledger import balance_usd, imbalance_usd
from gigawatt.plan.extract import extract
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.economics import discount_rate, rent_usd_per_w, rents_usd_per_w, revenue_share_usd, site_hold
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.published import beside_published
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.results import Results
from gigawatt.study.rights import rights_costs
from gigawatt.study.run import run
from gigawatt.study.scenario import BUNDLED, Scenario, load_scenario

STARTER = (BUNDLED / "starter.yaml").read_text(encoding="utf-8")


def _raw() -> dict[str, Any]:
    raw = yaml.safe_load(STARTER)
    raw["offers"] += [
        {
            "id": "cloud", "provider": "coreweave", "system": "gb200-nvl72", "sites": ["east", "west"],
            "contract": "cloud", "rent": "12 USD/W/yr", "term": "1 yr",
        }
    ]  # fmt: skip
    raw["sites"] += [{"site": name, "region": "us-south", "tenure": "provider"} for name in ("east", "west")]
    return raw


def changed(offer: str = "", terms: dict[str, Any] | None = None, site: dict[str, Any] | None = None,
            top: dict[str, Any] | None = None, **keys: Any) -> Scenario:  # fmt: skip
    """The starter with a cloud at two sites, one offer's keys and terms, the hall's keys and top keys replaced."""
    raw = _raw()
    for row in raw["offers"]:
        if row["id"] == offer:
            row.update(keys | ({"terms": terms} if terms else {}))
    for row in raw["sites"]:
        if row["site"] == "hall":
            row.update(site or {})
    return Scenario.model_validate(raw | (top or {}))


def case_of(chosen: Scenario, *events: str) -> Case:
    return resolve(chosen, load_catalog(), events)


def everything() -> Scenario:
    """Every kind of contract at once."""
    raw = _raw()
    rent, cloud = (next(row for row in raw["offers"] if row["id"] == name) for name in ("rent-h200", "cloud"))
    rent["terms"] = {"rent_falls": "20 %/yr", "exit": {"fee": "10 %", "after": "3 months"}, "ageing": "4 %/yr"}
    cloud["minimum_take"] = [
        {"start": "2027Q2", "end": "2028Q2", "power": "2 MW", "ramp": "6 months", "take_or_pay": True}
    ]
    cloud["terms"] = {
        "option": {"firm": "1 MW", "power": "2 MW", "premium": "0.1 USD/W", "until": "2028Q1", "notice": "3 months"},
        "rent_falls": "10 %/yr",
    }
    raw["offers"][0]["terms"] = {"acceptance_lag": "3 months", "resale_falls": "30 %/yr", "ageing": "3 %/yr"}
    raw["sites"][0]["lease"] = {
        "term": "10 yr", "escalator": "3 %/yr", "take_or_pay": "80 %", "deposit": "6 months",
        "guarantee": {"by": "nvidia", "fee": "2 %"},
    }  # fmt: skip
    raw["initial"][0]["held_until"] = "2027Q3"
    raw["commitments"] = [
        {"id": "rented", "providers": ["coreweave"], "basis": "it", "damages": "5 USD/W/yr",
         "cancel": {"fee": "0.5 USD/W", "until": "2028Q1"},
         "by": [{"quarter": "2027Q3", "value": "1.5 MW"}, {"quarter": "2028Q2", "value": "4 MW"}]},
    ]  # fmt: skip
    raw["warrants"] = [
        {"id": "shares", "vendor": "nvidia", "shares": 1000, "price": "$100", "strike": "$1", "over": "4 MW",
         "vests": "50 %"},
    ]  # fmt: skip
    raw["events"] = [{"id": "late", "title": "late", "delay_commitments": ["rented"], "delay": "6 months"}]
    raw["funding"] |= {
        "revenue": [{"quarter": "2027Q1", "value": "$40M"}], "compute_share": "60 %",
        "revenue_share": {"to": "microsoft", "share": "20 %", "until": "2027Q4", "cap": "$5M"},
    }  # fmt: skip
    raw["policy"]["rest_worth"] = "60 %"
    return Scenario.model_validate(raw)


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
    wanted = {"revenue-share", "guarantee-fee", "exit-fee", "take-or-pay", "cancellation", "option-premium"}
    wanted |= {"delay-damages"} if results.case.events_on else set()
    assert wanted <= kinds
    assert results.summary["vested_usd"] > 0
    assert results.summary["owed_after_usd"] > 0


def test_a_share_of_revenue_ends_at_its_cap() -> None:
    # 20 % of $10M a quarter: 2, 2, then what is left of 5
    shared = revenue_share_usd(case_of(everything()))
    assert shared.tolist() == pytest.approx([2e6, 2e6, 1e6, 0, 0, 0, 0, 0])


def test_damages_are_paid_for_what_an_event_delays() -> None:
    # 1.5 MW two quarters late, then 2.5 MW more two quarters late, at 5 USD a watt and year
    book = run(everything(), events=("late",)).book
    paid = book[book["kind"] == "delay-damages"].set_index("quarter")["usd"]
    per = 5 / 4
    assert paid.to_dict() == pytest.approx(
        {"2027Q3": 1.5e6 * per, "2027Q4": 1.5e6 * per, "2028Q2": 2.5e6 * per, "2028Q3": 2.5e6 * per}
    )


def test_a_lease_with_a_saving_pays_the_price_less_the_saving() -> None:
    # five years of level rents are worth 87.5 % of the price today
    chosen = changed("rent-h200", {"saving": "12.5 %"}, rent_per_package_hour=None, term="5 yr", price="$300000")
    case = case_of(chosen)
    offer = next(row for row in case.offers if row.offer.id == "rent-h200")
    assert offer.system.it_power
    price = 300e3 / offer.system.it_power.value
    assert rent_usd_per_w(case, offer) == pytest.approx(price * 0.875 * annuity_frac(discount_rate(case), 20))


def test_rents_fall_by_their_yearly_rate_and_buildings_rise_in_steps() -> None:
    case = case_of(everything())
    rents = rents_usd_per_w(case, next(row for row in case.offers if row.offer.id == "rent-h200"))
    assert rents[4] / rents[0] == pytest.approx(0.8)
    hall = site_hold(case, case.sites[0])
    # $2.4 a watt and year, 2 % for the guarantor; 3 % more from the second year on
    assert hall[:5].tolist() == pytest.approx([0.6 * 1.02] * 4 + [0.6 * 1.02 * 1.03], rel=1e-3)


def test_a_take_ramps_and_is_owed_over_all_sites() -> None:
    takes = plan_inputs(case_of(everything())).terms.takes
    assert takes is not None
    assert takes.mw.sel(take="cloud").values.tolist() == [0, 1, 2, 2, 2, 2, 0, 0]
    assert takes.member.sel(take="cloud").sum() == 2


def test_what_building_rent_is_owed_after_the_horizon() -> None:
    # hall: 2 MW from 2027Q1 and 3 MW more from 2027Q4, ten years each: 32 and 35 quarters are left of them
    chosen = changed(site={"lease": {"term": "10 yr"}})
    chosen = chosen.model_copy(update={"policy": chosen.policy.model_copy(update={"rest_worth": None})})
    case = case_of(chosen)
    leases = plan_inputs(case).terms.leases
    assert leases is not None
    rate, rent = discount_rate(case), float(site_hold(case, case.sites[0])[0])

    def worth(quarters: int) -> float:
        return sum(rent * (1 + rate) ** -(8 + k) for k in range(1, quarters + 1))

    expected = (2 * worth(32) + 3 * worth(35)) / 5
    assert float(leases.owed_musd_per_mw.sel(site="hall")) == pytest.approx(expected, rel=1e-6)


def test_acceptance_comes_after_tests() -> None:
    late = next(row for row in case_of(changed("buy-b200", {"acceptance_lag": "4 months"})).offers)
    soon = next(row for row in case_of(changed()).offers)
    assert (late.first, soon.first) == (soon.first + 2, soon.first)


def failing(step_in: bool) -> Scenario:
    """CoreWeave fails in 2028Q1; what it leased may be taken over."""
    raw = _raw()
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
    raw = _raw()
    raw["rights"] = [
        {"id": "first", "holder": "coreweave", "kind": "first-refusal", "start": "2027Q1", "share": "50 %"},
        {"id": "gone", "holder": "coreweave", "kind": "first-refusal", "start": "2027Q1", "outcome": "declined"},
    ]
    raw["commitments"] = [{"id": "b200", "vendor": "nvidia", "systems": ["hgx-b200"], "basis": "it",
                           "by": [{"quarter": "2028Q1", "value": "2 MW"}]}]  # fmt: skip
    case = case_of(Scenario.model_validate(raw))
    costs = rights_costs(case)
    by_id = {row.id: row for row in costs.rows}
    assert set(by_id) == {"first", "gone", "b200", "all of these"}
    assert by_id["gone"].cost_usd == 0.0
    assert all(row.cost_usd >= -1.0 for row in costs.rows)
    whole = by_id["all of these"].cost_usd
    assert whole >= max(by_id["first"].cost_usd, by_id["b200"].cost_usd) - 1.0
    free = run(Scenario.model_validate({k: v for k, v in raw.items() if k not in ("rights", "commitments")}))
    assert costs.objective_usd - whole == pytest.approx(free.summary["objective_usd"], rel=1e-6)


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
    back = plan_inputs(found.case).site_salvage_musd_per_mw.sel(site="hall")
    assert float(back[0]) == pytest.approx(1.2 * (1 + discount_rate(found.case)) ** -21, rel=1e-3)


def test_doubling_all_money_of_all_contracts_doubles_the_objective() -> None:
    inputs = plan_inputs(case_of(everything()))
    terms = inputs.terms
    assert terms.rents and terms.takes and terms.options and terms.leases and terms.warrants
    assert terms.exit_musd_per_mw is not None and terms.cancel_musd_per_mw is not None

    def twice(block: Any) -> Any:
        money = {
            f.name: getattr(block, f.name) * 2.0
            for f in fields(block)
            if "musd" in f.name and getattr(block, f.name) is not None
        }
        return replace(block, **money)

    doubled = replace(twice(inputs), credit_limit_musd=inputs.credit_limit_musd * 2, gap_musd=inputs.gap_musd)
    doubled = replace(doubled, terms=replace(
        terms, rents=twice(terms.rents), takes=twice(terms.takes), options=twice(terms.options),
        leases=twice(terms.leases), warrants=twice(terms.warrants), exit_musd_per_mw=terms.exit_musd_per_mw * 2,
        cancel_musd_per_mw=terms.cancel_musd_per_mw * 2,
    ))  # fmt: skip
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


def test_what_was_signed_stays_signed() -> None:
    """A plan pinned to its own decisions, exits, options and cancellations among them, costs what it cost."""
    session = PlanSession(plan_inputs(case_of(everything())))
    live = session.solve()
    once, plan = live.objective_musd, extract(live)
    for until in ("2027Q4", "2028Q4"):
        with session.trial():
            session.fix(plan, until)
            assert session.solve().objective_musd == pytest.approx(once, rel=1e-6)
