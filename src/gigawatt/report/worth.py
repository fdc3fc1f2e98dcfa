"""What a month of each dated thing is worth, as plain data and in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gigawatt.core.units import pretty
from gigawatt.report.terminal import add_row, table_of
from gigawatt.study.software import software_notes

if TYPE_CHECKING:
    from rich.table import Table

    from gigawatt.study.resolve import Case
    from gigawatt.study.worth import Worth


def worth_body(case: Case, rows: Sequence[Worth]) -> dict[str, Any]:
    """Plain data: a row a generation or software step, discounted USD."""
    return {
        "scenario": case.scenario.name,
        "method": "finite difference of one quarter, over 3 months",
        "milestones": "released by the fraction of a gigawatt",
        "worth": [asdict(row) for row in rows],
        "notes": software_notes(case),
    }


def worth_table(rows: Sequence[Worth]) -> Table:
    """The same for people."""
    heads = [("What", "left", 0), ("From", "left", 0), ("A month earlier saves", "right", 0)]
    heads += [("A month later costs", "right", 0), ("Multiplier low / central / high", "right", 0)]
    heads += [("Cost at low / at high", "right", 0)]
    table = table_of(heads, title="Finite differences of one quarter, over three months; discounted")
    for row in rows:
        add_row(table, _cells(row))
    return table


def _cells(row: Worth) -> list[str]:
    def money(value: float | None) -> str:
        return "–" if value is None else pretty(value, "USD")

    factor = "" if row.multiplier is None else " / ".join(f"{value:g}" for value in row.multiplier)
    ends = "" if row.multiplier is None else f"{money(row.low_usd)} / {money(row.high_usd)}"
    return [row.id, row.quarter, money(row.earlier_usd_per_month), money(row.later_usd_per_month), factor, ends]
