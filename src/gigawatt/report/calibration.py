"""Fits in the terminal: residuals of the catalogue's, and errors on benchmarks of one's own cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from gigawatt.perf.calibrate import Bench


def residuals_table(title: str, residuals: Mapping[str, float]) -> Table:
    """Rows and errors of a fit by group."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("residual")
    table.add_column("", justify="right")
    for words, value in residuals.items():
        table.add_row(words, f"{value:.0f}" if words.endswith(": rows") else f"{100.0 * value:.1f} %")
    return table


def bench_table(results: Sequence[tuple[Bench, float, float]]) -> Table:
    """Errors of each result (benchmark, before, after) of time per output token."""
    from rich.table import Table

    table = Table(title="Time per output token, predicted over measured", title_justify="left")
    for heading in ("in flight", "prompt", "answer", "measured", "error before", "error after"):
        table.add_column(heading, justify="right")
    for one, before, after in results:
        table.add_row(
            f"{one.concurrency:,.0f}", f"{one.prompt:,.0f}", f"{one.output:,.0f}", f"{1e3 * one.tpot_s:.2f} ms",
            f"{100.0 * before:+.1f} %", f"{100.0 * after:+.1f} %",
        )  # fmt: skip
    return table
