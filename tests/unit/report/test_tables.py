"""Tables print what the catalogue and a run hold, with units, and say why where there is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console, RenderableType

from gigawatt.catalog.load import load_catalog
from gigawatt.catalog.schema import Deal, Model, Site, System
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact
from gigawatt.perf.search import basis_of
from gigawatt.perf.serving import serving_point
from gigawatt.report import tables
from gigawatt.report.cite import by_group, citation, counts, group_of, judgement_rows, source_rows
from gigawatt.report.values import number_text, range_text, spread
from gigawatt.study.results import Results, rests_on

CATALOG = load_catalog()


def printed(what: RenderableType, width: int = 160) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def claim(**changes: Any) -> dict[str, Any]:
    return {
        "id": "S0.1", "statement": "a statement", "announced": "10 GW", "low": 7.0, "central": 8.0, "high": 9.0,
        "unit": "GW", "reading": "IT power", "verdict": "holds", "sources": ["S0"],
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (tables.system_rows, System),
        (tables.model_rows, Model),
        (tables.site_rows, Site),
        (tables.deal_rows, Deal),
    ],
    ids=["systems", "models", "sites", "deals"],
)
def test_lists_hold_every_entry(rows: Any, kind: Any) -> None:
    assert [row["id"] for row in rows(CATALOG)] == [entry.id for entry in CATALOG.all(kind)]


@pytest.mark.parametrize("folder", ["systems", "models", "sites", "deals", "workloads", "references"])
def test_printed_lists_name_every_entry(folder: str) -> None:
    text = printed(tables.show(CATALOG, folder))
    assert all(name in text for name in CATALOG.entries[folder])


@pytest.mark.parametrize("folder", ["systems", "models", "sites", "deals", "workloads", "software", "costs"])
def test_every_entry_can_be_shown(folder: str) -> None:
    for name, entry in CATALOG.entries[folder].items():
        text = printed(tables.show(CATALOG, folder, name))
        assert entry.name in text
        assert all(row["text"] in text for row in tables.entry_rows(entry) if " " not in row["text"])


def test_an_entry_shows_what_was_not_chosen() -> None:
    system = CATALOG.system("gb200-nvl72")
    text = printed(tables.show_entry(system))
    row = next(row for row in tables.entry_rows(system) if row["place"] == "it_power")
    assert row["text"] == "132 kW"
    assert row["range"] == "120 kW to 145 kW"
    assert row["alternatives"][0]["text"] == "120 kW"
    assert text.count("not chosen") == sum(len(row["alternatives"]) for row in tables.entry_rows(system)) > 0
    assert "it_power *" in text


def test_an_undisclosed_system_says_so() -> None:
    refusal = CATALOG.system("jalapeno").refusal
    rows = tables.compare_rows(CATALOG, ["jalapeno"])
    assert rows[0]["refusal"] == refusal
    for what in (
        tables.show(CATALOG, "systems"),
        tables.show(CATALOG, "systems", "jalapeno"),
        tables.compare_table(rows),
    ):
        assert refusal in " ".join(printed(what).split())


def test_unknown_names_are_refused_with_a_sentence() -> None:
    with pytest.raises(CatalogError, match="the catalogue has no 'racks'; it has systems"):
        tables.show(CATALOG, "racks")
    with pytest.raises(CatalogError, match="did you mean"):
        tables.show(CATALOG, "systems", "gb20-nvl72")
    with pytest.raises(CatalogError, match="training class"):
        tables.compare_rows(CATALOG, ["gb200"], workloads=["research"])


def test_comparison_is_of_the_whole_unit() -> None:
    row = tables.compare_rows(CATALOG, ["gb200"])[0]
    assert row["peak_flops"]["dense"]["fp8"] == pytest.approx(72 * 5e15)
    assert row["memory_bytes"] == pytest.approx(72 * 186e9)
    assert row["per_w"]["bandwidth_bytes_per_s"] == pytest.approx(72 * 8e12 / 132e3)
    assert row["price_usd_per_w"] == pytest.approx(3.4e6 / 132e3)
    assert row["per_usd"]["memory_bytes"] == pytest.approx(72 * 186e9 / 3.4e6)


def test_comparison_keeps_vendor_figures_apart_from_dense() -> None:
    row = tables.compare_rows(CATALOG, ["vr-nvl72"])[0]
    assert row["peak_flops"]["inference"]["fp4"] > row["peak_flops"]["dense"]["fp4"]
    text = printed(tables.compare_table([row]))
    assert text.index("Peak, dense") < text.index("Peak, inference") < text.index("Peak, training")


def test_comparison_serves_as_the_model_says() -> None:
    system, workload = CATALOG.system("gb300"), CATALOG.workload("chat")
    point = serving_point(system, workload, CATALOG.model(workload.model or ""), basis_of(CATALOG))
    shown = tables.compare_rows(CATALOG, ["gb300"], workloads=["chat"])[0]["serving"]["chat"]
    assert shown["tokens_per_s_per_w"] == pytest.approx(point.output_tokens_per_s / point.it_power_w)
    assert shown["tokens_per_s_per_w_low"] <= shown["tokens_per_s_per_w"] <= shown["tokens_per_s_per_w_high"]


def test_comparison_gives_the_reason_where_a_class_is_not_served() -> None:
    rows = tables.compare_rows(CATALOG, ["vr-nvl144-cpx"])
    point = rows[0]["serving"]["open-chat-70b"]
    assert "tokens_per_s" not in point
    assert point["reason"]
    assert f"not served: {point['reason']}" in " ".join(printed(tables.compare_table(rows)).split())


def test_summary_prints_the_key_figures(neocloud: Results) -> None:
    text = printed(tables.summary_table(neocloud))
    rows = tables.summary_rows(neocloud)
    assert neocloud.hash in text
    assert all(row["text"] in text for row in rows)
    accepted = next(row for row in rows if row["id"] == "accepted")
    assert accepted["text"] == f"{neocloud.summary['gw_by_quarter'][neocloud.case.labels[-1]] * 1e3:.3g} MW"
    assert len(tables.quarter_rows(neocloud)) == len(neocloud.case.quarters)


def test_quarters_carry_the_balance_of_the_plan(neocloud: Results) -> None:
    last = tables.quarter_rows(neocloud)[-1]
    assert last["cash_usd"] == float(neocloud.plan["cash_usd"].values[-1])
    assert last["accepted_facility_w"] == neocloud.summary["gw_by_quarter"][last["quarter"]] * 1e9


def test_scarce_things_are_priced_with_their_unit(announcement: Results) -> None:
    rows, prices = tables.worth_rows(announcement), announcement.summary["shadow_prices"]
    assert len(rows) == len(prices) > 0
    megawatts = [row for row, price in zip(rows, prices, strict=True) if price["unit"] == "USD/MW"]
    assert all(row["text"].startswith("$") and row["text"].endswith(" per MW") for row in megawatts)
    assert "one more facility MW energised" in printed(tables.summary_table(announcement))


def test_claims_are_grouped_under_their_statement() -> None:
    rows = [claim(), claim(reading="facility power", central=10.0, verdict="holds if half is leased")]
    text = printed(tables.claims_table(rows), width=240)
    assert text.count("a statement") == 1
    assert "8 GW" in text
    assert "7 to 9 GW" in text
    assert "facility power" in text
    assert "holds if half is leased" in text


def test_a_reason_is_said_beside_a_reading_and_in_place_of_none() -> None:
    rows = [claim(verdict="input: deal nvidia-groq"), claim(id="S9.9", reading="", verdict="not computable: no market")]
    text = printed(tables.claims_table(rows), width=240)
    assert "input: deal nvidia-groq" in text
    assert "not computable: no" not in text
    assert "no market" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("8 GW", "7 to 9 GW")),
        ({"unit": "USD bn per GW"}, ("$8B per GW", "$7B per GW to $9B per GW")),
        ({"unit": "USD bn", "central": -8.0, "low": None}, ("-$8B", "")),
        ({"low": 8.0, "high": 8.0}, ("8 GW", "")),
        ({"unit": "x of 2025", "low": None}, ("8x of 2025", "")),
        ({"high": float("inf")}, ("8 GW", "7 GW or more")),
        ({"central": None, "low": None, "high": None}, ("", "")),
        ({"central": 2511.0, "unit": "token/s per user", "low": None}, ("2,511 token/s per user", "")),
    ],
)
def test_claim_figures_have_their_unit(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert tables.claim_text(claim(**changes)) == expected


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [
        ("holds", "good"),
        ("fails", "bad"),
        ("holds if dies are meant", "part"),
        ("holds if leased", "part"),
        ("input: deal nvidia-groq", "given"),
        ("not computable: no market model", "open"),
    ],
)
def test_verdicts_have_a_tone(verdict: str, tone: str) -> None:
    assert tables.verdict_tone(verdict) == tone


def test_figures_are_written_in_their_own_unit() -> None:
    share = Fact(value=0.94, unit="", text="94 %", source=(), kind="judgement", as_of="", low=0.9, high=0.96)
    date = Fact(value=4 * 2026 + 2, unit="quarter", text="2026Q3", source=(), kind="press", as_of="", low=8104.0)
    lag = Fact(value=10.0, unit="s", text="10 s", source=(), kind="judgement", as_of="", low=0.0, high=20.0)
    assert range_text(share) == "90 % to 96 %"
    assert range_text(date) == "2026Q1 to 2026Q3"
    assert number_text(0.0, lag) == "0 s"
    assert spread(share) == pytest.approx(0.96 / 0.9)
    assert spread(date) is None
    assert spread(lag) is None


def test_citation_puts_judgements_first_and_every_source_after(neocloud: Results) -> None:
    case = neocloud.case
    text = printed(citation(neocloud), width=200)
    found = [fact for _, fact in rests_on(case)]
    assert len(judgement_rows(case)) == sum(fact.kind == "judgement" for fact in found) > 0
    assert {row["key"] for row in source_rows(case)} == {key for fact in found for key in fact.source}
    assert sum(len(row["figures"]) for row in source_rows(case)) == sum(len(fact.source) for fact in found)
    assert sum(counts(case).values()) == len(found)
    assert text.index("Judgements (") < text.index("Sources (")
    assert sum(len(rows) for rows in by_group(judgement_rows(case)).values()) == len(judgement_rows(case))


def test_places_are_grouped_by_entry() -> None:
    assert group_of("models/llama-3.1-8b.params_total") == "models/llama-3.1-8b"
    assert group_of("costs.shell") == "costs"
    assert group_of("scenario.offers[2].price") == "scenario.offers"
