"""A plan under delays in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gigawatt.core.calendar import year_and_number
from gigawatt.core.units import pretty
from gigawatt.report.payments import payments_table
from gigawatt.report.terminal import add_row, table_of

if TYPE_CHECKING:
    from rich.table import Table

_MOST = 12  # names of whom one quarter is told


def delay_tables(body: Mapping[str, Any]) -> list[Table]:
    """Quantiles of what stands, costs and misses; what one quarter of each site and system alone
    costs; and who is expected to be paid, without funding.
    """
    share = [("", "left", 0), ("as planned", "right", 0)] + [(f"P{100 * q:.0f}", "right", 0) for q in body["quantiles"]]
    table = table_of(share, title=f"{body['scenario']} under {body['draws']:,} draws of delays")
    for row in body["gw"]:
        if year_and_number(row["quarter"])[1] == 4:
            cells = [pretty(gw * 1e9, "W") for gw in (row["planned"], *row["gw"])]
            add_row(table, (f"Stands at the end of {row['quarter']}", *cells))
    for name, late in body["committed_late_gw"].items():
        add_row(table, (f"Most behind {name}", "", *(pretty(gw * 1e9, "W") for gw in late)))
    add_row(table, ("Costs more, discounted", "", *(pretty(value, "USD") for value in body["extra_usd"])))
    add_row(table, ("Money to be found", "", *(pretty(value, "USD") for value in body["to_be_found_usd"])))
    add_row(table, ("Work unmet, by value", "", *(f"{100 * value:.2f} %" for value in body["unmet_frac"])))
    one = table_of([("One quarter late, alone", "left", 0), ("costs more, discounted", "right", 0)])
    shown = [(name, usd) for name, usd in body["one_quarter_late_usd"].items() if abs(usd) >= 1.0]
    for name, usd in shown[:_MOST]:
        add_row(one, (name, pretty(usd, "USD")))
    paid = payments_table(body["expected_payments"])
    return [table, one, paid] if shown else [table, paid]
