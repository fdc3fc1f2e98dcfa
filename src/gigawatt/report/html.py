"""A run as one self-contained page: figures, claims, what it rests on, and how to make it again. No network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from shlex import quote
from typing import Any

import plotly.graph_objects as go

from gigawatt.core.units import pretty
from gigawatt.report import cite, figures
from gigawatt.report.headlines import Headline, circle_sentences, headlines
from gigawatt.report.lumps import order_rows, plan_sentences
from gigawatt.report.names import party_name
from gigawatt.report.shell import plot, whole_page
from gigawatt.report.style import heading
from gigawatt.report.tables import (
    DEMAND_HEADS,
    claim_text,
    demand_texts,
    published_cells,
    quarter_rows,
    verdict_parts,
    verdict_tone,
    worth_rows,
)
from gigawatt.study.lanes import Served
from gigawatt.study.results import Results, manifest

Claims = Sequence[Mapping[str, Any]]
_FIGURES: dict[str, tuple[Callable[[Results], go.Figure], int]] = {
    "gw-by-vendor": (figures.gw_by_vendor, 360),
    "gw-by-site": (figures.gw_by_site, 640),
    "commitments": (figures.commitments, 820),
    "site-power": (figures.site_power, 820),
    "packages": (figures.packages_and_dies, 360),
    "demand": (figures.demand_and_idle, 360),
    "classes": (figures.classes_by_system, 400),
    "capex": (figures.capex_per_gw, 520),
    "cash": (figures.cash, 360),
    "sources-uses": (figures.sources_and_uses, 760),
    "sankey": (figures.sankey, 860),
    "tokens": (figures.cost_per_mtok, 400),
}
"""Figure by its anchor, and the least width at which it is legible [px]; narrower screens scroll it."""


def page(results: Results, claims: Claims = ()) -> str:
    """The whole page as text.

    Args:
        results: a finished run.
        claims: rows with the keys id, statement, announced, low, central, high, unit, reading, verdict, sources;
            without any there is no section of them.
    """
    sections = [
        _power(results),
        _demand(results),
        _money(results),
        _tokens(results),
        _simulated(results),
        _claims(claims),
        _rests_on(results),
        _reproduce(results),
    ]
    shown = [section for section in sections if section]
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _ in shown)
    body = "".join(f'<section id="{anchor}"><h2>{escape(name)}</h2>{html}</section>' for anchor, name, html in shown)
    return whole_page(
        results.case.scenario.title,
        f"{_header(results)}<nav><div>{links}</div></nav><main>{_cards(results)}{body}</main>{_footer(results)}",
    )


# Parts of a page


def _header(results: Results) -> str:
    case = results.case
    scenario = case.scenario
    meta = {
        "Run": results.folder_name,
        "Buyer": party_name(case, scenario.buyer),
        "Horizon": f"{case.labels[0]} to {case.labels[-1]}",
        "Money": scenario.money,
    }
    if case.events_on:
        meta["Events"] = ", ".join(case.events_on)
    pairs = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in meta.items())
    about = f'<p class="about">{escape(scenario.description)}</p>' if scenario.description else ""
    return (
        f'<header class="top"><div><p class="eyebrow">gigawatt · {escape(scenario.name)}</p>'
        f'<h1>{escape(scenario.title)}</h1>{about}<dl class="meta">{pairs}</dl></div></header>'
    )


def _cards(results: Results) -> str:
    return f'<div class="cards">{"".join(_card(row) for row in headlines(results))}</div>'


def _card(row: Headline) -> str:
    return (
        f'<div class="card {row.tone}"><div class="label">{_text(row.label)}</div>'
        f'<div class="value">{_text(row.text)}</div><div class="note">{_text(row.note)}</div></div>'
    )


def _figure(results: Results, anchor: str) -> str:
    """A figure with its title and subtitle as text; only a sentence where there is nothing to draw."""
    make, least = _FIGURES[anchor]
    figure = make(results)
    title, subtitle = heading(figure)
    caption = f'<figcaption><h3>{title}</h3><p class="sub">{subtitle}</p></figcaption>'
    if not figure.data:
        return f"<figure>{caption}</figure>"
    room = int((figure.layout.meta or {}).get("headroom", 0)) + 30
    return f"<figure>{caption}{plot(figure, anchor, least_px=least, room_px=room)}</figure>"


def _drawn(results: Results, *anchors: str) -> str:
    return "".join(_figure(results, anchor) for anchor in anchors)


def _table(heads: Sequence[tuple[str, bool]], rows: Iterable[str], *, name: str = "", sortable: bool = False) -> str:
    """Table of ready rows; heads are (text, numeric)."""
    cells = "".join(
        f'<th class="{"num" if numeric else ""}">'
        + (f'<button type="button">{escape(text)}</button>' if sortable else escape(text))
        + "</th>"
        for text, numeric in heads
    )
    kind, mark = ("wide sortable" if sortable else "wide"), f' id="{name}"' if name else ""
    return (
        f'<div class="scroll"><table class="{kind}"{mark}><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


# Sections

Section = tuple[str, str, str]


def _power(results: Results) -> Section:
    anchors = ["gw-by-vendor", "gw-by-site", "site-power"]
    if len(results.case.sites) == 1:
        anchors.remove("gw-by-site")
    if results.case.scenario.commitments:
        anchors.append("commitments")
    drawn = _drawn(results, *anchors) + _quarters(results) + _published(results) + _figure(results, "packages")
    return "power", "Gigawatts and power", drawn + _orders(results)


def _orders(results: Results) -> str:
    """Orders due in the first four quarters, and in words what was due before, the lumps and a short view."""
    heads = [("Order in", False), ("What", False), ("At", False), ("Waits for", False), ("Comes", False), ("", True)]
    keys = ("quarter", "what", "site", "item", "accepted")
    rows = [
        f"<tr>{''.join(f'<td>{_text(row[key])}</td>' for key in keys)}<td class=num>{_text(row['text'])}</td></tr>"
        for row in order_rows(results)
    ]
    lead = "Acceptances moved back by their lead times: what has to be ordered in the first four quarters."
    table = f'<h3>Orders</h3><p class="sub">{lead}</p>{_table(heads, rows)}' if rows else ""
    return table + "".join(f'<p class="says">{escape(text, quote=False)}</p>' for text in plan_sentences(results))


def _quarters(results: Results) -> str:
    heads = [("Quarter", False), ("New power", True), ("Stands", True), ("Needed", True), ("Idle", True)]
    heads += [("Milestones", True), ("To be found", True), ("Cash", True), ("Debt", True)]
    keys = ("accepted_facility_w", "stands_facility_w", "demand_driven_facility_w", "idle_facility_w")
    money = ("milestone_usd", "gap_usd", "cash_usd", "debt_usd")
    rows = []
    for row in quarter_rows(results):
        cells = [_amount(row[key], "W") for key in keys] + [_amount(row[key], "USD") for key in money]
        rows.append(f"<tr><td>{row['quarter']}</td>{''.join(f'<td class=num>{cell}</td>' for cell in cells)}</tr>")
    return f"<details><summary>Figures by quarter</summary>{_table(heads, rows)}</details>"


def _published(results: Results) -> str:
    rows = results.summary.get("published", [])
    if not rows:
        return ""
    heads = [("End of", False), ("Stands in the plan", True), ("Published", True), ("Range", False), ("Residual", True)]
    heads.append(("What was published", False))
    cells = [
        "<tr>" + "".join(f"<td>{_text(text)}</td>" for text in published_cells(row)) + "</tr>" for row in rows
    ]  # fmt: skip
    lead = "Facility power of the plan; bases of published power are mostly not stated, and nothing is fitted to it."
    return f'<h3>Beside what was published</h3><p class="sub">{lead}</p>{_table(heads, cells)}'


def _amount(value: float, unit: str) -> str:
    return pretty(value, unit) if abs(value) >= 1.0 else "–"


def _demand(results: Results) -> Section:
    return "demand", "What demand needs", _drawn(results, "demand", "classes") + _served(results)


def _served(results: Results) -> str:
    """Shares of each class's demand that are served, gated, priced out and not served."""
    heads = [("Class", False), ("Asked for", True), *((name.capitalize(), True) for name in DEMAND_HEADS)]
    cells = [
        f"<tr><td>{_text(name)}</td>{''.join(f'<td class=num>{_text(text)}</td>' for text in texts)}</tr>"
        for name, *texts in demand_texts(results)
    ]
    lead = (
        "Over the horizon. With a demand curve, asked for is what would be wanted at its lowest price at which "
        "revenue still rises, and priced out what its price keeps away."
    )
    return f'<h3>Demand served</h3><p class="sub">{lead}</p>{_table(heads, cells)}'


