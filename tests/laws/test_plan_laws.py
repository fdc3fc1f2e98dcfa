"""What every plan must obey, whatever its figures."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.alternatives import divisible
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.flows import price_on
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.replay import delays_of, replay
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import LivePlan, open_plan, solve
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import bundled, load_scenario
from tests.cases.every import every_model
from tests.cases.scenarios import planned
from tests.cases.tiny import grid, solved, tiny

MONEY = (
    "run_musd_per_mw",
    "unmet_musd",
    "income_musd",
    "delay_musd",
    "gate_musd",
    "inflow_musd",
)


@pytest.fixture(scope="module", params=bundled())
def plan(request: pytest.FixtureRequest) -> LivePlan:
    case = resolve(load_scenario(request.param), load_catalog())
    return solve(open_plan(plan_inputs(case)))


def violation(plan: LivePlan) -> float:
    """Largest violation of any row or bound, without the solver."""
    worst = 0.0
    x = plan.primal
    for rows in plan.model.constraints.values():
        value = rows.matrix @ x
        size = 1.0 + np.maximum(np.where(np.isfinite(rows.lower), np.abs(rows.lower), 0),
                                np.where(np.isfinite(rows.upper), np.abs(rows.upper), 0))  # fmt: skip
        if value.size:
            worst = max(worst, float((np.maximum(rows.lower - value, value - rows.upper) / size).max()))
    upper = np.concatenate(plan.model.upper)
    return max(worst, float(-x.min()), float((x - upper).max()))


def test_plan_keeps_every_constraint(plan: LivePlan) -> None:
    assert violation(plan) < 1e-5


def test_weak_duality_closes(plan: LivePlan) -> None:
    """At the optimum, rows' duals times their active sides and reduced costs times their bounds give the objective."""
    (low, high), (lower, upper) = plan.solver.row_bounds, plan.solver.bounds
    side = np.where(plan.row_dual > 0, low, high)
    rows = np.where(plan.row_dual != 0, plan.row_dual * np.where(np.isfinite(side), side, 0.0), 0.0)
    bound = np.where(plan.reduced_cost > 0, lower, upper)
    columns = np.where(plan.reduced_cost != 0, plan.reduced_cost * np.where(np.isfinite(bound), bound, 0.0), 0.0)
    primal = float((plan.model.cost + plan.model.tie_break) @ plan.primal)
    assert rows.sum() + columns.sum() == pytest.approx(primal, rel=1e-6, abs=1.0)


def assert_is_itself(plan: LivePlan) -> None:
    """Played forward without delays: cost, stock, work, lateness and money are the plan's, to rounding."""
    d = plan.inputs
    out = replay(plan, delays_of(d, 1)).isel(draw=0)
    assert float(out["cost_musd"]) == pytest.approx(plan.objective_musd, rel=1e-9, abs=1e-9)
    assert np.allclose(out["stock_mw"], plan.value("stock").transpose("offer", "quarter"), atol=1e-6)
    unmet = (plan.value("unmet") * d.hours_frac).sum("block").transpose("workload", "quarter")
    assert np.allclose(out["unmet"], unmet, atol=1e-6)
    if Decisions.late in plan.model:
        penalty = price_on(d.rates, "late")
        assert penalty is not None
        soft = np.isfinite(penalty.values)
        late = plan.value("late").transpose("commitment", "quarter")
        assert np.allclose(out["late_mw"].values[soft], late.values[soft], atol=1e-4)
    assert np.allclose(out["gap_musd"], plan.value("gap"), atol=1e-3)


def test_played_forward_without_delays_a_plan_is_itself(plan: LivePlan) -> None:
    assert_is_itself(plan)


@pytest.mark.parametrize("seed", [5, 10, 14, 34, 72])
def test_random_plans_are_themselves(seed: int) -> None:
    """Five in which work was placed, or money raised, otherwise than planned before a replay held to the plan."""
    found = planned(seed)
    assert found is not None
    assert_is_itself(found[1])


