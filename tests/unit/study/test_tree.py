"""From scenario to tree: the default one, a declared one, what is late, refusals; and a shipped scenario's plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from gigawatt.catalog.load import Catalog, load_catalog
from gigawatt.core.errors import ScenarioError
from gigawatt.plan.extensive import extensive
from gigawatt.plan.flows import price_on
from gigawatt.plan.foresight import first_orders
from gigawatt.plan.recourse import Serial
from gigawatt.plan.tail import Tail
from gigawatt.study.change import PRICES
from gigawatt.study.outcomes import notes_of, prices_of
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import BUNDLED, Scenario, load_scenario
from gigawatt.study.tree import plan_tree, tree_of

as_planned = dict.fromkeys(PRICES, 1.0)


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
    assert prices_of(tree.branches[0].outcomes[0]) == as_planned | {"chips": 1.1, "buildings": 1.1}
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
        ([{"name": "a", "probability": 0.5}] * 2, "'power': two of its states are called 'a'"),
        ([{"name": "a", "probability": 1.0, "rent": 0.0}], "'a': rent is 0; a factor above 0 is right"),
    ):
        with pytest.raises(ValueError, match=sentence):
            case_of(catalog, "neocloud", uncertainty={"factors": [{"name": "power", "states": states}]})
    factor = {"name": "power", "states": [{"name": "a", "probability": 1.0}]}
    with pytest.raises(ValueError, match="two factors are called 'power'; give each its own name"):
        case_of(catalog, "neocloud", uncertainty={"factors": [factor, factor]})


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
    """Today's order stays possible in every case, costs no less than the plan, and the order of laws holds."""
    case = case_of(catalog, "neocloud")
    results = plan_tree(
        case, branches=["2028Q1"], executor=Serial(), gap=1e-4, regret_gap=1e-4, regret_limit_s=20.0
    )  # fmt: skip
    found, ws = results.found, results.foresight_musd
    assert ws is not None and results.mean is not None and results.of_central is not None
    assert len(results.regrets) == 4
    for row in (*results.regrets, results.mean, results.of_central):
        least, most = results.more_musd(row)
        assert 0.0 <= least <= most < 1e6
        assert ws * (1 - 1e-7) <= found.lower <= found.upper <= row.upper * (1 + 1e-4)
        assert row.lower <= row.upper * (1 + 1e-7) and row.plain <= row.upper * (1 + 1e-7)
    # orders made for one case are not the best for all: some cost clearly more, and those of foresight cost less there
    assert max(results.more_musd(row)[0] for row in results.regrets) > 1e-3 * found.upper
    assert ws == pytest.approx(
        sum(leaf.probability * row.order_musd for leaf, row in zip(results.whole.leaves, results.regrets, strict=True))
    )
    # the plan for the mean case costs less in it than the tree does: what is unknown costs something
    assert results.mean.order_musd < found.lower


def test_prices_of_the_default_tree(catalog: Catalog) -> None:
    tree = tree_of(case_of(catalog, "neocloud"))
    outcomes = {outcome.name: outcome for outcome in tree.branches[0].outcomes}
    assert len(outcomes) == 4 and len(tree.leaves()) == 16
    assert prices_of(outcomes["high demand, late"]) == as_planned | {"rents": 1.2, "chips": 1.1, "energy": 1.15}
    assert prices_of(outcomes["low demand, on time"]) == as_planned | {"rents": 0.8, "chips": 0.9, "energy": 0.9}
    for kind in ("rents", "chips", "energy"):  # nothing is dearer or cheaper on average
        assert sum(o.probability * prices_of(o)[kind] for o in outcomes.values()) == pytest.approx(1.0)  # type: ignore[index]
    d, leaf = tree.inputs, tree.leaves()[0].inputs  # high demand, on time, twice
    before, after, last = "2027Q4", "2028Q1", "2029Q4"
    assert tree.branches[1].quarter == "2029Q1"
    for rows, on in (("rates", "add"), ("ends", "kept")):
        here, there = (price_on(getattr(x, rows), on).sel(offer="own-b200") for x in (d, leaf))  # type: ignore[union-attr]
        for quarter, factor in zip((before, after, last), (1.0, 1.1, 1.21), strict=True):
            assert float(there.sel(quarter=quarter)) == pytest.approx(float(here.sel(quarter=quarter)) * factor)
    run = leaf.run_musd_per_mw.sel(quarter=last) / d.run_musd_per_mw
    assert run.values == pytest.approx(0.81)  # energy, on time twice: 0.9 x 0.9