def _money(results: Results) -> Section:
    says = "".join(f'<p class="says">{escape(text, quote=False)}</p>' for text in circle_sentences(results))
    if says:
        says += '<p class="dim">Only the first round is counted: what that revenue does next is not followed.</p>'
    return "money", "Money", _drawn(results, "capex", "cash", "sources-uses", "sankey") + says + _worth(results)


def _worth(results: Results) -> str:
    rows = worth_rows(results)
    if not rows:
        return ""
    heads = [("What", False), ("Where", False), ("Quarter it is worth most in", False), ("Worth", True)]
    cells = [
        f"<tr><td>{_text(row['what'])}</td><td>{_text(row['where'])}</td><td>{row['quarter']}</td>"
        f'<td class="num">{_text(row["text"])}</td></tr>'
        for row in rows
    ]
    lead = (
        "What a little more saves, per unit, by planning again, in money of the start of the horizon; a MW energised "
        "from the quarter until the site's next step. Whole gigawatts are held as they are."
    )
    return f'<h3>What one more would be worth</h3><p class="sub">{lead}</p>{_table(heads, cells)}'


def _tokens(results: Results) -> Section | None:
    return (
        ("tokens-cost", "What a token costs", _figure(results, "tokens"))
        if results.summary["cost_per_mtok_usd"]
        else None
    )


