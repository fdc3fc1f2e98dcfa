"""Tables of a run for the terminal, and the same rows as plain data for ``--json``: summary, quarters, claims."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gigawatt.core.units import pretty
from gigawatt.report.compare import compare_rows, compare_table
from gigawatt.report.headlines import circle_sentences, headlines
from gigawatt.report.lumps import order_rows, plan_sentences
from gigawatt.report.names import class_name, site_name
from gigawatt.report.show import (
    deal_rows,
    entry_rows,
    list_rows,
    list_table,
    model_rows,
    show,
    show_entry,
    site_rows,
    system_rows,
)
from gigawatt.report.terminal import add_row, table_of
from gigawatt.study.results import Results

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = [
    "claim_text",
    "claims_table",
    "compare_rows",
    "compare_table",
    "deal_rows",
    "entry_rows",
    "list_rows",
    "list_table",
    "model_rows",
    "published_cells",
    "published_table",
    "quarter_rows",
    "show",
    "show_entry",
    "site_rows",
    "summary_rows",
    "summary_table",
    "system_rows",
    "verdict_parts",
    "verdict_tone",
    "worth_rows",
]
Row = dict[str, Any]


def summary_rows(results: Results) -> list[Row]:
    """Key figures of a run: id, label, text, note."""
    return [{"id": h.id, "label": h.label, "text": h.text, "note": h.note} for h in headlines(results)]


def quarter_rows(results: Results) -> list[Row]:
    """Capacity and money by quarter, in base units: W and USD."""
    figures, plan = results.summary, results.plan
    rows = []
    for index, quarter in enumerate(results.case.labels):
        rows.append(
            {
                "quarter": quarter,
                "accepted_facility_w": figures["gw_by_quarter"][quarter] * 1e9,
                "stands_facility_w": figures["stands_gw_by_quarter"][quarter] * 1e9,
                "demand_driven_facility_w": figures["demand_driven_gw_by_quarter"][quarter] * 1e9,
                "idle_facility_w": figures["committed_idle_gw_by_quarter"][quarter] * 1e9,
                "milestone_usd": figures["tranches_usd"].get(quarter, 0.0),
                "gap_usd": float(plan["gap_usd"].values[index]),
                "gap_owed_usd": float(plan["gap_owed_usd"].values[index]),
                "cash_usd": float(plan["cash_usd"].values[index]),
                "debt_usd": float(plan["debt_usd"].values[index]),
            }
        )
    return rows


def summary_table(results: Results) -> RenderableType:
    """A run on one screen: key figures, capacity and money by quarter, cost of a million tokens by class."""
    from rich.console import Group
    from rich.text import Text

    case = results.case
    name = results.folder_name
    parts: list[RenderableType] = [Text(case.scenario.title, style="bold"), Text(name, style="dim")]
    if case.events_on:
        parts.append(Text(f"with {', '.join(case.events_on)}", style="yellow"))
    key = table_of([("", "left", 0), ("", "right", 0), ("", "left", 1)])
    key.show_header = False
    for row in summary_rows(results):
        add_row(key, (row["label"], row["text"], row["note"]))
    parts += [Text(""), key, Text(""), _quarter_table(results)]
    parts += [Text(""), demand_table(results)]
    if costs := results.summary["cost_per_mtok_usd"]:
        tokens = table_of([("class", "left", 0), ("cost of output tokens", "right", 0)])
        for item, usd in sorted(costs.items(), key=lambda pair: -pair[1]):
            add_row(tokens, (class_name(case, item), pretty(usd / 1e6, "USD/token")))
        parts += [Text(""), tokens]
    if worth := worth_rows(results):
        table = table_of([("worth most", "left", 0), ("where", "left", 0), ("quarter", "left", 0), ("is", "right", 0)])
        for row in worth:
            add_row(table, (row["what"], row["where"], row["quarter"], row["text"]))
        parts += [Text(""), table]
    if rows := results.summary.get("published"):
        parts += [Text(""), published_table(rows)]
    if soon := order_rows(results):
        table = table_of([("order in", "left", 0), ("what", "left", 0), ("at", "left", 0), ("waits for", "left", 0),
                          ("comes", "left", 0), ("power", "right", 0)])  # fmt: skip
        for row in soon:
            add_row(table, (row["quarter"], row["what"], row["site"], row["item"], row["accepted"], row["text"]))
        parts += [Text(""), table]
    parts += [Text(f"\n{sentence}") for sentence in plan_sentences(results)]
    parts += [Text(f"\n{sentence}") for sentence in circle_sentences(results)]
    return Group(*parts)


DEMAND_HEADS = ("served", "gated", "priced out", "not served")


def demand_texts(results: Results) -> list[tuple[str, ...]]:
    """Class, what is asked for over the horizon, and the shares of it served, gated, priced out and not served."""

    def share(part: float, whole: float) -> str:
        found = part / whole if whole > 0.0 else 0.0
        return "-" if found < 5e-8 else "under 0.1 %" if found < 5e-4 else f"{100 * found:.1f} %"

    rows = []
    for row in results.summary["demand"]:
        whole = row["asked"]
        parts = (share(row[key], whole) for key in ("served", "gated", "priced_out", "not_served"))
        text = f"{whole:.2g} FLOP".replace("e+", "e") if row["unit"] == "FLOP" else pretty(whole, "token")
        rows.append((class_name(results.case, row["workload"]), text, *parts))
    return rows


def demand_table(results: Results) -> Table:
    """How much of each class's demand is served, gated, priced out and not served over the horizon."""
    heads = [("class", "left", 0), ("asked for", "right", 0), *((name, "right", 0) for name in DEMAND_HEADS)]
    table = table_of(heads)
    for row in demand_texts(results):
        add_row(table, row)
    return table


