"""Table of what rights and promises cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gigawatt.core.units import pretty
from gigawatt.report.terminal import add_row, table_of
from gigawatt.study.rights import Cost, Costs

if TYPE_CHECKING:
    from rich.console import RenderableType

NOISE_FRAC = 1e-6
"""Share of the plan's cost below which a difference is the solver's."""
MOST_MOVES = 2
MOVES_GW = 1e-6
"""Facility GW below which nothing has moved: a kilowatt."""


def rights_table(costs: Costs) -> RenderableType:
    """Every right and promise by what it costs as signed, dearest first, with what would be accepted and what moves."""
    from rich.console import Group
    from rich.text import Text

    accepted = pretty(costs.accepted_gw * 1e9, "W")
    head = f"As signed: {pretty(costs.objective_usd, 'USD')} of discounted cost, {accepted} accepted"
    if not costs.rows:
        return Text(f"{head}. No right, commitment, minimum take or option stands in this scenario.")
    table = table_of(
        [("what", "left", 0), ("kind", "left", 0), ("with", "left", 0), ("tried", "left", 0),
         ("as signed costs", "right", 0), ("accepted then", "right", 0), ("moves", "left", 0)]
    )  # fmt: skip
    for row in _in_order(costs.rows):
        known = not math.isnan(row.cost_usd)
        cost = _dollars(row.cost_usd, costs.objective_usd) if known else "no plan so"
        taken = pretty(row.accepted_gw * 1e9, "W") if known else ""
        add_row(table, (row.id, "" if row.kind == "all" else row.kind, row.holder, row.tried, cost, taken, _moves(row)))
    parts: list[RenderableType] = [Text(head), Text(""), table]
    if costs.gap_usd > NOISE_FRAC * abs(costs.objective_usd):
        parts.append(Text(f"Whole gigawatts leave each plan up to {pretty(costs.gap_usd, 'USD')} from its optimum."))
    return Group(*parts)


def _in_order(rows: tuple[Cost, ...]) -> list[Cost]:
    """Rows of one right or promise together, the dearest of them first; what switches all off last."""
    dearest: dict[str, float] = {}
    for row in rows:
        value = -math.inf if math.isnan(row.cost_usd) else row.cost_usd
        dearest[row.id] = max(dearest.get(row.id, -math.inf), value)
    places = {name: place for place, name in enumerate(dict.fromkeys(row.id for row in rows))}
    return sorted(rows, key=lambda row: (row.kind == "all", -dearest[row.id], places[row.id]))


def _dollars(usd: float, objective_usd: float) -> str:
    return "$0" if abs(usd) < NOISE_FRAC * abs(objective_usd) else pretty(usd, "USD")


def _moves(row: Cost) -> str:
    moved = [(who, gw) for who, gw in row.moves if abs(gw) > MOVES_GW][:MOST_MOVES]
    return ", ".join(f"{who} {'+' if gw > 0 else ''}{pretty(gw * 1e9, 'W')}" for who, gw in moved)