def _simulated(results: Results) -> Section | None:
    """What each class attained in the simulated fleet, before and after the plan was made to hold it."""
    found = results.summary.get("simulated")
    if not found:
        return None
    last = found["rounds"]
    rows = []
    for row in found["attained"]:
        if row["round"] not in (1, last):
            continue
        name = str(Served(row["workload"], row["users"], row["speed"]))
        held = "at none" if row["held_at"] is None else f"{row['held_at']:.0%}"
        cells = (
            f"{row['round']}", name, row["quarter"], row["day"], row["block"], f"{row['needed_frac']:.0%}",
            f"{row['attained_frac']:.1%}", f"{row['ttft_s']:,.2f}", f"{row['tpot_s'] * 1e3:,.1f}",
            "" if row["is_stable"] else "grows", held, f"{row['factor']:.2f}",
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = [
        ("Round", True), ("Class", False), ("Quarter", False), ("Day", False), ("Block", False), ("Planned", True),
        ("Simulated", True), ("TTFT s", True), ("TPOT ms", True), ("Queue", False), ("Holds at", True),
        ("Factor", True),
    ]  # fmt: skip
    more = found["costs_more_usd"]
    text = (
        "<p>The fleet of the plan was simulated request by request in every block of the day. Classes that missed "
        "their objective were derated by the factor shown (the least of their systems) and planned again, "
        f"{last} rounds in all. The plan after it costs {_amount(more, 'USD')} more. "
        f"{escape(found['residual'][:1].upper() + found['residual'][1:])}. Times are those at the percentile of the "
        "objective; planned is the share of requests within it. Where a queue grows, times would go on rising.</p>"
    )
    return (
        "simulated", "Planned and simulated",
        text + _table(heads, rows, name="attained", sortable=True) + _yields(found["steady"]),
    )  # fmt: skip


def _yields(steady: list[dict[str, Any]]) -> str:
    """Output of a replica of each lane, planned and simulated."""
    rows = []
    for row in steady:
        cells = (
            row["lane"], row["quarter"], f"{row['planned_tokens_per_s']:,.0f}",
            f"{row['simulated_tokens_per_s']:,.0f}", f"{row['gap_frac']:+.0%}",
            "" if row["is_agreed"] else "models disagree",
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = [
        ("Lane", False), ("Quarter", False), ("Planned tokens/s", True), ("Simulated", True), ("Gap", True),
        ("Verdict", False),
    ]  # fmt: skip
    text = (
        "<h3>What a replica yields</h3><p>At its operating point, in a closed loop without queue or chance, after "
        "the last plan. Where the gap is above 20 %, the simulated model and the planner's disagree about a "
        "replica, and a factor makes up for that, not for queues.</p>"
    )
    return text + _table(heads, rows, name="yields", sortable=True)


_TONES = {"good": "holds", "part": "on a condition", "bad": "fails", "given": "input", "open": "not computable"}


def _claims(claims: Claims) -> Section | None:
    if not claims:
        return None
    tally = dict.fromkeys(_TONES, 0)
    rows, before = [], ("", "")
    for claim in claims:
        key = str(claim["id"]), str(claim["statement"])
        rows.append(_claim(claim, repeated=key == before))
        tally[verdict_tone(str(claim["verdict"]))] += 1
        before = key
    buttons = f'<button type="button" data-tone="all" aria-pressed="true">all {len(claims)}</button>'
    for tone, name in _TONES.items():
        if tally[tone]:
            buttons += f'<button type="button" data-tone="{tone}" aria-pressed="false">{name} {tally[tone]}</button>'
    heads = [("No.", False), ("Statement", False), ("Announced", False), ("Reading", False), ("Computed", True)]
    heads += [("Range", False), ("Verdict", False), ("Sources", False)]
    lead = "Every statement beside what this run and the catalogue say about it. A statement can have several readings."
    html = f'<p class="lead">{lead}</p><div class="filters" data-table="claims-table">{buttons}</div>'
    return "claims", "Claims", html + _table(heads, rows, name="claims-table", sortable=True)


def _claim(claim: Mapping[str, Any], *, repeated: bool) -> str:
    value, span = claim_text(claim)
    verdict, why = verdict_parts(claim)
    tone, again = verdict_tone(str(claim["verdict"])), " rep" if repeated else ""
    number = "" if claim["central"] is None else f"{float(claim['central'])!r}"
    keys = [str(key) for key in claim["sources"] or ()]
    sources = _text(", ".join(keys))
    if len(keys) > 4:
        sources = f"<details><summary>{len(keys)} sources</summary>{sources}</details>"
    return (
        f'<tr data-tone="{tone}"><td class="id{again}">{_text(claim["id"])}</td>'
        f'<td class="{again.strip()}">{_text(claim["statement"])}</td>'
        f'<td class="{again.strip()}">{_text(claim["announced"])}</td>'
        f'<td class="dim">{_text(claim["reading"] or why)}</td>'
        f'<td class="num" data-sort="{number}">{_text(value)}</td><td>{_text(span)}</td>'
        f'<td><span class="tag {tone}">{_text(verdict)}</span></td><td class="dim">{sources}</td></tr>'
    )


def _text(value: Any) -> str:
    return "" if value is None else escape(str(value))


def _rests_on(results: Results) -> Section:
    case = results.case
    judgements, own, sources = cite.judgement_rows(case), cite.own_rows(case), cite.source_rows(case)
    kinds = ", ".join(f"{n} {kind}" for kind, n in cite.counts(case).items())
    html = f'<p class="lead">{sum(cite.counts(case).values())} figures: {escape(kinds)}.</p>'
    heads = [
        ("Figure", False),
        ("Value", True),
        ("Range", False),
        ("High over low", True),
        ("Why", False),
        ("Sources", False),
    ]
    html += f"<h3>Judgements ({len(judgements)})</h3>" + _table(heads, _grouped(judgements), sortable=True)
    if own:
        short = [("Figure", False), ("Value", True)]
        rows = [f'<tr><td>{_text(_place(r))}</td><td class="num">{_text(r["text"])}</td></tr>' for r in own]
        html += (
            f"<details><summary>Figures stated by the scenario ({len(own)})</summary>{_table(short, rows)}</details>"
        )
    heads = [("Source", False), ("Title", False), ("Where, when", False), ("What rests on it", False)]
    html += f"<h3>Sources ({len(sources)})</h3>" + _table(heads, [_source(row) for row in sources])
    return "rests-on", "What it rests on", html


def _grouped(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for group, members in cite.by_group(rows).items():
        yield f'<tr class="group"><td colspan="6">{_text(group)}</td></tr>'
        for row in members:
            width = row["spread"]
            ratio = ("", "") if width is None else (repr(width), f"{width:.1f} ×")
            yield (
                f'<tr><td>{_text(row["label"])}</td><td class="num">{_text(row["text"])}</td>'
                f'<td>{_text(row["range"])}</td><td class="num" data-sort="{ratio[0]}">{ratio[1]}</td>'
                f'<td>{_text(row["note"])}</td><td class="dim">{_text(", ".join(row["sources"]))}</td></tr>'
            )


def _place(row: Mapping[str, Any]) -> str:
    return f"{cite.group_of(str(row['place'])).removeprefix('scenario.')}: {row['label']}"


def _source(row: Mapping[str, Any]) -> str:
    where = ", ".join(part for part in (row["site"], row["date"]) if part)
    title = _text(row["title"])
    if row["url"].startswith(("http://", "https://")):
        title = f'<a href="{escape(row["url"])}" rel="noreferrer">{title}</a>'
    items = "".join(f"<li>{_text(one['place'])} = {_text(one['text'])}</li>" for one in row["figures"])
    n = len(row["figures"])
    return (
        f'<tr><td class="key">{_text(row["key"])}</td><td>{title}</td><td class="dim">{_text(where)}</td>'
        f"<td><details><summary>{n} figure{'s' if n > 1 else ''}</summary><ul>{items}</ul></details></td></tr>"
    )


def _reproduce(results: Results) -> Section:
    made = manifest(results)
    events = "".join(f" --event {name}" for name in made["events"])
    pairs = [("Input hash", made["hash"]), ("gigawatt", made["gigawatt"])]
    pairs += [(name, version) for name, version in made["versions"].items()]
    pairs += [("Overlaid entries", ", ".join(made["overlaid"]) or "none")]
    if "mip_gap" in results.plan.attrs:
        pairs.append(("Relative gap of the plan", f"{float(results.plan.attrs['mip_gap']):.1e}"))
    rows = [f"<tr><td>{_text(name)}</td><td><code>{_text(value)}</code></td></tr>" for name, value in pairs]
    html = (
        '<p class="lead">The same input, with the same versions of gigawatt and of its solver, gives the same hash and '
        "the same figures.</p>"
        f"<pre>gigawatt run {escape(quote(made['scenario']))}{escape(events)}</pre>"
    )
    return "reproduce", "How to make it again", html + _table([("What", False), ("Value", False)], rows)


def _footer(results: Results) -> str:
    return f"<footer><div>gigawatt · run {_text(results.folder_name)} · this page needs no network</div></footer>"
