"""How much of a fleet is simulated, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gigawatt.study.cells import Cells
from gigawatt.study.day import samples_of

Made = list[tuple[int, float]]


def cells(name: str = "chat", replicas: int = 16) -> Cells:
    """50 cells of 16 replicas at 2 requests a second each, 10 h a day; 100 s before and after do not count."""
    n = 50 * 16 // replicas
    return cast(
        Cells, SimpleNamespace(name=name, n=n, rate_per_s=100.0, cell_rate_per_s=100.0 / n, hours=10.0, warm_s=100.0)
    )


def sampled(requests: float, scale: float = 0.0, asked: list[int] | None = None) -> Made:
    def smaller(size: int) -> Sequence[Cells]:
        if asked is not None:
            asked.append(size)
        return [cells(replicas=size)]

    rows: Any = samples_of(smaller, [cells()], requests, scale)
    return [(one.n, one.horizon_s) for one in rows]


def test_one_cell_for_as_long_as_the_requests_last() -> None:
    # 2 a second over 100 + 4,800 + 100 s are 10,000
    assert sampled(10_000) == [(1, 4800.0)]


def test_more_cells_where_one_has_too_few() -> None:
    # one more second of all costs 2 requests: 999,000 spare are 499,500 s and 300; each cell takes 36,200 s: 13.8 cells
    assert sampled(1_000_000) == [(14, 36_000.0)]


def test_no_more_cells_than_there_are() -> None:
    assert sampled(1e9) == [(50, 36_000.0)]


def test_smaller_cells_where_five_minutes_of_one_are_too_many() -> None:
    # 16 replicas need 2 x 500 = 1,000 requests, 8 need 500, 4 need 250: within 300, and 50 / 0.5 = 100 s are spare
    asked: list[int] = []
    assert sampled(300, asked=asked) == [(1, pytest.approx(400.0))]
    assert asked == [8, 4]


def test_a_share_of_the_cells_over_the_whole_day() -> None:
    assert sampled(0, scale=0.1) == [(5, 36_000.0)]
    assert sampled(0, scale=1e-6) == [(1, 36_000.0)]
