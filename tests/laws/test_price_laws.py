"""A price is a finite difference: a little more of a limit, planned again from nothing, saves what the price says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr

from gigawatt.catalog.load import load_catalog
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan, integer_columns
from gigawatt.plan.scarcity import prices, steps_of
from gigawatt.plan.session import PlanSession
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import bundled, load_scenario

SHARE = 4e-4
"""Part of its figure by which a limit is eased here; prices are taken with another."""
NOTHING_MUSD = 1e-3
QUICK = ("neocloud", "starter")


@dataclass(frozen=True)
class Solved:
    session: PlanSession
    plan: LivePlan
    found: xr.Dataset

    def again(self, inputs: PlanInputs | None = None, name: str = "", right: float = 0.0, **where: str) -> float:
        """Cost [MUSD] with other inputs, or another right-hand side, what is whole held as it is."""
        session = PlanSession(inputs or self.plan.inputs)
        whole = integer_columns(session.live.model)
        if whole.size:
            session.pin(whole, np.round(self.plan.primal[whole]))
        if name:
            session.set_right(name, right, **where)
        return float(session.solve(explain=False).objective_musd)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.heavy) for name in ("starter", *bundled())],
)
def solved(request: pytest.FixtureRequest) -> Solved:
    session = PlanSession(plan_inputs(resolve(load_scenario(request.param), load_catalog())))
    plan = session.solve()
    return Solved(session, plan, prices(plan))


def held(price: float, before: float, after: float, little: float) -> None:
    """The price is the difference, to a hundredth; of what is worth next to nothing, to a thousand dollars a unit."""
    assert price == pytest.approx((before - after) / little, rel=1e-2, abs=NOTHING_MUSD)


def test_a_mw_energised_until_the_next_step(solved: Solved) -> None:
    """Of every site the dearest step, and one that is worth nothing although a dual says it is."""
    d, before = solved.plan.inputs, solved.again()
    worth = solved.found["value_of_connection"].transpose("site", "quarter").fillna(-1.0).values
    duals = -solved.plan.dual("connection").transpose("site", "quarter").values
    for place, site in enumerate(d.sites):
        levels = d.connection_mw.sel(site=site).transpose("quarter").values
        steps = list(steps_of(levels, np.isfinite(levels)))
        if not steps:
            continue
        free = [run for run in steps if worth[place, run[0]] == 0.0 and duals[place, slice(*run)].sum() > 0.01]
        for first, last in [max(steps, key=lambda run: worth[place, run[0]]), *free[:1]]:
            little = SHARE * (levels[first] or levels.max())
            more = d.connection_mw.transpose("site", "quarter").copy(deep=True)
            more.values[place, first:last] += little
            held(worth[place, first], before, solved.again(replace(d, connection_mw=more)), little)


def test_a_package_delivered(solved: Solved) -> None:
    d = solved.plan.inputs
    if "value_of_package" not in solved.found:
        return
    before, worth = solved.again(), solved.found["value_of_package"].transpose("supply", "quarter")
    for place, row in enumerate(worth.values):
        if (quarter := int(row.argmax())) or row.max() > 0.0:
            more = d.supply_packages.transpose("supply", "quarter").copy(deep=True)
            little = SHARE * (more.values[place, quarter] or more.values[place].max())
            more.values[place, quarter] += little
            after = solved.again(replace(d, supply_packages=more))
            assert row[quarter] == pytest.approx((before - after) / little * 1e6, rel=1e-2)


def test_a_dollar(solved: Solved) -> None:
    d, worth = solved.plan.inputs, solved.found["value_of_money"]
    quarter = int(worth.values.argmax())
    little = max(0.01, SHARE * float(d.inflow_musd[quarter]))
    more = d.inflow_musd.copy(deep=True)
    more[quarter] += little
    price = float(worth[quarter])
    assert price == pytest.approx((solved.again() - solved.again(replace(d, inflow_musd=more))) / little, rel=1e-2,
                                  abs=1e-5)  # fmt: skip


def test_a_mw_that_works(solved: Solved) -> None:
    """A MW of a pool frees all but the reserve for work: the dearest pool and quarter, and one in the middle."""
    if "value_of_capacity" not in solved.found:
        return
    before, worth = solved.again(), solved.found["value_of_capacity"].transpose("pool", "quarter")
    order = np.argsort(worth.values, axis=None)
    for cell in (order[-1], order[(3 * order.size) // 4]):
        pool, quarter = np.unravel_index(cell, worth.shape)
        where = {"pool": str(worth["pool"].values[pool]), "quarter": str(worth["quarter"].values[quarter])}
        little = SHARE * max(1.0, float(solved.plan.value("busy").sel(where)))
        frees = little * (1.0 - solved.plan.inputs.reserve_frac)
        held(float(worth.values[pool, quarter]), before, solved.again(None, "capacity", frees, **where), little)
