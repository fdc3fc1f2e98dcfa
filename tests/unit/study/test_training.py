"""Training blocks as a scenario writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gigawatt.core.errors import ScenarioError
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case
from gigawatt.study.run import run
from gigawatt.study.scenario import Scenario
from tests.cases.written import case_of, raw_starter

QUARTER_S = 7_884_000.0


def training(**keys: Any) -> Scenario:
    """The starter with a block of training from 2027Q1 to 2027Q4, when its hall grows from 2 MW to 5 MW."""
    raw = raw_starter()
    job = {"name": "tune", "workload": "training-frontier", "amount": "1.2e25 FLOP", "start": "2027Q1",
           "deadline": "2027Q4"} | keys  # fmt: skip
    raw["demand"]["training"] = [job]
    return Scenario.model_validate(raw)


def tune(case: Case) -> Any:
    return plan_inputs(case).demand.sel(workload="tune").isel(block=0).values * 1e18


def test_a_free_block_asks_as_early_as_its_most_allows() -> None:
    even = 1.2e25 / (4 * QUARTER_S)
    assert tune(case_of(training())).tolist() == pytest.approx([even] * 4 + [0.0] * 4)
    # at 1.5 times the even rate: 1.5 and 1.5 of 4, then what is left of it
    case = case_of(training(spread="free", most=f"{1.5 * even} FLOP/s"))
    assert tune(case).tolist() == pytest.approx([1.5 * even, 1.5 * even, even, 0.0] + [0.0] * 4, abs=1.0)
    pace = plan_inputs(case).pace
    assert pace is not None
    assert pace.most.values[0].tolist() == pytest.approx([1.5 * even / 1e18] * 4 + [0.0] * 4)
    assert pace.carry.values[0].tolist() == [np.inf] * 3 + [0.0] * 5


def test_a_gang_is_the_most_of_a_free_block() -> None:
    case = case_of(training(spread="free", gang="1 MW"))
    fastest = max(point.effective_flops / point.it_power_w for point in case.training.values() if point.is_served)
    pace = plan_inputs(case).pace
    assert pace is not None
    assert float(pace.most[0, 0]) == pytest.approx(1e6 * fastest / 1e18)


def test_a_free_block_waits_for_the_hall() -> None:
    """B200 come in 2027Q3 at the first: what is due evenly before is partly lost, and done later where it is free."""
    amount, most = "2e24 FLOP", f"{2e24 / (2 * QUARTER_S)} FLOP/s"
    even, free = run(training(amount=amount)), run(training(amount=amount, spread="free", most=most))
    lost = {name: next(r for r in one.summary["demand"] if r["workload"] == "tune") for name, one in
            (("even", even), ("free", free))}  # fmt: skip
    assert lost["free"]["asked"] == pytest.approx(lost["even"]["asked"]) == pytest.approx(2e24)
    assert lost["free"]["not_served"] <= lost["even"]["not_served"] + 1e18
    assert free.summary["objective_usd"] < even.summary["objective_usd"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"spread": "free", "most": "1e17 FLOP/s"},
         r"'tune' needs 1.2e\+25 FLOP by its deadline, but its most of 1e17 FLOP/s does 3.15e\+24 FLOP in its window"),
        ({"spread": "free", "gang": "1 kW"}, "but its gang of 1 kW does"),
        ({"most": "1e18 FLOP/s"}, "'tune' runs evenly and needs no most; drop it, or write spread: free"),
        ({"amount": None, "start": None, "deadline": None, "rate": [{"quarter": "2027Q1", "value": "1e18 FLOP/s"}],
          "spread": "free"}, "'tune' is a rate, which has no deadline to spread work to; drop spread: free"),
    ],
)  # fmt: skip
def test_what_cannot_be_spread_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises((ScenarioError, ValueError), match=words):
        plan_inputs(case_of(training(**keys)))
