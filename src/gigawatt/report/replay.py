"""A replayed trace in the terminal."""

from __future__ import annotations

from math import isclose, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gigawatt.core.units import pretty

if TYPE_CHECKING:
    from rich.console import Group

    from gigawatt.study.replay import Replayed

_MANY = 0.01  # of the rows


def many_left_out(bad: int, sent: int) -> str:
    """A warning where more than a hundredth of a trace was left out; empty otherwise."""
    if bad <= _MANY * (bad + sent):
        return ""
    return f"{bad:,} rows, more than 1 % of the trace, are left out: look at the reasons"


def replay_table(done: Replayed, name: str, bad: int) -> Group:
    """Figures for people; ``bad`` rows of the trace ``name`` were left out."""
    from rich.console import Group
    from rich.table import Table

    told = done.to_dict()
    lasted = told["duration_s"]
    sides = f"{told['n_replicas']:,} x {done.replica.layout}"
    if told["n_prefill_replicas"]:
        sides += f" + {told['n_prefill_replicas']:,} x {done.replica.prefill_layout} for prompts"
    table = Table(
        title=f"{Path(name).name} on {told['n_packages']:,} packages, {sides}, {done.replica.speculation.said}"
    )
    for heading in ("", "p50", "p90", "p95", "p99"):
        table.add_column(heading, justify="left" if not heading else "right")
    names = {"ttft_s": "time to first token", "tpot_s": "time per output token", "e2e_s": "whole request",
             "queue_s": "queueing"}  # fmt: skip
    for key, words in names.items():
        table.add_row(words, *("-" if value is None else pretty(value, "s") for value in told[key].values()))
    share = told["prefix_hit_share"]
    has_limit = any(isfinite(one.ttft_s) or isfinite(one.tpot_s) for one in done.fleet.traffic)
    good = told["goodput"]["slo_attained_frac"] if has_limit else None
    rows = {
        "requests": f"{told['completed']:,} completed of {told['requests']:,}" + (f", {bad:,} left out" if bad else ""),
        "throughput": f"{told['tokens_per_s']:,.0f} output tokens/s{_drain(told)}, {pretty(lasted, 's')} in all",
        "within the SLO": "no limit is given" if good is None else f"{good:.1%}",
        "prefix hits": "-" if share is None else f"{share:.1%}",
        "use": "; ".join(_use(one) for one in told["pools"]),
        "energy": f"{told['energy_j'] / 3.6e6:,.4g} kWh of IT, {told['power_w'] / 1e3:,.4g} kW on average "
        f"({told['power_w'] / told['n_packages']:,.0f} W a package, {told['joules_per_token']:,.3g} J/token)",
        "computing": f"{told['wall_s']:,.3g} s, {told['requests_per_s']:,.0f} simulated requests in each",
    }
    lines = Table.grid(padding=(0, 2))
    for key, text in rows.items():
        lines.add_row(key, text)
    return Group(table, lines)


def _drain(told: dict[str, Any]) -> str:
    """That a closed loop's rate is the one while it is full, and the one over the whole run."""
    whole = told["output_tokens"] / told["duration_s"] if told["duration_s"] else 0.0
    is_whole = isclose(whole, told["tokens_per_s"], rel_tol=1e-9)
    return "" if is_whole else f" while the loop is full ({whole:,.0f} with its drain)"


def _use(pool: dict[str, Any]) -> str:
    """How much of a pool is used, in words."""
    return (
        f"{pool['name']} busy {pool['busy_frac']:.1%} of the time, {pool['utilisation_frac']:.1%} of what full batches "
        f"could do, cache {pool['kv_held_frac']:.1%} full"
    )
