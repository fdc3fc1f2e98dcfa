"""``gigawatt speed``, and scenarios with tiers, regions and demand curves, as people meet them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.study.resolve import resolve
from gigawatt.study.run import run
from gigawatt.study.scenario import load_scenario
from tests.cases.broken import answer, changed
from tests.doors.inside import called, refused

PRICE = "      value: $0.25/Mtok"
POLICY = "  reserve: 5 %"
BOTH = "      price: $0.25/Mtok # what customers pay for output tokens: income in the books\n"


def tiers(*rows: str) -> str:
    return PRICE.replace("      value", f"      speeds: [{', '.join(rows)}]\n      value")


def region(share: str, more: str = "us-south: 30 ms") -> str:
    return f"{{region: here, share: {share}, utc: -6, round_trip: {{{more}}}}}"


FIRST = "{speed: 100 tok/s, value: $1/Mtok, share: 30 %}"
WRONG = {
    "tier-not-faster": (
        PRICE, tiers("{speed: 25 tok/s, value: $1/Mtok, share: 30 %}"),
        "my.yaml: demand.inference[0].speeds[0]: 25 tok/s is no faster than the class's own 25 tok/s; name faster tiers",
    ),
    "tier-not-worth-more": (
        PRICE, tiers("{speed: 100 tok/s, value: $0.25/Mtok, share: 30 %}"),
        "my.yaml: demand.inference[0].speeds[0]: $0.25/Mtok is no more than the class's own $0.25/Mtok; "
        "give the whole value of a token at that speed",
    ),
    "tiers-fall": (
        PRICE, tiers(FIRST, "{speed: 200 tok/s, value: $0.9/Mtok, share: 10 %}"),
        "my.yaml: demand.inference[0]: 'open-chat-70b': 200 tok/s at $0.9/Mtok follows 100 tok/s at $1/Mtok; "
        "tiers rise in speed and in value",
    ),
    "more-for-faster": (
        PRICE, tiers(FIRST, "{speed: 200 tok/s, value: $2/Mtok, share: 40 %}"),
        "my.yaml: demand.inference[0]: 'open-chat-70b': 40 % would pay for 200 tok/s, more than the 30 % for 100 tok/s; "
        "a share counts those of all faster tiers",
    ),
    "tiers-of-what-waits": (
        "    - workload: open-chat-70b", f"    - workload: batch\n      speeds: [{FIRST}]",
        "my.yaml: demand.inference[0].speeds: 'batch' can wait; tiers of speed are for work served at once",
    ),
    "curve-and-price": (
        PRICE, "      curve: {steps: [{price: $1/Mtok, volume: 1}, {price: $0.5/Mtok, volume: 2}]}\n" + PRICE,
        "my.yaml: demand.inference[0].curve: the steps hold the prices; drop price, value and speeds",
    ),
    "curve-rises": (
        PRICE, "      curve: {steps: [{price: $1/Mtok, volume: 1}, {price: $2/Mtok, volume: 2}]}\n" + PRICE,
        "my.yaml: demand.inference[0].curve: 2 at $2/Mtok after 1 at $1/Mtok: steps run from the dearest down, and each "
        "sells more than the one before",
    ),
    "regions-in-part": (
        "demand:\n", f"demand:\n  regions: [{region('60 %')}]\n",
        "my.yaml: demand.regions: the shares add up to 0.6, not 1",
    ),
    "no-time-to-a-site": (
        "demand:\n", f"demand:\n  regions: [{region('100 %', 'eu-north: 30 ms')}]\n",
        "my.yaml: demand.regions[0].round_trip: no time from 'here' to 'us-south', where sites stand; give one for each of "
        "us-south",
    ),
    "nothing-survives-alone": (
        POLICY, "  survive: {classes: [chat]}\n" + POLICY,
        "my.yaml: policy.survive: all sites stand in 'us-south'; nothing survives without another region",
    ),
    "survivor-unknown": (
        POLICY, "  survive: {classes: [chatter]}\n" + POLICY,
        "my.yaml: policy.survive.classes: 'chatter' is not a class of inference here (chat)",
    ),
    "spares-and-reserve": (
        POLICY, "  spares: {spare: 1, running: 9}\n" + POLICY,
        "my.yaml: policy: 1 spare for 9 running keeps 10 % free, the reserve 5 %; write one of them, or spares as units "
        "beside the reserve",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), list(WRONG.values()), ids=list(WRONG))
def test_exact_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert answer(changed(tmp_path, old, new)) == message


def test_json_alone_with_every_curve(tmp_path: Path) -> None:
    code, out, _ = called("speed", "--scales", "1,4", "--without", "groq-3-lpx", "--json", "--out", str(tmp_path))
    body = json.loads(out)
    assert code == 0
    assert list(body["curves"]) == ["as stated", "without software speed-ups", "without groq-3-lpx"]
    assert "cs-3" in body["low_latency_systems"] and body["seed_share"] == 0.1
    for curve in body["curves"].values():
        assert [point["scale"] for point in curve["points"]] == [1.0, 4.0]
        for point in curve["points"]:
            assert 0.0 < point["tokens_share"] < 1.0
            assert sum(point["share_at_speed"].values()) == pytest.approx(1.0)
    assert Path(body["page"]).is_file()


def test_table_for_people() -> None:
    code, out, _ = called("speed", "value-of-speed", "--scales", "1", "--without", "none")
    assert code == 0
    assert "of power" in out and "without Groq" not in out
    assert re.search(r"as stated: \d+\.\d % at 1 times the stated worth of speed; ", out)


def test_scenarios_without_tiers_and_wrong_words() -> None:
    assert "neocloud.yaml: no class has speeds; give one tiers under demand.inference" in refused("speed", "neocloud")
    assert "--scales is '-1,1'; write factors of 0 and more, for example 0,0.1,1,10" in refused(
        "speed", "--scales=-1,1"
    )
    assert "value-of-speed.yaml: no offer of 'tpu-v7'; offered are cs-3" in refused("speed", "--without", "tpu-v7")


def sold(tmp_path: Path, curve: str) -> Path:
    path = changed(tmp_path, BOTH, f"      curve: {curve}\n")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(PRICE)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("pricing", ["one-price", "own-price"])
def test_books_of_a_demand_curve_agree_with_the_plan(tmp_path: Path, pricing: str) -> None:
    """What customers pay in the ledger is what the plan's account received, and the steps that do not pay are left."""
    steps = "[{price: $0.4/Mtok, volume: 0.6}, {price: $0.25/Mtok, volume: 1}, {price: $0.02/Mtok, volume: 3}]"
    results = run(load_scenario(sold(tmp_path, f"{{pricing: {pricing}, steps: {steps}}}")))
    book = results.book
    buyer = results.case.scenario.buyer
    out = book.loc[book["payer"] == buyer].groupby("quarter")["usd"].sum()
    into = book.loc[book["payee"] == buyer].groupby("quarter")["usd"].sum()
    net = into.reindex(results.case.labels, fill_value=0.0) - out.reindex(results.case.labels, fill_value=0.0)
    opening = results.case.scenario.funding.opening_cash.value
    assert (opening + net.cumsum()).to_numpy() == pytest.approx(results.plan["cash_usd"].values, rel=1e-6, abs=100.0)
    if pricing == "own-price":
        assert float(results.plan["priced_out"].isel(quarter=0).sum()) > 0.0, "$0.02 is less than a token costs"
    assert results.summary["unmet_share"] < 1.0


def test_books_of_sold_speed_agree_with_the_plan(tmp_path: Path) -> None:
    path = changed(tmp_path, PRICE, tiers(FIRST, "{speed: 200 tok/s, value: $2/Mtok, share: 10 %}"))
    case = resolve(load_scenario(path), load_catalog())
    assert case.scenario.demand.inference[0].speeds[1].share.value == pytest.approx(0.1)
    results = run(load_scenario(path))
    extra = results.plan["extra_income_usd"].sum()
    assert float(extra) > 0.0
    book = results.book
    sales = float(book.loc[book["kind"] == "sales", "usd"].sum())
    hours = [block.hours / 24.0 for block in results.case.scenario.blocks]
    tokens = (results.plan["served"].isel(workload=0).transpose("quarter", "block").values @ hours).sum() * 7.884e6
    assert sales == pytest.approx(0.25e-6 * tokens + float(extra), rel=1e-6)
