"""Verdicts follow from a figure, what is asked of it and conditions that are true; figures put in are no evidence."""

from __future__ import annotations

import ast
import inspect
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gigawatt.report.claims
from gigawatt.catalog.load import load_catalog
from gigawatt.report.claims import Claim, claims
from gigawatt.report.claims.build import bill_usd, content_usd_per_w, rack_costs
from gigawatt.report.claims.capacity import gpus_in
from gigawatt.report.claims.model import (
    CENTRAL,
    Asked,
    If,
    about,
    apart,
    at_least,
    at_most,
    between,
    judge,
)
from gigawatt.report.claims.view import View
from gigawatt.study.results import Results
from gigawatt.study.run import run
from gigawatt.study.scenario import load_scenario

CATALOG = load_catalog()
SOURCE = Path(inspect.getfile(gigawatt.report.claims)).parent


@pytest.fixture(scope="module", params=["neocloud", "announcement"])
def rows(request: pytest.FixtureRequest) -> list[Claim]:
    return claims(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def letter(announcement: Results) -> list[Claim]:
    return claims(announcement)


def of(found: list[Claim], seed: str, reading: str) -> Claim:
    some = [c for c in found if seed in c.seeds and c.reading.startswith(reading)]
    assert len(some) == 1, [c.reading for c in found if seed in c.seeds]
    return some[0]


# --- the one function that gives verdicts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((4.1, 4.5, 4.9), "holds"),
        ((3.0, 4.5, 4.9), "holds if it comes to 4 to 5 GW"),
        ((3.0, 3.5, 4.2), "holds if it comes to 4 to 5 GW"),
        ((2.0, 2.5, 3.9), "fails"),
        ((5.1, 5.5, 5.9), "fails"),
    ],
)
def test_verdict_by_where_the_band_lies(ends: tuple[float, float, float], verdict: str) -> None:
    assert judge(ends, between(4.0, 5.0), unit="GW") == verdict


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (If(text="leased counts", then=12.0), "holds if leased counts"),
        (If(text="leased counts", then=9.0), "fails"),  # the condition would not make it true
    ],
)
def test_a_condition_is_said_only_where_it_makes_the_figure_as_asked(one: If, verdict: str) -> None:
    assert judge((3.0, 3.0, 3.0), at_least(10.0), one) == verdict


@pytest.mark.parametrize(
    ("without", "verdict"),
    [(6.0, "holds if sites are found"), (11.0, "holds")],  # 11 of the 12 do without it: not needed
)
def test_a_condition_is_said_only_where_the_figure_needs_it(without: float, verdict: str) -> None:
    assert judge((12.0, 12.0, 12.0), at_least(10.0), If(text="sites are found", without=without)) == verdict


def test_what_is_asked_of_a_change_is_its_size() -> None:
    assert [apart(2.0).holds(value) for value in (-3.0, -1.9, 0.0, 1.9, 2.0)] == [True, False, False, False, True]
    assert judge((-3.0, 1.0, 3.0), apart(2.0)) == "holds if it comes to at most -2 or at least 2"


def test_about_has_one_meaning() -> None:
    assert about(10.0) == Asked(low=9.0, high=11.0)