@pytest.mark.heavy
def test_three_hundred_random_plans_are_themselves() -> None:
    plans = [found[1] for seed in range(330) if (found := planned(seed)) is not None]
    assert len(plans) >= 300
    for plan in plans:
        assert_is_itself(plan)


def test_delays_never_make_a_plan_accept_more(plan: LivePlan) -> None:
    n = 20
    draws = np.random.default_rng(1)
    late = delays_of(plan.inputs, n, site=lambda _: draws.integers(0, 4, n), system=lambda _: draws.integers(0, 4, n))
    on_time, after = replay(plan, delays_of(plan.inputs, 1)).isel(draw=0), replay(plan, late)
    assert (after["accepted_mw"] <= on_time["accepted_mw"] + 1e-6).all()
    assert (after["in_use_mw"] <= on_time["in_use_mw"] + 1e-6).all()
    load = (after["stock_mw"] * plan.inputs.facility_over_it).groupby(plan.inputs.offer_site.rename("site")).sum()
    assert (load.reindex(site=list(plan.inputs.sites), fill_value=0.0) <= after["in_use_mw"] + 1e-4).all()


def test_doubling_all_money_doubles_the_objective() -> None:
    inputs = plan_inputs(resolve(load_scenario("neocloud"), load_catalog()))
    twice = {name: getattr(inputs, name) * 2.0 for name in MONEY}
    doubled = replace(
        inputs,
        **twice,
        **{name: scaled_rows(getattr(inputs, name), 2.0) for name in ("rates", "ends")},
        opening_cash_musd=inputs.opening_cash_musd * 2,
        credit_limit_musd=inputs.credit_limit_musd * 2,
    )
    once = solve(open_plan(inputs)).objective_musd
    assert solve(open_plan(doubled)).objective_musd == pytest.approx(2 * once, rel=1e-6)


def scaled_rows(rows: tuple[Any, ...], factor: float) -> tuple[Any, ...]:
    """Prices times a factor; what is paid for a MUSD of sales is a share, and no price."""
    return tuple(row if row.on == "sales" else replace(row, musd=row.musd * factor) for row in rows)


def money_times(inputs: PlanInputs, factor: float) -> PlanInputs:
    """The same problem with every amount of money in it times a factor, wherever it stands: found by its name.

    Rates are no amounts: not those of the credit line, and not ``gap_musd``, a premium per MUSD.
    """

    def scaled(value: Any, name: str) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            changes = {f.name: scaled(getattr(value, f.name), f.name) for f in fields(value)}
            return replace(value, **changes)
        if name in ("rates", "ends"):
            return scaled_rows(value, factor)
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            return tuple(scaled(one, name) for one in value)
        is_money = "musd" in name and name != "gap_musd"
        return value * factor if is_money and value is not None else value

    doubled: PlanInputs = scaled(inputs, "")
    return doubled


@pytest.mark.parametrize("name", list(every_model()))
def test_doubling_all_money_doubles_the_objective_of_every_contract(name: str) -> None:
    inputs = every_model()[name]
    once, twice = solved(inputs).objective_musd, solved(money_times(inputs, 2.0)).objective_musd
    assert abs(once) > 1.0
    assert twice == pytest.approx(2.0 * once, rel=1e-6)


