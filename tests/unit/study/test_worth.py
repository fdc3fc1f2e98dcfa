"""What a month of a date is worth, by hand: the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.calendar import parse_quarter
from gigawatt.plan.inputs import PlanInputs
from gigawatt.study import resolve as study
from gigawatt.study import worth as module
from gigawatt.study.worth import worth
from tests.cases.tiny import by, grid, tiny
from tests.unit.study.test_change import case_of

FOUR = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")
START = parse_quarter("2027Q1")


@dataclass(frozen=True)
class Case:
    """What ``worth`` reads of a case beside its inputs."""

    offers: tuple[Any, ...] = ()
    software: tuple[Any, ...] = ()
    made: tuple[Any, ...] = ()
    quarters: tuple[int, ...] = tuple(range(START, START + 4))
    labels: tuple[str, ...] = FOUR


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-4)


def test_a_quarter_of_a_system_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # 10 Mwork/s are asked for and unmet cost 100 a quarter; the only system comes in the second. A quarter sooner saves
    # 10 x 100 = 1,000 MUSD, a quarter later costs as much; what is bought costs the same whenever it is: 333.3 a month
    def inputs(case: Case) -> PlanInputs:
        open_to = np.arange(4) >= 1 + sum(change.quarters for change in case.made)
        return tiny(quarters=FOUR, add_max_mw=grid("offer", ["a"], [np.where(open_to, np.inf, 0.0)], FOUR))

    monkeypatch.setattr(module, "plan_inputs", inputs)
    monkeypatch.setattr(module, "apply", lambda case, changes: replace(case, made=tuple(changes)))
    offer = SimpleNamespace(
        id="a", offer=SimpleNamespace(available=SimpleNamespace(value=START + 1)),
        system=SimpleNamespace(id="system-a", first_available=None),
    )  # fmt: skip
    (row,) = worth(Case(offers=(offer,)))  # type: ignore[arg-type]
    assert (row.kind, row.id, row.quarter) == ("system", "system-a", "2027Q2")
    assert row.earlier_usd_per_month == near(1e9 / 3)
    assert row.later_usd_per_month == near(1e9 / 3)


def test_a_quarter_of_software_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # a MW costs 1 a quarter to hold and may go after one; from the third quarter on it does twice the work. 10, 10, 5, 5
    # MW stand. A quarter sooner 10, 5, 5, 5: 5 MUSD less; a quarter later 5 more. At a multiplier of 1.25 10 / 1.25 = 8
    # stand in two quarters: 6 more; at 2.5 4: 2 less
    entry = load_catalog().software("kernels-2027")
    step = entry.model_copy(update={
        "available": replace(entry.available, value=START + 2),
        "multiplier": replace(entry.multiplier, value=2.0, low=1.25, high=2.5),
    })  # fmt: skip

    def inputs(case: study.Case) -> PlanInputs:
        (now,) = case.software
        rates = [1.0 if quarter < now.available.value else now.multiplier.value for quarter in case.quarters]
        return tiny(
            quarters=FOUR, rate=grid("lane", ["pool-a>work"], [rates], FOUR),
            hold_musd_per_mw=grid("offer", ["a"], 1.0, FOUR), term_quarters=by("offer", ["a"], [1]).astype(int),
        )  # fmt: skip

    monkeypatch.setattr(module, "plan_inputs", inputs)
    (row,) = worth(replace(case_of(horizon={"start": "2027Q1", "quarters": 4}), software=(step,)))
    assert (row.id, row.quarter, row.multiplier) == ("kernels-2027", "2027Q3", (1.25, 2.0, 2.5))
    assert row.earlier_usd_per_month == near(5e6 / 3)
    assert row.later_usd_per_month == near(5e6 / 3)
    assert (row.low_usd, row.high_usd) == (near(6e6), near(-2e6))
