"""Who pays whom: totals of the ledger over the horizon as a Sankey diagram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import plotly.graph_objects as go

from gigawatt.core.units import pretty
from gigawatt.report.money_figures import SOURCES, USES, flows_in_usd, flows_out_usd, purpose
from gigawatt.report.style import INK, ROSE, SOFT, layout, money_scale, party_label
from gigawatt.study.resolve import Case
from gigawatt.study.results import Results

SMALL_SHARE = 0.004
"""Payees under this share of all money are put together."""

_CASH, _OTHERS = "#7b8794", "#aab3bc"
_PARTY = {"nvidia": "#16683a", "customers": _CASH, "capital-markets": ROSE, "others": _OTHERS}


@dataclass(frozen=True, slots=True)
class Node:
    """A party or a purpose in its column; a party that pays and is paid stands in two columns."""

    column: str
    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Link:
    """Money from one node to another [USD], and what it is called."""

    start: Node
    end: Node
    usd: float
    name: str
    colour: str


def sankey(results: Results) -> go.Figure:
    """Who pays whom over the horizon: payers, the buyer, what for, payees; small payees are put together."""
    links = list(_links(results))
    nodes = list(dict.fromkeys(node for link in links for node in (link.start, link.end)))
    place = {node: index for index, node in enumerate(nodes)}
    scale = money_scale(sum(flows_in_usd(results).values()))
    through = {node: _through(node, links) for node in nodes}
    subtitle = "Money over the horizon, left to right: who pays, the buyer, what for, who is paid. "
    figure = go.Figure(layout=layout(_title(results), subtitle + "A party can stand on both sides.", height=560))
    figure.add_trace(
        go.Sankey(
            arrangement="snap",
            valueformat=".4~g",
            valuesuffix=f" {scale.unit}",
            textfont={"size": 13, "color": INK},
            node={
                "label": [f"{node.name}  {pretty(through[node], 'USD')}" for node in nodes],
                "color": [node.colour for node in nodes],
                "align": "left",
                "pad": 24,
                "thickness": 14,
                "line": {"color": "white", "width": 0.5},
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [place[link.start] for link in links],
                "target": [place[link.end] for link in links],
                "value": [float(scale.of(link.usd)) for link in links],
                "color": [_faint(link.colour) for link in links],
                "label": [link.name for link in links],
                "hovertemplate": "%{label}: %{value}<extra></extra>",
            },
        )
    )
    figure.update_layout(margin_b=20)
    return figure


def _links(results: Results) -> Iterator[Link]:
    """Payers to the buyer by kind, the buyer to purposes, purposes to payees."""
    case, into = results.case, flows_in_usd(results)
    total = sum(into.values())
    buyer = Node("buyer", party_label(case, case.scenario.buyer), INK)
    for payer, kind, usd in _sums(results, into_buyer=True):
        name, colour = SOURCES.get(kind, (kind, SOFT))
        yield Link(_party(case, "payer", payer), buyer, usd, name, colour)
    if into["opening"] > SMALL_SHARE * total:
        start = Node("payer", "Cash at the start", _CASH)
        yield Link(start, buyer, into["opening"], "Cash at the start", _CASH)
    for key, usd in flows_out_usd(results).items():
        name, colour = USES.get(key, ("Cash at the end", _CASH) if key == "closing" else (key, SOFT))
        if usd > (SMALL_SHARE * total if key == "closing" else 0.0):
            yield Link(buyer, Node("purpose", name, colour), usd, name, colour)
    small: dict[Node, float] = {}
    for payee, key, usd in _sums(results, into_buyer=False):
        node = Node("purpose", *USES.get(key, (key, SOFT)))
        if usd >= SMALL_SHARE * total:
            yield Link(node, _party(case, "payee", payee), usd, node.name, node.colour)
        else:
            small[node] = small.get(node, 0.0) + usd
    for node, usd in small.items():
        yield Link(node, Node("payee", "Others", _OTHERS), usd, node.name, node.colour)


def _sums(results: Results, *, into_buyer: bool) -> Iterator[tuple[str, str, float]]:
    """(other party, kind or purpose, USD) of the buyer's flows in the order of the book."""
    side, other = ("payee", "payer") if into_buyer else ("payer", "payee")
    book = results.book[results.book[side] == results.case.scenario.buyer]
    sums: dict[tuple[str, str], float] = {}
    for party, kind, usd in zip(book[other], book["kind"], book["usd"], strict=True):
        key = str(party), str(kind) if into_buyer else purpose(str(kind))
        sums[key] = sums.get(key, 0.0) + float(usd)
    for (party, kind), usd in sums.items():
        yield party, kind, usd


def _party(case: Case, column: str, party: str) -> Node:
    return Node(column, party_label(case, party), _PARTY.get(party, "#4f6375"))


def _through(node: Node, links: list[Link]) -> float:
    """Money through a node: what comes in or what goes out, whichever is more [USD]."""
    into = sum(link.usd for link in links if link.end == node)
    return max(into, sum(link.usd for link in links if link.start == node))


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.30)"


def _title(results: Results) -> str:
    circles = results.summary["circularity"]
    rows = [row for row in circles if min(row["invested_usd"], row["returned_usd"]) > 1.0]
    if not rows:
        buyer = results.case.scenario.buyer
        paid = float(results.book.loc[results.book["payer"] == buyer, "usd"].sum())
        return f"{party_label(results.case, buyer)} pays {pretty(paid, 'USD')} over the horizon"
    most = max(rows, key=lambda row: float(row["returned_usd"]))
    name = party_label(results.case, most["investor"])
    back, put = pretty(most["returned_usd"], "USD"), pretty(most["invested_usd"], "USD")
    return f"{name}: {put} in as equity, {back} back as revenue, {most['share']:.2f} dollars a dollar"
