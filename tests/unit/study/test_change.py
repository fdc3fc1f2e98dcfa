"""Changes of a case by hand: a hall that is late is billed when it comes, whoever says so, and prices move everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from gigawatt.catalog.load import load_catalog
from gigawatt.core.calendar import parse_quarter
from gigawatt.core.errors import ScenarioError
from gigawatt.plan.flows import Priced, price_on
from gigawatt.plan.replay import Delays, replay
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.change import (
    Demand,
    Derate,
    Fails,
    Horizon,
    Late,
    OfferPrice,
    Price,
    Settled,
    Switched,
    Without,
    apply,
    price_path,
)
from gigawatt.study.delays import contracts_late
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.lanes import Served
from gigawatt.study.named import find
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import Scenario, load_scenario
from gigawatt.study.tree import tree_of
from gigawatt.study.why import one_quarter

LEASED = """
name: leased
title: a leased hall that is paid for, used or not
buyer: example-neocloud
discount: 10 %/yr
horizon: {start: 2027Q1, quarters: 8}
demand: {}
sites:
  - {site: hall, region: us-south, tenure: lease, landlord: crusoe, rent: 2 USD/W/yr, power_price: 0.08 USD/kWh,
     facility_over_it: 1.25, annual_pue: 1.2, connection: [{quarter: 2027Q2, value: 10 MW}],
     lease: {term: 1 yr, take_or_pay: 50 %}}
offers:
  - {id: a, provider: coreweave, system: hgx-b200, sites: [hall], contract: lease, rent: 9 USD/W/yr, available: 2026Q1}
funding: {opening_cash: $100B, gap_premium: 8 %/yr}
events: [{id: late, title: late, delay_sites: [hall], delay: 6 months}]
"""


def case_of(text: str = LEASED, *events: str, **more: Any) -> Case:
    return resolve(Scenario.model_validate(yaml.safe_load(text) | more), load_catalog(), events)


def billed(first: int) -> float:
    """Half of 10 MW at 0.5 MUSD a MW and quarter for four quarters, at the end of each, from a place on [MUSD]."""
    return sum(5.0 * 0.5 * 1.1 ** (-(quarter + 1) / 4) for quarter in range(first, first + 4))


def test_a_late_hall_is_billed_when_it_comes() -> None:
    case = case_of()
    plan = solve(open_plan(plan_inputs(case)))
    assert plan.objective_musd == pytest.approx(billed(1))
    event = plan_inputs(case_of(LEASED, "late"))
    assert solve(open_plan(event)).objective_musd == pytest.approx(billed(3))
    state = {"name": "late", "probability": 1.0, "late": "6 months", "late_sites": ["hall"]}
    tree = tree_of(case_of(uncertainty={"branches": ["2027Q2"], "factors": [{"name": "hall", "states": [state]}]}))
    (leaf,) = tree.leaves()
    assert solve(open_plan(leaf.inputs)).objective_musd == pytest.approx(billed(3))
    late = Delays(site=np.array([[2]]), offer=np.array([[0]]))
    assert float(replay(plan, late, contracts_late(case, plan.inputs))["cost_musd"][0]) == pytest.approx(billed(3))
    session = PlanSession(plan_inputs(case))
    session.solve()
    sooner, later = one_quarter(case, session, find(case, "hall"))
    # a year of 2.5 MUSD a quarter, begun a quarter sooner: 2.5 (1.1^-0.25 - 1.1^-1.25) = 0.2219 more; later, a quarter's
    # discount less than that: 0.2167
    assert billed(0) - billed(1) == pytest.approx(0.2219, abs=1e-4)
    assert "one quarter earlier: the plan would cost $222k more" in sooner
    assert "one quarter later: the plan would cost $217k less" in later


def test_what_is_late_may_be_late_again_and_what_a_site_has_by_then_it_keeps() -> None:
    steps = [{"quarter": "2027Q1", "value": "5 MW"}, {"quarter": "2027Q3", "value": "10 MW"}]
    site = yaml.safe_load(LEASED)["sites"][0] | {"connection": steps}
    case, start = case_of(sites=[site]), parse_quarter("2027Q2")

    def power(*changes: Any) -> list[float]:
        return plan_inputs(apply(case, changes)).connection_mw.values[0].tolist()

    once = Late(kind="site", id="hall", quarters=1, start=start)
    assert power(once) == [5.0] * 3 + [10.0] * 5
    assert power(once, once) == power(Late(kind="site", id="hall", quarters=2, start=start)) == [5.0] * 4 + [10.0] * 4
    again = Late(kind="site", id="hall", quarters=1, start=start + 3)  # by then it has come
    assert power(once, again) == power(once)
    assert (
        power(Late(kind="site", id="hall", quarters=1)) == [0.0, 5.0, 5.0] + [10.0] * 5
    )  # nothing stands at the start


OWNED = """
name: owned
title: an own hall with an opening, a class of halls to fit out, and a first fleet that is sold
buyer: example-neocloud
discount: 10 %/yr
horizon: {start: 2027Q1, quarters: 4}
demand: {}
sites:
  - {site: hall, region: us-south, tenure: own, capex: 10 USD/W, power_price: 0.08 USD/kWh, facility_over_it: 1.25,
     annual_pue: 1.2, connection: [{quarter: 2027Q1, value: 10 MW}]}
  - {site: shed, region: us-south, tenure: own, capex: 10 USD/W, power_price: 0.08 USD/kWh, facility_over_it: 1.25,
     annual_pue: 1.2, connection: [{quarter: 2027Q1, value: 10 MW}], opening: $2M}