def worth_rows(results: Results) -> list[Row]:
    """What one more of each scarce thing is worth, where and when it is worth most, as words with units."""
    sites = {site.id for site in results.case.sites}
    rows = []
    for row in results.summary.get("shadow_prices", []):
        where = site_name(results.case, row["where"]) if row["where"] in sites else row["where"].replace("+", ", ")
        value = pretty(row["value"], "USD") + {"USD/MW": " per MW", "USD/USD": " beyond itself"}.get(row["unit"], "")
        rows.append({"what": row["what"], "where": where, "quarter": row["quarter"], "text": value})
    return rows


def published_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Power that stands at the ends of years beside what was published, with the residual."""
    table = table_of([("end of", "left", 0), ("stands in the plan", "right", 0), ("published", "right", 0),
                      ("range", "left", 0), ("residual", "right", 0), ("what was published", "left", 1)])  # fmt: skip
    for row in rows:
        add_row(table, published_cells(row))
    return table


def published_cells(row: Mapping[str, Any]) -> tuple[str, str, str, str, str, str]:
    """Quarter, what stands in the plan, what was published, its range, the residual and the name, as texts."""

    def gw(key: str, form: str = ".1f") -> str:
        return "-" if row[key] is None else f"{0.0 if abs(row[key]) < 0.05 else row[key]:{form}} GW"

    wide = row["low_gw"] is not None and row["low_gw"] < row["high_gw"]
    span = f"{row['low_gw']:.3g} to {row['high_gw']:.3g} GW" if wide else ""
    return row["quarter"], gw("planned_gw"), gw("published_gw"), span, gw("residual_gw", "+.1f"), row["what"]


def _quarter_table(results: Results) -> Table:
    """Quarters in which something changes, and the last one."""
    columns = [
        ("new power", "accepted_facility_w"),
        ("stands", "stands_facility_w"),
        ("needed", "demand_driven_facility_w"),
        ("idle", "idle_facility_w"),
        ("milestones", "milestone_usd"),
        ("to be found", "gap_usd"),
        ("of it owed", "gap_owed_usd"),
        ("cash", "cash_usd"),
        ("debt", "debt_usd"),
    ]
    rows = quarter_rows(results)
    shown = [(name, key) for name, key in columns if any(row[key] > 1.0 for row in rows)]
    table = table_of([("quarter", "left", 0), *((name, "right", 0) for name, _ in shown)])
    before: Row = {}
    for row in rows:
        same = before and all(abs(row[k] - before[k]) < 1e-6 * max(1.0, abs(row[k])) for k in _CAPACITY)
        if not same or row["milestone_usd"] or row["gap_usd"] > 1.0 or row is rows[-1]:
            add_row(table, (row["quarter"], *(_amount(row[key], key) for _, key in shown)))
        before = row
    return table


_CAPACITY = ("accepted_facility_w", "stands_facility_w")


def _amount(value: float, key: str) -> str:
    if abs(value) < 1.0:
        return "-"
    return pretty(value, "W" if key.endswith("_w") else "USD")


VERDICT_STYLES = {"good": "green", "part": "yellow", "bad": "red", "given": "cyan", "open": "dim"}


def claims_table(claims: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Statements with what was announced, and for each reading what the run says, its range and the verdict."""
    from rich.text import Text

    table = table_of(
        [
            ("", "left", 2),
            ("statement", "left", 6),
            ("announced", "left", 2),
            ("computed", "right", 2),
            ("range", "left", 3),
            ("verdict", "left", 3),
        ]
    )
    before = ""
    for row in claims:
        verdict, why = verdict_parts(row)
        same = before == f"{row['id']}{row['statement']}"
        before = f"{row['id']}{row['statement']}"
        said = Text("" if same else str(row["statement"]))
        if below := str(row["reading"] or why):
            said += Text(below if same else f"\n{below}", style="dim")
        value, span = claim_text(row)
        announced = "" if same else str(row["announced"] or "")
        cells = [Text("" if same else str(row["id"])), said, Text(announced), Text(value), Text(span)]
        table.add_row(*cells, Text(verdict, style=VERDICT_STYLES[verdict_tone(verdict)]))
    return table


