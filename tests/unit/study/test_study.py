"""Demand, prices and events from scenario to planner inputs, by hand; why a system is not chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.calendar import MONTH_S
from gigawatt.core.errors import ScenarioError
from gigawatt.core.units import pretty
from gigawatt.demand.growth import series, step_series
from gigawatt.plan.session import PlanSession
from gigawatt.study.economics import capex_usd_per_w, discount_factors, rent_usd_per_w, term_quarters
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.named import labels
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.results import Results
from gigawatt.study.run import run
from gigawatt.study.scenario import Scenario, load_scenario
from gigawatt.study.why import why_not


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("announcement")


@pytest.fixture(scope="module")
def case(scenario: Scenario) -> Case:
    return resolve(scenario, load_catalog())


def test_series_are_geometric_and_flat_beyond_their_ends() -> None:
    assert series([(4, 1.0), (8, 16.0)], [0, 4, 6, 8, 99]).tolist() == pytest.approx([1, 1, 4, 16, 16])
    assert series([(0, 0.0), (2, 8.0)], [0, 1, 2]).tolist() == pytest.approx([0, 4, 8])
    assert step_series([(1, 5.0), (3, 7.0)], [0, 1, 2, 3]).tolist() == [0, 5, 5, 7]


def test_chat_demand_by_hand(case: Case) -> None:
    """2025Q4: users x (94.4 % x 3.2 + 5.2 % x 9 + 0.4 % x 15) messages x 400 tokens / 86,400 s."""
    chat = next(item for item in case.classes if item.id == "chat")
    assert chat.workload.output_tokens
    users = np.exp(
        np.interp(1, [0, 5], np.log([0.7e9, 1.2e9]))
    )  # one quarter after 700 million, four before 1.2 billion
    messages = users * (0.944 * 3.2 + 0.052 * 9 + 0.004 * 15)
    mean = messages * chat.workload.output_tokens.value / 86_400
    inputs = plan_inputs(case)
    daily = (inputs.demand.sel(workload="chat", quarter="2025Q4") * inputs.hours_frac).sum() * 1e6
    assert float(daily) == pytest.approx(mean, rel=1e-9)


def test_capex_of_owned_and_rent_of_cloud(case: Case) -> None:
    own = next(offer for offer in case.offers if offer.offer.id == "own-vr")
    # 7.803 MUSD a rack of 220 kW, and a fifth of it for the network
    assert capex_usd_per_w(case, own) == pytest.approx(7.803e6 / 220e3 * 1.2, rel=1e-3)
    cloud = next(offer for offer in case.offers if offer.offer.id == "azure-hopper")
    assert cloud.system.it_power
    # $1.30 an hour for each of 8 packages, 2,190 hours a quarter
    assert rent_usd_per_w(case, cloud) == pytest.approx(1.30 * 8 * 2190 / cloud.system.it_power.value)


def test_discount_is_ten_percent_a_year(case: Case) -> None:
    assert discount_factors(case)[3] == pytest.approx(1 / 1.10)


def test_commitments_count_facility_power_of_the_named_systems(case: Case) -> None:
    weight = plan_inputs(case).commitment_weight.sel(commitment="nvidia-10gw")
    named = [o.system.id in ("vr-nvl72", "rubin-ultra-kyber") for o in case.offers]
    assert weight.values[named].tolist() == [1.25] * sum(named)
    assert not weight.values[[not n for n in named]].any()


def test_slip_moves_commitment_and_signing(scenario: Scenario) -> None:
    on_time = plan_inputs(resolve(scenario, load_catalog()))
    late = plan_inputs(resolve(scenario, load_catalog(), ["slip"]))
    due = on_time.commitment_mw.sel(commitment="nvidia-10gw").values
    assert late.commitment_mw.sel(commitment="nvidia-10gw").values[2:].tolist() == due[:-2].tolist()
    assert on_time.milestones and late.milestones
    assert (on_time.milestones.from_quarter, late.milestones.from_quarter) == ("2025Q4", "2026Q2")


def test_part_of_a_quarter_counts_as_one_of_lags_and_lives(case: Case) -> None:
    """4 months are 1.33 quarters, so 2; 61 months are 20.33, so 21."""
    assert case.equity
    lag = replace(case.equity.lag, value=4 * MONTH_S)
    life = replace(case.costs.system_life, value=61 * MONTH_S)
    moved = replace(
        case, equity=case.equity.model_copy(update={"lag": lag}),
        costs=case.costs.model_copy(update={"system_life": life}),
    )  # fmt: skip
    milestones = plan_inputs(moved).milestones
    assert milestones and milestones.lag == 2
    own = next(offer for offer in case.offers if offer.offer.contract == "own" and not offer.offer.term)
    assert (term_quarters(case, own), term_quarters(moved, own)) == (20, 21)


def test_changing_needs_scale_demand_from_their_date(scenario: Scenario) -> None:
    before = plan_inputs(resolve(scenario, load_catalog())).demand
    after = plan_inputs(resolve(scenario, load_catalog(), ["changing-needs"])).demand
    ratio = (after / before.where(before > 0)).sel(workload="coding-autonomous", block="peak").values
    assert ratio[:2].tolist() == [1.0, 1.0]
    assert ratio[2:].tolist() == pytest.approx([2.5] * 26)


def test_agi_ends_the_right_of_first_refusal(scenario: Scenario) -> None:
    rights = {r.id: r for r in plan_inputs(resolve(scenario, load_catalog())).rights}
    ended = {r.id: r for r in plan_inputs(resolve(scenario, load_catalog(), ["agi-declared"])).rights}
    assert rights["microsoft-first-refusal"].quarters[-1] == "2032Q3"
    assert ended["microsoft-first-refusal"].quarters[-1] == "2026Q4"


def test_power_late_moves_energisation(scenario: Scenario) -> None:
    on_time = plan_inputs(resolve(scenario, load_catalog())).connection_mw.sel(site="shackelford").values
    late = plan_inputs(resolve(scenario, load_catalog(), ["power-late"])).connection_mw.sel(site="shackelford").values
    assert late[2:].tolist() == on_time[:-2].tolist()


def test_an_event_that_does_not_exist(scenario: Scenario) -> None:
    with pytest.raises(ScenarioError, match="no event 'war'; this scenario has slip, power-late"):
        resolve(scenario, load_catalog(), ["war"])


def test_why_names_refusals_and_missing_offers(neocloud: Results) -> None:
    assert why_not(neocloud, "jalapeno")[0].startswith("jalapeno is not in the plan: performance undisclosed")
    assert "no offer of neocloud names it" in why_not(neocloud, "cs-3")[0]
    assert "is in the plan: " in why_not(neocloud, "vr-nvl72")[0]
    assert "no offer of neocloud has systems of it" in why_not(neocloud, "Cerebras")[0]


def test_why_says_what_a_choice_saves_and_what_would_take_its_place(neocloud: Results) -> None:
    """The same figure as the plan without it, which is another model with the offers shut."""
    inputs = plan_inputs(neocloud.case)
    shut = inputs.add_max_mw.where(inputs.add_max_mw["offer"] != "own-vr", 0.0)
    best, other = PlanSession(inputs).solve(), PlanSession(replace(inputs, add_max_mw=shut)).solve()
    extra = other.objective_musd - best.objective_musd
    line = why_not(neocloud, "vr-nvl72")[-1]
    assert f"would cost {pretty(extra * 1e6, 'USD')} more ({extra / best.objective_musd:.2%} of" in line
    more = float((other.value("add") - best.value("add")).sel(offer="own-gb300").sum())
    assert f"in its place it would take {pretty(more * 1e6, 'W')} of gb300-nvl72" in line


def test_technologies_are_the_kinds_of_the_catalogue(case: Case) -> None:
    by = labels(case, "technology")
    of = {offer.system.id: str(by.sel(offer=offer.id).values) for offer in case.offers}
    assert of["vr-nvl72"] == "GPU"
    assert set(of.values()) <= {"GPU", "TPU & custom ASIC", "wafer-scale & SRAM"}
    for offer in case.offers:
        if offer.system.vendor in ("cerebras", "groq"):
            assert of[offer.system.id] == "wafer-scale & SRAM"


def test_vendors_are_asked_for_by_name_in_any_case(neocloud: Results) -> None:
    lines = why_not(neocloud, "AMD")
    assert lines[0] == "amd is offered, and the plan takes none of it."
    assert any("own-mi355x: would enter at" in line for line in lines)
    assert "of vr-nvl72 as own-vr" in why_not(neocloud, "nvidia")[0]


def test_the_price_that_why_names_brings_the_system_in(neocloud: Results) -> None:
    """Planned again one percent under the named price the plan takes the system, three percent over it does not."""
    line = next(text for text in why_not(neocloud, "hgx-h200") if "own-h200" in text)
    share = float(line.rpartition("(-")[2].rstrip("%)")) / 100
    scenario, offer = neocloud.case.scenario, next(o for o in neocloud.case.offers if o.offer.id == "own-h200")
    assert offer.system.price
    assert 0.05 < share < 0.95

    def taken_mw(price: float) -> float:
        fact = replace(offer.system.price, value=price)  # type: ignore[type-var]
        offers = tuple(
            row.model_copy(update={"price": fact}) if row.id == "own-h200" else row for row in scenario.offers
        )
        plan = run(scenario.model_copy(update={"offers": offers})).plan
        return float(plan["add_w"].sel(offer="own-h200").sum()) / 1e6

    assert taken_mw(offer.system.price.value * (1 - share - 0.01)) > 0.01
    assert taken_mw(offer.system.price.value * (1 - share + 0.03)) < 0.01
