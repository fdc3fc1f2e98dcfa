"""Orders, lumps and myopia of a run, as rows and in words."""

from __future__ import annotations

from typing import Any

from gigawatt.core.units import pretty
from gigawatt.report.names import site_name
from gigawatt.study.lumps import lump_words
from gigawatt.study.orders import due
from gigawatt.study.results import Results


def order_rows(results: Results) -> list[dict[str, Any]]:
    """Orders to be placed in the first four quarters, in words."""
    return [
        {**row, "site": site_name(results.case, row["site"]), "text": _power(row),
         "what": row["what"] if row["kind"] == "systems" else "energisation",
         "item": row["item"] + (" (default lead time)" if row.get("lead_is_default") else "")}
        for row in due(results.summary.get("orders", []), results.case)
    ]  # fmt: skip


def _power(row: dict[str, Any]) -> str:
    return pretty(row["power_w"], "W") + (" of IT" if row["kind"] == "systems" else " of building")


def plan_sentences(results: Results) -> list[str]:
    """What had to be ordered before the horizon, the lumps, what a short view costs, and steps that change nothing."""
    summary, case = results.summary, results.case
    words = []
    early = [
        f"{site_name(case, row['site'])} {pretty(row['power_w'], 'W')} for {row['accepted']} by {row['quarter']} "
        f"({row['item']})"
        for row in summary.get("orders", []) if row["before_start"] and row["kind"] == "site"
    ]  # fmt: skip
    if early:
        words.append(f"Had to be ordered before the horizon: {'; '.join(early)}.")
    racks = [row for row in summary.get("orders", []) if row["before_start"] and row["kind"] == "systems"]
    if racks:
        power = pretty(sum(row["power_w"] for row in racks), "W")
        lead = case.costs.system_lead_time.text
        words.append(
            f"By the catalogue's default lead time of {lead}, {power} of systems accepted up to "
            f"{max(row['accepted'] for row in racks)} had to be ordered before the horizon."
        )
    lumps = lump_words(summary.get("lumps", []), whole=case.scenario.policy.lumps == "whole")
    for mode in ("relaxed", "whole"):
        said = [line for head, line in lumps if head == mode]
        words += [f"Lumps {mode}: {'; '.join(said)}."] if said else []
    if rolling := summary.get("rolling"):
        words.append(
            f"Seeing {rolling['look_ahead_quarters']} quarters ahead costs {pretty(rolling['cost_usd'], 'USD')}, "
            f"{pretty(rolling['regret_usd'], 'USD')} ({100 * rolling['regret_share']:.2f} %) more than seeing all."
        )
    elif summary.get("mip_gap", 0.0) > 0.0:
        words.append(
            f"Whole numbers: no plan costs less than {pretty(summary['bound_usd'], 'USD')}, "
            f"{100 * summary['mip_gap']:.2f} % below this one."
        )
    return [*words, *summary.get("notes", [])]