@pytest.mark.parametrize("name", list(every_model()))
def test_relaxing_any_row_never_costs(name: str) -> None:
    """Every row of every family moved to the looser side, one family after another, whole numbers as they come."""
    inputs = every_model()[name]
    session = PlanSession(inputs, mip_gap=1e-7)
    tight = session.solve().objective_musd
    for family, rows in session.live.model.constraints.items():
        for sign, side in ((1.0, rows.upper), (-1.0, rows.lower)):
            at = np.isfinite(side) & (rows.lower != rows.upper)
            if not at.any():
                continue
            with session.trial():
                start = int(rows.index[rows.index >= 0].min())
                for place in np.flatnonzero(at).tolist():
                    low, high = float(rows.lower[place]), float(rows.upper[place])
                    moved = (low, high + 0.5) if sign > 0 else (low - 0.5, high)
                    session.live.solver.set_row_bounds(start + place, *moved)
                loose = session.solve(explain=False).objective_musd
                for place in np.flatnonzero(at).tolist():
                    session.live.solver.set_row_bounds(start + place, rows.lower[place], rows.upper[place])
            assert loose <= tight + 1e-5 * max(1.0, abs(tight)), f"{family} {'up' if sign > 0 else 'down'}"


@pytest.mark.parametrize("name", list(every_model()))
def test_a_binding_limit_is_worth_what_it_says(name: str) -> None:
    """A dual of an LP is a subgradient: a little more of a limit saves no more than its price, a little less costs
    at least that: objective(limit + e) >= objective + dual e.
    """
    inputs = divisible(every_model()[name])
    session = PlanSession(inputs)
    plan = session.solve()
    for family, rows in plan.model.constraints.items():
        dual, start = plan.dual(family).values, int(rows.index[rows.index >= 0].min()) if (rows.index >= 0).any() else 0
        for cell in np.argwhere(np.abs(dual) > 1e-3)[:3]:
            place = int(rows.index[tuple(cell)]) - start
            low, high = float(rows.lower[place]), float(rows.upper[place])
            for step in (0.01, -0.01):
                with session.trial():
                    session.live.solver.set_row_bounds(start + place, low + step, high + step)
                    try:
                        moved = session.solve(explain=False).objective_musd
                    except InfeasibleError:
                        continue
                    finally:
                        session.live.solver.set_row_bounds(start + place, low, high)
                bound = plan.objective_musd + float(dual[tuple(cell)]) * step
                assert moved >= bound - 1e-4 * max(1.0, abs(bound)), f"{family}{cell.tolist()} by {step}"


@settings(max_examples=25)
@given(
    price=st.floats(0.1, 10),
    demand=st.floats(1, 50),
    room=st.floats(1, 60),
    more=st.floats(0, 60),
    reserve=st.floats(0, 0.5),
)
def test_relaxing_a_bound_never_costs(price: float, demand: float, room: float, more: float, reserve: float) -> None:
    base = tiny(demand=demand, capex_musd_per_mw=grid("offer", ["a"], price), reserve_frac=reserve,
                connection_mw=grid("site", ["hall"], room))  # fmt: skip
    tight = solved(base).objective_musd
    loose = solved(replace(base, connection_mw=grid("site", ["hall"], room + more))).objective_musd
    assert loose <= tight + 1e-6 * max(1.0, tight)


@settings(max_examples=25)
@given(price=st.floats(0.1, 10), demand=st.floats(1, 50), room=st.floats(1, 60))
def test_one_offer_in_closed_form(price: float, demand: float, room: float) -> None:
    """Two quarters, one offer: what fits is bought if it costs less than not serving twice; 100 a unit unmet."""
    plan = solved(
        tiny(
            demand=demand,
            capex_musd_per_mw=grid("offer", ["a"], price),
            connection_mw=grid("site", ["hall"], room),
        )
    )
    bought = min(demand, room / 1.25)
    assert plan.objective_musd == pytest.approx(bought * price + 200.0 * (demand - bought), rel=1e-6)


def test_inputs_hold_no_nan() -> None:
    for name in bundled():
        inputs = plan_inputs(resolve(load_scenario(name), load_catalog()))
        for field in fields(PlanInputs):
            value = getattr(inputs, field.name)
            if isinstance(value, xr.DataArray) and value.dtype.kind == "f":
                assert not bool(np.isnan(value).any()), f"{name}: {field.name}"
        for row in (*inputs.rates, *inputs.ends):
            assert not bool(np.isnan(row.musd).any()), f"{name}: price on {row.on}"
