"""One change has one meaning: by event, by leaf of a tree and by ``apply`` the same inputs, and so the same cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

from gigawatt.catalog.load import Catalog, load_catalog
from gigawatt.core.calendar import str_quarter
from gigawatt.plan.alternatives import divisible, left_out
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.session import PlanSession
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.change import PRICES, Demand, Late, Price, Priced, Without, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.outcomes import tree_of
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import Event, Scenario, bundled, load_scenario
from gigawatt.study.uncertainty import Uncertainty
from tests.cases.scenarios import planned
from tests.laws.test_book_laws import assert_one_money

QUICK = ("starter", "neocloud", "open-tokens")
EVERY = [*QUICK, *(pytest.param(name, marks=pytest.mark.heavy) for name in bundled() if name not in QUICK)]
LATE = 2
STATES: dict[Priced, str] = {"chips": "chip_price", "rents": "rent", "energy": "energy_price", "tokens": "token_price"}


@cache
def catalog() -> Catalog:
    return load_catalog()


@cache
def written(name: str) -> Case:
    return resolve(load_scenario(name), catalog())


def arrays(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, xr.DataArray):
        yield path, (value.dims, {str(dim): list(value[dim].values) for dim in value.coords}, value.values)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from arrays(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple):
        for index, row in enumerate(value):
            yield from arrays(row, f"{path}[{index}]")
    else:
        yield path, value


def same(one: PlanInputs, other: PlanInputs) -> bool:
    rows, others = dict(arrays(one)), dict(arrays(other))
    assert rows.keys() == others.keys()
    for path, row in rows.items():
        if not isinstance(row, tuple):
            assert row == others[path] or (row != row and others[path] != others[path]), path
        else:
            assert row[:2] == others[path][:2], path
            if row[2].dtype.kind in "fi":
                assert np.allclose(row[2], others[path][2], rtol=1e-12, atol=0.0, equal_nan=True), path
            else:
                assert (row[2] == others[path][2]).all(), path
    return True


def by_event(scenario: Scenario, **said: Any) -> PlanInputs:
    """Inputs with an event more, and switched on."""
    event = Event.model_validate({"id": "x", "title": "x", "on": True} | said)
    return plan_inputs(resolve(scenario.model_copy(update={"events": (*scenario.events, event)}), catalog()))


def by_leaf(scenario: Scenario, quarter: str, **said: Any) -> PlanInputs:
    """Inputs of a tree's one case: what it says is certain, and learned in a quarter."""
    state = {"name": "x", "probability": 1.0} | said
    raw = {"branches": [quarter], "factors": [{"name": "x", "states": [state]}]}
    case = resolve(scenario.model_copy(update={"uncertainty": Uncertainty.model_validate(raw)}), catalog())
    (leaf,) = tree_of(case).leaves()
    return leaf.inputs


def by_change(case: Case, changes: Sequence[Any]) -> PlanInputs:
    return plan_inputs(apply(case, changes))


@pytest.mark.parametrize("name", EVERY)
def test_late_buildings(name: str) -> None:
    case, scenario = written(name), load_scenario(name)
    first = case.quarters[0]
    for site in case.sites:
        late = by_change(case, [Late(kind="site", id=site.id, quarters=LATE, start=first + 1)])
        assert same(late, by_event(scenario, delay_sites=[site.id], delay="6 months"))
        assert same(late, by_leaf(scenario, str_quarter(first + 1), late_sites=[site.id], late="6 months"))


@pytest.mark.parametrize("name", EVERY)
def test_late_commitments(name: str) -> None:
    case, scenario = written(name), load_scenario(name)
    branch = case.quarters[3]
    for row in scenario.commitments:
        whole = Late(kind="commitment", id=row.id, quarters=LATE)
        assert same(by_change(case, [whole]), by_event(scenario, delay_commitments=[row.id], delay="6 months"))
        later = by_change(case, [Late(kind="commitment", id=row.id, quarters=LATE, start=branch)])
        assert same(later, by_leaf(scenario, str_quarter(branch), late_commitments=[row.id], late="6 months"))


