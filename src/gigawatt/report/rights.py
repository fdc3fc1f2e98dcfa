"""Table of what rights and promises cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gigawatt.core.units import pretty
from gigawatt.report.terminal import add_row, table_of
from gigawatt.study.rights import Costs

if TYPE_CHECKING:
    from rich.console import RenderableType


def rights_table(costs: Costs) -> RenderableType:
    """Every right and promise with its cost in billions, dearest first, and what would be accepted without it."""
    from rich.console import Group
    from rich.text import Text

    accepted = pretty(costs.accepted_gw * 1e9, "W")
    head = f"As signed: {_billions(costs.objective_usd)} of discounted cost, {accepted} accepted"
    if not costs.rows:
        return Text(f"{head}. No right, commitment or minimum take binds anybody in this scenario.")
    table = table_of([("switched off", "left", 0), ("kind", "left", 0), ("with", "left", 0), ("costs", "right", 0),
                      ("accepted without", "right", 0)])  # fmt: skip
    alone = sorted((row for row in costs.rows if row.kind != "all"), key=lambda row: -_size(row.cost_usd))
    for row in [*alone, *(row for row in costs.rows if row.kind == "all")]:
        known = not math.isnan(row.cost_usd)
        cost = _billions(row.cost_usd) if known else "no plan without"
        taken = pretty(row.accepted_gw * 1e9, "W") if known else ""
        add_row(table, (row.id, "" if row.kind == "all" else row.kind, row.holder, cost, taken))
    parts: list[RenderableType] = [Text(head), Text(""), table]
    if costs.gap_usd > 1e3:
        parts.append(Text(f"Whole gigawatts leave each plan up to {_billions(costs.gap_usd)} from its optimum."))
    return Group(*parts)


def _size(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _billions(usd: float) -> str:
    value = 0.0 if abs(usd) < 5e5 else usd / 1e9
    return f"{'-' if value < 0 else ''}${abs(value):,.3f}B"
