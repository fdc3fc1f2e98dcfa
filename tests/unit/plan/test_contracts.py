"""One hand-solved plan for each kind of contract: the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from gigawatt.plan.flows import EndValue, Rate
from gigawatt.plan.terms import Leases, Options, Takes, Terms, Warrants
from tests.unit.plan.tiny import QUARTERS, by, end, grid, owed, rate, solved, text, tiny

FOUR = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-5, rel=1e-6)


def rented(offers: list[str] | None = None, quarters: tuple[str, ...] = QUARTERS, **changes: Any) -> Any:
    """Offers rented at 1 MUSD a MW and quarter for one quarter at least."""
    names = offers or ["a"]
    base: dict[str, Any] = {
        "capex_musd_per_mw": grid("offer", names, 0.0, quarters),
        "hold_musd_per_mw": grid("offer", names, 1.0, quarters),
        "term_quarters": by("offer", names, np.ones(len(names))).astype(int),
        "offer_contract": text("offer", names, ["cloud"] * len(names)),
    }
    return tiny(offers=names, quarters=quarters, **(base | changes))


def cube(values: Any, quarters: tuple[str, ...] = QUARTERS, offers: tuple[str, ...] = ("a",)) -> xr.DataArray:
    n = len(quarters)
    table = np.broadcast_to(np.asarray(values, dtype=float), (len(offers), n, n)).copy()
    coords = {"offer": list(offers), "signed": list(quarters), "quarter": list(quarters)}
    return xr.DataArray(table, dims=("offer", "signed", "quarter"), coords=coords)


def link(row: str, label: str, offers: list[str], values: list[float]) -> xr.DataArray:
    return xr.DataArray([values], dims=(row, "offer"), coords={row: [label], "offer": offers})


def rents(over: Any, quarters: tuple[str, ...] = QUARTERS) -> Rate:
    """What a MW signed in a quarter pays beyond the rent of stock."""
    return rate("chip-rent", "signed", cube(over, quarters))


def owed_by_signing(values: list[float], quarters: tuple[str, ...] = QUARTERS) -> tuple[EndValue, EndValue]:
    coords = {"offer": ["a"], "signed": list(quarters)}
    return owed("signed_at_end", xr.DataArray([values], dims=("offer", "signed"), coords=coords))


def short(musd: float, quarters: tuple[str, ...] = QUARTERS) -> Rate:
    return rate("take-or-pay", "short", grid("take", ["k"], musd, quarters))


def test_a_take_is_owed_in_sum_over_the_sites_of_an_offer() -> None:
    # 10 MW at two sites together; a costs 1 a quarter, b costs 3: all of it at a, 10 x 2 quarters = 20, and not 5 + 5
    offers = ["a", "b"]
    takes = Takes(member=link("take", "k", offers, [1.0, 1.0]), mw=grid("take", ["k"], 10.0))
    hold = grid("offer", offers, [[1.0, 1.0], [3.0, 3.0]])
    firm = short(np.inf)
    plan = solved(rented(offers, demand=0.0, hold_musd_per_mw=hold, terms=Terms(takes=takes), rates=(firm,)))
    assert plan.objective_musd == near(20.0)
    assert plan.value("stock").sel(offer="a").values.tolist() == [near(10.0), near(10.0)]


def test_take_or_pay_is_paid_where_nothing_stands() -> None:
    # 10 MW owed at 1 a quarter, room for 4 (5 facility MW at 1.25): 4 stand, 6 are paid; 20 in all.
    # Of what is asked for, 8 a quarter, 4 are unmet at 100: 800
    takes = Takes(member=link("take", "k", ["a"], [1.0]), mw=grid("take", ["k"], 10.0))
    room = grid("site", ["hall"], 5.0)
    inputs = rented(demand=8.0, connection_mw=room, terms=Terms(takes=takes), rates=(short(1.0),))
    plan = solved(inputs)
    assert plan.value("short").values.tolist() == [[near(6.0), near(6.0)]]
    assert plan.objective_musd == near(20.0 + 800.0)


def test_rent_of_the_quarter_of_signing_is_paid_for_the_term() -> None:
    # rent falls from 4 to 1. Signed in the first quarter for two: 4 + 4, the second 3 over the rent of stock then.
    # 10 MW for two quarters: 80. With a term of one quarter: 40 + 10 = 50
    falling = grid("offer", ["a"], [[4.0, 1.0]])
    over = cube([[0.0, 3.0], [0.0, 0.0]])
    two = {"hold_musd_per_mw": falling, "term_quarters": by("offer", ["a"], [2]).astype(int)}
    assert solved(rented(rates=(rents(over),), **two)).objective_musd == near(80.0)
    assert solved(rented(hold_musd_per_mw=falling)).objective_musd == near(50.0)


def test_reserved_capacity_gives_way_to_on_demand_once_prices_have_fallen() -> None:
    # a: two quarters at 3. b: on demand at 5, then 2. 10 MW in the first quarter, 14 in the second:
    # a for 10 MW twice is 60, b for it 50 + 20 = 70; the other 4 MW are b's at 2: 60 + 8 = 68
    offers = ["a", "b"]
    hold = grid("offer", offers, [[3.0, 3.0], [5.0, 2.0]])
    term = by("offer", offers, [2, 1]).astype(int)
    plan = solved(rented(offers, demand=[[[10.0, 14.0]]], hold_musd_per_mw=hold, term_quarters=term))
    assert plan.objective_musd == near(68.0)


def test_what_is_owed_after_the_horizon_is_charged() -> None:
    # asked for in the second quarter only. Signed then, two more quarters are owed at 1: (1 + 2) x 10 = 30.
    # Signed in the first, the term of three ends one quarter after the horizon: (2 + 1) x 10 = 30 as well
    lasting = {"term_quarters": by("offer", ["a"], [3]).astype(int), "demand": [[[0.0, 10.0]]]}
    plan = solved(rented(ends=owed_by_signing([1.0, 2.0]), **lasting))
    assert plan.objective_musd == near(30.0)
    assert solved(rented(**lasting)).objective_musd == near(10.0)


def test_a_take_beyond_the_horizon_is_owed_less_what_is_signed() -> None:
    # 10 MW are owed in both quarters and in two after them, at 1 a quarter. Nothing is needed: 10 x (1+1) + 10 x (1+1) = 40
    takes = Takes(member=link("take", "k", ["a"], [1.0]), mw=grid("take", ["k"], 10.0), after_mw=by_after([10.0, 10.0]))
    beyond = owed("beyond", by_after([1.0, 1.0]))
    signed: dict[str, Any] = {"terms": Terms(takes=takes), "rates": (short(1.0),)}
    plan = solved(rented(demand=0.0, ends=beyond, **signed))
    assert plan.objective_musd == near(40.0)
    assert plan.value("beyond").values.tolist() == [[near(10.0), near(10.0)]]
    # 4 MW, all there is, are needed in the second quarter and signed for three: two of them lie after the horizon and
    # are owed as rent signed, 4 x 2; of the take 6 + 6 are left: 40 again, and not 48
    later = {"demand": [[[0.0, 4.0]]], "term_quarters": by("offer", ["a"], [3]).astype(int)}
    most = {"add_max_mw": grid("offer", ["a"], [[0.0, 4.0]])}
    twice = (*beyond, *owed_by_signing([1.0, 2.0]))
    plan = solved(rented(ends=twice, **signed, **later, **most))
    assert plan.objective_musd == near(40.0)
    assert plan.value("beyond").values.tolist() == [[near(6.0), near(6.0)]]
    # signed in the first quarter its term ends one quarter after the horizon, and stands for the take only there; at
    # a rent of 0.5 then (4 x 0.5 is owed) it is the cheaper half of the take: 20 + 4 x 0.5 + 6 + 10
    first = {"add_max_mw": grid("offer", ["a"], [[4.0, 0.0]]), "demand": 4.0}
    cheap = (*beyond, *owed_by_signing([0.5, 0.0]))
    plan = solved(rented(ends=cheap, term_quarters=later["term_quarters"], **signed, **first))
    assert plan.objective_musd == near(38.0)
    assert plan.value("beyond").values.tolist() == [[near(6.0), near(10.0)]]
    # what was left stands for nothing: leaving all 4 in the second quarter, free of charge, leaves the take whole
    fee = cube([[np.inf, 0.0], [np.inf, np.inf]])
    dear = (*beyond, *owed_by_signing([9.0, 0.0]))
    signed["rates"] = (short(1.0), rate("exit-fee", "left", fee))
    once = first | {"demand": [[[4.0, 0.0]]]}
    plan = solved(rented(ends=dear, term_quarters=later["term_quarters"], **signed, **once))
    assert plan.value("beyond").values.tolist() == [[near(10.0), near(10.0)]]


def by_after(values: list[float]) -> xr.DataArray:
    return xr.DataArray([values], dims=("take", "after"), coords={"take": ["k"], "after": ["+1", "+2"]})


def test_early_exit_costs_its_fee_and_ends_the_rent() -> None:
    # 10 MW for one quarter of a term of four at 1 a quarter: kept, 40. Left in the second quarter for half of the three
    # quarters that remain: 10 + 10 x 1.5 = 25
    fee = np.full((1, 4, 4), np.inf)
    for u in range(4):
        for q in range(u + 1, 4):
            fee[0, u, q] = 0.5 * (u + 4 - q)
    lasting = {"quarters": FOUR, "demand": [[[10.0, 0.0, 0.0, 0.0]]],
               "term_quarters": by("offer", ["a"], [4]).astype(int)}  # fmt: skip
    assert solved(rented(**lasting)).objective_musd == near(40.0)
    plan = solved(rented(rates=(rate("exit-fee", "left", cube(fee, FOUR)),), **lasting))
    assert plan.objective_musd == near(25.0)
    assert plan.value("left").sum(("offer", "signed")).values.tolist() == [near(0.0), near(10.0), near(0.0), near(0.0)]
    assert plan.value("retire").values.tolist() == [[near(0.0), near(10.0), near(0.0), near(0.0)]]
    assert plan.value("stock").values.tolist() == [[near(10.0), near(0.0), near(0.0), near(0.0)]]


@pytest.mark.parametrize("open_later", [False, True], ids=["one-signing", "signs-anew"])
def test_a_fee_alone_changes_no_rent(open_later: bool) -> None:
    # 10 MW are needed in all four quarters; signed in the first at 4 for four quarters, the market's rent is 1 afterwards.
    # Leaving in the second costs a tenth of what remains, 0.1 x 4 x 3 = 1.2 a MW. Where nothing is offered any more,
    # what is left is gone (100 a quarter unmet), so it is kept: 4 x 4 x 10 = 160, and not 40 + 12 + 3 x 10 = 82.
    # Where the offer is open, leaving and signing anew is a retirement and an addition: 82
    fee = np.full((1, 4, 4), np.inf)
    over = np.zeros((1, 4, 4))
    market = [4.0, 1.0, 1.0, 1.0]
    for u in range(4):
        for q in range(u, 4):
            over[0, u, q] = market[u] - market[q]
            fee[0, u, q] = 0.1 * market[u] * (u + 4 - q) if q > u else np.inf
    later = np.inf if open_later else 0.0
    plan = solved(rented(
        quarters=FOUR, term_quarters=by("offer", ["a"], [4]).astype(int),
        hold_musd_per_mw=grid("offer", ["a"], [market], FOUR),
        add_max_mw=grid("offer", ["a"], [[np.inf, later, later, later]], FOUR),
        rates=(rents(over, FOUR), rate("exit-fee", "left", cube(fee, FOUR))),
    ))  # fmt: skip
    moved = 10.0 if open_later else 0.0
    assert plan.objective_musd == near(82.0 if open_later else 160.0)
    assert float(plan.value("left").sum()) == near(moved)
    assert plan.value("retire").values.tolist() == [[near(0.0), near(moved), near(0.0), near(0.0)]]
    assert plan.value("add").values.tolist() == [[near(10.0), near(moved), near(0.0), near(0.0)]]


def test_an_option_opens_capacity_against_its_premium_and_with_notice() -> None:
    # 4 MW are firm, 3 more under option at 5 a MW, exercised in the first quarter, standing from the second.
    # 10 asked for: unmet 6 x 100, then 3 x 100; rent 4 + 7; premium 15: 926
    option = Options(member=link("option", "k", ["a"], [1.0]), firm_mw=by("option", ["k"], [4.0]),
                     most_mw=by("option", ["k"], [3.0]), notice=by("option", ["k"], [1]).astype(int))  # fmt: skip

    def premium(musd: float) -> tuple[Rate, ...]:
        return (rate("option-premium", "exercised", grid("option", ["k"], [[musd, np.inf]])),)

    plan = solved(rented(terms=Terms(options=option), rates=premium(5.0)))
    assert plan.objective_musd == near(600 + 300 + 4 + 7 + 15)
    assert plan.value("exercised").values.tolist() == [[near(3.0), near(0.0)]]
    # a premium above what it saves (99 a MW) leaves the option where it is: 600 + 600 + 4 + 4
    assert solved(rented(terms=Terms(options=option), rates=premium(120.0))).objective_musd == near(1208.0)


def test_a_warrant_lowers_the_cost_and_is_no_cash() -> None:
    # a costs 3 a MW, b costs 2; with each facility MW of a, shares worth 1 vest, up to 5 facility MW = 4 IT MW.
    # a's first 4 MW cost 3 - 1.25 = 1.75 a MW: 7; the other 6 are b's at 2: 12. Cash out is 12 + 12 = 24
    offers = ["a", "b"]
    shares = Warrants(weight=link("warrant", "w", offers, [1.25, 0.0]), most_mw=by("warrant", ["w"], [5.0]))
    price = grid("offer", offers, [[3.0, 3.0], [2.0, 2.0]])
    later = by("quarter", list(QUARTERS), [1.0, 0.9])  # what vests early is worth more
    worth = (end("vested", "vested", grid("warrant", ["w"], [[1.0, 0.9]])),)
    terms = Terms(warrants=shares)
    plan = solved(tiny(offers=offers, capex_musd_per_mw=price, discount=later, terms=terms, ends=worth))
    assert plan.objective_musd == near(7.0 + 12.0)
    assert plan.value("vested").values.tolist() == [[near(5.0), near(5.0)]]
    assert float(plan.value("cash")[-1]) == near(1e6 - 24.0)


def test_a_warrant_vests_in_whole_steps() -> None:
    # as above with steps of 2.5 facility MW = 2 IT MW up to 5, but a holds 3 MW at most: evenly 3.75 vest, in steps 2.5:
    # a's price of 3 stays for the third MW, so 2 MW of a and 8 of b: 6 + 16 - 2.5 = 19.5; evenly 9 + 14 - 3.75 = 19.25
    offers = ["a", "b"]
    shares = Warrants(weight=link("warrant", "w", offers, [1.25, 0.0]), most_mw=by("warrant", ["w"], [5.0]))
    base = tiny(offers=offers, capex_musd_per_mw=grid("offer", offers, [[3.0, 3.0], [2.0, 2.0]]),
                add_max_mw=grid("offer", offers, [[3.0, 0.0], [np.inf, np.inf]]),
                ends=(end("vested", "vested", grid("warrant", ["w"], 1.0)),))  # fmt: skip
    even = solved(replace(base, terms=Terms(warrants=shares)))
    assert even.objective_musd == near(19.25)
    steps = replace(shares, step_mw=by("warrant", ["w"], [2.5]))
    plan = solved(replace(base, terms=Terms(warrants=steps)))
    assert plan.objective_musd == near(19.5)
    assert float(plan.value("vested")[0, -1]) == near(2.5)


def building(term: int = 99, due: float = 0.0, owing: Any = 0.0, deposit: float = 0.0, after: float = 0.0,
             quarters: tuple[str, ...] = QUARTERS, rent: float = 0.5) -> dict[str, Any]:  # fmt: skip
    """A lease of the hall; what is owed for an unused MW is what is owed for one taken into use first."""
    table = grid("site", ["hall"], owing, quarters)
    taken = table.rename(quarter="signed")
    return {
        "terms": Terms(leases=Leases(due_mw=grid("site", ["hall"], due, quarters),
                                     term_quarters=by("site", ["hall"], [term]).astype(int))),
        "rates": (rate("take-or-pay", "unused", grid("site", ["hall"], rent, quarters)),
                  rate("deposit-return", "vacate", by("site", ["hall"], [deposit]))),
        "ends": (*owed("taken", taken), *owed("unused_at_end", table.isel(quarter=0, drop=True)),
                 end("salvage", "vacate", by("site", ["hall"], [-after]))),
    }  # fmt: skip


def test_rent_of_a_building_is_due_whether_it_is_used_or_not() -> None:
    # 10 facility MW are leased at 0.5 a quarter, 5 are in use in the second quarter (4 IT MW at 1.25, bought at 2):
    # 5 + 5 of rent, 8 of capex; without the duty only what is in use pays: 2.5 + 8
    base = {"demand": [[[0.0, 4.0]]], "site_hold_musd_per_mw": grid("site", ["hall"], 0.5)}
    plan = solved(tiny(**building(due=10.0), **base))
    assert plan.objective_musd == near(10.0 + 8.0)
    paid = plan.value("unused") + plan.value("energise").cumsum("quarter")
    assert paid.values.tolist() == [[near(10.0), near(10.0)]]
    assert solved(tiny(**base)).objective_musd == near(2.5 + 8.0)
    # three more quarters owed after the horizon, at 0.5 a MW: 10 x 1.5 more
    assert solved(tiny(**building(due=10.0, owing=1.5), **base)).objective_musd == near(33.0)


def commitments(names: list[str], weights: list[list[float]], due: Any) -> dict[str, Any]:
    offers = ["a"] if len(weights[0]) == 1 else ["a", "b"]
    return {
        "commitment_weight": xr.DataArray(weights, dims=("commitment", "offer"),
                                          coords={"commitment": names, "offer": offers}),
        "commitment_mw": grid("commitment", names, due),
    }  # fmt: skip


def test_a_commitment_is_cancelled_where_that_costs_less() -> None:
    # 5 facility MW = 4 IT MW at 2 are 8; released at 1 a MW they are 5; from the second quarter on nothing releases
    signed = commitments(["c"], [[1.25]], [[0.0, 5.0]])
    fee = rate("cancellation", "cancelled", grid("commitment", ["c"], [[1.0, np.inf]]))
    plan = solved(tiny(demand=0.0, rates=(fee,), **signed))
    assert plan.objective_musd == near(5.0)
    assert plan.value("cancelled").values.tolist() == [[near(5.0), near(0.0)]]
    closed = rate("cancellation", "cancelled", grid("commitment", ["c"], np.inf))
    assert solved(tiny(demand=0.0, rates=(closed,), **signed)).objective_musd == near(8.0)


def test_chips_and_buildings_are_met_by_the_same_mw() -> None:
    # 5 GW of chips from one vendor and 5 of buildings from one landlord, facility power: 4 IT MW of a count in both, and
    # 10 are never asked for: 4 x 2 and 5 MW of building at 0.1 are 8.5. b, at 1, is the landlord's with other chips and
    # cannot do both
    both = commitments(["chips", "buildings"], [[1.25, 0.0], [1.25, 1.25]], [[0.0, 5.0], [0.0, 5.0]])
    price = grid("offer", ["a", "b"], [[2.0, 2.0], [1.0, 1.0]])
    shell = grid("site", ["hall"], 0.1)
    plan = solved(tiny(offers=["a", "b"], demand=0.0, capex_musd_per_mw=price, energise_musd_per_mw=shell, **both))
    assert plan.objective_musd == near(8.5)
    assert float(plan.value("add").sum()) == near(4.0)
    assert float(plan.value("energise").sum()) == near(5.0)


def test_acceptance_tests_take_supply_and_power_before_they_take_work() -> None:
    # delivered in the first quarter, accepted in the second: unmet 10 x 100, 10 MW at 2; in the first quarter the hall
    # carries 12.5 facility MW for the tests, at 0.1 a MW to build
    tests = Terms(testing_quarters=by("offer", ["a"], [1]).astype(int))
    most = grid("offer", ["a"], [[0.0, np.inf]])
    shell = {"energise_musd_per_mw": grid("site", ["hall"], 0.1)}
    plan = solved(tiny(add_max_mw=most, terms=tests, **shell))
    assert plan.objective_musd == near(1000.0 + 20.0 + 1.25)
    assert plan.value("energise").values.tolist() == [[near(12.5), near(0.0)]]
    # no packages are delivered in the first quarter: nothing is accepted in the second
    none = {"supply_member": link("supply", "v", ["a"], [1.0]), "supply_packages": grid("supply", ["v"], [[0.0, 1e4]])}
    assert solved(tiny(add_max_mw=most, terms=tests, **none)).objective_musd == near(2000.0)


def test_capacity_that_fails_with_age_is_replaced() -> None:
    # a tenth fails in a quarter: 10 MW bought at 2, 1 MW more in the second quarter: 22
    tenth = Terms(survival_frac=by("offer", ["a"], [0.9]))
    assert solved(tiny(terms=tenth)).objective_musd == near(22.0)
    # of 10 MW that stood at the start 9 work in the first quarter: 1 is bought, and of the 10 that work then 9 are left
    stood = tiny(initial_mw=by("offer", ["a"], [10.0]), terms=tenth)
    assert solved(stood).objective_musd == near(2.0 + 2.0)


def test_what_has_failed_goes_first() -> None:
    # rented at 1 for one quarter at least: 10 MW, of which 1 has failed in the second quarter, is given back and rented
    # anew: 10 + 10. Where nothing can be given back for two quarters, 11 MW are paid in the second: 21
    tenth = Terms(survival_frac=by("offer", ["a"], [0.9]))
    assert solved(rented(terms=tenth)).objective_musd == near(20.0)
    lasting = by("offer", ["a"], [2]).astype(int)
    assert solved(rented(terms=tenth, term_quarters=lasting)).objective_musd == near(21.0)


def test_pools_mix_what_ages_and_what_does_not() -> None:
    # a ages and costs 1, b does not and costs 5: 10 MW of a serve the first quarter; 1 MW more of a, at 1, the second
    offers = ["a", "b"]
    price = grid("offer", offers, [[1.0, 1.0], [5.0, 5.0]])
    plan = solved(tiny(offers=offers, capex_musd_per_mw=price, terms=Terms(survival_frac=by("offer", ["a"], [0.9]))))
    assert plan.objective_musd == near(11.0)


def test_nothing_of_a_failed_provider_stands() -> None:
    # a fails in the second quarter, in the middle of its term; b then serves at 3: 10 + 30
    offers = ["a", "b"]
    failed = grid("offer", offers, [[0.0, 1.0], [0.0, 0.0]]) > 0
    hold = grid("offer", offers, [[1.0, 1.0], [3.0, 3.0]])
    most = grid("offer", offers, [[np.inf, 0.0], [np.inf, np.inf]])
    term = by("offer", offers, [2, 1]).astype(int)
    inputs = rented(offers, hold_musd_per_mw=hold, add_max_mw=most, term_quarters=term, terms=Terms(failed=failed))
    plan = solved(inputs)
    assert plan.objective_musd == near(10.0 + 30.0)
    assert plan.value("stock").sel(offer="a").values.tolist() == [near(10.0), near(0.0)]
