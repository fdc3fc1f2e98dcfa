"""Contracts that mean nothing: the starter with one change at a time, and the exact sentence that comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import ScenarioError
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import BUNDLED, bundled, load_scenario

STARTER = (BUNDLED / "starter.yaml").read_text(encoding="utf-8")
TERM = "    term: 1 yr #"
LEAD = "    lead_time: 6 months"
LANDLORD = "    landlord: crusoe"
PRICE = "      price: $0.25/Mtok #"
CASH = "  opening_cash: $20M\n"
POLICY = "policy:\n"
SHARE = "  revenue_share: {to: microsoft, share: 20 %, until: 2028Q4"
DUE = "by: [{quarter: 2028Q1, value: 2 MW}]"

# name: (what stands in the starter, what the user wrote, the whole message)
BROKEN = {
    "right-of-one-who-offers-nothing": (
        POLICY, "rights: [{id: r, holder: oracle, kind: exclusivity, start: 2027Q1}]\n" + POLICY,
        "my.yaml: rights[0].holder: oracle offers nothing under own or lease or cloud, so 'r' would keep the buyer from "
        "adding anything; give an offer of theirs, or drop the right",
    ),
    "right-over-other-contracts": (
        POLICY, "rights: [{id: r, holder: coreweave, kind: exclusivity, start: 2027Q1, contracts: [own]}]\n" + POLICY,
        "my.yaml: rights[0].holder: coreweave offers nothing under own, so 'r' would keep the buyer from "
        "adding anything; give an offer of theirs, or drop the right",
    ),
    "non-exclusive-with-a-share": (
        POLICY, "rights: [{id: r, holder: coreweave, kind: non-exclusive, start: 2027Q1, share: 10 %}]\n" + POLICY,
        "my.yaml: rights[0]: 'r' is non-exclusive and binds nobody: drop share and outcome",
    ),
    "exit-after-its-term": (
        TERM, f"    terms: {{exit: {{fee: 50 %, after: 5 yr}}}}\n{TERM}",
        "my.yaml: offers[1]: 'rent-h200' could never be left early: 5 yr have passed only when its term of 1 yr is over; "
        "write an earlier terms.exit.after, or drop the exit",
    ),
    "exit-at-its-term": (
        TERM, f"    terms: {{exit: {{fee: 50 %, after: 12 months}}}}\n{TERM}",
        "my.yaml: offers[1]: 'rent-h200' could never be left early: 12 months have passed only when its term of 1 yr is "
        "over; write an earlier terms.exit.after, or drop the exit",
    ),
    "no-term": (
        TERM, "    term: 0 yr #", "my.yaml: offers[1]: 'rent-h200' has a term of 0 yr; write how long it is held, or drop the term",
    ),
    "lease-of-no-term": (
        LANDLORD, f"    lease: {{term: 0 yr}}\n{LANDLORD}",
        "my.yaml: sites[0].lease: a term of 0 yr is no lease; write how long it runs, for example 10 yr",
    ),
    "cancelled-before-the-start": (
        POLICY, f"commitments: [{{id: c, vendor: nvidia, cancel: {{fee: 1 USD/W, until: 2020Q1}}, {DUE}}}]\n{POLICY}",
        "my.yaml: commitments[0].cancel.until: 2020Q1 lies before the horizon, which starts in 2027Q1: 'c' could never be "
        "cancelled; drop cancel or write a later quarter",
    ),
    "take-after-the-end": (
        TERM, f"    minimum_take: [{{start: 2040Q1, end: 2041Q1, power: 1 MW}}]\n{TERM}",
        "my.yaml: offers[1].minimum_take: 2040Q1 to 2041Q1 lies outside the horizon of 2027Q1 to 2028Q4 and says "
        "nothing here; drop it or lengthen the horizon",
    ),
    "take-before-the-start": (
        TERM, f"    minimum_take: [{{start: 2025Q1, end: 2026Q4, power: 1 MW}}]\n{TERM}",
        "my.yaml: offers[1].minimum_take: 2025Q1 to 2026Q4 lies outside the horizon of 2027Q1 to 2028Q4 and says "
        "nothing here; drop it or lengthen the horizon",
    ),
    "tests-without-end": (
        LEAD, f"    terms: {{acceptance_lag: 10 yr}}\n{LEAD}",
        "my.yaml: offers[0].terms.acceptance_lag: with 10 yr of tests, nothing of 'buy-b200' could be accepted by "
        "2028Q4, the end of the horizon; write for example 3 months",
    ),
    "hall-larger-than-its-site": (
        POLICY, f"{POLICY}  lumps: whole\n",
        "my.yaml: sites[0].hall: a whole hall of 100 MW never fits 'hall', energised to 5 MW at its most; write a "
        "smaller hall, or policy.lumps: relaxed",
    ),
    "inflation-of-a-typo": (
        "buyer:", "inflation: 150 %/yr\nbuyer:",
        "my.yaml: inflation: 150 %/yr is more than 50 % a year; write by how much prices rise in a year, for example "
        "2.5 %/yr",
    ),
    "share-of-nothing": (
        PRICE, "      # price: $0.25/Mtok #", "my.yaml: funding.revenue_share: there is nothing to share; give "
        "funding.revenue, or a class a price",
    ),
    "cap-on-token-sales": (
        SHARE, f"{SHARE}, cap: $5M", "my.yaml: funding.revenue_share.cap: declared revenue uses up $0 of $5M, and when "
        "token sales would use up the rest depends on the plan, which is not planned; drop the cap and end the share "
        "with until",
    ),
}  # fmt: skip
BEFORE = {
    "hall-larger-than-its-site": (LANDLORD, f"    hall: 100 MW\n{LANDLORD}"),
    "share-of-nothing": (CASH, f"{CASH}{SHARE}}}\n"),
    "cap-on-token-sales": (CASH, f"{CASH}{SHARE}}}\n"),
}
"""What else is written first."""


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_contract_that_means_nothing_gets_a_sentence(tmp_path: Path, name: str) -> None:
    old, new, message = BROKEN[name]
    text = STARTER
    for was, written in (*([BEFORE[name]] if name in BEFORE else []), (old, new)):
        assert text.count(was) == 1, was
        text = text.replace(was, written)
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        resolve(load_scenario(tmp_path / "my.yaml"), load_catalog())
    assert str(caught.value) == message


@pytest.mark.parametrize("name", [*bundled(), "starter"])
def test_contracts_of_shipped_scenarios_mean_something(name: str) -> None:
    resolve(load_scenario(BUNDLED / f"{name}.yaml"), load_catalog())
