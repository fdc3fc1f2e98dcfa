"""Where things stand: an offer or a site that no plan uses changes nothing, nor does the order of offers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import yaml

from gigawatt.core.errors import CatalogError, InfeasibleError, ScenarioError
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan
from gigawatt.plan.replay import delays_of, replay
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case
from gigawatt.study.scenario import BUNDLED, bundled
from tests.cases.scenarios import Map, case_of, random_scenario

QUICK = ("starter", "neocloud", "open-tokens", "regions")
DEAR_RENT, DEAR_POWER = "1000 USD/W/yr", "3 USD/kWh"
SAME = 1e-9
"""Relative difference of two objectives that counts as none; both plans come from the solver's own tolerance of 1e-7."""


def shipped(name: str) -> Map:
    raw: Map = yaml.safe_load((BUNDLED / f"{name}.yaml").read_text(encoding="utf-8"))
    return raw


def planned(raw: Map) -> LivePlan:
    """Lumps relaxed, so that no gap of branching hides a difference."""
    relaxed = raw | {"policy": raw.get("policy", {}) | {"lumps": "relaxed"}}
    inputs: PlanInputs = plan_inputs(case_of(relaxed))
    return solve(open_plan(inputs), mip_gap=0.0, time_limit_s=60.0, explain=False)


def with_unused(raw: Map) -> Map:
    """The scenario, with each system also offered at a site of its region, so dear that nothing is ever taken there.

    A site that the buyer leases for systems of its own and those it rents; one of the provider for those in a cloud.
    """
    more, case = copy.deepcopy(raw), case_of(raw)
    region = {site.id: site.region for site in case.sites}
    for index, offer in enumerate(raw["offers"]):
        if offer.get("minimum_take") or offer.get("terms", {}).get("option"):
            continue
        cloud, name = offer["contract"] == "cloud", f"unused-{index}"
        site: Map = {"site": name, "region": region[offer["sites"][0]]}
        site["connection"] = [{"quarter": "2025Q1", "value": "50 MW"}]
        site |= {"tenure": "provider"} if cloud else {
            "tenure": "lease", "landlord": "crusoe", "rent": DEAR_RENT, "power_price": DEAR_POWER,
            "facility_over_it": 1.9, "annual_pue": 1.8,
        }  # fmt: skip
        more["sites"].append(site)
        more["offers"].append(_dear(offer, f"dear-{index}", name))
    return more


def _dear(offer: Map, name: str, site: str) -> Map:
    copied: Map = {key: value for key, value in offer.items() if key in ("system", "contract", "available", "only")}
    copied |= {"id": name, "sites": [site], "lead_time": "0 months", "provider": offer["provider"]}
    if offer["contract"] == "own":
        return copied | ({"price": offer["price"]} if "price" in offer else {})
    return copied | {"rent": DEAR_RENT, "term": "3 months"}


def stands_unused(case: Case, plan: LivePlan) -> float:
    dear = [offer.id for offer in case.offers if offer.offer.id.startswith("dear-")]
    return float(plan.value("stock").sel(offer=dear).max()) if dear else 0.0


def check_unused(raw: Map) -> None:
    more = with_unused(raw)
    before, after = planned(raw), planned(more)
    assert stands_unused(case_of(more), after) <= 1e-6
    assert after.objective_musd == pytest.approx(before.objective_musd, rel=SAME, abs=1e-6)


def check_order(raw: Map) -> None:
    turned = raw | {"offers": raw["offers"][::-1], "sites": raw["sites"][::-1]}
    assert planned(turned).objective_musd == pytest.approx(planned(raw).objective_musd, rel=SAME, abs=1e-6)


def check_replay(raw: Map) -> None:
    plan = planned(raw)
    out = replay(plan, delays_of(plan.inputs, 1)).isel(draw=0)
    unmet = (plan.value("unmet") * plan.inputs.hours_frac).sum("block").transpose("workload", "quarter").values
    assert np.allclose(out["unmet"].values, unmet, rtol=1e-6, atol=1e-5 * max(1.0, float(unmet.max(initial=0.0))))


@pytest.mark.parametrize("name", QUICK)
def test_what_no_plan_uses_changes_nothing(name: str) -> None:
    check_unused(shipped(name))


@pytest.mark.parametrize("name", QUICK)
def test_the_order_of_offers_and_sites_changes_nothing(name: str) -> None:
    check_order(shipped(name))


@pytest.mark.parametrize("seed", range(6))
def test_random_scenarios_obey_them_too(seed: int) -> None:
    _random(seed)


@pytest.mark.heavy
@pytest.mark.parametrize("name", [name for name in bundled() if name not in QUICK])
def test_large_scenarios_obey_them(name: str) -> None:
    check_unused(shipped(name))
    check_order(shipped(name))


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(6, 200))
def test_many_random_scenarios_obey_them(seed: int) -> None:
    _random(seed)


def _random(seed: int) -> None:
    raw: Any = random_scenario(seed)
    try:
        planned(raw)
    except (ValueError, ScenarioError, CatalogError, InfeasibleError):
        pytest.skip("the draw is refused or has no plan")
    check_unused(raw)
    check_order(raw)