def test_no_verdict_is_written_in_code() -> None:
    """The words of a verdict stand in ``judge`` and nowhere else; docstrings apart."""
    found = []
    for path in sorted(SOURCE.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        said = [text for text in texts if re.match(r"(holds|fails)\b", text)]
        found += [(path.name, text) for text in said]
    assert set(found) == {
        ("model.py", "holds if "),
        ("model.py", "holds"),
        ("model.py", "holds if it comes to "),
        ("model.py", "fails"),
    }


# --- every row of two scenarios ------------------------------------------------------------------------------------


def _ends(asked: Asked) -> list[tuple[float, float]]:
    """(a figure as asked, a figure that is not), just inside and outside of each bound."""
    pairs = []
    for bound, inward in ((asked.low, 1.0), (asked.high, -1.0)):
        if math.isfinite(bound):
            step = (-inward if asked.outside else inward) * max(1e-3 * abs(bound), 1e-6)
            pairs.append((bound + step, bound - step))
    return pairs


def test_every_verdict_turns_where_its_figure_crosses_what_is_asked(rows: list[Claim]) -> None:
    tried = 0
    for claim in rows:
        if claim.asked is None:
            assert re.fullmatch(r"(input|not computable): \S.*", claim.verdict), claim
            continue
        pairs = _ends(claim.asked)
        assert pairs, claim  # something is asked
        for good, bad in pairs:
            inside = replace(claim, low=good, central=good, high=good).verdict
            outside = replace(claim, low=bad, central=bad, high=bad).verdict
            assert inside.startswith("holds"), claim
            assert outside != "holds", claim
            assert inside != outside, claim
            tried += 1
    assert tried > 60


def test_every_condition_makes_the_statement_true_and_is_needed(rows: list[Claim]) -> None:
    for claim in rows:
        if not claim.verdict.startswith("holds if "):
            continue
        asked = claim.asked
        assert asked is not None and claim.low is not None and claim.high is not None
        one = next((one for one in claim.ifs if claim.verdict == f"holds if {one.text}"), None)
        if one is None:  # part of the row's own range is as asked, and part is not
            assert asked.meets(claim.low, claim.high) and not asked.spans(claim.low, claim.high), claim
            assert claim.verdict == f"holds if it comes to {asked.text} {claim.unit}".rstrip()
            continue
        then = claim.central if one.then is None else one.then
        assert then is not None and asked.holds(then), claim
        strict = asked.spans(claim.low, claim.high) if one.without is None else asked.holds(one.without)
        assert not strict, claim


def test_what_is_asked_stands_in_the_row(rows: list[Claim]) -> None:
    for claim in rows:
        if claim.asked is not None:
            assert claim.reading.endswith(f"; asked: {claim.asked.text} {claim.unit}".rstrip()), claim


def test_a_figure_of_the_plan_says_that_it_has_no_range(letter: list[Claim]) -> None:
    for seed, reading in (
        ("S0.8", "floor: at least, facility"),
        ("S3.22", "all inference"),
        ("S2.6", "value of demand"),
    ):
        for claim in (c for c in letter if seed in c.seeds and c.reading.startswith(reading)):
            assert claim.low == claim.central == claim.high
            assert CENTRAL in claim.reading
    banded = [c for c in letter if c.low is not None and c.low != c.high]
    assert banded
    assert not any(CENTRAL in c.reading for c in banded)


# --- conditions evaluated again from the catalogue -----------------------------------------------------------------


def test_racks_that_cost_so_much_bring_the_figure(letter: list[Claim], announcement: Results) -> None:
    """Every "a rack costs $a to b million" lies in the catalogue's range, and both ends give a figure as asked."""
    view, tried = View(results=announcement), 0
    for claim in letter:
        match = re.fullmatch(r"holds if a rack costs \$([\d.]+) to ([\d.]+) million", claim.verdict)
        if not match:
            continue
        assert claim.asked is not None
        name, basis = re.match(r"(.*), (facility|IT) GW", claim.reading).groups()  # type: ignore[union-attr]
        system = next(s for s in view.catalog.entries["systems"].values() if s.name == name)
        assert system.price is not None
        for text in match.groups():
            usd = float(text) * 1e6
            assert system.price.range[0] <= usd <= system.price.range[2], claim
            price = replace(system.price, value=usd, low=None, high=None)
            priced = system.model_copy(update={"price": price})
            make = content_usd_per_w if "S3.19" in claim.seeds else bill_usd
            assert claim.asked.holds(make(view, priced, basis).central), claim
            tried += 1
    assert tried >= 16


def test_no_price_of_the_range_makes_it_about_35_billion(announcement: Results) -> None:
    # GB300 at $3.6 to 4.2 million and 140 kW of IT: 28.57 USD/W at 4.0; 31.5 would take 31.5 / 28.57 x 4.0 = 4.41
    price = CATALOG.system("gb300-nvl72").price
    assert price is not None
    per_w = content_usd_per_w(View(results=announcement), CATALOG.system("gb300-nvl72"), "IT").central
    assert price.range[2] < 31.5 / per_w * price.value
    one = rack_costs(price, per_w, per_w, about(35.0))
    assert one.then is not None and not about(35.0).holds(one.then)


def test_racks_that_take_so_much_bring_the_count(letter: list[Claim]) -> None:
    """Every "a rack takes a to b kW" lies within rack power x overhead of the catalogue, and both ends give 4 to 5."""
    over, tried = CATALOG.costs("us-2026").facility_over_it, 0
    for claim in letter:
        match = re.fullmatch(r"holds if a rack takes (\d+) to (\d+) kW of (facility|IT) power", claim.verdict)
        if not match:
            continue
        what, name = re.match(r"(packages|dies) of (.*), (?:facility|IT) GW", claim.reading).groups()  # type: ignore[union-attr]
        system = next(s for s in CATALOG.entries["systems"].values() if s.name == name)
        assert system.it_power and system.n_packages and system.package
        each = system.n_packages.value * (system.package.n_dies.value if what == "dies" else 1.0)
        low, high = (system.it_power.range[end] * (over.range[end] if match[3] == "facility" else 1) for end in (0, 2))
        for kw in (float(match[1]), float(match[2])):
            assert low - 1e-6 <= kw * 1e3 <= high + 1e-6, claim
            assert 4.0 - 1e-9 <= 10e9 / (kw * 1e3) * each / 1e6 <= 5.0 + 1e-9
            tried += 1
        assert claim.central == pytest.approx(
            gpus_in(system, 10e9, over if match[3] == "facility" else None, dies=what == "dies").central / 1e6
        )
    assert tried >= 8


# --- the founding case ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_gigawatts_that_release_the_whole_amount_stand_by_the_date(
    letter: list[Claim], announcement: Results
) -> None:
    plan = announcement.plan
    claim = of(letter, "S0.1", "headline: the whole amount is paid")
    match = re.fullmatch(r"holds if ([\d.]+) GW are accepted by (\d{4}Q\d)", claim.verdict)
    assert match
    at = announcement.case.labels.index(match[2])
    accepted = plan["accepted_facility_w"].sum("offer").values / 1e9
    assert float(match[1]) == 10.0  # $100B at $10B a gigawatt
    assert accepted[at] >= 10.0 - 0.05
    assert plan["tranche_usd"].values[: at + 1].sum() == pytest.approx(100e9, rel=1e-6)
    assert plan["tranche_usd"].values[:at].sum() < 99e9


