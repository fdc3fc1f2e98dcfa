"""What one more of each scarce thing is worth, by hand: the arithmetic stands in the comments."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import xarray as xr

from gigawatt.catalog.load import load_catalog
from gigawatt.plan.session import PlanSession
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.named import find
from gigawatt.study.resolve import resolve
from gigawatt.study.results import Results
from gigawatt.study.run import run
from gigawatt.study.scenario import load_scenario
from gigawatt.study.why import binding

HALL = """
title: a hall and servers, by hand
buyer: example-neocloud
discount: 10 %/yr
sites:
  - site: hall
    region: us-south
    tenure: lease
    landlord: crusoe
    rent: 2 USD/W/yr
    power_price: 0.08 USD/kWh
    facility_over_it: 1.25
    annual_pue: 1.2
    connection: [{quarter: 2027Q1, value: 5 MW}, {quarter: 2028Q1, value: 12.5 MW}]
offers:
  - {id: buy, provider: example-neocloud, system: hgx-b200, sites: [hall], contract: own, price: $300k,
     available: 2026Q1, lead_time: 0 months}
funding: {opening_cash: $100B, gap_premium: 8 %/yr}
"""
LATE = f"""name: late{HALL}
horizon: {{start: 2027Q1, quarters: 6}}
demand: {{}}
commitments:
  - {{id: c, basis: it, firm: false, penalty: 400 USD/W/yr, by: [{{quarter: 2027Q1, value: 10 MW}}]}}
"""
SERVED = f"""name: served{HALL}
horizon: {{start: 2027Q1, quarters: 2}}
demand:
  inference:
    - {{workload: open-chat-70b, name: chat, model: gpt-oss-120b, value: $5/Mtok,
       tokens_per_s: [{{quarter: 2027Q1, value: 10 Mtok/s}}]}}
