"""``gigawatt rights`` as people and scripts meet it, and what contracts a scenario cannot write."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import ScenarioError
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import BUNDLED, load_scenario
from tests.doors.inside import gigawatt, refused

STARTER = (BUNDLED / "starter.yaml").read_text(encoding="utf-8")
PROMISE = """
commitments:
  - {id: b200, vendor: nvidia, systems: [hgx-b200], basis: it, by: [{quarter: 2028Q1, value: 2 MW}]}
"""
TERM = "    term: 1 yr #"
LEAD = "    lead_time: 6 months"
LANDLORD = "    landlord: crusoe"
POLICY = "policy:\n"


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = STARTER
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "my.yaml").write_text(text, encoding="utf-8")
    return folder / "my.yaml"


def test_a_scenario_without_rights_says_so(tmp_path: Path) -> None:
    done = gigawatt("rights", str(written(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert "No right, commitment, minimum take or option stands in this scenario." in done.stdout


def test_rights_prints_a_table_or_json_alone(tmp_path: Path) -> None:
    path = written(tmp_path, (POLICY, PROMISE + POLICY))
    done = gigawatt("rights", str(path), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["scenario"] == "starter"
    (row,) = found["rows"]
    assert (row["kind"], row["id"], row["holder"], row["tried"]) == ("commitment", "b200", "nvidia", "off")
    assert row["cost_usd"] >= -1.0
    table = gigawatt("rights", str(path), "--time-limit", "60").stdout
    assert "b200" in table and "commitment" in table and " as signed costs " in table
    assert re.search(r"As signed: -?\$[0-9.]+M of discounted cost, [0-9.]+ MW accepted", table)


def test_rights_of_an_unknown_scenario_or_event(tmp_path: Path) -> None:
    assert "is neither a file nor a shipped scenario" in refused("rights", "nowhere")
    assert refused("rights", str(written(tmp_path)), "--event", "war") == (
        "ScenarioError: my.yaml: no event 'war'; this scenario has none"
    )


def lease(inside: str) -> tuple[str, str]:
    return LANDLORD, f"    lease: {{term: 10 yr, {inside}}}\n{LANDLORD}"


def rented(inside: str) -> tuple[str, str]:
    return TERM, f"    terms: {{{inside}}}\n{TERM}"


BROKEN = {
    "saving-and-rent": (
        rented("saving: 12 %"),
        "my.yaml: offers[1]: 'rent-h200' has a saving: that is the rent of a lease of chips, drop rent or terms.saving",
    ),
    "owned-falls": (
        (LEAD, f"    terms: {{rent_falls: 10 %/yr}}\n{LEAD}"),
        "my.yaml: offers[0]: 'buy-b200' is owned and pays no rent: drop terms.rent_falls",
    ),
    "rented-resale": (
        rented("resale_falls: 10 %/yr"),
        "my.yaml: offers[1]: 'rent-h200' is not owned and cannot be sold: drop terms.resale_falls",
    ),
    "exit-without-term": (
        (TERM, "    terms: {exit: {fee: 50 %}} #"),
        "my.yaml: offers[1]: 'rent-h200' may be left early: give the term that it is left before, for example 5 yr",
    ),
    "owned-take-or-pay": (
        (LEAD, f"    minimum_take: [{{start: 2027Q3, end: 2028Q1, power: 1 MW, take_or_pay: true}}]\n{LEAD}"),
        "my.yaml: offers[0]: 'buy-b200' is owned and pays no rent: drop take_or_pay",
    ),
    "all-within-a-year": (
        rented("rent_falls: 120 %/yr"),
        "my.yaml: offers[1].terms.rent_falls: 120 %/yr is all of it within a year; write less than 100 %/yr",
    ),
    "option-over": (
        rented("option: {firm: 1 MW, power: 1 MW, premium: 1 USD/W, until: 2026Q4}"),
        "my.yaml: offers[1].terms.option.until: 2026Q4 lies before the horizon; drop the option",
    ),
    "option-without-premium": (
        rented("option: {firm: 1 MW, power: 1 MW, until: 2028Q1}"),
        "my.yaml: offers[1].terms.option.premium: Field required",
    ),
    "lease-not-leased": (
        ("    tenure: lease #", "    lease: {term: 10 yr}\n    tenure: own #"),
        "my.yaml: sites[0].rent: 'hall' is not leased: drop rent or set tenure: lease",
    ),
    "guarantor-unknown": (
        lease("guarantee: {by: nvidea, fee: 2 %}"),
        "my.yaml: sites[0].lease.guarantee.by: no party is called 'nvidea'; did you mean nvidia?",
    ),
    "guarantor-is-the-buyer": (
        lease("guarantee: {by: example-neocloud, fee: 2 %}"),
        "my.yaml: sites[0].lease.guarantee.by: example-neocloud is the buyer and cannot be its own guarantor",
    ),
    "step-in-for-nobody": (
        lease("step_in: oracle"),
        "my.yaml: sites[0].lease.step_in: 'oracle' is not a provider of this scenario (coreweave, example-neocloud)",
    ),
    "more-than-all-of-it": (
        lease("take_or_pay: 120 %"),
        "my.yaml: sites[0].lease.take_or_pay: 120 % is more than 1; a share lies between 0 and 1, or 0 % and 100 %",
    ),
    "warrant-of-nobody": (
        (POLICY, "warrants: [{id: w, vendor: amd, shares: 1000, price: $10, over: 1 MW}]\n" + POLICY),
        "my.yaml: warrants[0].vendor: 'amd' is not a vendor of the offers of this scenario (nvidia)",
    ),
    "warrant-under-water": (
        (POLICY, "warrants: [{id: w, vendor: nvidia, shares: 1, price: $10, strike: $11, over: 1 MW}]\n" + POLICY),
        "my.yaml: warrants[0]: 'w' has a strike above the assumed price: it is worth nothing, drop it",
    ),
    "warrant-over-nothing": (
        (POLICY, "warrants: [{id: w, vendor: nvidia, shares: 1, price: $10, over: 0 MW}]\n" + POLICY),
        "my.yaml: warrants[0]: 'w' vests over 0 MW; give the power at which all of it has vested",
    ),
    "damages-from-nobody": (
        (POLICY, PROMISE.replace("vendor: nvidia, ", "damages: 5 USD/W/yr, ") + POLICY),
        "my.yaml: commitments[0].damages: 'b200' needs a vendor or one provider that pays them",
    ),
    "cancel-with-nobody": (
        (POLICY, PROMISE.replace("vendor: nvidia, ", "cancel: {fee: 1 USD/W}, ") + POLICY),
        "my.yaml: commitments[0].cancel: 'b200' needs a vendor or one provider that is paid",
    ),
    "fails-without-date": (
        (POLICY, "events: [{id: e, title: e, fails: [coreweave]}]\n" + POLICY),
        "my.yaml: events[0]: 'e' lets a provider fail: say from when, start: 2028Q1",
    ),
    "fails-nobody": (
        (POLICY, "events: [{id: e, title: e, fails: [oracle], start: 2028Q1}]\n" + POLICY),
        "my.yaml: events[0].fails: 'oracle' is not a provider of this scenario (coreweave, example-neocloud)",
    ),
    "near-key": (
        rented("rent_fall: 10 %/yr"),
        "my.yaml: offers[1].terms.rent_fall: is not a key that exists here; did you mean 'rent_falls'?",
    ),
}


@pytest.mark.parametrize(("change", "message"), list(BROKEN.values()), ids=list(BROKEN))
def test_what_cannot_be_signed(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = written(tmp_path, change)
    with pytest.raises(ScenarioError) as caught:
        resolve(load_scenario(path), load_catalog())
    assert str(caught.value) == message
