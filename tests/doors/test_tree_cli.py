"""``gigawatt tree`` as people and scripts meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gigawatt.plan.decompose import Decomposition
from tests.doors.inside import called, refused

SMALL = ("tree", "neocloud", "--branches", "2027Q4", "--workers", "1", "--regret", "2")


def test_json_alone() -> None:
    code, out, error = called(*SMALL, "--cvar", "0.5:0.5", "--json")
    body = json.loads(out)
    assert code == 0
    assert body["branches"] == ["2027Q4"] and len(body["leaves"]) == 4 and len(body["regret"]) == 4
    assert body["gap_frac"] <= 0.005 and body["violation"] < 1e-5
    assert body["foresight_usd"] <= body["upper_usd"] and body["evpi_usd"][0] <= body["evpi_usd"][1]
    assert "round 1: between" in error
    # half of the risk-weighted cost is the expected cost, half the mean of the worst half
    assert body["upper_usd"] == pytest.approx(0.5 * body["expected_usd"] + 0.5 * body["cvar_usd"])
    assert body["cost_error"] < 1e-9 and body["upper_without_charge_usd"] <= body["upper_usd"] * (1 + 1e-12)  # added up
    assert {"rents", "chips", "energy", "tokens", "buildings"} == set(body["outcomes"][0]["prices"])
    for row in (body["mean_orders"], body["central_orders"], *body["regret"]):
        assert row["works"] and 0.0 <= row["least_more_usd"] <= row["more_usd"]
    assert body["mean_orders"]["orders_planned_at_usd"] != body["central_orders"]["orders_planned_at_usd"]
    assert {name: row["when"] for row in body["decided"] for name in row["families"]}["add"].startswith("a lead before")


def test_lumps_before_the_first_branch_come_whole(tmp_path: Path) -> None:
    called("new", str(tmp_path / "my.yaml"))
    small = ("tree", str(tmp_path / "my.yaml"), "--workers", "1", "--regret", "0")
    hall = (
        (tmp_path / "my.yaml")
        .read_text(encoding="utf-8")
        .replace("tenure: lease", "hall: 0.5 MW\n    tenure: lease", 1)
    )
    (tmp_path / "my.yaml").write_text(hall, encoding="utf-8")
    _, out, _ = called(*small, "--json")
    code, whole, said = called(*small, "--lumps", "--json")
    relaxed, body = json.loads(out), json.loads(whole)
    assert code == 0 and relaxed["lumps"] == 0 and body["lumps"] > 0 and body["lumps_whole"]
    assert "now comes whole" in said
    assert body["lower_usd"] >= relaxed["lower_usd"] * (1.0 - 0.005) and body["gap_frac"] <= 0.005
    code, out, _ = called(*small, "--lumps")
    assert "decisions before the first branch come whole; later ones are amounts." in out


def test_tables_and_a_picture_for_people(tmp_path: Path) -> None:
    code, out, _ = called(*SMALL, "--figure", str(tmp_path / "fan.html"))
    assert code == 0
    assert "high demand, late" in (tmp_path / "fan.html").read_text(encoding="utf-8")
    for text in ("What may happen", "Regret of other orders", "Value of perfect information", "stochastic solution"):
        assert text in out


def test_a_search_that_is_stopped_says_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Decomposition._minimum
    rounds = []

    def stopped(self: Decomposition, *bounds: float) -> object:
        rounds.append(1)
        if len(rounds) > 2:
            raise KeyboardInterrupt
        return asked(self, *bounds)

    monkeypatch.setattr(Decomposition, "_minimum", stopped)
    code, out, error = called(*SMALL, "--gap", "0%")
    assert code == 130 and "What may happen" in out
    assert "Stopped: the best plan so far costs" in error and "no plan costs less than" in error


def test_refusals() -> None:
    assert "--gap is 'much'; write a share, for example 0.5% or 0.005" in refused(*SMALL[:2], "--gap", "much")
    assert "--cvar is '0.9'; write LEVEL:WEIGHT" in refused(*SMALL[:2], "--cvar", "0.9")
    assert "--cvar is '1:0.5': the level of the tail is 1" in refused(*SMALL[:2], "--cvar", "1:0.5")
    assert "'1999Q1' is no quarter of the horizon, which runs from" in refused(*SMALL[:2], "--branches", "1999Q1")
