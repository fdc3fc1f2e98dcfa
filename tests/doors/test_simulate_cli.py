"""``gigawatt simulate`` and the loop of ``gigawatt run --simulate`` as people and scripts meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doors.inside import called, refused


def test_json_alone_with_every_class_of_the_plan() -> None:
    code, out, _ = called("simulate", "neocloud", "--quarter", "2027Q3", "--requests", "20000", "--json", "--seed", "3")
    body = json.loads(out)
    assert code == 0
    assert body["quarter"] == "2027Q3" and body["complete"]
    assert {row["class"] for row in body["classes"]} >= {"open-chat-70b", "open-small-8b"}
    for row in body["classes"]:
        assert row["completed"] == row["requests"] > 0
        assert 0.0 <= row["attained_frac"] <= 1.0
        assert row["ttft_s"]["p50"] <= row["ttft_s"]["p99"]
        assert row["energy_j"] > 0.0


def test_the_same_seed_says_the_same() -> None:
    words = ("simulate", "neocloud", "--quarter", "2027Q3", "--requests", "20000", "--json", "--seed", "5")
    first, second = (json.loads(called(*words)[1])["classes"] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert {**a, "kernel_s": 0} == {**b, "kernel_s": 0}


def test_a_table_for_people() -> None:
    code, out, _ = called("simulate", "neocloud", "--quarter", "2027Q3", "--requests", "20000")
    assert code == 0
    assert "neocloud, 2027Q3, peak day" in out and "TTFT p50" in out and "open-chat-70b" in out


def test_quarters_and_days_that_are_none() -> None:
    sentence = refused("simulate", "neocloud", "--quarter", "2050Q1")
    assert "2050Q1 is not in the plan; it runs from" in sentence
    sentence = refused("simulate", "neocloud", "--quarter", "2027Q3", "--day", "sunday")
    assert "--day is 'sunday'; it is peak or ordinary" in sentence


def test_a_trace_in_place_of_drawn_requests(tmp_path: Path) -> None:
    rows = [f"{0.05 * k:.2f},{200 + k},20,{'open-chat-70b' if k % 2 else 'open-small-8b'}" for k in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["arrival_s,input_tokens,output_tokens,class", *rows]), encoding="utf-8")
    words = ("simulate", "neocloud", "--quarter", "2027Q3", "--trace", str(tmp_path / "t.csv"), "--json")
    code, out, _ = called(*words)
    assert code == 0
    found = {row["class"]: row for row in json.loads(out)["classes"]}
    assert set(found) == {"open-chat-70b", "open-small-8b"}
    assert all(row["completed"] == row["requests"] == 100 for row in found.values())
    assert "'nosuch' is neither a file nor a public trace" in refused(*words[:4], "--trace", "nosuch")


@pytest.mark.slow
def test_a_plan_is_made_to_hold_what_it_promises(tmp_path: Path) -> None:
    code, out, error = called("run", "neocloud", "--simulate", "2027Q3", "--out", str(tmp_path), "--json")
    assert code == 0
    body = json.loads(out)
    found = body["simulated"]
    assert 2 <= found["rounds"] <= 5
    assert found["residual_frac"] < max(row["needed_frac"] - row["attained_frac"] for row in found["attained"])
    assert found["costs_more_usd"] > 0.0  # less output a watt never costs less
    assert "planning again with" in error
    page = Path(body["report"]).read_text(encoding="utf-8")
    assert "Planned and simulated" in page and "open-chat-70b" in page
