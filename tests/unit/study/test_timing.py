"""Orders, lumps, hosting, resale, terms of money and short views, on the starter with some keys changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from gigawatt.catalog.load import load_catalog
from gigawatt.core.calendar import parse_quarter
from gigawatt.core.errors import InfeasibleError, ScenarioError
from gigawatt.core.units import pretty
from gigawatt.finance.ledger import balance_usd, imbalance_usd
from gigawatt.plan.flows import ending, price_on
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import open_plan, solve
from gigawatt.report.lumps import order_rows, plan_sentences
from gigawatt.study.economics import discount_rate, level_rate
from gigawatt.study.hosting import resale_share
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.lumps import places
from gigawatt.study.money import deflator, price_level
from gigawatt.study.orders import lead_quarters, orders
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.results import Results
from gigawatt.study.rolling import roll
from gigawatt.study.run import run
from gigawatt.study.scenario import BUNDLED, Scenario, load_scenario
from gigawatt.study.tree import tree_of
from gigawatt.study.uncertainty import Uncertainty

YEAR_S = 8760 * 3600


def starter(**changes: Any) -> Scenario:
    """The starter with keys replaced; ``site`` and ``own`` add keys to its site and to what it may buy."""
    raw = yaml.safe_load((BUNDLED / "starter.yaml").read_text(encoding="utf-8"))
    raw["sites"][0] |= changes.pop("site", {})
    raw["offers"][0] |= changes.pop("own", {})
    raw["policy"] |= changes.pop("policy", {})
    return Scenario.model_validate(raw | changes)


def case_of(scenario: Scenario) -> Case:
    return resolve(scenario, load_catalog())


def books_agree(results: Results) -> None:
    assert imbalance_usd(results.book) < 0.01
    opening = results.case.scenario.funding.opening_cash.value
    cash = balance_usd(results.book, results.case.scenario.buyer, results.case.labels, opening)
    assert np.abs(cash.to_numpy() - results.plan["cash_usd"].values).max() < 1e3


def test_orders_are_acceptances_moved_back_by_their_lead() -> None:
    results = run(starter())
    rows = results.summary["orders"]
    bought = [row for row in rows if row["what"] == "buy-b200"]
    # six months: what is accepted in 2027Q3, the first quarter it can be, is ordered in 2027Q1
    assert (bought[0]["quarter"], bought[0]["accepted"]) == ("2027Q1", "2027Q3")
    accepted = sum(row["power_w"] for row in bought)
    assert accepted == pytest.approx(float(results.plan["add_w"].sel(offer="buy-b200").sum()), rel=1e-3)
    # 160 weeks are 12.3 quarters: the 3 MW of 2027Q4 were to be ordered in 2024Q3
    phase = next(row for row in rows if row["kind"] == "site")
    assert (phase["quarter"], phase["item"], phase["before_start"]) == ("2024Q3", "substation-transformer", True)
    used = float(results.plan["in_use_facility_w"].max())
    assert phase["power_w"] == pytest.approx(used - 2e6)
    assert [row["quarter"] for row in rows] == sorted(row["quarter"] for row in rows)
    assert {row["quarter"] for row in order_rows(results)} <= {"2027Q1", "2027Q2", "2027Q3", "2027Q4"}
    early = f"Had to be ordered before the horizon: Hall {pretty(used - 2e6, 'W')} for 2027Q4 by 2024Q3"
    assert plan_sentences(results)[0] == f"{early} (substation-transformer)."


def test_orders_come_before_delivery_and_tests() -> None:
    # six months from order to delivery, six months of tests: ordered 2027Q1, delivered 2027Q3, accepted 2028Q1
    case = case_of(starter(own={"lead_time": "6 months", "terms": {"acceptance_lag": "6 months"}}))
    mine = next(offer for offer in case.offers if offer.id == "buy-b200")
    assert (mine.lead, mine.lag, case.labels[mine.first - case.quarters[0]]) == (2, 2, "2028Q1")
    results = run(case.scenario)
    bought = next(row for row in results.summary["orders"] if row["what"] == "buy-b200")
    assert (bought["quarter"], bought["delivered"], bought["accepted"]) == ("2027Q1", "2027Q3", "2028Q1")
    assert not bought["before_start"]
    # and the tree decides as long before acceptance
    scenario = case.scenario.model_copy(update={"uncertainty": Uncertainty.model_validate({"branches": ["2027Q3"]})})
    tree = tree_of(case_of(scenario))
    assert dict(zip([offer.id for offer in case.offers], tree.lead["add"].tolist(), strict=True))["buy-b200"] == 4


def test_systems_without_a_lead_time_show_the_default() -> None:
    results = run(starter(own={"lead_time": None}))
    bought = [row for row in results.summary["orders"] if row["what"] == "buy-b200"]
    assert bought[0]["accepted"] == "2027Q1"  # a date, no rule
    assert all(row["lead_is_default"] for row in bought)
    assert all(int(parse_quarter(row["accepted"]) - parse_quarter(row["quarter"])) == 2 for row in bought)
    assert any(row["item"] == "hgx-b200 (default lead time)" for row in order_rows(results))
    early = [row for row in bought if row["before_start"]]
    power, last = pretty(sum(row["power_w"] for row in early), "W"), early[-1]["accepted"]
    assert (
        f"By the catalogue's default lead time of 6 months, {power} of systems accepted up to {last} had to be ordered "
        "before the horizon."
    ) in plan_sentences(results)
    assert case_of(starter(own={"lead_time": "0 months"})).offers[0].lead == 0


def test_lead_times_as_rules() -> None:
    case = case_of(starter(policy={"enforce_lead_times": True}))
    # default 6 months: nothing rented before 2027Q3; the phase of 2027Q4 waits 160 weeks, beyond the horizon
    assert plan_inputs(case).add_max_mw.sel(offer="rent-h200").values[:3].tolist() == [0.0, 0.0, np.inf]
    assert case.sites[0].connection_w.tolist() == [2e6] * 8
    built = case_of(starter(policy={"enforce_lead_times": True}, site={"ordered": "2027Q4"}))
    assert built.sites[0].connection_w.tolist() == [2e6] * 3 + [5e6] * 5
    engine = case_of(starter(policy={"enforce_lead_times": True}, site={"needs": ["gas-engine"]}))
    assert engine.sites[0].connection_w.tolist() == [2e6] * 5 + [5e6] * 3  # 15 months
    # what a commitment calls for in its quarter is on order: 0.4 MW of IT in 2027Q1, nothing more in 2027Q2
    asked = [{"id": "deal", "vendor": "nvidia", "basis": "it", "by": [{"quarter": "2027Q1", "value": "0.4 MW"}]}]
    promised = case_of(starter(policy={"enforce_lead_times": True}, commitments=asked))
    assert plan_inputs(promised).add_max_mw.sel(offer="rent-h200").values[:2].tolist() == [pytest.approx(0.4), 0.0]


def test_lead_times_as_rules_say_where_they_leave_no_plan() -> None:
    late = [{"id": "deal", "vendor": "nvidia", "by": [{"quarter": "2028Q1", "value": "3 MW"}]}]
    assert run(starter(commitments=late)).summary["objective_usd"] > 0
    with pytest.raises(InfeasibleError) as found:
        run(starter(commitments=late, policy={"enforce_lead_times": True}))
    assert str(found.value).splitlines()[-1] == (
        "Without policy.enforce_lead_times a plan exists; with it systems whose offer says no lead_time are accepted from "
        "2027Q3 on; phases of sites that are not on order come from 2030Q2 on (substation-transformer). State what is on order: a lead_time in the offers, ordered at the sites, or initial"
    )


def test_a_site_waits_for_its_slowest_item() -> None:
    case = case_of(starter(site={"needs": ["gas-engine"]}))
    plan = run(case.scenario).plan
    # 15 months are five quarters before 2027Q4
    assert [row["quarter"] for row in orders(case, plan) if row["kind"] == "site"] == ["2026Q3"]
    assert not [row for row in orders(case_of(starter(site={"needs": []})), plan) if row["kind"] == "site"]
    assert lead_quarters(7 * 24 * 3600 * 13) == 1


def test_halls_and_openings_in_the_books() -> None:
    site = {"hall": "0.7 MW", "connection": [{"quarter": "2027Q1", "value": "2 MW"},
                                             {"quarter": "2027Q4", "value": "5 MW"}]}  # fmt: skip
    relaxed, whole = run(starter(site=site)), run(starter(site=site), lumps="whole", mip_gap=1e-4)
    assert whole.summary["objective_usd"] >= relaxed.summary["objective_usd"] * (1 - 1e-9)
    # building in use, less the 0.625 MW that stood, in halls of 0.7; the connection has room for six
    for results in (relaxed, whole):
        used = float(results.plan["in_use_facility_w"].max())
        (row,) = results.summary["lumps"]
        assert (row["what"], row["where"]) == ("halls", "hall")
        assert row["amount"] == pytest.approx((used - 0.625e6) / 0.7e6, rel=1e-3)
    assert whole.summary["lumps"][0]["whole"]
    assert not relaxed.summary["lumps"][0]["whole"]
    assert whole.summary["lumps"][0]["amount"] <= 6
    assert any(text.startswith("Lumps relaxed: ") and "halls at hall" in text for text in plan_sentences(relaxed))
    books_agree(whole)
    assert whole.hash != relaxed.hash


def test_opening_is_paid_once() -> None:
    raw = starter(initial=[], site={"opening": "$3M"}, policy={"lumps": "whole"})
    results = run(raw)
    book = results.book
    assert book.loc[book["kind"] == "site-opening", "usd"].tolist() == [pytest.approx(3e6)]
    assert results.summary["capex_by_part_usd"]["site-opening"] == pytest.approx(3e6)
    books_agree(results)


def test_hosting_and_resale_in_the_books() -> None:
    hosting = {
        "classes": [{"id": "air", "systems": ["hgx-h200"]}, {"id": "liquid", "systems": ["hgx-b200"], "fit": "1 USD/W"}],
        "retrofits": [{"from": "air", "to": "liquid", "cost": "2 USD/W", "downtime": "3 months"}],
    }  # fmt: skip
    aged = [{"age": "1 yr", "share": "60 %"}, {"age": "2 yr", "share": "10 %"}]
    results = run(starter(hosting=hosting, own={"term": "6 months", "resale": aged}))
    fitted = float(results.plan["fit_w"].sel(hosting="liquid").sum())
    moved = float(results.plan["retrofit_w"].sum())
    paid = results.book.loc[results.book["kind"] == "fit-out", "usd"].sum()
    assert fitted > 0
    assert paid == pytest.approx(fitted + 2 * moved, rel=1e-6)
    sold = results.book.loc[results.book["kind"] == "resale", "usd"].sum()
    assert sold == pytest.approx(float(results.plan["resale_usd"].sum()), abs=1.0)
    books_agree(results)
    assert results.summary["objective_usd"] >= run(starter(own={"term": "6 months", "resale": aged})).summary[
        "objective_usd"
    ] - 1e3  # classes only bind  # fmt: skip


def left(d: PlanInputs, on: str) -> xr.DataArray:
    """What a unit of an amount is worth at the end."""
    price = price_on(ending(d.ends, "salvage"), on)
    assert price is not None
    return price


def test_a_fit_out_keeps_of_its_cost_what_capex_of_the_site_keeps() -> None:
    """Salvage of 2 USD/W more as the capex of an own hall is that of a fit-out of 2 USD/W."""

    def inputs(capex: str, **more: Any) -> PlanInputs:
        own = {"tenure": "own", "landlord": None, "rent": None, "capex": capex, "opening": "$3M"}
        return plan_inputs(case_of(starter(site=own, initial=[], **more)))

    dear, cheap = inputs("8 USD/W"), inputs("6 USD/W")
    share = left(cheap, "opened") / 3.0
    more = left(dear, "energise") - left(cheap, "energise")
    assert more.sel(site="hall").values == pytest.approx(2 * share.sel(site="hall").values)
    # 14 years are 56 quarters; built in the first of eight, 48 are left; 10 % a year over two years
    assert float(share.sel(site="hall")[0]) == pytest.approx(48 / 56 / 1.1**2)
    # a lease of three years leaves a third of it: 4 of 12 quarters
    leased = plan_inputs(case_of(starter(site={"lease": {"term": "3 yr"}, "opening": "$3M"}, initial=[])))
    assert float(left(leased, "opened").sel(site="hall")[0] / 3.0) == pytest.approx(4 / 12 / 1.1**2)


def test_initial_systems_have_an_age() -> None:
    aged = {"term": "6 months", "resale": [{"age": "1 yr", "share": "60 %"}, {"age": "3 yr", "share": "20 %"}]}
    old = [{"offer": "buy-b200", "site": "hall", "power": "1.4 MW", "accepted": "2026Q1"}]
    case = case_of(starter(own=aged, initial=old))
    d = plan_inputs(case)
    capex, sold = price_on(d.rates, "add"), price_on(d.rates, "sold_initial")
    assert capex is not None and sold is not None
    mine, price = case.offers[0], float(capex.sel(offer="buy-b200")[0])
    life_s = 5 * YEAR_S
    # by quarters: 100 % new, 80 % at half a year, 60 at one, 40 at two, 20 at three, 10 at four, 0 from five years on
    shares = resale_share(mine, life_s, np.array([0, 2, 4, 8, 12, 16, 20, 24]))
    assert shares == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.0, 0.0])
    # a year old in 2027Q1, two years in 2028Q1
    assert -sold.sel(offer="buy-b200").values[[0, 4]] / price == pytest.approx([0.6, 0.4])
    # three years old at the end: 2 of 5 left, at 10 % over two years
    assert left(d, "kept_initial").values.tolist() == [pytest.approx(price * 0.4 / 1.21), 0.0]
    # without a vintage: nothing
    none = plan_inputs(case_of(starter(own=aged, initial=[old[0] | {"accepted": None}])))
    assert price_on(none.ends, "kept_initial") is None
    assert price_on(none.rates, "sold") is not None and price_on(none.rates, "sold_initial") is None
    results = run(case.scenario)
    books_agree(results)
    dead = run(starter(own=aged, initial=[old[0] | {"accepted": None}]))
    assert results.summary["objective_usd"] < dead.summary["objective_usd"] - 1e5
    with pytest.raises(ValueError, match=r"initial\[0\].accepted: 2027Q1 lies within the horizon"):
        starter(initial=[old[0] | {"accepted": "2027Q1"}])


def test_terms_of_money() -> None:
    flat, real = case_of(starter()), case_of(starter(money="real", inflation="2.5 %/yr"))
    rising = case_of(starter(inflation="2.5 %/yr"))
    # 10 % nominal under 2.5 % inflation is 1.10 / 1.025 - 1 = 7.317 % real
    assert (1 + level_rate(real)) ** 4 - 1 == pytest.approx(0.0731707, rel=1e-5)
    assert discount_rate(rising) == discount_rate(real) == discount_rate(flat) == level_rate(flat)
    assert price_level(rising)[4] == pytest.approx(1.025)
    assert deflator(real)[4] == pytest.approx(1 / 1.025)
    assert deflator(rising).tolist() == [1.0] * 8
    held, risen = (price_on(plan_inputs(case).rates, "stock") for case in (flat, rising))
    assert held is not None and risen is not None
    assert float((risen / held).sel(offer="buy-b200")[4]) == pytest.approx(
        1.025
    )  # energy and maintenance follow inflation
    books_agree(run(rising.scenario))


def test_seeing_all_costs_nothing_and_seeing_less_never_gains() -> None:
    scenario = load_scenario("neocloud")
    case = case_of(scenario)
    full = solve(open_plan(plan_inputs(case)))
    whole, ends = roll(case, 12)
    assert ends == ["2029Q4"]
    assert whole.objective_musd == pytest.approx(full.objective_musd, rel=1e-7)
    for seen, last in ((4, ["2027Q4", "2028Q4", "2029Q4"]), (8, ["2028Q4", "2029Q4"])):
        short, ends = roll(case, seen)
        assert ends == last
        assert short.objective_musd >= full.objective_musd - 1e-6 * abs(full.objective_musd)
    with pytest.raises(ScenarioError, match="--look-ahead 3: a planner who moves 4 quarters at a time"):
        roll(case, 3)
    with pytest.raises(ScenarioError, match="--look-ahead and --simulate are two studies"):
        run(scenario, look_ahead=8, simulate=["2027Q4"])


def test_a_run_with_a_short_view_says_what_it_costs() -> None:
    results = run("neocloud", look_ahead=8)
    rolling = results.summary["rolling"]
    assert rolling["regret_usd"] == pytest.approx(rolling["cost_usd"] - rolling["full_foresight_usd"])
    assert any(text.startswith("Seeing 8 quarters ahead costs $") for text in plan_sentences(results))
    books_agree(results)
    assert results.hash != run("neocloud").hash


def test_fibre_is_a_place() -> None:
    near_by = {"site": "barn", "region": "us-south", "connection": [{"quarter": "2027Q1", "value": "2 MW"}]}
    raw = yaml.safe_load((BUNDLED / "starter.yaml").read_text(encoding="utf-8"))
    raw["sites"].append(near_by)
    raw["fibre"] = [{"sites": ["hall", "barn"]}]
    raw["policy"]["lumps"] = "whole"
    raw["offers"][0]["sites"] = ["hall", "barn"]
    raw["demand"]["training"] = [
        {"name": "job", "workload": "research", "amount": "1e22 FLOP", "start": "2028Q1", "deadline": "2028Q2",
         "gang": "5 MW"}
    ]  # fmt: skip
    case = case_of(Scenario.model_validate(raw))
    assert places(case) == [("hall",), ("barn",), ("hall", "barn")]
    able = plan_inputs(case).lumps.gang_able  # type: ignore[union-attr]
    # 5 of building at the hall are 4 of IT, 2 at the barn 1.6: only both together hold 5
    assert able.any("offer").values.tolist() == [[False, False, True]]  # type: ignore[union-attr]


def test_a_region_is_a_place_only_where_no_site_of_its_provider_is_named() -> None:
    raw = yaml.safe_load((BUNDLED / "starter.yaml").read_text(encoding="utf-8"))
    raw["sites"].append({"site": "azure-us", "tenure": "provider"})
    raw["supply"] = []
    cloud = {"id": "cloud", "provider": "microsoft", "system": "hgx-b200", "contract": "cloud", "rent": "9 USD/W/yr"}
    raw["offers"].append(cloud | {"sites": ["azure-us"]})
    raw["demand"]["training"] = [
        {"name": "job", "workload": "research", "amount": "1e22 FLOP", "start": "2028Q1", "deadline": "2028Q2",
         "gang": "8 MW"}
    ]  # fmt: skip
    assert places(case_of(Scenario.model_validate(raw))) == [("hall",), ("azure-us",)]
    # the hall has room for 4: the gang stands in the region, and nobody knows in which building
    said = plan_sentences(run(Scenario.model_validate(raw)))
    assert any("all of gang job somewhere in azure-us" in text for text in said)
    named = {"site": "azure-iowa", "region": "us-midwest", "tenure": "provider",
             "connection": [{"quarter": "2027Q1", "value": "50 MW"}]}  # fmt: skip
    raw["sites"].append(named)
    raw["offers"][-1]["sites"] = ["azure-us", "azure-iowa"]
    assert places(case_of(Scenario.model_validate(raw))) == [("hall",), ("azure-iowa",)]


def longer(scenario: Scenario, n_quarters: int) -> Case:
    horizon = scenario.horizon.model_copy(update={"quarters": scenario.horizon.quarters + n_quarters})
    return case_of(scenario.model_copy(update={"horizon": horizon}))


def test_first_orders_are_right_for_a_longer_horizon_too() -> None:
    """What the plan orders in its first four quarters, kept in a plan of eight quarters more: less than 0.1 % dearer."""
    scenario = load_scenario("neocloud")
    plan = solve(open_plan(plan_inputs(case_of(scenario))))
    session = PlanSession(plan_inputs(longer(scenario, 8)))
    best = session.solve().objective_musd
    session.fix(plan, plan.inputs.quarters[3])
    kept = session.solve().objective_musd
    assert best - 1e-6 * abs(best) <= kept <= best + 1e-3 * abs(best)


@pytest.mark.parametrize("name", ["low-latency"])
def test_eight_more_quarters_leave_the_first_orders(name: str) -> None:
    """Orders of the first four quarters, with and without eight more at the end: less than 1 % apart by system."""
    scenario = load_scenario(name)
    found = []
    for more in (0, 8):
        case = longer(scenario, more)
        added = solve(open_plan(plan_inputs(case))).value("add").values
        leads = [0 if o.lead_is_default else o.lead for o in case.offers]
        by_system: dict[str, float] = {}
        for offer, row, lead in zip(case.offers, added, leads, strict=True):
            by_system[offer.system.id] = by_system.get(offer.system.id, 0.0) + float(row[: 4 + lead].sum())
        found.append(by_system)
    ordered = sum(found[0].values())
    assert ordered > 0
    assert sum(abs(found[0][k] - found[1][k]) for k in found[0]) < 0.01 * ordered