def test_rents_move_for_what_is_signed_from_the_branch_on(catalog: Catalog) -> None:
    """1.30 USD a package and hour for 12 quarters: what was signed before the branch keeps it, the market does not."""
    said = {"branches": ["2028Q1"], "factors": [{"name": "rents", "states": [
        {"name": "up", "probability": 0.5, "rent": 1.2}, {"name": "as-is", "probability": 0.5}]}]}  # fmt: skip
    tree = tree_of(case_of(catalog, "neocloud", uncertainty=said))
    up, same = (leaf.inputs for leaf in tree.leaves())
    offer = {"offer": "rent-h100"}
    rent = 1.30 * float(tree.inputs.packages_per_mw.sel(offer)) * 2190 / 1e6  # 8760 / 4 hours a quarter
    dear, held, signed = (price_on(up.rates, "stock"), price_on(same.rates, "stock"), price_on(up.rates, "signed"))
    assert dear is not None and held is not None and signed is not None
    more = (dear - held).sel(offer)
    assert more.sel(quarter="2027Q4") == pytest.approx(0.0) and more.sel(quarter="2028Q1") == pytest.approx(0.2 * rent)
    over = signed.sel(offer)
    assert float(over.sel(signed="2027Q2", quarter="2028Q3")) == pytest.approx(-0.2 * rent)
    assert float(over.sel(signed="2028Q2", quarter="2028Q3")) == pytest.approx(0.0)
    assert (dear - held).sel(offer="own-b200").values == pytest.approx(0.0)


def test_token_prices_move_income_and_what_is_lost(catalog: Catalog) -> None:
    said = {"branches": ["2028Q1"], "factors": [{"name": "tokens", "states": [
        {"name": "down", "probability": 0.5, "token_price": 0.5}, {"name": "as-is", "probability": 0.5}]}]}  # fmt: skip
    case = case_of(catalog, "neocloud", uncertainty=said)
    tree = tree_of(case)
    down = tree.leaves()[0].inputs
    for name in ("income_musd", "unmet_musd", "delay_musd"):
        ratio = getattr(down, name) / getattr(tree.inputs, name)
        assert (ratio.sel(quarter="2027Q4") == 1.0).all() and ratio.sel(quarter="2028Q1").values == pytest.approx(0.5)
    assert notes_of(case, tree) == ()
    other = case_of(catalog, "renegotiated", uncertainty=said)
    assert "token prices move nothing: no class of this scenario is sold" in notes_of(other, tree_of(other))[0]


def test_what_the_default_says_where_nothing_is_built(catalog: Catalog) -> None:
    """Every default case that is called late is late in something, or says that it is not."""
    for name in sorted(path.stem for path in BUNDLED.glob("*.yaml")):
        case = case_of(catalog, name)
        tree = tree_of(case)
        late = next(outcome for outcome in tree.branches[0].outcomes if outcome.name.endswith("late"))
        assert late.late_offer is not None
        assert late.late_offer.any() or any("late" in note for note in notes_of(case, tree)), name
    case = case_of(catalog, "regions")
    assert (
        "no building is still to be energised in 2027Q3: 'late' is of systems alone" in notes_of(case, tree_of(case))[0]
    )


def test_what_is_rented_by_the_quarter_is_not_ordered_ahead(catalog: Catalog) -> None:
    raw = yaml.safe_load((BUNDLED / "neocloud.yaml").read_text(encoding="utf-8"))
    lead = dict(zip([o.id for o in case_of(catalog, "neocloud").offers],
                    tree_of(case_of(catalog, "neocloud")).lead["add"].tolist(), strict=True))  # fmt: skip
    assert lead["rent-h100"] == 2 and lead["own-b200"] == 1  # a term of three years is ordered; 3 months are said
    offers = [{k: v for k, v in row.items() if row["id"] != "rent-h100" or k != "term"} for row in raw["offers"]]
    case = case_of(catalog, "neocloud", offers=offers, uncertainty={"order_lead": "9 months"})
    lead = dict(zip([o.id for o in case.offers], tree_of(case).lead["add"].tolist(), strict=True))
    assert lead["rent-h100"] == 0


def test_a_state_of_no_chance_is_left_out_and_said(catalog: Catalog) -> None:
    states = [
        {"name": "war", "probability": 0.0, "rent": 9.0}, {"name": "as-is", "probability": 0.75},
        {"name": "dear", "probability": 0.25, "energy_price": 2.0},
    ]  # fmt: skip
    case = case_of(catalog, "neocloud", uncertainty={"factors": [{"name": "world", "states": states}]})
    tree = tree_of(case)
    assert [outcome.name for outcome in tree.branches[0].outcomes] == ["as-is", "dear"]
    assert notes_of(case, tree) == ("'war' of 'world' has probability 0 and is left out",)


def test_one_problem_that_stops_leaves_the_plan_of_the_parts(catalog: Catalog) -> None:
    case = case_of(catalog, "neocloud", horizon={"start": "2027Q1", "quarters": 6})
    results = plan_tree(case, as_one=True, worth=False, time_limit_s=1e-3, executor=Serial())
    assert results.found.lower <= results.found.upper < np.inf and results.violation() < 1e-5
    assert "has no plan after 0 s" in results.notes[0] and "plan and bound are those of the search" in results.notes[0]


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
            if variable.column.decided != "order":
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
