"""Every claim there is: a literal table. A new claim is one function and one entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gigawatt.catalog.load import Catalog
from gigawatt.core.errors import ScenarioError
from gigawatt.report.claims import build, capacity, demand, inputs, latency, money, rights, timing, value
from gigawatt.report.claims.model import Claim
from gigawatt.report.claims.view import LETTER, View
from gigawatt.study.results import Results
from gigawatt.study.scenario import Scenario

CLAIMS: tuple[Callable[[View], list[Claim]], ...] = (
    capacity.ten_gigawatts,
    capacity.four_to_five_million,
    capacity.millions,
    capacity.share_of_all,
    capacity.a_years_shipments,
    capacity.twice_last_year,
    capacity.eight_exaflops,
    capacity.speed_up,
    capacity.homes,
    timing.first_gigawatt,
    timing.slip,
    timing.changed_needs,
    money.hundred_billion,
    money.tranches,
    build.per_gigawatt,
    build.nvidia_part,
    build.several_hundred,
    money.covered,
    money.circle,
    money.stake,
    money.largest,
    demand.chatgpt_needs,
    demand.user_growth,
    demand.served,
    demand.train_and_operate,
    demand.pro_gating,
    rights.dependence,
    rights.many_suppliers,
    rights.first_refusal,
    rights.agi_clause,
    rights.additional,
    rights.nvidia_share,
    rights.challenge,
    latency.too_slow,
    latency.ten_per_cent,
    latency.specialised,
    value.value_for_money,
    value.vast_majority,
    value.training_front,
)
"""Functions of the computed claims, in the order of the table."""

INPUTS: tuple[Callable[[View], list[Claim]], ...] = (
    inputs.deals,
    inputs.promised_weeks,
    inputs.first_system,
    inputs.preferred,
    inputs.roadmap,
    inputs.own_sites,
    inputs.weekly_users,
    inputs.daily_users,
    inputs.investors,
    inputs.text_kind,
    inputs.inference_is,
    inputs.talks,
)
"""Functions of the statements that enter as inputs."""


def check_concerned(scenario: Scenario, catalog: Catalog) -> None:
    """Nothing where the scenario is the programme that the statements are about. Raises ScenarioError elsewhere."""
    buyer = catalog.deal(LETTER).buyer
    if scenario.buyer != buyer:
        raise ScenarioError(
            f"{scenario.where}: --claims is about the programme of {buyer}, and the buyer here is {scenario.buyer}; "
            "leave it out, or 'gigawatt claims' with this scenario says which statements it can be held to"
        )


def claims(results: Results) -> list[Claim]:
    """All claims of a run: computed, then inputs, then what lies outside; each statement under exactly one id."""
    view = View(results=results)
    found = [claim for make in (*CLAIMS, *INPUTS) for claim in make(view)]
    return found + _outside(view)


def _outside(view: View) -> list[Claim]:
    rows = [row for row in view.catalog.statements() if row.treatment == "outside"]
    return [view.topic(row.id.upper()).refuse(row.why) for row in rows]


def as_rows(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    """Rows with exactly the keys id, statement, announced, low, central, high, unit, reading, verdict, sources."""
    return [claim.row() for claim in claims]


def count(claims: Sequence[Claim], catalog: Catalog) -> dict[str, int]:
    """How many statements are computed, reproduced as input, outside the tool, or absent from this scenario.

    Each statement counts once: by its treatment in the catalogue, and as absent where no reading of it is computed.
    ``statements`` is the sum of the other four.
    """
    answered = {seed for claim in claims if claim.is_computed for seed in claim.seeds}
    tally = {"statements": 0, "computed": 0, "input": 0, "outside": 0, "absent": 0}
    for row in catalog.statements():
        lost = row.treatment != "outside" and row.id.upper() not in answered
        tally["absent" if lost else row.treatment] += 1
        tally["statements"] += 1
    return tally
