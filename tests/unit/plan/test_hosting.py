"""Classes of halls, retrofits and resale by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.plan.extract import extract
from gigawatt.plan.flows import EndValue, Rate
from gigawatt.plan.hosting import Hosting, Retrofit
from gigawatt.plan.inputs import PlanInputs
from tests.unit.plan.test_contracts import cube
from tests.unit.plan.tiny import by, end, grid, priced, rate, solved, text, tiny

OLD_NEW, CLASSES, THREE = ["old", "new"], ["air", "liquid"], ("2027Q1", "2027Q2", "2027Q3")


def near(value: float) -> Any:
    return pytest.approx(value, abs=2e-3, rel=1e-6)


def hosted(*, downtime: int = 1, cost: float = 1.0, fit: float = 0.0, room: float = 10.0) -> PlanInputs:
    """10 MW of old systems stand in air-cooled halls and may go; new ones do twice the work and need liquid.

    Old ones are free to hold, new ones cost 2 MUSD/MW; 20 Mwork/s are asked for; unmet work costs 100.
    """
    base = tiny(
        offers=OLD_NEW, quarters=THREE, demand=20.0, facility_over_it=by("offer", OLD_NEW, [1.0, 1.0]),
        initial_mw=by("offer", OLD_NEW, [10.0, 0.0]), energised_initial_mw=by("site", ["hall"], [10.0]),
        add_max_mw=grid("offer", OLD_NEW, [[0.0] * 3, [np.inf] * 3], THREE),
        connection_mw=grid("site", ["hall"], room, THREE),
        rate=grid("lane", ["pool-old>work", "pool-new>work"], [[1.0] * 3, [2.0] * 3], THREE),
    )  # fmt: skip
    rules = Hosting(
        sites=("hall",), classes=tuple(CLASSES), offer_class=text("offer", OLD_NEW, CLASSES),
        initial_mw=xr.DataArray([[10.0, 0.0]], dims=("site", "hosting"), coords={"site": ["hall"], "hosting": CLASSES}),
        retrofits=(Retrofit(start="air", end="liquid", downtime=downtime),),
    )  # fmt: skip
    return priced(base, hosting=rules, rates=fitting(0.0, fit, cost))


def fitting(air: float, liquid: float, turned: float) -> tuple[Rate, ...]:
    """Prices of fitting out in either class, and of turning air into liquid."""
    return (
        rate("fit-out", "fit", by("hosting", CLASSES, [air, liquid])),
        rate("fit-out", "retrofit", by("retrofit", ["air>liquid"], [turned])),
    )


def test_a_hall_is_converted_at_a_cost_and_a_quarter_of_darkness() -> None:
    # without classes: 10 old go at once, 10 new come: 20 Mwork/s for 20 MUSD
    assert solved(replace(hosted(), hosting=None)).objective_musd == near(20.0)
    # classes without retrofit: the old ones stay, 10 unmet in three quarters at 100
    rules = hosted().hosting
    assert rules is not None
    assert solved(replace(hosted(), hosting=replace(rules, retrofits=()))).objective_musd == near(3000.0)
    # retrofit of all 10 MW at once: dark in the first quarter, 20 unmet (2,000), 10 at 1 and 10 new at 2
    plan = solved(hosted())
    assert plan.objective_musd == near(2030.0)
    assert plan.value("retrofit").values.ravel().tolist() == [near(10.0), near(0.0), near(0.0)]
    # without downtime: 10 + 20
    assert solved(hosted(downtime=0)).objective_musd == near(30.0)
    # dark for three quarters: converting brings nothing
    assert solved(hosted(downtime=3)).objective_musd == near(3000.0)


def test_new_halls_are_fitted_for_what_they_hold() -> None:
    # 5 MW more building: 5 new beside 10 old serve all; fitting out costs 3: 5 x 2 + 5 x 3
    plan = solved(hosted(room=15.0, fit=3.0))
    assert plan.objective_musd == near(25.0)
    assert plan.value("fit").sel(hosting="liquid").sum() == near(5.0)


def sold(share: list[float], term: int = 1, **changes: Any) -> PlanInputs:
    """10 MW at 2 MUSD each are needed in the first quarter only; holding costs 0.1 a quarter."""
    base = tiny(
        quarters=THREE, demand=[[[10.0, 0.0, 0.0]]], hold_musd_per_mw=grid("offer", ["a"], 0.1, THREE),
        term_quarters=by("offer", ["a"], [term]).astype(int),
    )  # fmt: skip
    table = [[2.0 * share[q - bought] if q > bought else 0.0 for q in range(3)] for bought in range(3)]
    price = cube(table, THREE).rename(signed="bought")
    return priced(base, rates=(rate("resale", "sold", price), *changes.pop("rates", ())), **changes)


def test_what_is_retired_is_sold_for_what_its_age_leaves() -> None:
    # bought 20, held one quarter 1; sold after one quarter for half: 21 - 10 = 11
    plan = solved(sold([1.0, 0.5, 0.4]))
    assert plan.objective_musd == near(11.0)
    assert plan.value("sold").sum() == near(10.0)
    # held two quarters at least: 20 + 2 - 8 = 14
    assert solved(sold([1.0, 0.5, 0.4], term=2)).objective_musd == near(14.0)
    # nobody pays: 21
    assert solved(sold([1.0, 0.0, 0.0])).objective_musd == near(21.0)
    # the cash shows it in the quarter of the sale
    cash = plan.value("cash").values
    assert np.diff(cash).tolist() == [near(10.0), near(0.0)]


def test_what_is_sold_has_no_salvage() -> None:
    # worth 1.5 at the end if kept (20 + 3 - 15 = 8), half if sold at once (11): kept
    assert solved(sold([1.0, 0.5, 0.4], salvage_musd_per_mw=grid("offer", ["a"], 1.5, THREE))).objective_musd == near(
        8.0
    )


@settings(max_examples=8, deadline=None)
@given(cost=st.floats(0, 5), fit=st.floats(0, 5), room=st.floats(10, 20), more=st.floats(0, 10))
def test_freedom_of_halls_never_costs(cost: float, fit: float, room: float, more: float) -> None:
    tight = solved(hosted(cost=cost, fit=fit, room=room)).objective_musd
    assert solved(hosted(cost=cost, fit=fit, room=room + more)).objective_musd <= tight + 1e-3
    assert solved(hosted(cost=cost / 2, fit=fit, room=room)).objective_musd <= tight + 1e-3
    assert solved(replace(hosted(room=room), hosting=None)).objective_musd <= tight + 1e-3


def left(air: float, liquid: float, turned: float, values: list[float]) -> tuple[EndValue, ...]:
    """What is left of fit-outs and retrofits by quarter, as a share of their price."""
    share = grid("site", ["hall"], [values], THREE)
    return (
        end("salvage", "kept_fit", by("hosting", CLASSES, [air, liquid]) * share),
        end("salvage", "kept_retrofit", by("retrofit", ["air>liquid"], [turned]) * share),
    )


def test_fit_outs_and_retrofits_are_worth_what_is_left_of_them() -> None:
    # 5 MW of liquid at 3 in the first quarter, of which 80 % are left: 5 x 2 + 5 x 3 x 0.2
    part = [0.8, 0.9, 1.0]
    assert solved(priced(hosted(room=15.0, fit=3.0), ends=left(0.0, 3.0, 1.0, part))).objective_musd == near(13.0)
    # retrofit of 10 MW at 1 without downtime: 10 x 2 + 10 x 0.2
    turned = priced(hosted(downtime=0), ends=left(0.0, 0.0, 1.0, part))
    assert solved(turned).objective_musd == near(22.0)
    # the residual is in money of the last quarter: 10 x 0.8
    assert float(extract(solved(turned))["residual_usd"]) == pytest.approx(8e6, rel=1e-6)


def test_a_fit_out_that_was_torn_out_is_worth_nothing() -> None:
    """What leaves a class takes its worth along: what stood at the start goes first, as it is worth nothing."""
    base = hosted(room=15.0, downtime=0)
    asked = replace(base, demand=base.demand * 1.5, rates=tuple(row for row in base.rates if row.on == "add"))

    def cost(air: float, liquid: float) -> float:
        worth = left(air, liquid, 1.0, [0.8, 0.8, 0.8])
        return solved(priced(asked, rates=fitting(air, liquid, 1.0), ends=worth)).objective_musd

    # 15 MW of liquid are needed, 10 stand as air: 5 are fitted for 3, 10 turned for 1: 15 x 2 + (15 + 10) x 0.2
    assert cost(3.0, 3.0) == near(35.0)
    # liquid too dear: 5 fitted as air for 3, no worth once they are turned; 15 turned for 1: 15 x 2 + 15 + 15 x 0.2
    assert cost(3.0, 1000.0) == near(48.0)


def stood(**more: Any) -> PlanInputs:
    """10 MW stand and are asked for in the first quarter only; nothing can be added; holding costs 0.1 a quarter."""
    base = sold([1.0, 0.5, 0.4])
    return priced(
        base, initial_mw=by("offer", ["a"], [10.0]), energised_initial_mw=by("site", ["hall"], [12.5]),
        add_max_mw=grid("offer", ["a"], 0.0, THREE), **more,
    )  # fmt: skip


def test_what_stood_at_the_start_is_sold_at_its_age_or_worth_something_at_the_end() -> None:
    paid = grid("offer", ["a"], [[1.2, 0.9, 0.6]], THREE)
    worth = {"rates": (rate("resale", "sold_initial", paid),)}
    # no vintage: held a quarter for 1 and given up
    assert solved(stood()).objective_musd == near(1.0)
    # sold in the second quarter for 0.9: 1 - 9
    plan = solved(stood(**worth))
    assert plan.objective_musd == near(-8.0)
    assert plan.value("sold_initial").values.tolist() == [[near(0.0), near(10.0), near(0.0)]]
    # worth 1.3 at the end: held for 3, 3 - 13; not sold and kept at once
    plan = solved(stood(**worth, initial_salvage_musd_per_mw=by("offer", ["a"], [1.3])))
    assert plan.objective_musd == near(-10.0)
    assert float(extract(plan)["residual_usd"]) == pytest.approx(13e6, rel=1e-6)
    # worth 1.05 at the end: 3 - 10.5 is dearer than selling
    assert solved(stood(**worth, initial_salvage_musd_per_mw=by("offer", ["a"], [1.05]))).objective_musd == near(-8.0)


def test_systems_under_test_stand_in_a_hall_of_their_class() -> None:
    # 20 MW of air, 10 of them empty; new systems are accepted from the second quarter on; discount 1, 0.5, 0.25
    base = hosted(downtime=0, room=20.0)
    assert base.hosting is not None
    halls = base.hosting.initial_mw * 2.0
    base = replace(
        base, hosting=replace(base.hosting, initial_mw=halls), energised_initial_mw=by("site", ["hall"], [20.0]),
        add_max_mw=grid("offer", OLD_NEW, [[0.0] * 3, [0.0, np.inf, np.inf]], THREE),
        discount=by("quarter", list(THREE), [1.0, 0.5, 0.25]),
    )  # fmt: skip
    # 10 unmet in each quarter until 5 new (10 Mwork/s) stand beside 10 old: 1,000 + (5 x 2 + 5 turned x 1) x 0.5
    assert solved(base).objective_musd == near(1007.5)
    # tested for a quarter they need their halls in the first: 1,000 + 5 x 1 + 10 x 0.5
    tests = replace(base.terms, testing_quarters=by("offer", OLD_NEW, [0, 1]).astype(int))
    assert solved(replace(base, terms=tests)).objective_musd == near(1010.0)
