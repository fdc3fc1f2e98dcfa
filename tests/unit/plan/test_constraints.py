"""One hand-solved plan for each family: the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.elements import RULES
from gigawatt.plan.extract import extract
from gigawatt.plan.inputs import Milestones, PlanInputs, RightRow
from gigawatt.plan.replay import delays_of, replay
from gigawatt.plan.terms import Late, Terms
from tests.cases.contracts import milestones
from tests.cases.tiny import QUARTERS, by, grid, near, rate, solved, text, tiny
from tests.unit.plan import test_contracts as contracts
from tests.unit.plan import test_hosting, test_lumps, test_pace, test_service, test_vacate

TOLERANCE = 1e-5  # MUSD or MW: HiGHS keeps 1e-7


def test_stock_carries_what_was_bought() -> None:
    # 10 Mwork/s need 10 MW in both quarters: bought once for 20 MUSD, standing twice
    plan = solved(tiny())
    assert plan.objective_musd == near(20.0)
    assert plan.value("stock").values.tolist() == [[near(10.0), near(10.0)]]
    assert plan.value("add").values.tolist() == [[near(10.0), near(0.0)]]


def test_initial_stock_is_used_before_buying() -> None:
    # 4 MW stand, 6 MW are bought: 12 MUSD
    assert solved(tiny(initial_mw=by("offer", ["a"], [4.0]))).objective_musd == near(12.0)


def test_salvage_is_paid_only_for_what_stands() -> None:
    # bought for 2, worth 1.5 at the end: 10 MW cost 20 - 15 = 5; what a term of one quarter lets go is worth nothing
    plan = solved(tiny(salvage_musd_per_mw=grid("offer", ["a"], 1.5)))
    assert plan.objective_musd == near(5.0)
    gone = tiny(
        salvage_musd_per_mw=grid("offer", ["a"], 1.5),
        hold_musd_per_mw=grid("offer", ["a"], [[0.0, 9.0]]),
        demand=[[[10.0, 0.0]]],
        term_quarters=by("offer", ["a"], [1]).astype(int),
    )
    # kept: 20 + 90 - 15 = 95; given up after one quarter: 20
    assert solved(gone).objective_musd == near(20.0)


def test_term_keeps_capacity() -> None:
    # rent 1 a quarter, demand in the first quarter only: term 1 costs 10, term 2 costs 20
    rent = {"capex_musd_per_mw": grid("offer", ["a"], 0.0), "hold_musd_per_mw": grid("offer", ["a"], 1.0)}
    for length, cost in ((1, 10.0), (2, 20.0)):
        term = by("offer", ["a"], [length]).astype(int)
        assert solved(tiny(demand=[[[10.0, 0.0]]], term_quarters=term, **rent)).objective_musd == near(cost)


def test_minimum_take_is_held_without_need() -> None:
    # no demand, 3 MW to be held: 6 MUSD
    assert solved(tiny(demand=0.0, stock_min_mw=grid("offer", ["a"], 3.0))).objective_musd == near(6.0)


def test_connection_and_site_power_bound_capacity() -> None:
    # 5 facility MW now, 10 later, overhead 1.25: 4 and 8 MW of IT; unmet 6 and 2 at 100, and 8 MW bought: 816
    plan = solved(tiny(connection_mw=grid("site", ["hall"], [[5.0, 10.0]])))
    assert plan.objective_musd == near(816.0)
    # one more facility MW by the first quarter serves 0.8 more work then: 80 less for 0 more buying
    # (duals hold the tie-break of 1e-4 a busy MW as well)
    assert -plan.dual("connection").values[0, 0] == pytest.approx(80.0, abs=1e-3)
    assert -plan.dual("connection").values[0, 1] == pytest.approx(0.8 * (100.0 - 2.0), abs=1e-3)


def test_supply_bounds_packages() -> None:
    # 500 packages a MW and 2,000 a quarter: 4 MW, then 8; unmet 6 + 2 at 100 and 16 for 8 MW
    plan = solved(
        tiny(
            supply_member=xr.DataArray([[1.0]], dims=("supply", "offer"), coords={"supply": ["v"], "offer": ["a"]}),
            supply_packages=grid("supply", ["v"], 2000.0),
        )
    )
    assert plan.objective_musd == near(816.0)


def test_capacity_keeps_the_reserve() -> None:
    # a fifth in reserve: 10 / 0.8 = 12.5 MW at 2
    assert solved(tiny(reserve_frac=0.2)).objective_musd == near(25.0)


def test_demand_is_unmet_where_buying_costs_more() -> None:
    # 2 MUSD a MW against a loss of 0.9 in each of two quarters: 18 for not serving
    assert solved(tiny(unmet_musd=grid("workload", ["work"], 0.9))).objective_musd == near(18.0)


def test_work_that_can_wait_fills_the_night() -> None:
    # half the day at 16, half at 4: in its block 16 MW, within the day 10
    two = by("block", ["day", "night"], [0.5, 0.5])
    asked = xr.DataArray(
        np.array([[[16.0, 16.0], [4.0, 4.0]]]),
        dims=("workload", "block", "quarter"),
        coords={"workload": ["work"], "block": ["day", "night"], "quarter": list(QUARTERS)},
    )
    base = tiny(hours_frac=two)
    for patience, cost in ((0, 32.0), (1, 20.0)):
        waits = by("workload", ["work"], [patience]).astype(int)
        assert solved(replace(base, demand=asked, patience=waits)).objective_musd == near(cost)


def test_work_that_can_wait_for_a_quarter() -> None:
    # 12 now, 8 later; waiting costs 2 a unit and buying 2 a MW: 2 units wait, 10 MW stand: 20 + 4 = 24 = 12 MW x 2;
    # with a delay at 0.5 waiting wins: 20 + 1 = 21
    waits = by("workload", ["work"], [2]).astype(int)
    plan = solved(tiny(demand=[[[12.0, 8.0]]], patience=waits, delay_musd=grid("workload", ["work"], 0.5)))
    assert plan.objective_musd == near(21.0)
    assert plan.value("delay").values.ravel()[0] == near(2.0)


def test_gating_closes_up_to_the_closed_tiers() -> None:
    # 40 % may be gated at 0.1 in each quarter: 6 MW at 2 and 4 x 0.1 x 2 = 12.8
    plan = solved(tiny(gate_max_frac=grid("workload", ["work"], 0.4), gate_musd=grid("workload", ["work"], 0.1)))
    assert plan.objective_musd == near(12.8)


def test_gang_stands_together() -> None:
    # no demand, 7 MW together in the second quarter: 14
    plan = solved(
        tiny(
            demand=0.0,
            gang_workload=("job",),
            gang_mw=grid("gang", ["job"], [[0.0, 7.0]]),
            gang_offer=xr.DataArray([[1.0]], dims=("gang", "offer"), coords={"gang": ["job"], "offer": ["a"]}),
        )
    )
    assert plan.objective_musd == near(14.0)


def commitment(penalty: float) -> dict[str, xr.DataArray]:
    return {
        "commitment_weight": xr.DataArray(
            [[1.25]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a"]}
        ),
        "commitment_mw": grid("commitment", ["c"], [[0.0, 5.0]]),
        "commitment_penalty_musd": by("commitment", ["c"], [penalty]),
    }


def test_commitment_is_a_minimum_of_what_is_accepted() -> None:
    # 5 facility MW committed = 4 IT MW at overhead 1.25, without demand: 8
    assert solved(tiny(demand=0.0, **commitment(np.nan))).objective_musd == near(8.0)
    # not firm at 1 a MW and quarter: 5 late for one quarter cost 5
    late = solved(tiny(demand=0.0, **commitment(1.0)))
    assert late.objective_musd == near(5.0)
    assert late.value("late").values[0, 1] == near(5.0)


def test_what_is_late_cannot_be_accepted() -> None:
    # 5 facility MW come on time, the rest a quarter late: of 10 MW wanted, 10 - 5 / 1.25 = 6 go unmet at 100 in the
    # first quarter, 10 MW are bought at 2, and 3 of damages are received: 600 + 20 - 3
    most = grid("commitment", ["c"], [[5.0, np.inf]])
    damages = replace(rate("delay-damages", "fixed", grid("commitment", ["c"], [[3.0, 0.0]])), received=True)
    terms = Terms(late=Late(most_mw=most))
    plan = solved(tiny(demand=10.0, terms=terms, rates=(damages,), **commitment(np.nan)))
    assert plan.value("add").values[0].tolist() == [near(4.0), near(6.0)]
    assert plan.objective_musd == near(617.0)


def test_what_was_rented_before_an_offer_ended_still_counts() -> None:
    # 4 MW rented in the only quarter in which they are offered; they are 5 facility MW in the second, nothing is late
    rent = {"offer_contract": text("offer", ["a"], ["lease"]), "capex_musd_per_mw": grid("offer", ["a"], 0.0)}
    plan = solved(tiny(demand=4.0, add_max_mw=grid("offer", ["a"], [[4.0, 0.0]]), **rent, **commitment(1.0)))
    assert plan.value("late").values[0].tolist() == [near(0.0), near(0.0)]
    assert plan.objective_musd == near(0.0)


def test_rights_give_the_holder_its_share() -> None:
    # a costs 2, b costs 3: a alone 20; b holds a right to 30 % of what is added: 7 x 2 + 3 x 3 = 23
    offers = ["a", "b"]
    price = grid("offer", offers, [[2.0, 2.0], [3.0, 3.0]])
    right = RightRow(id="r", kind="first-refusal", share=0.3, base=by("offer", offers, [1, 1]),
                     held=by("offer", offers, [0, 1]), quarters=QUARTERS)  # fmt: skip
    free = tiny(offers=offers, capex_musd_per_mw=price)
    assert solved(free).objective_musd == near(20.0)
    assert solved(replace(free, rights=(right,))).objective_musd == near(23.0)
    exclusive = replace(right, share=1.0, kind="exclusivity")
    assert solved(replace(free, rights=(exclusive,))).objective_musd == near(30.0)


def test_a_right_counts_from_its_start_only() -> None:
    # the right begins in the second quarter; 10 MW are bought in the first, 5 more in the second: 1.5 of them b's
    offers = ["a", "b"]
    price = grid("offer", offers, [[2.0, 2.0], [3.0, 3.0]])
    right = RightRow(id="r", kind="first-refusal", share=0.3, base=by("offer", offers, [1, 1]),
                     held=by("offer", offers, [0, 1]), quarters=QUARTERS[1:])  # fmt: skip
    most = grid("offer", offers, [[10.0, np.inf], [0.0, np.inf]])
    inputs = tiny(offers=offers, capex_musd_per_mw=price, rights=(right,), demand=[[[10.0, 15.0]]], add_max_mw=most)
    assert solved(inputs).objective_musd == near(20.0 + 3.5 * 2 + 1.5 * 3)


def big(terms: Milestones, quarters: tuple[str, ...] = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")) -> object:
    """1,000, then 2,000 IT MW at 2 MUSD; 1.25 and 2.5 facility GW accepted. Money is worth less later."""
    return solved(
        tiny(
            quarters=quarters,
            discount=by("quarter", list(quarters), [1.0, 0.9, 0.8, 0.7]),
            add_max_mw=grid("offer", ["a"], [[1000.0, 0.0, 1000.0, 0.0]], quarters),
            demand=[[[1000.0, 1000.0, 2000.0, 2000.0]]],
            connection_mw=grid("site", ["hall"], 1e5, quarters),
            milestones=terms,
        )
    )


def test_whole_gigawatts_are_released_once_accepted_and_paid_later() -> None:
    plan = big(milestones())
    # accepted 1.25, 1.25, 2.5, 2.5 GW: released 1, 1, 2, 2; paid a quarter later: 0, 1000, 0, 1000
    assert plan.value("z").sum("tranche").values.tolist() == [near(1), near(1), near(2), near(2)]
    from gigawatt.plan.cashflow import tranche_payments

    paid = tranche_payments(plan.value("z").sum("tranche").values, plan.inputs)
    assert paid.tolist() == [near(0), near(1000), near(0), near(1000)]
    # 1e6 of cash at the start, 2,000 and 2,000 spent, 1,000 and 1,000 received
    assert plan.value("cash").values.tolist() == [near(998000), near(999000), near(997000), near(998000)]


def test_linear_release_is_in_proportion() -> None:
    plan = big(milestones(whole=False))
    assert plan.value("z").values.tolist() == [near(1.25), near(1.25), near(2.5), near(2.5)]


def test_first_gigawatt_paid_on_signing_is_not_paid_again() -> None:
    plan = big(milestones(signing_quarter="2027Q1", signing_musd=1000.0))
    # signing 1,000 in the first quarter, then only the second gigawatt, a quarter after its release
    assert plan.value("cash").values.tolist() == [near(999000), near(999000), near(997000), near(998000)]


def test_cash_gap_is_what_is_missing() -> None:
    # 5 in the account, 20 to pay: 15 to be found, owed for two quarters at a premium of 0.1
    plan = solved(tiny(opening_cash_musd=5.0))
    assert plan.value("gap").values.tolist() == [near(15.0), near(15.0)]
    assert plan.objective_musd == near(23.0)


def test_what_was_found_is_repaid_when_money_comes() -> None:
    # 11 of the 15 come in the second quarter and 4 are still owed; with 20 all is paid back and 5 stay in the account
    some = solved(tiny(opening_cash_musd=5.0, inflow_musd=by("quarter", list(QUARTERS), [0.0, 11.0])))
    assert some.value("gap").values.tolist() == [near(15.0), near(4.0)]
    assert some.objective_musd == near(20.0 + 0.1 * 15 + 0.1 * 4)
    plan = solved(tiny(opening_cash_musd=5.0, inflow_musd=by("quarter", list(QUARTERS), [0.0, 20.0])))
    assert plan.value("gap").values.tolist() == [near(15.0), near(0.0)]
    assert plan.value("cash").values.tolist() == [near(0.0), near(5.0)]
    assert plan.objective_musd == near(20.0 + 0.1 * 15)
    out = extract(plan)
    assert out["gap_usd"].values.tolist() == [near(15e6), near(0.0)]
    assert out["gap_repaid_usd"].values.tolist() == [near(0.0), near(15e6)]
    assert out["gap_owed_usd"].values.tolist() == [near(15e6), near(0.0)]


def test_debt_is_drawn_before_dearer_money_and_pays_interest() -> None:
    # 15 are missing, the line holds 8 at 5 % a quarter, 2 % over the discount rate, and the rest is found at 0.2: 7, and
    # in the second quarter 0.4 more for the interest
    dear = by("quarter", list(QUARTERS), [0.2, 0.2])
    line = {"credit_limit_musd": 8.0, "credit_rate": 0.05, "credit_spread": 0.02}
    plan = solved(tiny(opening_cash_musd=5.0, gap_musd=dear, **line))
    assert plan.value("debt").values.tolist() == [near(8.0), near(8.0)]
    assert plan.value("gap").values.tolist() == [near(7.0), near(7.4)]
    assert plan.objective_musd == near(20.0 + 0.02 * 16 + 0.2 * 14.4)


def test_a_line_at_the_discount_rate_is_as_good_as_cash() -> None:
    # no cash, an ample line without a spread: the plan and its cost are those with cash
    line = {"credit_limit_musd": 1e3, "credit_rate": 0.05, "credit_spread": 0.0}
    assert solved(tiny(opening_cash_musd=0.0, **line)).objective_musd == near(solved(tiny()).objective_musd)


def test_infeasible_plan_names_families_and_the_smallest_relaxation() -> None:
    # 12 MW of IT need 15 facility MW and 10 are energised. Each figure stands in two quarters and gives way once: the
    # take by 4 of 12 (0.33), the connection by 5 of 10 (0.5), so that the take is the smaller relaxation
    inputs = tiny(demand=0.0, stock_min_mw=grid("offer", ["a"], 12.0), connection_mw=grid("site", ["hall"], 10.0))
    with pytest.raises(InfeasibleError) as caught:
        solved(inputs)
    assert str(caught.value).splitlines() == [
        "no plan meets this scenario: a contract's minimum take and energised connections cannot all hold. "
        "The smallest relaxation that would let a plan exist:",
        "  a contract's minimum take (a, 2027Q1 to 2027Q2): give way by 4 MW of IT, from 12",
        "  or energised connections (hall, 2027Q1 to 2027Q2): give way by 5 MW of facility power, from 10",
    ]


def test_renting_again_is_not_new_capacity() -> None:
    # 10 facility MW are committed, 5 fit the hall: renting 4 IT MW, giving up and renting again counts 5, so 5 are late
    # in each quarter at 1 a MW; the rent of 1 a MW is paid for 4 MW twice
    rented = {
        "offer_contract": xr.DataArray(["lease"], dims="offer", coords={"offer": ["a"]}),
        "term_quarters": by("offer", ["a"], [1]).astype(int),
        "capex_musd_per_mw": grid("offer", ["a"], 0.0),
        "hold_musd_per_mw": grid("offer", ["a"], 1.0),
        "connection_mw": grid("site", ["hall"], 5.0),
    }
    link = xr.DataArray([[1.25]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a"]})
    due = {
        "commitment_weight": link,
        "commitment_mw": grid("commitment", ["c"], 10.0),
        "commitment_penalty_musd": by("commitment", ["c"], [1.0]),
    }
    plan = solved(tiny(demand=0.0, **rented, **due))
    assert plan.value("late").values.tolist() == [[near(5.0), near(5.0)]]
    assert plan.objective_musd == near(4.0 * 2 + 5.0 * 2)


THREE = ("2027Q1", "2027Q2", "2027Q3")


def rented_by_the_quarter(quarters: tuple[str, ...], **changes: object) -> PlanInputs:
    """Offer "b" is rented by the quarter, "a" bought."""
    offers = ["a", "b"]
    base = {
        "offer_contract": text("offer", offers, ["own", "lease"]), "term_quarters": by("offer", offers, [20, 1]).astype(int),
    }  # fmt: skip
    return tiny(offers=offers, quarters=quarters, **(base | changes))


def right_of(holder: list[int], share: float, quarters: tuple[str, ...] = QUARTERS) -> RightRow:
    offers = ["a", "b"]
    return RightRow(id="r", kind="preferred-partner", share=share, base=by("offer", offers, [1, 1]),
                    held=by("offer", offers, holder), quarters=quarters)  # fmt: skip


def test_a_holder_that_rents_out_again_and_again_gets_its_share_once() -> None:
    # 8 MW are due in the second quarter; b has a right to half, and rents out at 0.1, then at 5. Renting 8 MW of it for
    # the first quarter only and buying 8 MW of a at 2 would add as much of both: but b's 4 MW must stand: 4 x 5 + 4 x 2
    link = xr.DataArray([[1.0, 1.0]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a", "b"]})
    plan = solved(rented_by_the_quarter(
        QUARTERS, demand=0.0, capex_musd_per_mw=grid("offer", ["a", "b"], [[2.0, 2.0], [0.0, 0.0]]),
        hold_musd_per_mw=grid("offer", ["a", "b"], [[0.0, 0.0], [0.1, 5.0]]), rights=(right_of([0, 1], 0.5),),
        commitment_weight=link, commitment_mw=grid("commitment", ["c"], [[0.0, 8.0]]),
    ))  # fmt: skip
    assert plan.objective_musd == near(28.0)


def test_what_others_rent_again_is_counted_once() -> None:
    # a has a right to half and costs 50, b is rented at 1 when it is needed, in the first and the third quarter: 2 MW of
    # each, 2 x 50 + 2 + 2. Counted anew, b would have had to be kept through the second for 2 more
    plan = solved(rented_by_the_quarter(
        THREE, demand=[[[4.0, 0.0, 4.0]]], capex_musd_per_mw=grid("offer", ["a", "b"], [[50.0] * 3, [0.0] * 3], THREE),
        hold_musd_per_mw=grid("offer", ["a", "b"], [[0.0] * 3, [1.0] * 3], THREE),
        rights=(right_of([1, 0], 0.5, THREE),),
    ))  # fmt: skip
    assert plan.objective_musd == near(104.0)


def test_a_right_that_begins_later_counts_what_grows_from_then_on() -> None:
    # b stands with 4 MW, the most there is, before the right begins, and goes on: nothing of it is new. 2 MW more are
    # needed in the third quarter, half of them a's: 1 x 50, in place of 1 MW of b at once: 4 + 3 + 5
    plan = solved(rented_by_the_quarter(
        THREE, demand=[[[4.0, 4.0, 6.0]]], capex_musd_per_mw=grid("offer", ["a", "b"], [[50.0] * 3, [0.0] * 3], THREE),
        hold_musd_per_mw=grid("offer", ["a", "b"], [[0.0] * 3, [1.0] * 3], THREE),
        add_max_mw=grid("offer", ["a", "b"], [[np.inf] * 3, [4.0, 0.0, 9.0]], THREE),
        rights=(right_of([1, 0], 0.5, THREE[1:]),),
    ))  # fmt: skip
    assert plan.objective_musd == near(62.0)


def test_milestones_signed_later_release_nothing_for_what_stood_before() -> None:
    # 10 MW are rented for years in the first quarter: signed in the second, the deal pays for 2 MW more and no others
    terms = milestones(counts=by("offer", ["a", "b"], [0.0, 1.0]), whole=False, from_quarter="2027Q2")
    plan = solved(rented_by_the_quarter(
        THREE, demand=[[[10.0, 12.0, 12.0]]], milestones=terms, hold_musd_per_mw=grid("offer", ["a", "b"], 1.0, THREE),
        capex_musd_per_mw=grid("offer", ["a", "b"], [[90.0] * 3, [0.0] * 3], THREE),
        term_quarters=by("offer", ["a", "b"], [20, 20]).astype(int),
    ))  # fmt: skip
    assert plan.value("z").values.tolist() == [near(0.0), near(0.002), near(0.002)]
    assert replay(plan, delays_of(plan.inputs, 1))["released_gw"].values[0].tolist() == [0.0, near(0.002), near(0.002)]


def test_what_is_late_may_be_rented_again() -> None:
    # an event holds a commitment at 4 MW: they are rented when needed, in the first and the third quarter, at 1
    link = xr.DataArray([[1.0, 1.0]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a", "b"]})
    behind = Late(most_mw=grid("commitment", ["c"], 4.0, THREE))
    plan = solved(rented_by_the_quarter(
        THREE, demand=[[[4.0, 0.0, 4.0]]], capex_musd_per_mw=grid("offer", ["a", "b"], [[50.0] * 3, [0.0] * 3], THREE),
        hold_musd_per_mw=grid("offer", ["a", "b"], [[0.0] * 3, [1.0] * 3], THREE), terms=Terms(late=behind),
        commitment_weight=link, commitment_mw=grid("commitment", ["c"], 0.0, THREE),
    ))  # fmt: skip
    assert plan.objective_musd == near(8.0)


def test_what_a_late_commitment_costs_is_cash() -> None:
    # 10 MW are due, 4 can come: 6 are late at 3 a MW in both quarters, 36 beside 8 for the systems, from 50 in the account
    link = xr.DataArray([[1.0]], dims=("commitment", "offer"), coords={"commitment": ["c"], "offer": ["a"]})
    plan = solved(tiny(
        demand=0.0, opening_cash_musd=50.0, add_max_mw=grid("offer", ["a"], [[4.0, 0.0]]), commitment_weight=link,
        commitment_mw=grid("commitment", ["c"], 10.0), commitment_penalty_musd=by("commitment", ["c"], [3.0]),
    ))  # fmt: skip
    assert plan.value("late").values.tolist() == [[near(6.0), near(6.0)]]
    assert plan.value("cash").values.tolist() == [near(24.0), near(6.0)]
    assert plan.objective_musd == near(44.0)


FAMILIES = {
    "stock": test_stock_carries_what_was_bought,
    "salvage": test_salvage_is_paid_only_for_what_stands,
    "term": test_term_keeps_capacity,
    "minimum_take": test_minimum_take_is_held_without_need,
    "take_after": contracts.test_a_take_beyond_the_horizon_is_owed_less_what_is_signed,
    "early_exit": contracts.test_early_exit_costs_its_fee_and_ends_the_rent,
    "option": contracts.test_an_option_opens_capacity_against_its_premium_and_with_notice,
    "lease": contracts.test_rent_of_a_building_is_due_whether_it_is_used_or_not,
    "vacate": test_vacate.test_what_is_needed_again_is_leased_again,
    "connection": test_connection_and_site_power_bound_capacity,
    "site_power": test_connection_and_site_power_bound_capacity,
    "supply": test_supply_bounds_packages,
    "ageing": contracts.test_capacity_that_fails_with_age_is_replaced,
    "capacity": test_capacity_keeps_the_reserve,
    "demand": test_demand_is_unmet_where_buying_costs_more,
    "gating": test_gating_closes_up_to_the_closed_tiers,
    "share": test_service.test_speed_is_sold_to_those_who_care_where_it_pays,
    "volume": test_service.test_the_least_willing_are_left_where_they_pay_less_than_they_cost,
    "survival": test_service.test_any_region_may_be_lost,
    "gang": test_gang_stands_together,
    "pace": test_pace.test_no_quarter_does_more_than_its_most,
    "counted": test_renting_again_is_not_new_capacity,
    "commitment": test_commitment_is_a_minimum_of_what_is_accepted,
    "delivery": test_what_is_late_cannot_be_accepted,
    "right": test_rights_give_the_holder_its_share,
    "warrant": contracts.test_a_warrant_lowers_the_cost_and_is_no_cash,
    "milestone": test_whole_gigawatts_are_released_once_accepted_and_paid_later,
    "cash": test_cash_gap_is_what_is_missing,
    "halls": test_lumps.test_halls_come_whole,
    "opening": test_lumps.test_a_site_is_opened_or_not,
    "hosting": test_hosting.test_a_hall_is_converted_at_a_cost_and_a_quarter_of_darkness,
    "resale": test_hosting.test_what_is_retired_is_sold_for_what_its_age_leaves,
}


def test_every_family_has_a_hand_solved_plan() -> None:
    assert [rule.__name__ for rule in RULES] == list(FAMILIES)


def test_two_families_cannot_share_a_name() -> None:
    right = RightRow(id="r", kind="first-refusal", share=0.3, base=by("offer", ["a"], [1]),
                     held=by("offer", ["a"], [1]), quarters=QUARTERS)  # fmt: skip
    with pytest.raises(ValueError, match=r"the rows 'counted_right_r_added' stand already"):
        solved(tiny(rights=(right, right)))


def test_labels_must_match() -> None:
    with pytest.raises(ValueError, match="does not match"):
        solved(tiny(discount=by("quarter", ["2030Q1", "2030Q2"], [1.0, 1.0])))
