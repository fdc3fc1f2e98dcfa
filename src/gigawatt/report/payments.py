"""Who is expected to pay whom for what, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gigawatt.core.units import pretty
from gigawatt.report.terminal import add_row, table_of

if TYPE_CHECKING:
    from rich.table import Table

_MOST = 10


def payments_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The largest expected payments (payer, payee, kind, usd), over the whole horizon and not discounted."""
    heads = [("payer", "left", 0), ("payee", "left", 0), ("for", "left", 0), ("expected", "right", 0)]
    most = f"the {_MOST} largest of {len(rows)}" if len(rows) > _MOST else "all of them"
    table = table_of(heads, title=f"Who is expected to pay whom, {most}")
    for row in rows[:_MOST]:
        add_row(table, (row["payer"], row["payee"], row["kind"], pretty(row["usd"], "USD")))
    return table