def claim_text(row: Mapping[str, Any]) -> tuple[str, str]:
    """(central value, range) of a claim with its unit, for people; empty where there is none."""
    unit, central = str(row["unit"] or ""), row["central"]
    low, high = row["low"], row["high"]
    value = "" if central is None else _number(float(central), unit)
    if low is None or high is None or low == central == high:
        return value, ""
    if math.isinf(high):
        return value, f"{_number(float(low), unit)} or more"
    return value, f"{_number(float(low), unit, last=unit in _SPELLED)} to {_number(float(high), unit)}"


_SPELLED = {"USD bn": ("$", "B"), "USD million": ("$", "M"), "USD bn per GW": ("$", "B per GW")}


def _number(value: float, unit: str, *, last: bool = True) -> str:
    """A claim's figure in its own unit, "$28.5B per GW"; without the unit where another figure follows."""
    if math.isinf(value):
        return "no limit"
    before, after = _SPELLED.get(unit, ("", unit if unit.startswith("x") else f" {unit}" if unit else ""))
    size = abs(value)
    number = f"{size:,.0f}" if size >= 1000 else f"{size:.3g}"
    return f"{'-' if value < 0 else ''}{before}{number}{after if last else ''}"


def verdict_parts(row: Mapping[str, Any]) -> tuple[str, str]:
    """(verdict, reason) of a row whose reason takes the place of its reading; else the whole verdict and no reason."""
    verdict = str(row["verdict"])
    head, colon, why = verdict.partition(": ")
    return (head, why) if colon and not row["reading"] else (verdict, "")


def verdict_tone(verdict: str) -> str:
    """Colour class of a verdict: "good", "part" where it holds on a condition, "bad", "given" for inputs, "open".

    >>> verdict_tone("holds if dies are meant"), verdict_tone("input: deal nvidia-groq")
    ('part', 'given')
    """
    if verdict.startswith("holds if"):
        return "part"
    return {"holds": "good", "fails": "bad", "input": "given"}.get(verdict.partition(":")[0], "open")
