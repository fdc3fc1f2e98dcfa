"""Trees small enough to solve by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import Extensive
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.recourse import Executor
from gigawatt.plan.tail import Tail
from gigawatt.plan.tree import Branch, Tree
from tests.cases.tiny import by, grid, tiny
from tests.cases.turns import mean, over, turn

FOUR = ("2027Q1", "2027Q2", "2027Q3", "2027Q4")


TWO = ["a", "b"]


def near(value: float, tolerance: float = 1e-6) -> object:
    return pytest.approx(value, rel=tolerance, abs=tolerance)


def tree(inputs: PlanInputs, *branches: Branch, lead: int = 0) -> Tree:
    leads = {"add": np.full(inputs.initial_mw.size, lead), "energise": np.full(len(inputs.sites), lead)}
    return Tree(inputs=inputs, branches=branches, lead=leads, at=over(inputs), mean=mean)


def demands(quarter: str, *rows: tuple[float, float]) -> Branch:
    return Branch(quarter=quarter, outcomes=tuple(turn(f"x{f:g}", p, f) for p, f in rows))


@contextmanager
def opened(
    whole: Extensive, tail: Tail | None = None, executor: Executor | None = None, cuts: Sequence[int] = ()
) -> Iterator[Decomposition]:
    with Decomposition(whole, tail=tail, executor=executor, cuts=cuts) as search:
        yield search


def newsvendor(price: float, penalty: float, rows: list[tuple[float, float]], lead: int = 1) -> Tree:
    """One MW serves one unit; bought at ``price`` before demand is known, and what is missing costs ``penalty``."""
    inputs = tiny(
        demand=[[[0.0, 1.0]]], capex_musd_per_mw=grid("offer", ["a"], price),
        unmet_musd=grid("workload", ["work"], penalty), opening_cash_musd=1e9,
    )  # fmt: skip
    return tree(inputs, demands("2027Q2", *rows), lead=lead)


def three_stages(lead: int = 1, late: int = 0) -> Tree:
    """Two offers, growing demand, rented b for a quarter at a time; two branches, the second also of lateness."""
    inputs = tiny(
        offers=TWO, quarters=FOUR, demand=[[[4.0, 6.0, 9.0, 12.0]]],
        capex_musd_per_mw=grid("offer", TWO, [[5.0] * 4, [0.0] * 4], FOUR),
        hold_musd_per_mw=grid("offer", TWO, [[0.1] * 4, [2.2] * 4], FOUR),
        term_quarters=by("offer", TWO, [20, 1]).astype(int), salvage_musd_per_mw=grid("offer", TWO, [[1.0], [0.0]], FOUR),
        unmet_musd=grid("workload", ["work"], 9.0, FOUR), opening_cash_musd=30.0,
        gap_musd=by("quarter", list(FOUR), [0.4, 0.3, 0.2, 0.1]),
    )  # fmt: skip
    on_time, behind = np.zeros(2, dtype=np.int64), np.full(2, late, dtype=np.int64)
    second = tuple(
        turn(f"x{f:g} {k.max()}", p, f, k)
        for f, p, k in ((1.5, 0.25, on_time), (0.5, 0.25, on_time), (1.5, 0.25, behind), (0.5, 0.25, behind))
    )
    return tree(inputs, demands("2027Q2", (0.4, 1.6), (0.6, 0.7)), Branch(quarter="2027Q3", outcomes=second), lead=lead)
