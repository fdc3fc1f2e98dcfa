"""The examples of the documentation run, each page from top to bottom as a reader would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[2]


def names_of(page: str) -> dict[str, Any]:
    text = (HERE / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(example, page, "exec"), names)
    return names


def test_the_planners_page_closes_a_building_and_draws_delays(capsys: pytest.CaptureFixture[str]) -> None:
    names_of("docs/planner.md")
    lines = capsys.readouterr().out.splitlines()
    assert float(lines[0]) > 100.0  # MUSD: a site of a gigawatt is not given up for nothing
    assert any("quantile" in line for line in lines[1:])


def test_the_readmes_example_runs() -> None:
    results = names_of("README.md")["results"]
    assert results.summary["cost_per_mtok_usd"]
    assert len(results.book) > 0