@pytest.mark.parametrize("name", EVERY)
def test_late_systems(name: str) -> None:
    case, scenario = written(name), load_scenario(name)
    branch = case.quarters[2]
    for system in sorted({offer.system.id for offer in case.offers}):
        late = by_change(case, [Late(kind="system", id=system, quarters=LATE, start=branch)])
        assert same(late, by_leaf(scenario, str_quarter(branch), late_systems=[system], late="6 months"))
        offers = [offer.id for offer in case.offers if offer.system.id == system]
        each = [Late(kind="offer", id=offer, quarters=LATE, start=branch) for offer in offers]
        assert same(late, by_change(case, each))


@pytest.mark.parametrize("name", EVERY)
def test_demand(name: str) -> None:
    case, scenario = written(name), load_scenario(name)
    start = case.quarters[2]
    for row in case.classes:
        more = by_change(case, [Demand(id=row.id, path=(1.25,), start=start)])
        assert same(more, by_event(scenario, scale_demand={row.id: 1.25}, start=str_quarter(start)))
        assert same(more, by_leaf(scenario, str_quarter(start), scale_demand={row.id: 1.25}))


@pytest.mark.parametrize("name", EVERY)
def test_prices(name: str) -> None:
    case, scenario = written(name), load_scenario(name)
    start = case.quarters[2]
    for of, key in STATES.items():
        dear = by_change(case, [Price(of=of, path=(1.25,), start=start)])
        assert same(dear, by_leaf(scenario, str_quarter(start), **{key: 1.25}))
    both = [Price(of=of, path=(1.25,), start=start) for of in ("chips", "buildings")]
    assert same(by_change(case, both), by_leaf(scenario, str_quarter(start), price=1.25))


@pytest.mark.parametrize("name", ["starter", "open-tokens"])
def test_the_same_change_costs_the_same(name: str) -> None:
    case, scenario = written(name), load_scenario(name)
    start = case.quarters[1]
    site = next(site.id for site in case.sites if site.use.tenure != "provider")
    event = solve(open_plan(by_event(scenario, delay_sites=[site], delay="6 months"))).objective_musd
    leaf = by_leaf(scenario, str_quarter(start), late_sites=[site], late="6 months")
    assert solve(open_plan(leaf)).objective_musd == pytest.approx(event, rel=1e-9)


@pytest.mark.parametrize("name", EVERY[:2])
def test_a_plan_without_something_is_the_plan_of_the_case_without_it(name: str) -> None:
    case = written(name)
    session = PlanSession(divisible(plan_inputs(case)))
    rows = {row.name: row for row in left_out(session, {"system": session.inputs.offer_system})}
    best = session.live.objective_musd
    for system, row in rows.items():
        without = divisible(by_change(case, [Without(kind="system", id=system)]))
        assert row.extra_musd is not None
        assert solve(open_plan(without)).objective_musd - best == pytest.approx(row.extra_musd, abs=1e-6 * abs(best))


def moved(case: Case) -> Case:
    """The case with every price and every demand moved from its third quarter on, and every building late."""
    start = case.quarters[2]
    prices = [Price(of=of, path=(1.2, 0.9), start=start) for of in PRICES]
    demand = [Demand(id=row.id, path=(1.1,), start=start) for row in case.classes]
    return apply(
        case, [*prices, *demand, *(Late(kind="site", id=site.id, quarters=1, start=start) for site in case.sites)]
    )


@pytest.mark.parametrize("name", EVERY)
def test_books_of_a_changed_case_are_its_plans(name: str) -> None:
    case = moved(written(name))
    assert_one_money(case, solve(open_plan(plan_inputs(case))))


@pytest.mark.parametrize(
    "seed", [4, 10, pytest.param(65, marks=pytest.mark.heavy), pytest.param(71, marks=pytest.mark.heavy)]
)
def test_books_of_random_changed_cases_are_their_plans(seed: int) -> None:
    found = planned(seed)
    assert found is not None
    case = moved(found[0])
    assert_one_money(case, solve(open_plan(plan_inputs(case))))