offers:
  - {id: a, provider: example-neocloud, system: hgx-b200, sites: [hall, shed], contract: own, price: $300k,
     available: 2026Q1, lead_time: 0 months, term: 1 yr, resale: [{age: 1 yr, share: 50 %}]}
hosting: {classes: [{id: air, systems: [hgx-b200], fit: 1 USD/W}]}
initial: [{offer: a, site: hall, power: 1 MW, accepted: 2026Q1}]
funding: {opening_cash: $100B, gap_premium: 8 %/yr}
"""


def test_prices_move_wherever_something_is_bought_or_sold() -> None:
    """Chips and buildings a half dearer from the third quarter on: also openings, fit-outs and the first fleet."""
    case = case_of(OWNED)
    start = parse_quarter("2027Q3")
    d = plan_inputs(case)
    dear = plan_inputs(apply(case, [Price(of=of, path=(1.5,), start=start) for of in ("chips", "buildings")]))
    steps = [1.0, 1.0, 1.5, 1.5]
    for rows, was, on, factors in (
        (dear.rates, d.rates, "opened", [steps]), (dear.rates, d.rates, "fit", [steps]),
        (dear.rates, d.rates, "energise", [steps, steps]), (dear.rates, d.rates, "add", [steps, steps]),
        (dear.ends, d.ends, "opened", [steps]), (dear.ends, d.ends, "energise", [steps, steps]),
        (dear.ends, d.ends, "kept_fit", [[steps, steps]]), (dear.ends, d.ends, "kept", [steps, steps]),
    ):  # fmt: skip
        assert moved(rows, was, on).values.tolist() == factors
    # what stood at the start is sold for a share of the price then, and worth one of the price at the end
    assert moved(dear.rates, d.rates, "sold_initial").sel(offer="a@hall").values.tolist() == steps
    assert float(moved(dear.ends, d.ends, "kept_initial").sel(offer="a@hall")) == 1.5


def moved(rows: Sequence[Priced], was: Sequence[Priced], on: str) -> xr.DataArray:
    price, before = price_on(rows, on), price_on(was, on)
    assert price is not None and before is not None
    return (price / before).round(12)


def test_a_change_leaves_the_rest_alone() -> None:
    case = case_of()
    assert plan_inputs(apply(case, ())).connection_mw.equals(plan_inputs(case).connection_mw)
    on = apply(case, [Switched(id="late", on=True)])
    assert on.events_on == ("late",)
    assert (on.sites[0].connection_w == case_of(LEASED, "late").sites[0].connection_w).all()
    assert (apply(on, [Switched(id="late", on=False)]).sites[0].connection_w == case.sites[0].connection_w).all()
    short = plan_inputs(apply(case, [Horizon(quarters=3)]))
    assert short.quarters == ("2027Q1", "2027Q2", "2027Q3")
    assert short.connection_mw.values.tolist() == [[0.0, 10.0, 10.0]]
    assert float(plan_inputs(apply(case, [Without(kind="offer", id="a")])).add_max_mw.max()) == 0.0


def test_a_change_of_what_the_case_has_not_is_refused() -> None:
    with pytest.raises(ScenarioError, match="no site 'atlantis'; this scenario has hall"):
        apply(case_of(), [Late(kind="site", id="atlantis", quarters=1)])
    with pytest.raises(ScenarioError, match="no right 'x'; this scenario has none"):
        apply(case_of(), [Without(kind="right", id="x")])


@pytest.mark.parametrize(("change", "said"), [
    (Late(kind="sight", id="hall", quarters=1),  # type: ignore[arg-type]
     "Late: no kind 'sight'; there is site, offer, system, commitment, due, software"),
    (Without(kind="site", id="hall"),  # type: ignore[arg-type]
     "Without: no kind 'site'; there is right, commitment, take, rule, offer, system"),
    (Without(kind="rule", id="nope"),
     "no rule 'nope'; this scenario has gating, reserve, fleet_use, unmet_over_value, spares, survive, rest_worth, "
     "lumps, enforce_lead_times"),
    (Without(kind="take", id="a"), "no take 'a'; this scenario has none"),
    (Fails(provider="nope", quarter=8000), "no provider 'nope'; this scenario has coreweave"),
    (Derate(system="nope", served=Served("chat"), factor=0.5), "no system 'nope'; this scenario has hgx-b200"),
    (Derate(system="hgx-b200", served=Served("chat"), factor=0.5), "no class served 'chat'; this scenario has none"),
    (Price(of="chipz", path=(1.0,)),  # type: ignore[arg-type]
     "Price: no price 'chipz'; there is chips, buildings, rents, energy, tokens"),
    (Price(of="chips", path=()), "Price: an empty path; give one factor or more"),
    (Price(of="chips", path=(1.0, float("nan"))), "Price: factor nan; give a finite one, 0 or more"),
    (Demand(id="chat", path=(-1.0,)), "no class 'chat'; this scenario has none"),
    (OfferPrice(id="a", share=-0.5), "OfferPrice: factor -0.5; give a finite one, 0 or more"),
    (Horizon(quarters=0), "Horizon: 0 quarters; a horizon has one or more"),
    (Settled(kind="option", id="a", outcome="declined"), "no option 'a'; this scenario has none"),
    (Settled(kind="right", id="a", outcome="sold"),  # type: ignore[arg-type]
     "no right 'a'; this scenario has none"),
])  # fmt: skip
def test_a_change_that_is_none_says_what_there_is(change: Any, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        apply(case_of(), [change])
    assert str(caught.value).removeprefix(f"{case_of().scenario.where}: ") == said


def test_demand_is_never_below_none() -> None:
    case = resolve(load_scenario("starter"), load_catalog())
    name = case.classes[0].id
    for path, said in (((-1.0,), "factor -1; give a finite one, 0 or more"), ((), "an empty path; give one factor or")):
        with pytest.raises(ScenarioError, match=f"Demand: {said}"):
            apply(case, [Demand(id=name, path=path)])


def test_what_is_left_out_stays_so_over_another_horizon() -> None:
    """And what is open to the end is open to the new one."""
    case = case_of()
    for left in (Without(kind="offer", id="a"), Without(kind="system", id="hgx-b200")):
        for n in (3, 12):
            assert not plan_inputs(apply(case, [left, Horizon(quarters=n)])).add_max_mw.values.any()
            assert not plan_inputs(apply(case, [Horizon(quarters=n), left])).add_max_mw.values.any()
    whole = plan_inputs(case).add_max_mw
    assert plan_inputs(apply(case, [Horizon(quarters=3), Horizon(quarters=8)])).add_max_mw.equals(whole)


def test_a_rule_left_out_is_as_if_it_were_not_said() -> None:
    case = case_of(policy={"reserve": "10 %", "lumps": "whole", "enforce_lead_times": True})
    rules = [Without(kind="rule", id=name) for name in ("reserve", "lumps", "enforce_lead_times")]
    assert apply(case, rules).scenario.policy == case_of().scenario.policy


def test_a_path_of_prices_goes_by_quarter_and_its_last_factor_goes_on() -> None:
    case, start = case_of(), parse_quarter("2027Q2")
    assert price_path(apply(case, [Price(of="rents", path=(1.1, 1.2), start=start)]), "rents", 1).tolist() == [
        1.0, 1.1, *[1.2] * 7
    ]  # fmt: skip
    assert price_path(apply(case, [Price(of="rents", path=(1.1, 1.2), start=start - 2)]), "rents").tolist() == [1.2] * 8
    twice = apply(case, [Price(of="rents", path=(2.0,)), Price(of="rents", path=(1.5,), start=start)])
    assert price_path(twice, "rents").tolist() == [2.0, *[3.0] * 7]
