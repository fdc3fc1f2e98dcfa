"""From scenario to tree: the default one, a declared one, what is late, refusals; and a shipped scenario's plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from gigawatt.catalog.load import Catalog, load_catalog
from gigawatt.core.errors import ScenarioError
from gigawatt.plan.extensive import extensive
from gigawatt.plan.foresight import first_orders
from gigawatt.plan.recourse import Serial
from gigawatt.plan.tail import Tail
from gigawatt.plan.tree import ORDERED_AS, ORDERS
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import BUNDLED, Scenario, load_scenario
from gigawatt.study.tree import plan_tree, tree_of


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def case_of(catalog: Catalog, name: str, **changes: Any) -> Case:
    raw = yaml.safe_load((BUNDLED / f"{name}.yaml").read_text(encoding="utf-8"))
    return resolve(Scenario.model_validate(raw | changes), catalog)


def test_the_default_tree_reads_ranges_and_events(catalog: Catalog) -> None:
    case = case_of(catalog, "renegotiated")
    tree = tree_of(case)
    assert [branch.quarter for branch in tree.branches] == ["2027Q1", "2028Q1"]
    leaves = tree.leaves()
    assert len(leaves) == 16
    assert sum(leaf.probability for leaf in leaves) == pytest.approx(1.0)
    high, late, low = leaves[0], leaves[5], leaves[10]
    central = tree.inputs.demand
    # before the first branch nothing differs
    assert (high.inputs.demand.sel(quarter="2026Q4") == central.sel(quarter="2026Q4")).all()
    # 2.2 billion users at the end of 2030, 3.2 at most: each of two branches takes 1 / (1.645 sqrt 2) of the way
    chat = {"workload": "chat", "block": "day", "quarter": "2030Q4"}
    factor = float(high.inputs.demand.sel(chat) / central.sel(chat))
    assert factor == pytest.approx((3.2 / 2.2) ** (2 / (1.645 * np.sqrt(2))), rel=1e-6)
    assert float(low.inputs.demand.sel(chat) / central.sel(chat)) < 1.0
    # a building that is late at both branches opens a year late; due dates it was to meet move with it
    there, here = late.inputs.connection_mw.sel(site="saline"), tree.inputs.connection_mw.sel(site="saline")
    assert float(there.sel(quarter="2028Q4")) == float(here.sel(quarter="2027Q4"))
    assert float(late.inputs.commitment_mw.sel(commitment="nvidia-5gw").sum()) < float(
        tree.inputs.commitment_mw.sel(commitment="nvidia-5gw").sum()
    )
    assert set(late.name.split(" > ")) == {"high demand, late"}


def test_a_declared_tree(catalog: Catalog) -> None:
    said = {
        "branches": ["2027Q3"], "order_lead": "9 months",
        "factors": [
            {"name": "agents", "states": [
                {"name": "boom", "probability": 0.2, "scale_demand": {"chat": 3.0}, "price": 1.1},
                {"name": "calm", "probability": 0.8},
            ]},
            {"name": "power", "states": [
                {"name": "on-time", "probability": 0.7},
                {"name": "late", "probability": 0.3, "late": "1 yr", "late_sites": ["milam"]},
            ]},
        ],
    }  # fmt: skip
    case = case_of(catalog, "renegotiated", uncertainty=said)
    tree = tree_of(case)
    names = [outcome.name for outcome in tree.branches[0].outcomes]
    assert names == ["boom, on-time", "boom, late", "calm, on-time", "calm, late"]
    assert [leaf.probability for leaf in tree.leaves()] == pytest.approx([0.14, 0.06, 0.56, 0.24])
    assert set(tree.lead["add"].tolist()) == {3}
    boom, late = tree.leaves()[0].inputs, tree.leaves()[3].inputs
    ratio = boom.demand.sel(workload="chat", block="day") / tree.inputs.demand.sel(workload="chat", block="day")
    assert ratio.values[:6] == pytest.approx(1.0) and ratio.values[6:] == pytest.approx(3.0)
    assert (late.demand == tree.inputs.demand).all()
    at_milam = [i for i, site in enumerate(tree.inputs.offer_site.values) if site == "milam"]
    assert tree.branches[0].outcomes[3].late_offer is not None
    assert set(tree.branches[0].outcomes[3].late_offer[at_milam].tolist()) == {4}
    assert [branch.quarter for branch in tree_of(case, ["2026Q3", "2028Q1"]).branches] == ["2026Q3", "2028Q1"]


def test_refusals(catalog: Catalog) -> None:
    case = case_of(catalog, "neocloud")
    with pytest.raises(ScenarioError, match="'1999Q1' is no quarter of the horizon"):
        tree_of(case, ["1999Q1"])
    states = [{"name": "late", "probability": 1.0, "late": "6 months", "late_sites": ["atlantis"]}]
    wrong = {"factors": [{"name": "power", "states": states}]}
    with pytest.raises(ScenarioError, match="'late' names 'atlantis' in late_sites; this scenario has"):
        tree_of(case_of(catalog, "neocloud", uncertainty=wrong))
    for states, sentence in (
        ([{"name": "a", "probability": 0.5}], "'power': the probabilities of its states add up to 0.5, not 1"),
        ([{"name": "a", "probability": 1.0, "late": "6 months"}], "'a' needs both: late"),
    ):
        with pytest.raises(ValueError, match=sentence):
            case_of(catalog, "neocloud", uncertainty={"factors": [{"name": "power", "states": states}]})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quarters"), [("neocloud", 9), ("renegotiated", 5)])
def test_the_decomposition_is_the_tree_as_one_problem(catalog: Catalog, name: str, quarters: int) -> None:
    start = yaml.safe_load((BUNDLED / f"{name}.yaml").read_text(encoding="utf-8"))["horizon"]["start"]
    case = case_of(catalog, name, horizon={"start": start, "quarters": quarters})
    tail = Tail(level=0.75, weight=0.25)
    parts = plan_tree(case, tail=tail, gap=5e-4, executor=Serial(), regret_limit_s=0.0)
    one = plan_tree(case, tail=tail, as_one=True, worth=False)
    assert parts.found.ended == "gap"
    assert parts.found.lower <= one.found.upper * (1 + 1e-7)
    assert parts.found.upper == pytest.approx(one.found.upper, rel=1e-3)
    assert parts.violation() < 1e-5 and one.violation() < 1e-5
    assert parts.foresight_musd is not None and parts.mean is not None
    assert parts.foresight_musd <= one.found.upper * (1 + 1e-7) <= parts.mean.upper * (1 + 2e-7)


def test_regret_is_never_less_than_nothing(catalog: Catalog) -> None:
    case = case_of(catalog, "neocloud")
    results = plan_tree(case, branches=[case.labels[3]], executor=Serial(), gap=1e-4, regret_limit_s=5.0)
    assert len(results.regrets) == 4
    assert all(row.upper >= results.found.lower * (1 - 1e-7) for row in results.regrets)


@pytest.mark.parametrize("name", sorted(path.stem for path in BUNDLED.glob("*.yaml")))
def test_the_tree_of_every_shipped_scenario_builds(catalog: Catalog, name: str) -> None:
    """Every decision of every leaf is a column of the tree, but for orders that lateness leaves no room."""
    case = case_of(catalog, name)
    start, quarters = case.scenario.horizon.start, min(5, len(case.quarters))
    whole = extensive(tree_of(case_of(catalog, name, horizon={"start": start, "quarters": quarters})))
    seen = np.zeros(whole.n_named, dtype=bool)
    for model, columns in zip(whole.models, whole.columns, strict=True):
        assert columns.size == model.n_columns and columns.max() < whole.n_named
        for variable in model.variables.values():
            if ORDERED_AS.get(variable.name, variable.name) not in ORDERS:
                assert (columns[variable.columns[variable.columns >= 0]] >= 0).all()
        seen[columns[columns >= 0]] = True
    assert seen.all()
    for part in first_orders(whole):
        assert (whole.stage[part.column] == 0).all()


@pytest.mark.parametrize("name", ["regions", "value-of-speed"])
def test_what_tiers_and_regions_take_moves_with_demand(name: str) -> None:
    tree = tree_of(resolve(load_scenario(name), load_catalog()))
    leaf, d = tree.leaves()[0], tree.inputs
    assert d.service is not None and d.service.shares is not None
    assert leaf.inputs.service is not None and leaf.inputs.service.shares is not None
    here, there = d.service.shares, leaf.inputs.service.shares
    classes = d.lane_workload.values[here.member.values.argmax(axis=1)]
    last = d.quarters[-1]
    by_class = (leaf.inputs.demand / d.demand).sel(quarter=last).max("block")
    moved = (there.most / here.most).sel(quarter=last).max("block").values
    assert moved == pytest.approx([float(by_class.sel(workload=row)) for row in classes])
    assert moved.max() > 1.1
