"""Makers of the terminal's tables: plain text in, one look out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def table_of(columns: Sequence[tuple[str, str, int]], *, title: str = "") -> Table:
    """Table with (header, justification, ratio) columns; ratio 0 takes the width of its content, others share the rest.

    The first column is never broken where its ratio is 0.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        title=Text(title) if title else None,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        pad_edge=False,
        show_edge=False,
        expand=any(ratio for _, _, ratio in columns),
    )
    for index, (name, justify, ratio) in enumerate(columns):
        table.add_column(
            name,
            justify="right" if justify == "right" else "left",
            ratio=ratio or None,
            overflow="fold",
            no_wrap=index == 0 and not ratio,
        )
    return table


def add_row(table: Table, cells: Sequence[str], style: str = "") -> None:
    """Row of plain text: brackets in names are no markup."""
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells), style=style)
