"""``gigawatt simulate`` and the loop of ``gigawatt run --simulate`` as people and scripts meet them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.doors.inside import called, refused

WORDS = ("simulate", "neocloud", "--quarter", "2027Q3", "--requests", "20000")


def _plain(row: dict[str, object]) -> dict[str, object]:
    return {**row, "kernel_s": 0}


def test_json_alone_with_every_class_of_the_plan() -> None:
    code, out, error = called(*WORDS, "--json", "--seed", "3")
    body = json.loads(out)
    assert code == 0
    assert body["quarter"] == "2027Q3" and body["complete"]
    assert {row["class"] for row in body["classes"]} >= {"open-chat-70b", "open-small-8b"}
    for row in body["classes"]:
        assert row["completed"] == row["requests"] > 0
        assert 0.0 <= row["attained_frac"] <= 1.0
        assert row["ttft_s"]["p50"] <= row["ttft_s"]["p99"]
        assert row["energy_j"] > 0.0
        assert row["is_stable"] in (True, False)
    assert {one["lane"] for one in body["replicas"]} >= {"us-south|hgx-h200>open-chat-70b"}
    assert "to go" not in error or "of about" in error


def test_the_same_seed_says_the_same_on_any_threads() -> None:
    first, second = (
        json.loads(called(*WORDS, "--json", "--seed", "5", "--threads", n)[1])["classes"] for n in ("1", "2")
    )
    assert [_plain(row) for row in first] == [_plain(row) for row in second]


def test_a_table_for_people_and_what_replicas_yield() -> None:
    code, out, error = called(*WORDS)
    assert code == 0
    assert "neocloud, 2027Q3, peak day" in out and "TTFT p50" in out and "open-chat-70b" in out
    assert re.search(r"hgx-h200>open-chat-70b: a replica yields [\d,]+ tokens/s of [\d,]+ planned", out)
    assert re.search(r"simulating about [\d,]+ requests in \d+ cells", error)


def test_quarters_days_and_names_that_are_none() -> None:
    sentence = refused(*WORDS[:4], "--day", "sunday")
    assert "--day is 'sunday'; it is peak or ordinary" in sentence
    assert "is not there; an interrupted simulation says" in refused(*WORDS[:4], "--resume", "nosuch.npz")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "neocloud", "--simulate", "2027Q3,2027Q9"), "2027Q9 is not in the plan; it runs from 20"),
        (("simulate", "neocloud", "--quarter", "2050Q1"), "2050Q1 is not in the plan; it runs from 20"),
        ((*WORDS[:4], "--without", "failures,rain"), "'rain' cannot be left out; what can is latency, failures"),
    ],
)
def test_what_is_not_there_is_refused_before_the_plan_is_made(
    words: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gigawatt.plan.solve.open_plan", None)
    assert refused(*words).startswith(f"ScenarioError: {sentence}")


def test_about_as_many_requests_as_asked_for_are_simulated() -> None:
    _, _, error = called(*WORDS[:4], "--requests", "200000", "--json")
    told = re.search(r"simulating about ([\d,]+) requests", error)
    assert told is not None
    assert int(told[1].replace(",", "")) == pytest.approx(200_000, rel=0.05)


def test_what_is_stopped_is_kept_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gigawatt.study import fleet

    words = (*WORDS, "--threads", "1", "--json")
    whole = json.loads(called(*words)[1])["classes"]
    plain, begun = fleet.simulate_cell, []

    def stops(*args: object, **more: object) -> object:
        begun.append(1)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return plain(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(fleet, "simulate_cell", stops)
    code, out, error = called(*words, cwd=tmp_path)
    assert code == 130
    assert not json.loads(out)["complete"]
    told = re.search(r"--resume (\S+\.npz) goes on", error)
    assert told is not None and "stopped after" in error
    monkeypatch.setattr(fleet, "simulate_cell", plain)
    code, out, _ = called(*words, "--resume", told[1], cwd=tmp_path)
    assert code == 0
    assert [_plain(row) for row in json.loads(out)["classes"]] == [_plain(row) for row in whole]
    sentence = refused(*words, "--seed", "9", "--resume", str(tmp_path / told[1]))
    assert "is of another simulation; resume it with the same scenario, quarter, size and seed" in sentence


def test_a_trace_in_place_of_drawn_requests(tmp_path: Path) -> None:
    rows = [f"{0.05 * k:.2f},{200 + k},20,{'open-chat-70b' if k % 2 else 'open-small-8b'}" for k in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["arrival_s,input_tokens,output_tokens,class", *rows]), encoding="utf-8")
    words = ("simulate", "neocloud", "--quarter", "2027Q3", "--trace", str(tmp_path / "t.csv"))
    code, out, _ = called(*words, "--json")
    assert code == 0
    found = {row["class"]: row for row in json.loads(out)["classes"]}
    assert set(found) == {"open-chat-70b", "open-small-8b"}
    for row in found.values():
        assert row["completed"] == row["requests"] > 100 == row["trace_requests"]
        assert row["hours"] == pytest.approx(600.0 / 3600.0)  # of the fleet's time, not of the file's
    code, out, _ = called(*words)
    assert re.search(r"open-chat-70b: the trace is short and was sent [\d,]+ times", out)
    assert "'nosuch' is neither a file nor a public trace" in refused(*words[:4], "--trace", "nosuch")


@pytest.mark.slow
def test_a_plan_is_made_to_hold_what_it_promises(tmp_path: Path) -> None:
    code, out, error = called("run", "neocloud", "--simulate", "2027Q3", "--out", str(tmp_path), "--json")
    assert code == 0
    body = json.loads(out)
    found = body["simulated"]
    assert 2 <= found["rounds"] <= 5
    first = [row for row in found["attained"] if row["round"] == 1]
    assert found["residual_frac"] < max(row["needed_frac"] - row["attained_frac"] for row in first)
    assert found["costs_more_usd"] > 0.0  # less output a watt never costs less
    assert "planning again with" in error and "residual: " in error
    page = Path(body["report"]).read_text(encoding="utf-8")
    assert (
        "Planned and simulated" in page and "open-chat-70b" in page and found["residual"].split(":")[0] in page.lower()
    )
