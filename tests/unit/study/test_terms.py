"""Figures of contracts as the planner reads them, each against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from gigawatt.catalog.load import load_catalog
from gigawatt.plan.flows import price_on
from gigawatt.study.economics import discount_rate
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import BUNDLED, Scenario
from gigawatt.study.terms import contract_terms
from tests.unit.study.test_contracts import left

STARTER = (BUNDLED / "starter.yaml").read_text(encoding="utf-8")
H200_W = 9 / 4
"""rent of the H200 lease in these tests: 9 USD a W and year, by quarter"""


def case_of(*events: str, h200: dict[str, Any] | None = None, hall: dict[str, Any] | None = None,
            held: str = "", **top: Any) -> Case:  # fmt: skip
    """The starter, 2027Q1 to 2028Q4, with H200 rented at 9 USD a W and year and keys replaced."""
    raw = yaml.safe_load(STARTER) | top
    raw["policy"] |= {"rest_worth": "0 %"}
    raw["offers"][1] |= {"rent_per_package_hour": None, "rent": "9 USD/W/yr"} | (h200 or {})
    raw["sites"][0] |= hall or {}
    if held:
        raw["initial"][0]["held_until"] = held
    return resolve(Scenario.model_validate(raw), load_catalog(), events)


def test_the_fee_for_leaving_early_is_a_share_of_the_rent_that_remains() -> None:
    # 30 % of the rent of the quarter of signing, for the quarters that remain of a term of four; six months are held.
    # Signed in the first quarter (index 0) and left in the third: 2 of 4 quarters remain; in the fourth: 1.
    # Signed in the fifth, when the rent has fallen by a fifth, and left in the eighth: 1 remains
    exit_rule = {"rent_falls": "20 %/yr", "exit": {"fee": "30 %", "after": "6 months"}}
    fees = price_on(plan_inputs(case_of(h200={"term": "1 yr", "terms": exit_rule})).rates, "left")
    assert fees is not None
    (table,) = fees.values
    assert table[0].tolist() == [np.inf, np.inf, pytest.approx(0.3 * H200_W * 2), pytest.approx(0.3 * H200_W * 1),
                                 np.inf, np.inf, np.inf, np.inf]  # fmt: skip
    assert table[4, 7] == pytest.approx(0.3 * H200_W * 0.8 * 1)
    assert np.isinf(table[5:]).sum() == 3 * 8 - 1  # signed in the sixth quarter, it may be left in the eighth
    assert table[5, 7] == pytest.approx(0.3 * H200_W * 0.8**1.25 * 2)


def test_ageing_is_a_share_a_year() -> None:
    # 19 % fail in a year: 0.9 of 0.9 works after two halves, 0.81 after the year, the fourth root of it a quarter
    survival = contract_terms(case_of(h200={"terms": {"ageing": "19 %/yr"}})).survival_frac
    assert survival is not None
    assert survival.values.tolist() == [pytest.approx(0.81**0.25)]
    assert float(survival[0]) ** 2 == pytest.approx(0.9)


def test_a_warrant_is_worth_its_price_less_its_strike() -> None:
    # 8 million shares over 4 MW, half of them expected to vest: 1 million a MW, worth 100 - 30 USD each
    row = {
        "id": "w",
        "vendor": "nvidia",
        "shares": 8e6,
        "price": "$100",
        "strike": "$30",
        "over": "4 MW",
        "vests": "50 %",
    }
    d = plan_inputs(case_of(warrants=[row]))
    assert (left(d, "vested", "vested") / d.discount).values.tolist() == [pytest.approx([70.0] * 8)]
    assert d.terms.warrants is not None
    assert d.terms.warrants.most_mw.values.tolist() == [4.0]


def test_an_escalator_goes_on_after_the_horizon() -> None:
    # rent 2.4 USD a W and year, 0.6 a quarter, 4 % more in each year of the lease, which lasts three. Of what is taken
    # into use in 2027Q1 its third year (1.04^2) is left after the horizon's eighth quarter, of what is taken into use in
    # 2027Q4 three quarters of its second year and all of its third
    case = case_of(hall={"lease": {"term": "3 yr", "escalator": "4 %/yr", "take_or_pay": "80 %"}})
    d, r = plan_inputs(case), discount_rate(case)
    third = sum(0.6 * 1.04**2 / (1 + r) ** k for k in (9, 10, 11, 12))
    later = sum(0.6 * 1.04 / (1 + r) ** k for k in (9, 10, 11))
    later += sum(0.6 * 1.04**2 / (1 + r) ** k for k in (12, 13, 14, 15))
    owed = left(d, "owed", "taken").sel(site="hall").values
    assert [owed[0], owed[3]] == pytest.approx([third, later])
    # the connection's steps are 2 MW in 2027Q1 and 3 MW in 2027Q4: what is paid for unused owes their mean
    assert float(left(d, "owed", "unused_at_end").sel(site="hall")) == pytest.approx(2 / 5 * third + 3 / 5 * later)


def test_take_or_pay_of_a_building_ends_with_its_term() -> None:
    # 80 % of 2 MW from 2027Q1 and of 3 MW more from 2027Q4, each for a year
    d = plan_inputs(case_of(hall={"lease": {"term": "1 yr", "take_or_pay": "80 %"}}))
    leases = d.terms.leases
    assert leases is not None
    due = [1.6, 1.6, 1.6, 4.0, 2.4, 2.4, 2.4, 0.0]
    assert leases.due_mw.sel(site="hall").values.tolist() == pytest.approx(due)
    assert leases.term_quarters.values.tolist() == [4]
    assert float(left(d, "owed", "unused_at_end").sel(site="hall")) == 0.0


def failing(*providers: str, events: tuple[str, ...] = ("fails",)) -> list[float]:
    """Due of a commitment of 1 MW from 2027Q2 on and 2 MW from 2028Q3 on, where CoreWeave fails in 2028Q1."""
    case = case_of(
        *events,
        events=[{"id": "fails", "title": "fails", "fails": ["coreweave"], "start": "2028Q1"},
                {"id": "both", "title": "both", "fails": ["example-neocloud"], "start": "2028Q2"}],
        commitments=[{"id": "rented", "providers": list(providers), "basis": "it", "by": [
            {"quarter": "2027Q2", "value": "1 MW"}, {"quarter": "2028Q3", "value": "2 MW"}]}],
    )  # fmt: skip
    due: list[float] = plan_inputs(case).commitment_mw.sel(commitment="rented").values.tolist()
    return due


def test_a_commitment_lapses_with_the_last_of_its_providers() -> None:
    assert failing("coreweave", events=()) == [0, 1, 1, 1, 1, 1, 2, 2]
    assert failing("coreweave") == [0, 1, 1, 1, 0, 0, 0, 0]
    # the other of two still delivers, until it fails as well
    assert failing("coreweave", "example-neocloud") == [0, 1, 1, 1, 1, 1, 2, 2]
    assert failing("coreweave", "example-neocloud", events=("fails", "both")) == [0, 1, 1, 1, 1, 0, 0, 0]


def test_what_is_held_from_the_start_pays_the_first_rent_until_its_quarter() -> None:
    # 0.5 MW held until 2027Q4 at 2.25 USD a W while the market's rent falls by 36 % a year, a factor of 0.8 in two
    # quarters: in the third quarter 0.5 x 2.25 x (1 - 0.8) MUSD more than the market's rent, nothing from the fifth on
    case = case_of(h200={"terms": {"rent_falls": "36 %/yr"}}, held="2027Q4")
    d = plan_inputs(case)
    rent = price_on(d.rates, "fixed")
    assert rent is not None
    levels = [0.64 ** (q / 4) for q in range(4)]
    assert levels[2] == pytest.approx(0.8)
    expected = [0.5 * H200_W * (1 - level) for level in levels] + [0.0] * 4
    assert rent.sum("offer").values.tolist() == pytest.approx(expected)
    assert not [end for end in d.ends if end.on == "fixed"]