blocks: [{{name: all, hours: 24, shape: 0}}]
policy: {{reserve: 50 %}}
""".replace("value: 5 MW", "value: 12 MW").replace(
    "lead_time: 0 months", "lead_time: 0 months, most_per_quarter: 0.5 MW"
)


def written(folder: Path, text: str) -> Path:
    path = folder / "case.yaml"
    path.write_text(text)
    return path


@cache
def d(quarter: int) -> float:
    return 1.1 ** (-quarter / 4)


CAPEX = 0.3 / 0.0143 * 1.2
"""$300k a server of 14.3 kW and a fifth for its network [MUSD per MW]."""
HOLD = CAPEX * 0.015 / 4 + 0.2 * 1.2 * 80 * 2190 / 1e6
"""Maintenance of 1.5 % a year, and idling at a fifth of the load: 80 USD/MWh x 2,190 h [MUSD per MW and quarter]."""


def test_a_facility_mw_until_the_next_step(tmp_path: Path) -> None:
    # 5 of the 12.5 facility MW that 10 MW of servers need come at once, the others in 2028Q1. A facility MW more until
    # then is 0.8 MW of servers four quarters sooner. Saved: a penalty of 100 a quarter. Paid: the servers four quarters
    # sooner, so that 4 of their 20 quarters less are left at the end; maintenance and idling; the building's rent, 0.5
    quarters = sum(d(q) for q in (1, 2, 3, 4))
    sooner = CAPEX * (d(1) - d(5)) + CAPEX * 4 / 20 * d(6) + HOLD * quarters
    worth = 0.8 * (100 * quarters - sooner) - 0.5 * quarters
    assert worth == pytest.approx(294.0259, abs=1e-4)
    results = run(written(tmp_path, LATE))
    (row,) = results.summary["shadow_prices"]
    assert (row["what"], row["where"], row["quarter"]) == ("one more facility MW energised", "hall", "2027Q1")
    assert row["value"] == pytest.approx(worth * 1e6, rel=1e-6)
    # the same in why, and a plan with 100 kW more from 2027Q1 until 2028Q1 costs a tenth of it less
    session = PlanSession(plan_inputs(results.case))
    before = session.solve().objective_musd
    (limit,) = [limit for limit in binding(session) if limit.family == "connection"]
    assert (limit.quarters, limit.until) == (("2027Q1",), ("2027Q4",))
    assert limit.price_musd == pytest.approx((worth,), rel=1e-6)
    assert limit.sentences() == [
        "2027Q1 to 2027Q4: energised connections at hall bind; one more facility MW is worth $294M"
    ]
    after = run(written(tmp_path, LATE.replace("value: 5 MW", "value: 5.1 MW"))).summary["objective_usd"] / 1e6
    assert before - after == pytest.approx(0.1 * worth, rel=1e-5)


def test_a_mw_in_the_pool_serves_less_its_reserve(tmp_path: Path) -> None:
    # 0.5 MW of servers come a quarter and demand has room for all. With half of it held in reserve, a MW that stands
    # serves what 0.5 MW at work serve: $5 a million tokens, less what work adds to idling, 55 % of the load
    results = run(written(tmp_path, SERVED))
    assert tokens_per_w_quarter(results) > 0
    worth = results.plan["value_of_capacity"].sum("pool").values
    energy = 0.55 * 1.2 * 80 * 2190 / 1e6
    by_hand = [0.5 * (5.0 * tokens_per_w_quarter(results) / 1e6 - energy) * d(q) for q in (1, 2)]
    assert worth == pytest.approx(by_hand, rel=1e-6)
    assert sum(worth) == pytest.approx(247.19, abs=0.01)


def tokens_per_w_quarter(results: Results) -> float:
    plan: xr.Dataset = results.plan
    return float(plan["served"].sum()) / float(plan["assign_w"].sum()) * 2190 * 3600


def test_nothing_holds_what_does_not_stand() -> None:
    """A term binds where something stands under it; prices of 'why' are those of 'run'."""
    case = resolve(load_scenario("starter"), load_catalog())
    session = PlanSession(plan_inputs(case))
    plan = session.solve()
    stands = {
        str(name) for name in plan.inputs.initial_mw["offer"].values if float(plan.value("stock").sel(offer=name).max())
    }
    assert stands
    for offer in case.offers:
        for limit in binding(session, find(case, offer.system.id)):
            assert limit.family != "term" or limit.label in stands, limit


def test_why_and_run_say_one_price(tmp_path: Path) -> None:
    results = run("neocloud")
    session = PlanSession(plan_inputs(results.case))
    session.solve()
    said = {(limit.family, limit.quarters[i]): price * 1e6 for limit in binding(session, most=20)
            for i, price in enumerate(limit.price_musd)}  # fmt: skip
    families = {"one more facility MW energised": "connection", "one more package delivered": "supply"}
    rows = [row for row in results.summary["shadow_prices"] if row["what"] in families]
    assert len(rows) == 2
    for row in rows:
        assert said[families[row["what"]], row["quarter"]] == pytest.approx(row["value"], rel=1e-6)


OWNED = f"""name: owned{HALL}
horizon: {{start: 2027Q1, quarters: 56}}
demand: {{}}
commitments: [{{id: c, basis: it, by: [{{quarter: 2027Q1, value: 10 MW}}]}}]
""".replace("value: 5 MW", "value: 12.5 MW").replace("    rent: 2 USD/W/yr\n", "")


@pytest.mark.parametrize("prices", ["", "inflation: 3 %/yr\n"])
def test_a_building_leased_for_its_life_costs_what_owning_does(tmp_path: Path, prices: str) -> None:
    # 56 quarters are the building's life: nothing of it is left, and a rent that repays capex and upkeep is no more
    lease = run(written(tmp_path, OWNED + prices)).summary["objective_usd"]
    owned = OWNED.replace("tenure: lease", "tenure: own").replace("    landlord: crusoe\n", "")
    assert run(written(tmp_path, owned + prices)).summary["objective_usd"] == pytest.approx(lease, rel=1e-9)
    if not prices:
        assert lease == pytest.approx(436.652e6, rel=1e-6)


def test_a_token_costs_what_the_books_spend_on_it(tmp_path: Path) -> None:
    # 20 quarters are the life of the servers, one class is served and nothing stands idle: the level cost is the present
    # value of the books over that of the tokens
    text = SERVED.replace("quarters: 2}", "quarters: 20}").replace(", most_per_quarter: 0.5 MW", "")
    results = run(written(tmp_path, text.replace("policy: {reserve: 50 %}\n", "")))
    book, labels = results.book, list(results.case.labels)
    at = [d(labels.index(quarter) + 1) for quarter in book["quarter"]]
    spent = float((book["usd"] * at)[book["payer"] == "example-neocloud"].sum())
    tokens = sum(float(served) * 2190 * 3600 * d(q + 1) for q, served in
                 enumerate(results.plan["served"].sum(["workload", "block"]).values))  # fmt: skip
    assert results.summary["cost_per_mtok_usd"]["chat"] == pytest.approx(spent / tokens * 1e6, rel=1e-9)
    assert spent / tokens * 1e6 == pytest.approx(0.047618, rel=1e-4)