@pytest.mark.slow
def test_additional_gigawatts_are_those_of_the_commitment_alone(letter: list[Claim], announcement: Results) -> None:
    """The other plan is that of the scenario without its commitments: rights, held stock and minimum takes stay."""
    signed = load_scenario("announcement")
    events = tuple(event for event in signed.events if not event.delay_commitments)
    scenario = signed.model_copy(update={"commitments": (), "events": events})
    alone = np.asarray(run(scenario).plan["accepted_facility_w"].sum("offer").values) / 1e9
    by_quarter = announcement.summary["gw_without_commitments_by_quarter"]
    assert announcement.summary["gw_without_commitments"] == list(by_quarter.values())[-1]
    accepted = announcement.summary["gw_by_quarter"]
    for label in ("2030Q4", "2032Q3"):  # when the deal is due, and the end
        # plans that stop within gaps of their own, 0.6 % of 10 GW
        assert by_quarter[label] == pytest.approx(alone[announcement.case.labels.index(label)], abs=0.06)
        claim = of(letter, "S3.32", f"GW accepted in the plan less GW accepted without its commitments, {label}")
        assert claim.central == pytest.approx(accepted[label] - by_quarter[label])
        # less than without the commitments is no addition, whatever else counts
        anyway = f"holds if the {by_quarter[label]:.1f} GW that demand asks for anyway count"
        assert claim.verdict == (anyway if claim.central > 0.0 else "fails")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "reading"),
    [
        ("S0.11", "facility GW accepted by 2026Q4 in the plan"),
        ("S0.11", "first gigawatt accepted in the plan"),
        ("S0.11", "first vr-nvl72 accepted in the plan"),
        ("S0.11", "vr-nvl72 that can be delivered by 2026Q4"),
        ("S0.10", "accepted NVIDIA GW over all that stands"),
        ("S2.9", "NVIDIA's share of capacity in the plan"),
        ("S4.5", "NVIDIA's share of training"),
        ("S4.8", "event slip"),
        ("S4.10", "change of inference power by event changing-needs"),
        ("S3.39", "the tranches of the plan"),
        ("S2.20", "as input"),
        ("S0.4", "as input"),
    ],
)
def test_what_was_put_in_is_no_evidence(letter: list[Claim], seed: str, reading: str) -> None:
    assert of(letter, seed, reading).verdict.startswith("input: ")


