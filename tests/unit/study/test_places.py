"""Where machines stand, as a scenario says it: power of work, gangs at work, deadlines, overheads of sites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gigawatt.core.errors import InfeasibleError
from gigawatt.report.lumps import plan_sentences
from gigawatt.study.results import Results
from gigawatt.study.run import run
from gigawatt.study.scenario import Scenario

Map = dict[str, Any]

HOUR_S, QUARTER_H = 3600.0, 2190.0


def hall(name: str = "hall", connection: str = "100 MW", **keys: Any) -> Map:
    return {"site": name, "region": "us-south", "tenure": "lease", "landlord": "crusoe", "rent": "2 USD/W/yr",
            "power_price": "0.08 USD/kWh", "facility_over_it": 1.25, "annual_pue": 1.2,
            "connection": [{"quarter": "2027Q1", "value": connection}]} | keys  # fmt: skip


def buys(sites: list[str], price: str = "$100k") -> Map:
    return {"id": "buy", "provider": "example-neocloud", "system": "hgx-b200", "sites": sites, "contract": "own",
            "price": price, "available": "2026Q1", "lead_time": "0 months"}  # fmt: skip


def rents(system: str, site: str, rent: str, **keys: Any) -> Map:
    return {"id": "cloud", "provider": "coreweave", "system": system, "sites": [site], "contract": "cloud",
            "rent": rent, "term": "3 months", "available": "2025Q1", "lead_time": "0 months"} | keys  # fmt: skip


def provided(name: str, region: str, connection: str) -> Map:
    return {"site": name, "region": region, "tenure": "provider",
            "connection": [{"quarter": "2027Q1", "value": connection}]}  # fmt: skip


def chat(rate: str, value: str, **keys: Any) -> Map:
    return {"workload": "open-chat-70b", "name": "chat", "model": "gpt-oss-120b", "value": value,
            "tokens_per_s": [{"quarter": "2027Q1", "value": rate}]} | keys  # fmt: skip


def planned(sites: list[Map], offers: list[Map], demand: Map, quarters: int = 4, **keys: Any) -> Results:
    raw: Map = {"name": "places", "title": "Places", "buyer": "example-neocloud", "discount": "10 %/yr",
                "horizon": {"start": "2027Q1", "quarters": quarters}, "sites": sites, "offers": offers, "demand": demand,
                "funding": {"opening_cash": "$100B", "gap_premium": "8 %/yr"}}  # fmt: skip
    return run(Scenario.model_validate(raw | keys))


ALL_DAY = {"blocks": [{"name": "all", "hours": 24, "shape": 0}]}
SOLD = {"inference": [chat("5 Mtok/s", "$0.25/Mtok", price="$0.25/Mtok")]}


def test_an_offer_or_a_site_that_stands_empty_changes_nothing() -> None:
    base = planned([hall()], [buys(["hall"])], SOLD)
    cloud = planned([hall(), provided("dc", "us-south", "100 MW")],
                    [buys(["hall"]), rents("hgx-b200", "dc", "1000 USD/W/yr")], SOLD)  # fmt: skip
    dear = hall("dear", power_price="1 USD/kWh", rent="200 USD/W/yr")
    site = planned([hall(), dear], [buys(["hall", "dear"])], SOLD)
    first = planned([dear, hall()], [buys(["dear", "hall"])], SOLD)
    assert base.summary["objective_usd"] == pytest.approx(7.3114e6, abs=50.0)
    for other in (cloud, site, first):
        assert other.summary["objective_usd"] == pytest.approx(base.summary["objective_usd"], rel=1e-9)
        assert other.summary["npv_usd"] == pytest.approx(base.summary["npv_usd"], rel=1e-9)
        assert other.summary["cost_per_mtok_usd"]["chat"] == pytest.approx(
            base.summary["cost_per_mtok_usd"]["chat"], rel=1e-9
        )
    # what stands idles at 0.2 of its rating and what works draws 0.75: x 1.2 x 0.08 USD/kWh x 2,190 h
    watts = 0.2 * base.plan["stock_w"].sum("offer").values + 0.55 * base.plan["work_w"].sum("offer").values
    paid = base.book[base.book["kind"] == "energy"].groupby("quarter")["usd"].sum().to_numpy()
    assert paid == pytest.approx(watts / 1e3 * 1.2 * 0.08 * QUARTER_H, rel=1e-9)


def test_work_goes_where_power_is_cheap_and_a_cloud_pays_none() -> None:
    # a hall of 1 MW of IT at 0.02 USD/kWh and one at 0.30, as much chat as both can serve by day and half by night
    cheap, dear = (
        hall("cheap", "1.25 MW", power_price="0.02 USD/kWh"),
        hall("dear", "1.25 MW", power_price="0.3 USD/kWh"),
    )
    both = planned([cheap, dear], [buys(["cheap", "dear"])], {"inference": [chat("12 Mtok/s", "$5/Mtok")]}, 2,
                   blocks=[{"name": "day", "hours": 12, "shape": 1}, {"name": "night", "hours": 12, "shape": -1}])  # fmt: skip
    work = both.plan["work_w"].values
    used = both.plan["assign_w"].values.sum(axis=0)  # (block, quarter) of the one lane
    at_cheap = np.minimum(used, 1e6).mean(axis=0)
    assert work[0] == pytest.approx(at_cheap, rel=1e-6) and work[1] == pytest.approx(
        used.mean(axis=0) - at_cheap, rel=1e-6
    )
    assert 0.0 < work[1][0] < work[0][0]
    cloud = planned([provided("dc", "us-south", "10 MW")], [rents("hgx-b200", "dc", "8 USD/W/yr")], SOLD)
    assert "energy" not in set(cloud.book["kind"])


def trained(**keys: Any) -> Map:
    return {"name": "run", "workload": "training-frontier", "amount": "2e25 FLOP", "start": "2027Q1",
            "deadline": "2027Q4"} | keys  # fmt: skip


GANG = (
    [hall(connection="12.5 MW"), provided("far", "eu-north", "10 MW")],
    [buys(["hall"], "$300k"), rents("hgx-h100", "far", "8 USD/W/yr", most_per_quarter="6 MW")],
)


@pytest.mark.parametrize("lumps", ["whole", "relaxed"])
def test_a_gang_at_work_serves_nothing_else(lumps: str) -> None:
    """10 of the hall's 10 MW of IT are the gang's for all four quarters: chat is served elsewhere."""
    asked = {"inference": [chat("61.4 Mtok/s", "$5/Mtok")], "training": [trained(gang="10 MW")]}
    results = planned(*GANG, asked, policy={"lumps": lumps}, **ALL_DAY)
    plan = results.plan
    at_work = plan["assign_w"].sum("block")
    by = {str(name): at_work.sel(lane=name).values for name in plan["lane"].values}
    assert plan["reserved_w"].sum("offer").values == pytest.approx(np.full((1, 4), 1e7))
    run_ = next(row for row in results.summary["demand"] if row["workload"] == "run")
    assert run_["served"] == pytest.approx(2e25) and run_["not_served"] == pytest.approx(0.0, abs=1e17)
    assert by["us-south|hgx-b200>chat"] == pytest.approx(np.zeros(4), abs=1.0)
    assert by["eu-north|hgx-h100>run on cloud at far"] == pytest.approx(np.zeros(4), abs=1.0)
    job = by["us-south|hgx-b200>run on buy at hall"]
    assert job == pytest.approx(np.full(4, job[0])) and job[0] < 1e7  # one rate, on its gang
    assert results.summary["lumps"] == [
        {"what": "gang run", "where": "hall", "on": "hgx-b200", "amount": 1.0, "whole": True, "region": False}
    ]
    # 10 MW less for chat, wherever they are taken from
    free = plan["stock_w"].sum("offer").values - by["us-south|hgx-b200>chat"] - by["eu-north|hgx-h100>chat"]
    assert (free >= 1e7 - 1.0).all()


@pytest.mark.parametrize("keys", [{}, {"spread": "free"}, {"spread": "free", "most": "1e18 FLOP/s"}])
def test_nothing_is_done_after_the_deadline(keys: Map) -> None:
    """Power from 2027Q3 on, due in 2027Q2: all of it is not served."""
    late = hall(connection="0 MW")
    late["connection"].append({"quarter": "2027Q3", "value": "100 MW"})
    job = trained(amount="1e25 FLOP", deadline="2027Q2", **keys)
    results = planned([late], [buys(["hall"], "$300k")], {"training": [job]}, **ALL_DAY)
    (row,) = results.summary["demand"]
    assert row["not_served"] == pytest.approx(1e25) and row["served"] == pytest.approx(0.0, abs=1e16)


def test_a_run_that_keeps_its_rate_starts_with_it() -> None:
    """Half the power in the first quarter is half the rate to the end; a block that may pause makes it up."""
    rate = 2e25 / (4 * QUARTER_H * HOUR_S)  # FLOP/s, evenly
    site = hall(connection="100 MW")
    probe = planned([site], [buys(["hall"], "$300k")], {"training": [trained()]}, **ALL_DAY)
    watts = float(probe.plan["assign_w"].max())
    site["connection"] = [
        {"quarter": "2027Q1", "value": f"{watts / 2 * 1.25} W"},
        {"quarter": "2027Q2", "value": "100 MW"},
    ]
    served = {}
    for name, keys in (("even", {}), ("free", {"spread": "free", "most": f"{2 * rate} FLOP/s"})):
        results = planned([site], [buys(["hall"], "$300k")], {"training": [trained(**keys)]}, **ALL_DAY)
        served[name] = results.plan["served"].sel(workload="run").isel(block=0).values
    assert served["even"] == pytest.approx(np.full(4, rate / 2), rel=1e-6)
    assert served["free"].sum() == pytest.approx(4 * rate, rel=1e-6) and served["free"][0] <= rate / 2 * (1 + 1e-6)


@pytest.mark.parametrize("order", [["hall", "zother"], ["zother", "hall"]])
def test_need_is_at_the_overhead_of_where_machines_stand(order: list[str]) -> None:
    """20 MW of IT are committed at the hall (1.15); 9.452 are needed: 10.87 MW of facility power, not at 1.6."""
    sites = {"hall": hall(facility_over_it=1.15), "zother": hall("zother", facility_over_it=1.6, rent="200 USD/W/yr")}
    held = {"id": "c", "basis": "it", "by": [{"quarter": "2027Q1", "value": "20 MW"}]}
    results = planned([sites[name] for name in order], [buys(order, "$300k")],
                      {"inference": [chat("61.45 Mtok/s", "$5/Mtok")]}, 2, commitments=[held], **ALL_DAY)  # fmt: skip
    found = results.summary
    assert list(found["demand_driven_gw_by_quarter"].values()) == pytest.approx([0.010870] * 2, abs=5e-7)
    assert list(found["committed_idle_gw_by_quarter"].values()) == pytest.approx([0.023 - 0.010870] * 2, abs=5e-7)


def test_a_provider_s_site_is_in_use_as_long_as_something_stands_there() -> None:
    """5 Mtok/s for two quarters and then none: what was rented goes back, and its building with it."""
    steps = [{"quarter": "2027Q1", "value": "5 Mtok/s"}, {"quarter": "2027Q2", "value": "5 Mtok/s"},
             {"quarter": "2027Q3", "value": "0 Mtok/s"}]  # fmt: skip
    asked = {"inference": [chat("5 Mtok/s", "$5/Mtok") | {"tokens_per_s": steps}]}
    plan = planned([provided("dc", "us-south", "10 MW")], [rents("hgx-b200", "dc", "8 USD/W/yr")], asked).plan
    in_use, stands = plan["in_use_facility_w"].sel(site="dc").values, plan["stock_w"].sum("offer").values
    assert stands[0] > 1e5 and stands[2:] == pytest.approx(np.zeros(2), abs=1.0)
    assert in_use[0] > stands[0] and in_use[2:] == pytest.approx(np.zeros(2), abs=1.0)


@pytest.mark.parametrize("lumps", ["whole", "relaxed"])
def test_a_gang_stands_whole_or_not_at_all(lumps: str) -> None:
    """A twentieth of a 6 MW gang would do the run: the whole is not worth buying, so that nothing of it stands."""
    job = {"name": "a", "workload": "training-frontier", "amount": "1e24 FLOP", "start": "2027Q1", "deadline": "2027Q4",
           "gang": "6 MW", "spread": "free"}  # fmt: skip
    demand = {"inference": [chat("1 Mtok/s", "$50/Mtok", price="$50/Mtok")], "training": [job]}
    found = planned([hall(), hall("far", region="eu-north")], [buys(["hall", "far"], "$900k")], demand,
                    policy={"lumps": lumps})  # fmt: skip
    assert float(found.plan["reserved_w"].max()) == 0.0
    (row,) = (row for row in found.summary["lumps"] if row["what"] == "gang a")
    assert not row["whole"] and row["amount"] == 0.0


@pytest.mark.parametrize("lumps", ["whole", "relaxed"])
def test_a_gang_stands_at_one_place_beside_others_work(lumps: str) -> None:
    """Two halls of 12 MW of IT on two continents, a gang of 10 MW and chat beside it: all of the gang is in one hall in
    every quarter of its run (in sum over places 6.4 MW were in one and 3.6 in the other)."""
    job = {"name": "a", "workload": "training-frontier", "amount": "1e25 FLOP", "start": "2027Q1", "deadline": "2027Q4",
           "gang": "10 MW"}  # fmt: skip
    sites = [hall(connection="15 MW"), hall("far", "15 MW", region="eu-north")]
    demand = {"inference": [chat("50 Mtok/s", "$0.25/Mtok", price="$0.25/Mtok")], "training": [job]}
    found = planned(sites, [buys(["hall", "far"])], demand, policy={"lumps": lumps})
    held = found.plan["reserved_w"].sel(gang="a").transpose("offer", "quarter").values
    assert sorted(held.max(axis=1)) == pytest.approx([0.0, 1e7], abs=1.0)
    assert held.sum(axis=0) == pytest.approx(np.full(4, 1e7))
    (row,) = found.summary["lumps"]
    assert row["whole"] and plan_sentences(found)[0].startswith("Lumps whole: all of gang a at ")


@pytest.mark.parametrize("lumps", ["whole", "relaxed"])
def test_a_gang_larger_than_every_place_is_refused(lumps: str) -> None:
    """16 MW of gang, halls of 12 MW of IT: 24 MW in all, and no place for it."""
    job = {"name": "a", "workload": "training-frontier", "amount": "1e25 FLOP", "start": "2027Q1", "deadline": "2027Q4",
           "gang": "16 MW"}  # fmt: skip
    sites = [hall(connection="15 MW"), hall("far", "15 MW", region="eu-north")]
    with pytest.raises(
        InfeasibleError, match=r"no place can carry 16 MW of IT\. The largest site, hall, carries 12 MW"
    ):
        planned(sites, [buys(["hall", "far"])], {"training": [job]}, policy={"lumps": lumps})


def test_a_line_costs_what_its_interest_costs() -> None:
    # 18.8 %/yr is 1.10 x 1.08: a quarter of debt costs what a quarter of money still to be found at 8 %/yr does, as the
    # interest falls with what is paid back, a quarter after the draw
    due = [{"id": "c", "basis": "it", "by": [{"quarter": "2027Q1", "value": "10 MW"}]}]
    funding = {"opening_cash": "$0", "rounds": [{"quarter": "2027Q2", "amount": "$1B", "investor": "softbank"}]}
    line = {"credit": {"limit": "$1B", "rate": "18.8 %/yr", "lender": "bank-syndicate"}}
    costs = [
        planned([hall()], [buys(["hall"], "$300k")], {}, 8, commitments=due, funding=funding | extra).summary[
            "objective_usd"
        ]
        for extra in ({"gap_premium": "8 %/yr"}, line | {"gap_premium": "50 %/yr"})
    ]
    assert costs[1] == pytest.approx(costs[0], rel=1e-9)
