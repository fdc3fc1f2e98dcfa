"""Spares as a scenario writes them."""

from __future__ import annotations

from typing import Any

import pytest

from gigawatt.core.errors import ScenarioError
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.run import run
from gigawatt.study.scenario import Scenario
from tests.cases.written import case_of, raw_starter


def spared(spares: dict[str, Any], site: dict[str, Any] | None = None, **policy: Any) -> Scenario:
    raw = raw_starter()
    raw["policy"] = policy | {"spares": spares}
    raw["sites"][0] |= site or {}
    return Scenario.model_validate(raw)


def test_systems_and_halls_stand_by_in_every_pool() -> None:
    d = plan_inputs(case_of(spared({"units": 2, "of": "system"}, reserve="5 %")))
    assert d.spares_mw is not None and d.reserve_frac == 0.05
    power = {o.pool: o.system.it_power.value / 1e6 for o in case_of(spared({"units": 2})).offers if o.system.it_power}
    assert {str(pool): float(d.spares_mw.sel(pool=pool)) for pool in d.spares_mw["pool"].values} == pytest.approx(
        {pool: 2 * mw for pool, mw in power.items()}
    )
    halls = plan_inputs(case_of(spared({"units": 1, "of": "hall"}, {"hall": "1 MW"}))).spares_mw
    assert halls is not None
    assert float(halls.sel(pool="us-south|hgx-b200")) == pytest.approx(1 / 1.25)  # of IT
    cost = [run(spared({"units": n})).summary["objective_usd"] for n in (1, 4)]
    assert cost[0] < cost[1]


@pytest.mark.parametrize(
    ("spares", "policy", "words"),
    [
        ({"spare": 1}, {}, r"spares for running ones need both, for example \{spare: 1, running: 19\}"),
        ({}, {}, r"spares stand by as a share, \{spare: 1, running: 19\}, or as units"),
        ({"spare": 1, "running": 19, "units": 1}, {}, "or as units"),
        ({"spare": 1, "running": 19}, {"reserve": "10 %"},
         "policy: 1 spare for 19 running keeps 5 % free, the reserve 10 %; write one of them, or spares as units"),
        ({"spare": 1, "running": 19}, {"reserve": "5 %"}, "reserve and spares say the same twice"),
        ({"units": 1, "of": "hall"}, {}, "a hall stands by, but 'hall' does not say how large its halls are"),
        ({"units": 900}, {}, "policy.spares: 900 x system are .* of IT, all that hall can ever hold of hgx-"),
    ],
)  # fmt: skip
def test_spares_that_contradict_get_a_sentence(spares: dict[str, Any], policy: dict[str, Any], words: str) -> None:
    with pytest.raises((ScenarioError, ValueError), match=words):
        plan_inputs(case_of(spared(spares, **policy)))