@pytest.mark.slow
def test_the_first_gigawatt_answers_where_no_commitment_makes_it(announcement: Results) -> None:
    late = announcement.plan["committed_w"] * 0.0
    free = claims(replace(announcement, plan=announcement.plan.assign(committed_w=late)))
    assert of(free, "S0.11", "facility GW accepted by 2026Q4 in the plan").verdict == "holds"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "reading", "verdict"),
    [
        ("S1.3", "packages of NVIDIA at work on training", "fails"),  # 0.47 of 2 million
        (
            "S4.16",
            "classes that ask for 200 token/s or more, of inference power in the last",
            "fails",
        ),  # 6.5, not 9 to 11
        ("S3.19", "NVIDIA GB300 NVL72, IT", "fails"),  # would take $4.41 million, 4.2 at most
        ("S4.8", "change of discounted cost", "not computable: the statement names no cost"),
        ("S4.10", "mean delay of the milestone equity", "not computable: the statement names no payment"),
        ("S2.15", "as input: 6 sites with a name", "holds if sites leased from developers count as its own"),
    ],
)
def test_verdicts_that_look_at_their_figure(letter: list[Claim], seed: str, reading: str, verdict: str) -> None:
    assert of(letter, seed, reading).verdict == verdict


@pytest.mark.slow
def test_what_the_plan_adds_beyond_the_deal_is_not_the_deals(letter: list[Claim], announcement: Results) -> None:
    accepted = list(announcement.summary["gw_by_quarter"].values())[-1]
    claim = of(letter, "S0.8", "ceiling: up to, facility GW")
    assert claim.central == pytest.approx(accepted)
    beyond = f"holds if the {accepted - 10.0:.1f} GW that the plan adds on its own, beyond the deal, are left out"
    assert claim.verdict == beyond
    assert claim.ifs[0].then == pytest.approx(10.0)


@pytest.mark.slow
def test_growth_says_which_share_it_is(letter: list[Claim]) -> None:
    users = of(letter, "S2.21", "weekly users").central
    for what in ("IT power at work for inference", "generated tokens asked for"):
        factor = of(letter, "S2.21", f"{what}, ").central
        assert users is not None and factor is not None
        reading = f"part of the growth of {what} that users alone explain"
        logs, linear = of(letter, "S2.21", f"{reading}, share of logarithms"), of(letter, "S2.21", f"{reading}, linear")
        assert logs.central == pytest.approx(100 * math.log(users) / math.log(factor))
        assert linear.central == pytest.approx(100 * (users - 1) / (factor - 1))


def test_at_most_is_what_it_says() -> None:
    assert at_most(2.0).holds(2.0) and not at_most(2.0).holds(2.0001)


@pytest.mark.slow
def test_gigawatts_that_only_a_commitment_brings_say_so(announcement: Results) -> None:
    # 5 GW without the commitment in place of 11: the 10 GW are what was put in
    alone = replace(announcement, summary=announcement.summary | {"gw_without_commitments": 5.0})
    claim = of(claims(alone), "S0.8", "floor: at least, facility")
    assert claim.verdict == "holds if the scenario's commitment is made"
    accepted, named = (of(claims(announcement), seed, reading).central for seed, reading in (
        ("S0.8", "floor: at least, facility"), ("S3.32", "accepted at sites named")))  # fmt: skip
    assert accepted is not None and named is not None
    unnamed = f"holds if {accepted - named:.1f} GW get sites that have no name yet"
    assert of(claims(announcement), "S0.8", "floor: at least, facility").verdict == unnamed
