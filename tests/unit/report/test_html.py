"""One page that needs nothing else: all text escaped, every claim and source present, no address is loaded."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go
import pytest

from gigawatt.cli.common import as_text
from gigawatt.report.cite import citation, judgement_rows, source_rows
from gigawatt.report.html import page
from gigawatt.report.style import heading
from gigawatt.report.tables import summary_rows, summary_table
from gigawatt.study.results import Results, bibliography

EVIL = '<script>alert(1)</script> & "quotes"'


def claim(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"S9.{number}", "statement": f"statement {number}", "announced": "10 GW", "low": None,
        "central": 8.0 + number, "high": None, "unit": "GW", "reading": f"reading {number}", "verdict": "holds",
        "sources": ["S0", "S1"],
    } | changes  # fmt: skip


CLAIMS = [
    claim(1),
    claim(2, verdict="holds if leased"),
    claim(3, statement=EVIL, reading=EVIL, sources=["a", "b", "c", "d", "e"]),
    claim(4, central=None, verdict="not computable: no market model", reading="", unit=""),
]


class Reader(HTMLParser):
    """Addresses a browser would load, links, and the cells of the claims table."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.claims: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = dict(attrs)
        self.ids += [have["id"]] if have.get("id") else []  # type: ignore[list-item]
        if "src" in have or (tag == "link" and "href" in have):
            self.loads.append(have.get("src") or have.get("href") or "")
        if tag == "tr" and "data-tone" in have:
            self.claims.append(have)


@pytest.fixture(scope="module")
def html(neocloud: Results) -> str:
    return page(neocloud, CLAIMS)


@pytest.fixture(scope="module")
def own(html: str) -> str:
    """The page without plotly's own code."""
    start = max(re.finditer(r"<script>", html), key=lambda m: html.index("</script>", m.start()) - m.start()).start()
    return html[:start] + html[html.index("</script>", start) :]


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert reader.loads == ["data:,"]  # an empty icon, so that none is asked for
    assert 'src="http' not in html
    assert "@import" not in html
    assert html.count("plotly.js v") >= 1  # its code is inside


def test_every_claim_has_its_row_and_verdict(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert [row["data-tone"] for row in reader.claims] == ["good", "part", "good", "open"]
    for row in CLAIMS:
        assert f">{row['id']}</td>" in html
    assert ">9 GW</td>" in html
    assert "no market model" in html
    assert "5 sources" in html
    assert "all 4</button>" in html


def test_text_is_escaped(own: str, neocloud: Results) -> None:
    assert "<script>alert" not in own
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot;" in own
    scenario = neocloud.case.scenario.model_copy(update={"title": EVIL, "description": EVIL})
    case = dataclasses.replace(neocloud.case, scenario=scenario)
    again = page(dataclasses.replace(neocloud, case=case), [])
    assert "<script>alert" not in again
    assert "<h1>&lt;script&gt;" in again


@pytest.mark.parametrize("url", ["http://[", "javascript:alert(1)", 'https://a"><script>alert(1)</script>'])
def test_an_address_is_a_link_or_nothing(neocloud: Results, url: str) -> None:
    """What no parser takes for an address is text of a link all the same; what is no page of the web is none."""
    catalog = neocloud.case.catalog
    sources = {key: one.model_copy(update={"url": url}) for key, one in catalog.sources.items()}
    case = dataclasses.replace(neocloud.case, catalog=dataclasses.replace(catalog, sources=sources))
    made = page(dataclasses.replace(neocloud, case=case), [])
    assert "<script>alert" not in made
    assert 'href="javascript' not in made


def test_a_title_cannot_end_an_entry_of_the_bibliography(neocloud: Results) -> None:
    catalog = neocloud.case.catalog
    sources = {key: one.model_copy(update={"title": "a}\n}@misc{b"}) for key, one in catalog.sources.items()}
    case = dataclasses.replace(neocloud.case, catalog=dataclasses.replace(catalog, sources=sources))
    made, plain = bibliography(case), bibliography(neocloud.case)
    assert "title = {a @miscb}," in made
    assert [made.count(sign) for sign in "{}"] == [plain.count(sign) for sign in "{}"]


def test_brackets_in_names_are_no_markup(neocloud: Results) -> None:
    """Rich would take [/x] for the end of a style that never began, and :smile: for a picture."""
    case = neocloud.case
    scenario = case.scenario.model_copy(update={"title": "a [/x] [bold]b :smile:"})
    system = case.offers[0].system.model_copy(update={"name": "c [/y]"})
    offers = tuple(dataclasses.replace(offer, system=system) for offer in case.offers)
    evil = dataclasses.replace(neocloud, case=dataclasses.replace(case, scenario=scenario, offers=offers))
    assert "a [/x] [bold]b :smile:" in as_text(summary_table(evil))
    assert as_text(citation(evil))
    assert "d [/z] :smile:" in as_text("d [/z] :smile:")


def test_titles_of_figures_are_text() -> None:
    figure = go.Figure(layout={"title": {"text": "a <b>[/x]<br>b &amp; c", "subtitle": {"text": "<img src=x>"}}})
    assert heading(figure) == ("a &lt;b&gt;[/x] b &amp; c", "&lt;img src=x&gt;")


def test_names_in_figures_cannot_end_the_script(neocloud: Results) -> None:
    system = neocloud.case.offers[0].system.model_copy(update={"name": "</script><b>x"})
    offers = tuple(
        dataclasses.replace(offer, system=system) if offer.system.id == system.id else offer
        for offer in neocloud.case.offers
    )
    evil = page(dataclasses.replace(neocloud, case=dataclasses.replace(neocloud.case, offers=offers)), [])
    assert "</script><b>x" not in evil


def test_ids_are_unique_and_every_figure_has_its_place(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert len(set(reader.ids)) == len(reader.ids)
    drawn = re.findall(r'data-figure="([^"]+)"', html)
    assert len(drawn) >= 9
    assert set(drawn) <= set(reader.ids)


def test_figures_are_json_a_browser_reads(html: str) -> None:
    texts = re.findall(r'<script type="application/json" data-figure="[^"]+">(.*?)</script>', html, re.DOTALL)
    for text in texts:
        figure = json.loads(text)
        assert figure["data"]
        assert "title" not in figure["layout"] or not figure["layout"]["title"].get("text")


def test_key_figures_judgements_and_sources_are_all_there(own: str, neocloud: Results) -> None:
    assert all(f'<div class="value">{row["text"]}</div>' in own for row in summary_rows(neocloud))
    assert neocloud.hash in own
    assert f"gigawatt run {neocloud.case.scenario.name}" in own
    assert f"Judgements ({len(judgement_rows(neocloud.case))})" in own
    assert own.count('<td class="key">') == len(source_rows(neocloud.case))
    assert own.index("Judgements (") < own.index("Sources (")


def test_sections_follow_the_readers_questions(own: str) -> None:
    order = re.findall(r'<section id="([^"]+)">', own)
    assert order == ["power", "demand", "money", "tokens-cost", "claims", "rests-on", "reproduce"]


def test_a_run_without_claims_has_no_claims_section(neocloud: Results) -> None:
    assert 'id="claims"' not in page(neocloud)


def test_the_page_is_html(html: str) -> None:
    assert html.startswith("<!doctype html>")
